//! All mistakes of an input, each at its token, reported at once.

use core::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// Collects mistakes; an input is expanded only if there are none.
#[derive(Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    /// A mistake that all of `tokens` make.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, text: impl Display) {
        self.0.push(Error::new_spanned(tokens, text));
    }

    /// A mistake at a place of which no tokens are left.
    pub(crate) fn span(&mut self, span: Span, text: impl Display) {
        self.0.push(Error::new(span, text));
    }

    /// A mistake that the parser found.
    pub(crate) fn push(&mut self, error: Error) {
        self.0.push(error);
    }

    /// `expand`'s output, or the mistakes as compile errors.
    pub(crate) fn or_else(self, expand: impl FnOnce() -> TokenStream) -> TokenStream {
        if self.0.is_empty() {
            expand()
        } else {
            self.0.iter().map(Error::to_compile_error).collect()
        }
    }
}
