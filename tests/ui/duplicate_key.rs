use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = 1, id = 2)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
