use ringway::prelude::*;

#[derive(Message, Clone, Copy, NoUninit, CheckedBitPattern)]
#[message(copy)]
#[repr(C)]
struct Sample {
    value: u64,
    valid: bool,
}

fn main() {}
