//! The lines of a description: every field by its path, type and place.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::message::MessageSchema;
use crate::message::name::{NAME_MAX, Name};
use crate::message::schema::{Body, Field, Layout, Shape};

/// Bytes of all lines together, so that a description fits one frame of a peering with room for a dozen more words.
const LINES_BYTES_MAX: usize = 12 * 1024;
/// Nested shapes are described to this depth; a description of a description helps nobody.
const DEPTH_MAX: u32 = 16;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) path: String,
    pub(super) ty: String,
    pub(super) offset: Option<u64>,
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

/// The lines of a schema, and whether some were left out.
pub(super) fn describe(name: &str, schema: &MessageSchema) -> (Vec<Line>, bool) {
    let mut lines = Lines {
        layout: schema.semantics().layout(),
        lines: Vec::new(),
        room: LINES_BYTES_MAX,
    };
    let path = name.split('<').next().unwrap_or(name); // without arguments
    let root = path.rsplit("::").next().unwrap_or(path);
    let has_header = match schema.header() {
        Some(header) => lines.shape(&format!("{root} header"), Some(0), header, 0),
        None => true,
    };
    let is_whole = has_header && lines.shape(root, Some(0), schema.shape(), 0);
    (lines.lines, !is_whole)
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
