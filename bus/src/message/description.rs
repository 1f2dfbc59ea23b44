//! A schema in words: what crosses to the other side when two schemas differ, so that the error names the field.

mod difference;
mod lines;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::difference::Difference;
use self::difference::What;
use self::lines::{Line, describe};
use super::schema::MessageSchema;
use super::{Message, TypeId};

/// The schema of one message type in words.
///
/// One that came from a peer is that peer's allegation: it is shown, never relied on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    name: String,
    type_id: u64,
    hash: u64,
    version: u32,
    semantics: u8,
    lines: Vec<Line>,
    is_cut: bool,
}

impl Description {
    /// The description of `M`.
    pub fn of<M: Message + ?Sized>() -> Self {
        Self::new(M::NAME, M::TYPE_ID, &M::SCHEMA)
    }

    /// The description of the message that is called `name`.
    pub fn new(name: &str, type_id: TypeId, schema: &MessageSchema) -> Self {
        let (lines, is_cut) = describe(name, schema);
        Self {
            name: name.to_owned(),
            type_id: type_id.to_bits(),
            hash: schema.hash(),
            version: schema.version(),
            semantics: schema.semantics().to_bits(),
            lines,
            is_cut,
        }
    }

    /// What the message is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type's id.
    pub fn type_id(&self) -> u64 {
        self.type_id
    }

    /// The schema's hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How values are encoded, as the byte of an entry.
    pub(crate) fn semantics(&self) -> u8 {
        self.semantics
    }

    /// What crosses to a peer.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// What a peer said.
    ///
    /// # Errors
    ///
    /// The bytes are no description.
    pub fn decode(bytes: &[u8]) -> Result<Self, DescriptionError> {
        match postcard::take_from_bytes(bytes) {
            Ok((description, [])) => Ok(description),
            _ => Err(DescriptionError { len: bytes.len() }),
        }
    }

    /// How `there` differs from this; `None` when both have the same hash and name.
    pub fn difference(&self, there: &Self) -> Option<Difference> {
        if self.hash == there.hash && self.name == there.name {
            return None;
        }
        let what = if self.name != there.name {
            What::Name {
                there: there.name.clone(),
            }
        } else if self.semantics != there.semantics {
            What::Semantics {
                here: self.semantics,
                there: there.semantics,
            }
        } else if self.version != there.version {
            What::Version {
                here: self.version,
                there: there.version,
            }
        } else {
            self.first_line(there)
        };
        let (here, there) = (self.hash, there.hash);
        Some(Difference {
            name: self.name.clone(),
            type_id: self.type_id,
            here,
            there,
            what,
        })
    }

    fn first_line(&self, there: &Self) -> What {
        let len = self.lines.len().max(there.lines.len());
        let differs = (0..len)
            .map(|at| (self.lines.get(at), there.lines.get(at)))
            .find(|(here, there)| here != there);
        match differs {
            Some((here, there)) => What::Field {
                here: here.map(Line::to_string),
                there: there.map(Line::to_string),
            },
            None => What::Unknown,
        }
    }
}

/// Bytes of a peer that are no [`Description`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are not the description of a schema")]
pub struct DescriptionError {
    len: usize,
}
