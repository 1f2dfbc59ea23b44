//! What `#[repr(..)]` says.

use proc_macro2::TokenTree;
use syn::{Attribute, Ident, LitInt};

use super::items::At;

/// What `#[repr(..)]` says, as far as it matters here.
#[derive(Default)]
pub(crate) struct Repr {
    pub(crate) c: bool,
    pub(crate) transparent: bool,
    pub(crate) packed: bool,
    pub(crate) align: Option<At<u64>>,
    /// `u8`, `i32`...
    pub(crate) integer: Option<Ident>,
}

impl Repr {
    /// The compiler checks the rest.
    pub(crate) fn read(attrs: &[Attribute]) -> Self {
        let mut repr = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
            let _ = attr.parse_nested_meta(|meta| {
                let Some(word) = meta.path.get_ident() else {
                    return Ok(());
                };
                match word.to_string().as_str() {
                    "C" => repr.c = true,
                    "transparent" => repr.transparent = true,
                    "packed" => {
                        repr.packed = true;
                        if meta.input.peek(syn::token::Paren) {
                            meta.input.parse::<TokenTree>()?;
                        }
                    }
                    "align" => {
                        let content;
                        syn::parenthesized!(content in meta.input);
                        let bytes: LitInt = content.parse()?;
                        repr.align = Some(At {
                            value: bytes.base10_parse()?,
                            span: bytes.span(),
                        });
                    }
                    _ => repr.integer = Some(word.clone()),
                }
                Ok(())
            });
        }
        repr
    }

    /// Fields lie in the order in which they are written.
    pub(crate) fn is_fixed(&self) -> bool {
        self.c || self.transparent
    }
}
