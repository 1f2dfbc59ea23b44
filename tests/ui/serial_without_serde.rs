use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Text {
    content: String,
}

fn main() {}
