use ringway::prelude::*;

#[derive(Schema)]
struct Text {
    #[schema(foreign = "")]
    content: u64,
}

fn main() {}
