use ringway::prelude::*;

#[derive(Message)]
#[message(publish)]
struct Add {
    amount: u64,
}

fn main() {}
