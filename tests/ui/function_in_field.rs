use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
enum Job {
    Run(fn(u64) -> u64),
}

fn main() {}
