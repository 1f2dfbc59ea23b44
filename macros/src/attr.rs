//! What `#[message(..)]`, `#[schema(..)]` and `#[repr(..)]` say.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Token, Type};

use crate::errors::Errors;

/// How values travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Semantics {
    Move,
    Copy,
    Serial,
}

impl Semantics {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Serial => "serial",
        }
    }

    fn from_word(word: &Ident) -> Option<Self> {
        [Self::Move, Self::Copy, Self::Serial]
            .into_iter()
            .find(|known| word == known.word())
    }
}

/// How `serial` values are encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Postcard,
    Rkyv,
}

/// A value and the token that gave it.
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// What `#[message(..)]` on the type says.
#[derive(Default)]
pub(crate) struct MessageAttr {
    pub(crate) semantics: Option<At<Semantics>>,
    pub(crate) publish: Option<At<()>>,
    pub(crate) id: Option<At<u64>>,
    pub(crate) name: Option<At<LitStr>>,
    pub(crate) version: Option<At<u32>>,
    pub(crate) reply: Option<At<Type>>,
    pub(crate) codec: Option<At<Codec>>,
    pub(crate) header: Option<At<Type>>,
    /// A mistake may hide the semantics: that it is missing need not be told too.
    pub(crate) is_unclear: bool,
}

const MESSAGE_KEYS: &str = "`move`, `copy`, `serial`, `publish`, `semantics`, `reply`, `name`, `id`, `version`, `codec`, `header`";

impl MessageAttr {
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut messages = attrs.iter().filter(|attr| attr.path().is_ident("message"));
        let is_unclear = messages.any(|attr| attr.meta.require_list().is_err());
        let mut attr = Self {
            is_unclear,
            ..Self::default()
        };
        each(attrs, "message", errors, |key, input, errors| {
            attr.item(key, input, errors)
        });
        attr
    }

    fn item(&mut self, key: &Ident, input: ParseStream, errors: &mut Errors) -> syn::Result<()> {
        match key.to_string().as_str() {
            "move" | "copy" | "serial" | "publish" => self.semantics(key, errors),
            "semantics" => {
                let mut word = value(input, Ident::parse_any)?;
                self.semantics(&word, errors);
                while input.peek(Token![+]) {
                    input.parse::<Token![+]>()?;
                    word = input.call(Ident::parse_any)?;
                    self.semantics(&word, errors);
                }
            }
            "id" => set(&mut self.id, key, value_at(input, integer)?, errors),
            "name" => set(&mut self.name, key, value_at(input, text)?, errors),
            "version" => set(&mut self.version, key, value_at(input, integer)?, errors),
            "reply" => set(&mut self.reply, key, value_at(input, ty)?, errors),
            "codec" => set(&mut self.codec, key, value_at(input, codec)?, errors),
            "header" => set(&mut self.header, key, value_at(input, ty)?, errors),
            _ => return Err(unknown(key, "message", MESSAGE_KEYS)),
        }
        Ok(())
    }

    fn semantics(&mut self, word: &Ident, errors: &mut Errors) {
        if word == "publish" {
            return set(
                &mut self.publish,
                word,
                At {
                    value: (),
                    span: word.span(),
                },
                errors,
            );
        }
        let Some(semantics) = Semantics::from_word(word) else {
            self.is_unclear = true;
            return errors.at(
                word,
                format!(
                    "unknown semantics `{word}`; there are `move`, `copy`, `serial` and `publish`"
                ),
            );
        };
        match &self.semantics {
            Some(first) if first.value != semantics => errors.at(
                word,
                format!(
                    "two semantics, `{}` and `{word}`: a message travels one way",
                    first.value.word()
                ),
            ),
            _ => {
                let semantics = At {
                    value: semantics,
                    span: word.span(),
                };
                set(&mut self.semantics, word, semantics, errors);
            }
        }
    }
}

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

fn integer<T>(input: ParseStream) -> syn::Result<T>
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

fn text(input: ParseStream) -> syn::Result<LitStr> {
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

fn codec(input: ParseStream) -> syn::Result<Codec> {
    let text = text(input)?;
    match text.value().as_str() {
        "postcard" => Ok(Codec::Postcard),
        "rkyv" => Ok(Codec::Rkyv),
        other => Err(syn::Error::new(
            text.span(),
            format!("unknown codec `{other}`; there are \"postcard\" and \"rkyv\""),
        )),
    }
}
