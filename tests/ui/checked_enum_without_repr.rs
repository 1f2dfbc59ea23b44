use ringway::prelude::*;

#[derive(Clone, Copy, NoUninit, CheckedBitPattern)]
enum Signal {
    Red,
}

fn main() {}
