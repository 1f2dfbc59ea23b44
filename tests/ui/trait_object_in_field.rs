use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Job {
    run: Box<dyn Send>,
}

fn main() {}
