use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move)]
#[repr(u8)]
enum Signal {
    Red,
    Green,
}

fn main() {}
