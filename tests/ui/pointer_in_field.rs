use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Text {
    content: *const u8,
}

fn main() {}
