use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Sample {
    channel: u8,
    value: f64,
}

fn main() {}
