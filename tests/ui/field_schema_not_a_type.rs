use ringway::prelude::*;

#[derive(Schema)]
struct Text {
    #[schema(with = "3 + 4")]
    content: u64,
}

fn main() {}
