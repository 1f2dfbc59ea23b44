use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = "add")]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
