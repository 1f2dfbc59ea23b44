use ringway::prelude::*;

#[derive(Message)]
#[message(semantics = fast)]
struct Add {
    amount: u64,
}

fn main() {}
