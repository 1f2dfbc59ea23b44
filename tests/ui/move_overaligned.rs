use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C, align(128))]
struct Page {
    bytes: [u8; 128],
}

fn main() {}
