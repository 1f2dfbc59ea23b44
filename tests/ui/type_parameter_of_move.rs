use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move)]
#[repr(C)]
struct Pair<T> {
    both: [T; 2],
}

fn main() {}
