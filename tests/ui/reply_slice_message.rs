use ringway::prelude::*;

#[derive(Message)]
#[message(copy)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Frame)]
#[repr(C)]
struct Add {
    amount: u64,
}

fn main() {}
