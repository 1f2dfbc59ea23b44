use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Add {
    amount: u64,
    exact: bool,
}

fn main() {}
