use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move)]
#[repr(C)]
union Number {
    whole: u64,
    real: f64,
}

fn main() {}
