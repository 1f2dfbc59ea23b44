//! What both ends of a connection must agree on before the first message: names, types and places of fields.
//!
//! Everything here is computed at compile time. A [`Shape`] carries two hashes: *layout* (with offsets and sizes),
//! for messages that are read as bytes, and *wire* (without), for messages that are encoded. Hashes are compared when a
//! connection is opened; only when they differ does a [`Description`](super::Description) cross to name the field.

use super::name::Hash;
use super::semantics::SemanticsCode;

/// A type that can be a field of a message: it states its own shape.
///
/// Derived for structs and enums by `#[derive(Schema)]`; `#[derive(Message)]` includes it. For a field of a foreign type,
/// `#[schema(foreign = "uuid 1")]` gives a text that stands for its shape, `#[schema(with = "[u8; 16]")]` another type.
#[diagnostic::on_unimplemented(
    message = "the schema of `{Self}` is not known",
    label = "needs a schema",
    note = "derive it: `#[derive(Schema)]`; for a foreign type, put `#[schema(foreign = \"name and version\")]` on the field"
)]
pub trait Schema {
    /// The type's shape.
    const SHAPE: Shape;
}

/// What a type looks like, for the other side.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The type's own name, without path and arguments; empty for tuples.
    pub(crate) name: &'static str,
    pub(crate) body: Body,
    pub(crate) size: usize,
    layout: u64,
    wire: u64,
}

/// What a type is made of.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// Nothing that Ringway knows of: its name says it all.
    Leaf,
    /// Named or numbered fields.
    Struct(&'static [Field]),
    /// One of several variants.
    Enum(&'static [Variant]),
    /// A type of the standard library with arguments; a tuple when the name is empty.
    Generic(&'static [&'static Shape]),
    /// So many items of one type.
    Array(&'static Shape, u64),
}

/// One field of a struct or variant.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, or its number in decimal.
    pub name: &'static str,
    /// Bytes from the start of the value; `None` where the compiler does not say (in variants).
    pub offset: Option<usize>,
    /// The shape of its type.
    pub shape: &'static Shape,
}

/// One variant of an enum.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// Its number where that is a part of the layout.
    pub discriminant: Option<i128>,
    /// Its fields, in order.
    pub fields: &'static [Field],
}

impl Shape {
    /// A type that its name describes; `size` in bytes.
    pub const fn leaf(name: &'static str, size: usize) -> Self {
        Self::new(name, size, Body::Leaf)
    }

    /// A struct of `size` bytes.
    pub const fn structure(name: &'static str, size: usize, fields: &'static [Field]) -> Self {
        Self::new(name, size, Body::Struct(fields))
    }

    /// An enum of `size` bytes.
    pub const fn enumeration(
        name: &'static str,
        size: usize,
        variants: &'static [Variant],
    ) -> Self {
        Self::new(name, size, Body::Enum(variants))
    }

    /// A type with arguments, such as `Vec<T>`.
    pub const fn generic(
        name: &'static str,
        size: usize,
        arguments: &'static [&'static Shape],
    ) -> Self {
        Self::new(name, size, Body::Generic(arguments))
    }

    /// `len` items.
    pub const fn array(item: &'static Shape, size: usize, len: usize) -> Self {
        Self::new("array", size, Body::Array(item, len as u64))
    }

    const fn new(name: &'static str, size: usize, body: Body) -> Self {
        let layout = body_hash(
            Hash::new().text(name).number(size as u64),
            &body,
            Layout::Bytes,
        );
        let wire = body_hash(Hash::new().text(name), &body, Layout::Encoded);
        Self {
            name,
            body,
            size,
            layout,
            wire,
        }
    }

    /// The hash of the type's name with its arguments.
    pub(crate) const fn name_hash(&self) -> u64 {
        let hash = Hash::new().text(self.name);
        match self.body {
            Body::Generic(arguments) => {
                let mut hash = hash;
                let mut at = 0;
                while at < arguments.len() {
                    hash = hash.number(arguments[at].name_hash());
                    at += 1;
                }
                hash.finish()
            }
            Body::Array(item, len) => hash.number(len).number(item.name_hash()).finish(),
            _ => hash.finish(),
        }
    }

    pub(crate) const fn hash(&self, layout: Layout) -> u64 {
        match layout {
            Layout::Bytes => self.layout,
            Layout::Encoded => self.wire,
        }
    }
}

