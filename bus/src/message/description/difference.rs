//! How two sides' schemas of one type differ.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::message::SemanticsCode;

/// How two sides' schemas of one type differ: the first difference, with what each side has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub(super) name: String,
    pub(super) type_id: u64,
    pub(super) here: u64,
    pub(super) there: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    Name {
        there: String,
    },
    Semantics {
        here: u8,
        there: u8,
    },
    Version {
        here: u32,
        there: u32,
    },
    Field {
        here: Option<String>,
        there: Option<String>,
    },
    Unknown,
}

impl Difference {
    /// The first field that differs, as each side has it: `Position.y: f64 at 8`. `None` where a side has no such field,
    /// or where something else than a field differs.
    pub fn field(&self) -> (Option<&str>, Option<&str>) {
        match &self.what {
            What::Field { here, there } => (here.as_deref(), there.as_deref()),
            _ => (None, None),
        }
    }

    /// The same difference as the other side sees it.
    pub fn reversed(self) -> Self {
        let (name, what) = match self.what {
            What::Name { there } => (there, What::Name { there: self.name }),
            What::Semantics { here, there } => (
                self.name,
                What::Semantics {
                    here: there,
                    there: here,
                },
            ),
            What::Version { here, there } => (
                self.name,
                What::Version {
                    here: there,
                    there: here,
                },
            ),
            What::Field { here, there } => (
                self.name,
                What::Field {
                    here: there,
                    there: here,
                },
            ),
            What::Unknown => (self.name, What::Unknown),
        };
        Self {
            name,
            what,
            here: self.there,
            there: self.here,
            ..self
        }
    }
}

impl core::error::Error for Difference {}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.what {
            What::Name { there } => {
                return write!(
                    f,
                    "type id {:#x} is {name:?} here, {there:?} there",
                    self.type_id
                );
            }
            What::Semantics { here, there } => {
                write!(
                    f,
                    "{name:?} is {} here, {} there",
                    semantics(*here),
                    semantics(*there)
                )
            }
            What::Version { here, there } => {
                write!(f, "{name:?} has version {here} here, {there} there")
            }
            What::Field { here, there } => {
                let field = |side: &Option<String>| match side {
                    Some(line) => format!("`{line}`"),
                    None => "nothing".to_owned(),
                };
                write!(
                    f,
                    "{name:?} has {} here, {} there",
                    field(here),
                    field(there)
                )
            }
            What::Unknown => write!(f, "{name:?} has another schema there"),
        }?;
        write!(
            f,
            " (schema {:#x} here, {:#x} there)",
            self.here, self.there
        )
    }
}

fn semantics(bits: u8) -> String {
    match SemanticsCode::from_bits(bits) {
        Some(code) => format!("`{code}`"),
        None => format!("of unknown semantics {bits:#x}"),
    }
}
