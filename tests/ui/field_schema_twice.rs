use ringway::prelude::*;

#[derive(Schema)]
struct Text {
    #[schema(foreign = "uuid 1", skip)]
    content: u64,
}

fn main() {}
