use ringway::prelude::*;

#[derive(Message)]
#[message(serial)]
struct Text<'a> {
    content: std::borrow::Cow<'a, str>,
}

fn main() {}
