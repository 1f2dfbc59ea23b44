use ringway::prelude::*;

#[derive(Message)]
#[message]
struct Add {
    amount: u64,
}

fn main() {}
