use ringway::prelude::*;

#[derive(Clone, Copy, Pod)]
#[repr(u8)]
enum Signal {
    Red,
}

fn main() {}