/// Whether places count: they do for messages that are read as bytes, and not for those that are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Read as bytes: offsets and sizes count.
    Bytes,
    /// Encoded: only names, types and order count.
    Encoded,
}

const fn body_hash(hash: Hash, body: &Body, layout: Layout) -> u64 {
    // The leading number tells bodies apart that hash the same parts.
    let hash = match body {
        Body::Leaf => hash.number(0),
        Body::Struct(fields) => fields_hash(hash.number(1), fields, layout),
        Body::Enum(variants) => variants_hash(hash.number(2), variants, layout),
        Body::Generic(arguments) => {
            let mut hash = hash.number(3).number(arguments.len() as u64);
            let mut at = 0;
            while at < arguments.len() {
                hash = hash.number(arguments[at].hash(layout));
                at += 1;
            }
            hash
        }
        Body::Array(item, len) => hash.number(4).number(*len).number(item.hash(layout)),
    };
    hash.finish()
}

const fn variants_hash(mut hash: Hash, variants: &[Variant], layout: Layout) -> Hash {
    hash = hash.number(variants.len() as u64);
    let mut at = 0;
    while at < variants.len() {
        let variant = &variants[at];
        hash = hash.text(variant.name);
        hash = match variant.discriminant {
            Some(number) => hash.number(1).bytes(&number.to_le_bytes()),
            None => hash.number(0),
        };
        hash = fields_hash(hash, variant.fields, layout);
        at += 1;
    }
    hash
}

const fn fields_hash(mut hash: Hash, fields: &[Field], layout: Layout) -> Hash {
    hash = hash.number(fields.len() as u64);
    let mut at = 0;
    while at < fields.len() {
        let field = &fields[at];
        hash = hash.text(field.name).number(field.shape.hash(layout));
        hash = match (field.offset, layout) {
            (Some(offset), Layout::Bytes) => hash.number(offset as u64),
            _ => hash,
        };
        at += 1;
    }
    hash
}

/// The schema of a message: the hash that both sides compare, and the shapes that explain it.
#[derive(Debug, Clone, Copy)]
pub struct MessageSchema {
    hash: u64,
    version: u32,
    semantics: SemanticsCode,
    shape: &'static Shape,
    header: Option<&'static Shape>,
}

impl MessageSchema {
    /// The schema of a message with this shape, semantics and `#[message(version = ..)]`.
    pub const fn new(shape: &'static Shape, semantics: SemanticsCode, version: u32) -> Self {
        Self::with_header(shape, semantics, version, None)
    }

    /// The same for a slice message with a header; `shape` is that of one item.
    pub const fn with_header(
        shape: &'static Shape,
        semantics: SemanticsCode,
        version: u32,
        header: Option<&'static Shape>,
    ) -> Self {
        let layout = semantics.layout();
        let hash = Hash::new()
            .number(shape.hash(layout))
            .number(version as u64)
            .number(semantics.to_bits() as u64)
            .number(match header {
                Some(header) => header.hash(layout),
                None => 0,
            });
        Self {
            hash: hash.finish(),
            version,
            semantics,
            shape,
            header,
        }
    }

    /// The hash of everything that both sides must agree on.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The schema of the same message marked for topics.
    pub(crate) const fn published(self) -> Self {
        Self::with_header(
            self.shape,
            self.semantics.published(),
            self.version,
            self.header,
        )
    }

    /// The low half of the hash, which every entry carries.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half is what is wanted"
    )]
    pub const fn tag(&self) -> u32 {
        self.hash as u32
    }

    /// What `#[message(version = ..)]` says, or 0.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// How values travel.
    pub const fn semantics(&self) -> SemanticsCode {
        self.semantics
    }

    /// The shape of a value, or of an item of a slice message.
    pub const fn shape(&self) -> &'static Shape {
        self.shape
    }

    /// The shape of a slice message's header.
    pub const fn header(&self) -> Option<&'static Shape> {
        self.header
    }
}

#[cfg(test)]
mod tests {
    // Goal: what both sides must agree on changes the hash, and nothing else does.
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
}
