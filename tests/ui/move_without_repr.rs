use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move)]
struct Add {
    amount: u64,
}

fn main() {}
