use ringway::prelude::*;

#[derive(Message, Clone, Copy, NoUninit, CheckedBitPattern)]
#[message(copy, header = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
