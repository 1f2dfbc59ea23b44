use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(copy)]
#[repr(C)]
struct Bytes<const N: usize> {
    bytes: [u8; N],
}

fn main() {}
