//! The grammar of all attributes: `key` or `key = value`, with commas between; mistakes do not hide those after them.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Token, Type};

use crate::errors::Errors;

/// A value and the token that gave it.
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// Calls `item` for every `key` or `key = value` in `#[name(..)]`; after a mistake, goes on behind the next comma.
pub(crate) fn each(
    attrs: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut item: impl FnMut(&Ident, ParseStream, &mut Errors) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let Meta::List(list) = &attr.meta else {
            errors.at(attr, format!("write `#[{name}(..)]`"));
            continue;
        };
        let parsed = list.parse_args_with(|input: ParseStream| {
            while !input.is_empty() {
                let read = input.call(Ident::parse_any).and_then(|key| {
                    item(&key, input, errors)?;
                    if input.is_empty() || input.peek(Token![,]) {
                        Ok(())
                    } else {
                        Err(input.error(format!("expected a comma after `{key}`")))
                    }
                });
                if let Err(error) = read {
                    errors.push(error);
                }
                while !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
                    input.parse::<TokenTree>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.push(error);
        }
    }
}

/// Stores what an attribute says, once.
pub(crate) fn set<T>(slot: &mut Option<At<T>>, key: &Ident, value: At<T>, errors: &mut Errors) {
    match slot {
        Some(_) => errors.at(key, format!("`{key}` is given twice")),
        None => *slot = Some(value),
    }
}

/// The error for a key that there is not.
pub(crate) fn unknown(key: &Ident, attribute: &str, known: &str) -> syn::Error {
    syn::Error::new(
        key.span(),
        format!("unknown key `{key}` in `#[{attribute}(..)]`; there are {known}"),
    )
}

/// `= value`.
pub(crate) fn value<T>(
    input: ParseStream,
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    parse(input)
}

/// `= value`, with the place of the value.
pub(crate) fn value_at<T>(
    input: ParseStream,
    parse: impl FnOnce(ParseStream) -> syn::Result<T>,
) -> syn::Result<At<T>> {
    input.parse::<Token![=]>()?;
    let span = input.span();
    Ok(At {
        value: parse(input)?,
        span,
    })
}

/// An integer literal.
pub(crate) fn integer<T>(input: ParseStream) -> syn::Result<T>
where
    T: core::str::FromStr<Err: core::fmt::Display>,
{
    match input.parse()? {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().map_err(|error| {
            syn::Error::new(number.span(), format!("`{number}` does not fit: {error}"))
        }),
        other => Err(syn::Error::new_spanned(
            other,
            "expected an integer that is not negative",
        )),
    }
}

/// A text literal.
pub(super) fn text(input: ParseStream) -> syn::Result<LitStr> {
    match input.parse()? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(text),
        other => Err(syn::Error::new_spanned(
            other,
            "expected a text in double quotes",
        )),
    }
}

/// A type. The parser's own words would list every token that a type may start with.
pub(crate) fn ty(input: ParseStream) -> syn::Result<Type> {
    let span = input.span();
    Type::parse(input).map_err(|_| syn::Error::new(span, "expected a type"))
}
