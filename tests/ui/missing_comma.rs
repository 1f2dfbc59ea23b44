use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move id = 3)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
