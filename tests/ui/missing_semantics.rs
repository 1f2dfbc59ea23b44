use ringway::prelude::*;

#[derive(Message)]
struct Add {
    amount: u64,
}

fn main() {}
