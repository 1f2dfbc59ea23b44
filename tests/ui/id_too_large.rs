use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = 0x1_0000_0000_0000_0000)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
