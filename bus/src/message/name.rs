//! Names and hashes that are made at compile time: of types with arguments, such as `Vec<u64>`, too.

use super::schema::{Body, Shape};

/// The longest name of a message type, in bytes; the registry's entries have room for as many.
pub const NAME_MAX: usize = 120;

/// FNV-1a over bytes with a final mix, so that all 64 bits depend on all of the input.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        self
    }

    /// A text and where it ends: `"ab", "c"` is not `"a", "bc"`.
    pub(crate) const fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    pub(crate) const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The mix is that of MurmurHash3 (Austin Appleby, public domain).
    pub(crate) const fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

/// A name built at compile time. What does not fit in [`NAME_MAX`] bytes is cut off, at a character.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; NAME_MAX],
    len: usize,
    full: bool,
}

impl Name {
    /// The empty name.
    pub const fn new() -> Self {
        Self {
            bytes: [0; NAME_MAX],
            len: 0,
            full: false,
        }
    }

    /// Appends `text`, as far as it fits.
    pub const fn text(mut self, text: &str) -> Self {
        if self.full {
            return self;
        }
        let mut take = text.len();
        if take > NAME_MAX - self.len {
            self.full = true;
            take = NAME_MAX - self.len;
            while !text.is_char_boundary(take) {
                take -= 1;
            }
        }
        let mut at = 0;
        while at < take {
            self.bytes[self.len + at] = text.as_bytes()[at];
            at += 1;
        }
        self.len += take;
        self
    }

    /// Appends `number` in decimal.
    pub const fn number(self, number: u64) -> Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            // A digit is below 10.
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        match core::str::from_utf8(digits.split_at(at).1) {
            Ok(text) => self.text(text),
            Err(_) => panic!("digits are ASCII"),
        }
    }

    /// Appends the name of a shape with its arguments: `Vec<u64>`, `[u8; 4]`, `(bool, String)`.
    pub const fn shape(mut self, shape: &Shape) -> Self {
        match shape.body {
            Body::Array(item, len) => self.text("[").shape(item).text("; ").number(len).text("]"),
            Body::Generic(arguments) => {
                let tuple = shape.name.is_empty();
                self = self.text(shape.name).text(if tuple { "(" } else { "<" });
                let mut at = 0;
                while at < arguments.len() {
                    self = self
                        .text(if at == 0 { "" } else { ", " })
                        .shape(arguments[at]);
                    at += 1;
                }
                self.text(if tuple { ")" } else { ">" })
            }
            _ => self.text(shape.name),
        }
    }

    /// The name.
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => panic!("cut at characters"),
        }
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    // Goal: names read as Rust writes them, are cut at characters, and hashes tell neighbours apart.
    use super::*;
    use crate::message::{Message, Schema};

    #[test]
    fn shapes_are_named_as_in_rust() {
        let name = |shape: &Shape| Name::new().shape(shape).as_str().to_owned();
        assert_eq!(name(&<Vec<Option<u64>>>::SHAPE), "Vec<Option<u64>>");
        assert_eq!(
            name(&<(bool, [u8; 4], String)>::SHAPE),
            "(bool, [u8; 4], String)"
        );
        assert_eq!(name(&<()>::SHAPE), "()");
        assert_eq!(<Result<u8, String>>::NAME, "Result<u8, String>");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let name = Name::new()
            .text(&"a".repeat(NAME_MAX - 1))
            .text("é")
            .text("b");
        assert_eq!(name.as_str(), "a".repeat(NAME_MAX - 1));
        assert_eq!(
            Name::new().number(0).number(u64::MAX).as_str(),
            "018446744073709551615"
        );
    }

    #[test]
    fn hashes_know_where_texts_end() {
        let hash = |a: &str, b: &str| Hash::new().text(a).text(b).finish();
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
        assert_ne!(hash("", "a"), hash("a", ""));
        // A fixed value: processes of different builds must agree.
        assert_eq!(
            Hash::new().bytes(b"ringway").finish(),
            0x7f34_a264_b5df_b64b
        );
    }
}
