use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Text<const LOUD: bool> {
    content: String,
}

fn main() {}
