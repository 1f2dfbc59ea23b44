use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, name = add)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
