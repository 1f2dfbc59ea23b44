use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
