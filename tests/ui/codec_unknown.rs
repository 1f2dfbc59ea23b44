use ringway::prelude::*;

#[derive(Message)]
#[message(serial, codec = "json")]
struct Add {
    amount: u64,
}

fn main() {}
