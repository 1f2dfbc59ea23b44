use ringway::prelude::*;

#[derive(Actor)]
struct Counter;

fn main() {}
