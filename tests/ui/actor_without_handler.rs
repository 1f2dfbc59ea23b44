use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64))]
struct Counter;

fn main() {}
