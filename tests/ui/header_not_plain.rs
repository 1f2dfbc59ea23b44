use ringway::prelude::*;

#[derive(Message)]
#[message(copy, header = String)]
#[repr(transparent)]
struct Frame([u8]);

fn main() {}
