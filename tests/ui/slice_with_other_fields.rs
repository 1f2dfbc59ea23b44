use ringway::prelude::*;

#[derive(Message)]
#[message(copy)]
#[repr(transparent)]
struct Frame {
    sequence: u64,
    bytes: [u8],
}

fn main() {}
