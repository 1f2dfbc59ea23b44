use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(copy)]
#[repr(u8)]
enum Signal {}

fn main() {}
