use ringway::prelude::*;

#[derive(Schema)]
struct Text {
    #[schema(rename = "text")]
    content: u64,
}

fn main() {}
