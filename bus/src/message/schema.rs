//! What both ends of a connection must agree on before the first message: names, types and places of fields.
//!
//! Everything here is computed at compile time. A [`Shape`] carries two hashes: *layout* (with offsets and sizes),
//! for messages that are read as bytes, and *wire* (without), for messages that are encoded. Hashes are compared when a
//! connection is opened; only when they differ does a [`Description`](super::Description) cross to name the field.

mod shape;

pub use self::shape::{Body, Field, Layout, Schema, Shape, Variant};
use super::name::Hash;
use super::semantics::SemanticsCode;

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
mod tests;
