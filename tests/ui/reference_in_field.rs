use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Text {
    content: Option<&'static str>,
}

fn main() {}
