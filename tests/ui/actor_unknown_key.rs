use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64), arguments = u64)]
struct Counter;

fn main() {}
