use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = [u8])]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
