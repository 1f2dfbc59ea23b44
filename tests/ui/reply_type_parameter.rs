use ringway::prelude::*;

#[derive(Message)]
#[message(serial, reply = T)]
struct Get<T> {
    default: T,
}

fn main() {}
