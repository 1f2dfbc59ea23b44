use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, name = "add\n")]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
