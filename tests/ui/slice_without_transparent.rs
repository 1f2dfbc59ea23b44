use ringway::prelude::*;

#[derive(Message)]
#[message(copy)]
struct Frame([u8]);

fn main() {}
