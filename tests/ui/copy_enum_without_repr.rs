use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(copy)]
enum Signal {
    Red,
    Green,
}

fn main() {}
