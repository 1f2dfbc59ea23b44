use ringway::prelude::*;

#[derive(Message)]
#[message(copy)]
#[repr(transparent)]
struct Text(str);

fn main() {}
