use ringway::prelude::*;

struct Foreign;

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Text {
    #[serde(skip, default = "foreign")]
    content: Foreign,
}

fn foreign() -> Foreign {
    Foreign
}

fn main() {}
