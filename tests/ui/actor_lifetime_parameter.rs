use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64))]
struct Counter<'a> {
    name: &'a str,
}

fn main() {}
