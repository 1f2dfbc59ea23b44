//! What `#[message(..)]` on a type says; fields, `#[repr(..)]` and the common grammar are beside it.

mod field;
mod items;
mod repr;

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Token, Type};

pub(crate) use self::field::{FieldSchema, field_schema};
pub(crate) use self::items::{At, each, integer, set, ty, unknown, value_at};
use self::items::{text, value};
pub(crate) use self::repr::Repr;
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
