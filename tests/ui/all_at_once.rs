use ringway::prelude::*;

#[derive(Message, Clone, Copy)]
#[message(move, serial, id = 0, name = "", prio = 3, reply = &'static str, version = x)]
struct Add {
    amount: &'static u64,
    to: *const u8,
}

fn main() {}
