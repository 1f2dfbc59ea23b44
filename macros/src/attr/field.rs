//! What `#[schema(..)]` or `#[message(..)]` on a field says.

use syn::{Attribute, Type};

use super::items::{At, each, text, unknown, value};
use crate::errors::Errors;

/// What stands in for the schema of a field's type.
pub(crate) enum FieldSchema {
    /// The type's own.
    Own,
    /// Another type's.
    With(Box<Type>),
    /// A text.
    Foreign(String),
    /// Nothing: the field does not count.
    Skip,
}

/// Reads `#[schema(..)]` or `#[message(..)]` on a field.
pub(crate) fn field_schema(attrs: &[Attribute], errors: &mut Errors) -> FieldSchema {
    let mut found: Option<At<FieldSchema>> = None;
    for name in ["schema", "message"] {
        each(attrs, name, errors, |key, input, errors| {
            let schema = match key.to_string().as_str() {
                "with" => {
                    let text = value(input, text)?;
                    FieldSchema::With(Box::new(text.parse().map_err(|_| {
                        syn::Error::new(text.span(), format!("`{}` is not a type", text.value()))
                    })?))
                }
                "foreign" => {
                    let text = value(input, text)?;
                    if text.value().trim().is_empty() {
                        errors.at(
                            &text,
                            "the text that stands for a foreign type must not be empty",
                        );
                    }
                    FieldSchema::Foreign(text.value())
                }
                "skip" => FieldSchema::Skip,
                _ => return Err(unknown(key, name, "`foreign`, `with`, `skip`")),
            };
            match &found {
                Some(_) => errors.at(
                    key,
                    "a field has one schema: `foreign`, `with` or `skip`, once",
                ),
                None => {
                    found = Some(At {
                        value: schema,
                        span: key.span(),
                    })
                }
            }
            Ok(())
        });
    }
    found.map_or(FieldSchema::Own, |found| found.value)
}
