use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(copy)]
#[repr(C)]
struct Status {
    ready: bool,
}

fn main() {}
