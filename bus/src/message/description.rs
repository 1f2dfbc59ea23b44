//! A schema in words: what crosses to the other side when two schemas differ, so that the error names the field.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::name::{NAME_MAX, Name};
use super::schema::{Body, Field, Layout, MessageSchema, Shape};
use super::semantics::SemanticsCode;
use super::{Message, TypeId};

/// Bytes of all lines together, so that a description fits one frame of a peering with room for a dozen more words.
const LINES_BYTES_MAX: usize = 12 * 1024;
/// Nested shapes are described to this depth; a description of a description helps nobody.
const DEPTH_MAX: u32 = 16;

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

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    path: String,
    ty: String,
    offset: Option<u64>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A peer's text: without line breaks and control sequences.
        write!(
            f,
            "{}: {}",
            self.path.escape_debug(),
            self.ty.escape_debug()
        )?;
        match self.offset {
            Some(offset) => write!(f, " at {offset}"),
            None => Ok(()),
        }
    }
}

impl Description {
    /// The description of `M`.
    pub fn of<M: Message + ?Sized>() -> Self {
        Self::new(M::NAME, M::TYPE_ID, &M::SCHEMA)
    }

    /// The description of the message that is called `name`.
    pub fn new(name: &str, type_id: TypeId, schema: &MessageSchema) -> Self {
        let mut lines = Lines {
            layout: schema.semantics().layout(),
            lines: Vec::new(),
            room: LINES_BYTES_MAX,
        };
        let root = name.rsplit("::").next().unwrap_or(name);
        let header = schema
            .header()
            .map(|header| (header, format!("{root} header")));
        let is_whole = header.is_none_or(|(header, path)| lines.shape(&path, Some(0), header, 0))
            && lines.shape(root, Some(0), schema.shape(), 0);
        Self {
            name: name.to_owned(),
            type_id: type_id.to_bits(),
            hash: schema.hash(),
            version: schema.version(),
            semantics: schema.semantics().to_bits(),
            lines: lines.lines,
            is_cut: !is_whole,
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

/// Lines in the making. Every function tells whether all was said.
struct Lines {
    layout: Layout,
    lines: Vec<Line>,
    room: usize,
}

impl Lines {
    fn line(&mut self, path: &str, ty: String, offset: Option<usize>) -> bool {
        let size = path.len() + ty.len() + 16;
        if size > self.room || path.len() > 2 * NAME_MAX {
            return false;
        }
        self.room -= size;
        let offset = offset
            .filter(|_| self.layout == Layout::Bytes)
            .map(|offset| offset as u64);
        self.lines.push(Line {
            path: path.to_owned(),
            ty,
            offset,
        });
        true
    }

    /// The type itself, then what it is made of; `offset` from the start of the payload, where that is known.
    fn shape(&mut self, path: &str, offset: Option<usize>, shape: &Shape, depth: u32) -> bool {
        let mut ty = Name::new().shape(shape).as_str().to_owned();
        let is_leaf = matches!(shape.body, Body::Leaf);
        let is_sized = self.layout == Layout::Bytes && !is_primitive(shape.name);
        if is_leaf && is_sized {
            ty.push_str(&format!(" ({} bytes)", shape.size));
        }
        // A type's size comes after its parts: a part that differs says more.
        self.line(path, ty, offset)
            && depth < DEPTH_MAX
            && self.parts(path, offset, shape, depth + 1)
            && (is_leaf || !is_sized || self.line(path, format!("{} bytes", shape.size), None))
    }

    fn parts(&mut self, path: &str, offset: Option<usize>, shape: &Shape, depth: u32) -> bool {
        match shape.body {
            Body::Leaf => true,
            Body::Struct(fields) => self.fields(path, offset, fields, depth),
            Body::Array(item, _) => self.argument(&format!("{path}[]"), item, depth),
            Body::Generic(arguments) => arguments.iter().enumerate().all(|(at, argument)| {
                let path = match (shape.name, arguments.len()) {
                    ("", _) => format!("{path}.{at}"),
                    (_, 1) => format!("{path}[]"),
                    _ => format!("{path}[{at}]"),
                };
                self.argument(&path, argument, depth)
            }),
            Body::Enum(variants) => variants.iter().all(|variant| {
                let path = format!("{path}::{}", variant.name);
                let ty = match variant.discriminant {
                    Some(number) => format!("variant = {number}"),
                    None => "variant".to_owned(),
                };
                self.line(&path, ty, None) && self.fields(&path, None, variant.fields, depth)
            }),
        }
    }

    fn fields(&mut self, path: &str, base: Option<usize>, fields: &[Field], depth: u32) -> bool {
        fields.iter().all(|field| {
            let path = format!("{path}.{}", field.name);
            let offset = base.zip(field.offset).map(|(base, offset)| base + offset);
            self.shape(&path, offset, field.shape, depth)
        })
    }

    /// An argument's own line would repeat what the type above it says, unless it has parts.
    fn argument(&mut self, path: &str, shape: &Shape, depth: u32) -> bool {
        matches!(shape.body, Body::Leaf) || self.parts(path, None, shape, depth)
    }
}

/// The sizes of these are in their names.
fn is_primitive(name: &str) -> bool {
    let numbers = ["8", "16", "32", "64", "128", "size"];
    ["bool", "char", "f32", "f64"].contains(&name)
        || name
            .strip_prefix(['u', 'i'])
            .is_some_and(|width| numbers.contains(&width))
}

/// Bytes of a peer that are no [`Description`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are not the description of a schema")]
pub struct DescriptionError {
    len: usize,
}

/// How two sides' schemas of one type differ: the first difference, with what each side has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    name: String,
    type_id: u64,
    here: u64,
    there: u64,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum What {
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

#[cfg(test)]
mod tests {
    // Goal: a mismatch is told by the first field that differs, with both sides' places and hashes.
    use super::*;
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
}
