//! Goal: what both sides must agree on changes the hash, and nothing else does.

use super::*;

const U8: Shape = Shape::leaf("u8", 1);
const U16: Shape = Shape::leaf("u16", 2);

const fn field(name: &'static str, offset: usize, shape: &'static Shape) -> Field {
    Field {
        name,
        offset: Some(offset),
        shape,
    }
}

const BASE: [Field; 2] = [field("a", 0, &U8), field("b", 1, &U8)];

#[track_caller]
fn differs(one: Shape, other: Shape, bytes: bool, encoded: bool) {
    assert_eq!(
        one.hash(Layout::Bytes) != other.hash(Layout::Bytes),
        bytes,
        "as bytes"
    );
    assert_eq!(
        one.hash(Layout::Encoded) != other.hash(Layout::Encoded),
        encoded,
        "encoded"
    );
}

#[test]
fn fields_count_by_name_type_and_order_and_in_bytes_by_place() {
    const BASE_SHAPE: Shape = Shape::structure("S", 2, &BASE);
    const SWAPPED: [Field; 2] = [field("b", 0, &U8), field("a", 1, &U8)];
    const RENAMED: [Field; 2] = [field("a", 0, &U8), field("c", 1, &U8)];
    const RETYPED: [Field; 2] = [field("a", 0, &U8), field("b", 1, &U16)];
    const MOVED: [Field; 2] = [field("a", 0, &U8), field("b", 2, &U8)];
    differs(BASE_SHAPE, Shape::structure("S", 2, &BASE), false, false);
    differs(BASE_SHAPE, Shape::structure("S", 2, &SWAPPED), true, true);
    differs(BASE_SHAPE, Shape::structure("S", 2, &RENAMED), true, true);
    differs(BASE_SHAPE, Shape::structure("S", 2, &RETYPED), true, true);
    differs(BASE_SHAPE, Shape::structure("S", 2, &[BASE[0]]), true, true);
    differs(BASE_SHAPE, Shape::structure("T", 2, &BASE), true, true);
    differs(BASE_SHAPE, Shape::structure("S", 2, &MOVED), true, false);
    differs(BASE_SHAPE, Shape::structure("S", 4, &BASE), true, false);
}

#[test]
fn variants_count_by_name_number_and_fields() {
    const fn of(name: &'static str, discriminant: Option<i128>) -> Variant {
        Variant {
            name,
            discriminant,
            fields: &[],
        }
    }
    const A: Variant = of("A", None);
    const B: Variant = of("B", None);
    const ENUM: Shape = Shape::enumeration("E", 1, &[A, B]);
    const FULL: Variant = Variant { fields: &BASE, ..A };
    differs(ENUM, Shape::enumeration("E", 1, &[B, A]), true, true);
    differs(ENUM, Shape::enumeration("E", 1, &[A]), true, true);
    differs(ENUM, Shape::enumeration("E", 1, &[FULL, B]), true, true);
    const NUMBERED: Variant = of("B", Some(1));
    const OTHERWISE: Variant = of("B", Some(2));
    differs(ENUM, Shape::enumeration("E", 1, &[A, NUMBERED]), true, true);
    const ONE: Shape = Shape::enumeration("E", 1, &[A, NUMBERED]);
    differs(ONE, Shape::enumeration("E", 1, &[A, OTHERWISE]), true, true);
}

#[test]
fn arguments_and_lengths_count() {
    use crate::message::Schema;
    differs(<Vec<u8>>::SHAPE, <Vec<u16>>::SHAPE, true, true);
    differs(<Vec<u8>>::SHAPE, <Option<u8>>::SHAPE, true, true);
    differs(<[u8; 2]>::SHAPE, <[u8; 3]>::SHAPE, true, true);
    differs(<(u8, u16)>::SHAPE, <(u16, u8)>::SHAPE, true, true);
    differs(<Box<u8>>::SHAPE, U8, false, false);
}

#[test]
fn version_semantics_and_header_count() {
    let schema = |version, semantics, header| {
        MessageSchema::with_header(&U8, semantics, version, header).hash()
    };
    let base = schema(0, SemanticsCode::COPY, None);
    assert_eq!(base, schema(0, SemanticsCode::COPY, None));
    for other in [
        schema(1, SemanticsCode::COPY, None),
        schema(0, SemanticsCode::MOVE, None),
        schema(0, SemanticsCode::COPY.published(), None),
        schema(0, SemanticsCode::COPY, Some(&U16)),
    ] {
        assert_ne!(base, other);
    }
}
