//! What a semantics demands of the type's shape.

use syn::Type;

use crate::ast::{Body, Field, Input};
use crate::errors::Errors;

/// A `move` message is a struct whose layout is written down.
pub(super) fn moved(input: &Input, errors: &mut Errors) {
    match &input.body {
        Body::Enum(_) => errors.at(
            input.ident,
            "an enum cannot be `move`, as not all bytes are a value of it: use `copy`, which checks, or `serial`",
        ),
        Body::Struct(fields) => {
            if refuse_unsized(fields, "move", errors) && !fields.is_empty() {
                fixed_layout(input, "move", errors);
            }
        }
    }
}

/// A `copy` message is a slice, or a value whose layout is written down.
pub(super) fn copied(input: &Input, errors: &mut Errors) {
    match &input.body {
        Body::Enum(variants) => {
            if variants.is_empty() {
                errors.at(
                    input.ident,
                    "an enum without variants has no values to send",
                );
            }
            for variant in variants.iter().filter(|variant| !variant.fields.is_empty()) {
                errors.at(
                    variant.ident,
                    "a `copy` enum has no fields, as the space between them is not initialized: use `serial`",
                );
            }
            if input.repr.integer.is_none() {
                errors.at(
                    input.ident,
                    "a `copy` enum needs a fixed size: add `#[repr(u8)]` or another integer",
                );
            }
        }
        Body::Struct(fields) => {
            if input.slice_item().is_some() {
                slice(input, fields, errors);
            } else if refuse_str(fields, errors) && !fields.is_empty() {
                fixed_layout(input, "copy", errors);
            }
        }
    }
}

fn slice(input: &Input, fields: &[Field], errors: &mut Errors) {
    for field in &fields[..fields.len() - 1] {
        errors.at(
            field.ty,
            "a slice message has one field: put this into a struct and name it with `header = ..`",
        );
    }
    if !input.repr.transparent {
        errors.at(
            input.ident,
            "a slice message is nothing but its slice: add `#[repr(transparent)]`",
        );
    }
}

/// A `serial` message has one size.
pub(super) fn serial(input: &Input, errors: &mut Errors) {
    if let Body::Struct(fields) = &input.body {
        refuse_unsized(fields, "serial", errors);
    }
}

/// Whether all fields have a size.
fn refuse_unsized(fields: &[Field], semantics: &str, errors: &mut Errors) -> bool {
    let Some(Field {
        ty: ty @ Type::Slice(_),
        ..
    }) = fields.last()
    else {
        return refuse_str(fields, errors);
    };
    errors.at(
        ty,
        format!("a slice message is `copy`: `{semantics}` messages have one size"),
    );
    false
}

fn refuse_str(fields: &[Field], errors: &mut Errors) -> bool {
    match fields.last() {
        Some(Field {
            ty: ty @ Type::Path(path),
            ..
        }) if path.path.is_ident("str") => {
            errors.at(
                ty,
                "a `str` cannot be a message: use `[u8]` with `copy`, or `String` with `serial`",
            );
            false
        }
        _ => true,
    }
}

fn fixed_layout(input: &Input, semantics: &str, errors: &mut Errors) {
    if !input.repr.is_fixed() {
        errors.at(
            input.ident,
            format!("a `{semantics}` message needs a fixed layout: add `#[repr(C)]` or `#[repr(transparent)]`"),
        );
    }
}
