//! Names: up to 120 bytes of UTF-8, in private memory and in a shared record.
//!
//! A shared name is copied out word by word and only then checked, so what it becomes meanwhile
//! does not matter; the copy is a [`Name`], or a [`Violation`] of the one who wrote it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::error::Violation;
use crate::region::{ReadOnly, record};
use crate::sync::AtomicU64;
use crate::sync::Ordering::Relaxed;

/// Bytes that a name may have.
pub const NAME_MAX: usize = 120;

const WORDS: usize = NAME_MAX / 8;

/// A name has more than [`NAME_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of {len} bytes is longer than {NAME_MAX}")]
pub struct NameTooLong {
    /// How many it has.
    pub len: usize,
}

/// A checked name: a string of at most [`NAME_MAX`] bytes, without an allocation. Empty means none.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8, // at most NAME_MAX
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// Copies `name`.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`] above [`NAME_MAX`] bytes.
    pub fn new(name: &str) -> Result<Self, NameTooLong> {
        let too_long = NameTooLong { len: name.len() };
        let len = u8::try_from(name.len()).map_err(|_| too_long)?;
        let mut bytes = [0; NAME_MAX];
        bytes
            .get_mut(..name.len())
            .ok_or(too_long)?
            .copy_from_slice(name.as_bytes());
        Ok(Self { len, bytes })
    }

    /// Returns the name as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..usize::from(self.len)];
        std::str::from_utf8(bytes).expect("a name's bytes were checked when it was made")
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

record! {
    /// A name in shared memory. The record around it says when its words hold still.
    pub(crate) struct Label: size 128, align 8 {
        len: AtomicU64,
        words: [AtomicU64; WORDS],
    }
}

impl Label {
    /// Writes `name`. Relaxed: a word of the record around it publishes it.
    pub(crate) fn write(&self, name: &Name) {
        self.len.store(u64::from(name.len), Relaxed);
        for (word, bytes) in self.words.iter().zip(name.bytes.as_chunks().0) {
            word.store(u64::from_ne_bytes(*bytes), Relaxed);
        }
    }
}

/// What stood in a shared name: a copy, not yet looked at.
#[derive(Clone, Copy)]
pub(crate) struct RawName {
    len: u64,
    words: [u64; WORDS],
}

impl RawName {
    /// Copies the words, whatever they are.
    pub(crate) fn copy(label: ReadOnly<'_, Label>) -> Self {
        let len = label.load(|label| &label.len);
        Self {
            len,
            words: std::array::from_fn(|at| label.load(|label| &label.words[at])),
        }
    }

    /// Checks the copy. `what` names it in the blame.
    pub(crate) fn check(&self, what: &'static str) -> Result<Name, Violation> {
        let meaningless = Violation::Meaningless {
            name: what,
            found: self.len,
        };
        let len = u8::try_from(self.len).map_err(|_| meaningless)?;
        let mut bytes = [0; NAME_MAX];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.words) {
            *to = word.to_ne_bytes();
        }
        let text = bytes.get(..usize::from(len)).ok_or(meaningless)?;
        std::str::from_utf8(text).map_err(|_| meaningless)?;
        Ok(Name { len, bytes })
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Buffer;

    fn through_memory(name: &str) -> Result<Name, Violation> {
        let region = Buffer::region(128);
        region
            .record::<Label>(0)
            .unwrap()
            .write(&Name::new(name).unwrap());
        let view = region.read_only();
        RawName::copy(view.record::<Label>(0).unwrap()).check("name")
    }

    #[test]
    fn smoke() {
        let longest = "x".repeat(NAME_MAX);
        for name in [
            "",
            "counter",
            "robot/arm/position",
            "größe",
            longest.as_str(),
        ] {
            assert_eq!(through_memory(name).unwrap(), name);
        }
    }

    #[test]
    fn too_long_is_an_error() {
        for len in [NAME_MAX + 1, 255, 256, 4096] {
            assert_eq!(Name::new(&"x".repeat(len)), Err(NameTooLong { len }));
        }
    }

    // Goal: garbage is a violation. Method: lengths and bytes that no `Name` has.
    #[test]
    fn garbage_is_a_violation() {
        let blamed = |len| {
            Err(Violation::Meaningless {
                name: "name",
                found: len,
            })
        };
        for len in [121, 255, 256, 257, u64::MAX] {
            assert_eq!(
                RawName {
                    len,
                    words: [0; WORDS]
                }
                .check("name"),
                blamed(len)
            );
        }
        let not_text = RawName {
            len: 3,
            words: [u64::MAX; WORDS],
        };
        assert_eq!(not_text.check("name"), blamed(3));
        let half = u64::from_ne_bytes(*b"\xc3\xb6\0\0\0\0\0\0"); // one letter of two bytes
        assert_eq!(
            RawName {
                len: 1,
                words: [half; WORDS]
            }
            .check("name"),
            blamed(1)
        );
    }
}
