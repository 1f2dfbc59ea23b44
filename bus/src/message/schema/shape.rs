//! Shapes: what types look like to the other side, and the hashes that stand for them.

use crate::message::name::Hash;

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
