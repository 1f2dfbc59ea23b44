use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64, String, u64))]
struct Counter;

fn main() {}
