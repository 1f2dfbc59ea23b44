use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Self)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
