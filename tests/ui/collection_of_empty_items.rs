use ringway::prelude::*;

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct List {
    items: Vec<()>,
}

fn main() {}
