use ringway::prelude::*;

struct Sum;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Sum)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
