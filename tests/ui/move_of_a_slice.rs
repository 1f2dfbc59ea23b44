use ringway::prelude::*;

#[derive(Message)]
#[message(move)]
#[repr(transparent)]
struct Frame([u8]);

fn main() {}
