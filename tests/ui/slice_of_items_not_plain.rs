use ringway::prelude::*;

#[derive(Message)]
#[message(copy)]
#[repr(transparent)]
struct Names([String]);

fn main() {}
