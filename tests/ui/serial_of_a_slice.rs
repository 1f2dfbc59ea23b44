use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Frame([u8]);

fn main() {}
