use ringway::prelude::*;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Pair<T> {
    both: [T; 2],
}

fn main() {}
