//! Goal: a mismatch is told by the first field that differs, with both sides' places and hashes.

use super::Description;
use crate::message::Message;
use crate::prelude::*;

/// The same message as three programs have it.
macro_rules! position {
    ($module:ident: $($field:ident $ty:ty),*; $($attr:tt)*) => {
        mod $module {
            use crate::prelude::*;
            #[derive(Message, Clone, Copy, Pod, Zeroable)]
            #[message(name = "robot::Position", $($attr)*)]
            #[repr(C)]
            pub(super) struct Position { $($field: $ty),* }
        }
    };
}

position!(ours: x f64, y f64, z f64; move);
position!(swapped: x f64, z f64, y f64; move);
position!(wider: x f64, y f64, z f64, w f64; move);
position!(newer: x f64, y f64, z f64; move, version = 2);
position!(marked: x f64, y f64, z f64; move, publish);

fn difference<A: Message + ?Sized, B: Message + ?Sized>() -> String {
    let (here, there) = (Description::of::<A>(), Description::of::<B>());
    let crossed = Description::decode(&there.encode()).unwrap();
    assert_eq!(crossed, there);
    let difference = here.difference(&crossed).unwrap();
    assert_eq!(
        difference.clone().reversed(),
        there.difference(&here).unwrap()
    );
    let text = difference.to_string();
    text.split(" (schema").next().unwrap().to_owned()
}

#[test]
fn the_first_field_that_differs_is_named() {
    use ours::Position;
    let (here, there) = (
        Description::of::<Position>(),
        Description::of::<swapped::Position>(),
    );
    let difference = here.difference(&there).unwrap();
    assert_eq!(
        difference.field(),
        (Some("Position.y: f64 at 8"), Some("Position.z: f64 at 8"))
    );
    let (a, b) = (Position::SCHEMA.hash(), swapped::Position::SCHEMA.hash());
    assert_eq!(
        difference.to_string(),
        format!(
            "\"robot::Position\" has `Position.y: f64 at 8` here, `Position.z: f64 at 8` there \
             (schema {a:#x} here, {b:#x} there)"
        )
    );
    assert!(here.difference(&here).is_none());
}

#[test]
fn other_differences_are_told() {
    use ours::Position;
    assert_eq!(
        difference::<Position, wider::Position>(),
        "\"robot::Position\" has `Position: 24 bytes` here, `Position.w: f64 at 24` there"
    );
    assert_eq!(
        difference::<Position, newer::Position>(),
        "\"robot::Position\" has version 0 here, 2 there"
    );
    assert_eq!(
        difference::<Position, marked::Position>(),
        "\"robot::Position\" is `move` here, `publish move` there"
    );
    let (here, there) = (Description::of::<Position>(), Description::of::<u64>());
    let there = Description {
        type_id: here.type_id,
        ..there
    };
    let text = here.difference(&there).unwrap().to_string();
    assert!(
        text.ends_with("is \"robot::Position\" here, \"u64\" there"),
        "{text}"
    );
}

#[test]
fn nested_fields_have_paths() {
    #[derive(Schema, Serialize, Deserialize)]
    struct Item {
        price: u32,
    }
    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "Cart")]
    enum Cart {
        Full {
            items: Vec<Item>,
            at: (u8, Option<Item>),
        },
        Empty,
    }
    let lines: Vec<_> = Description::of::<Cart>()
        .lines
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "Cart: Cart",
            "Cart::Full: variant",
            "Cart::Full.items: Vec<Item>",
            "Cart::Full.items[].price: u32",
            "Cart::Full.at: (u8, Option<Item>)",
            "Cart::Full.at.1[].price: u32",
            "Cart::Empty: variant",
        ]
    );
}

#[test]
fn a_peers_text_is_shown_without_control_characters() {
    let mut there = Description::of::<ours::Position>();
    there.hash ^= 1;
    there.lines[2].ty = "f64\n\x1b[31m".into();
    let text = Description::of::<ours::Position>()
        .difference(&there)
        .unwrap()
        .to_string();
    assert!(text.contains("f64\\n\\u{1b}[31m"), "{text}");
}

#[test]
fn garbage_is_refused() {
    let mut bytes = Description::of::<ours::Position>().encode();
    assert!(Description::decode(&bytes[..bytes.len() - 1]).is_err());
    bytes.push(0);
    assert!(Description::decode(&bytes).is_err());
    assert!(Description::decode(&[0xFF; 64]).is_err());
}

#[test]
fn a_large_schema_is_cut_to_fit_a_frame() {
    use crate::message::{Field, MessageSchema, SemanticsCode, Shape};
    const LEAF: Shape = Shape::leaf("a_type_with_a_long_name_that_says_nothing_else", 8);
    const FIELD: Field = Field {
        name: "a_field_with_a_long_name",
        offset: Some(0),
        shape: &LEAF,
    };
    const SHAPE: Shape = Shape::structure("Large", 8, &[FIELD; 1000]);
    let schema = MessageSchema::new(&SHAPE, SemanticsCode::MOVE, 0);
    let description = Description::new("Large", u64::TYPE_ID, &schema);
    assert!(description.is_cut);
    assert!((4_000..16_000).contains(&description.encode().len()));
}
