use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(copy)]
struct Status {
    ready: bool,
}

fn main() {}
