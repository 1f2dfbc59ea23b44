//! Every rule of `#[derive(Message)]` that can be told from the tokens. The compiler tells the others, at the same tokens.

mod layout;
mod pointers;

use syn::{GenericParam, Ident, Type, TypeParam};

use self::layout::{copied, moved, serial};
use self::pointers::refuse_pointers;
use crate::ast::Input;
use crate::attr::{At, Codec, FieldSchema, MessageAttr, Semantics};
use crate::errors::Errors;

/// The longest name of a message type, in bytes; as in `ringway::message::NAME_MAX`.
pub(crate) const NAME_MAX: usize = 120;
/// Blocks are aligned to so many bytes.
const ALIGN_MAX: u64 = 64;

/// Checks what `#[message(..)]` says against what the type is; the semantics, if there is one.
pub(crate) fn message(input: &Input, attr: &MessageAttr, errors: &mut Errors) -> Option<Semantics> {
    name_and_id(attr, errors);
    fields(input, errors);
    reply(input, attr, errors);
    let Some(At {
        value: semantics, ..
    }) = attr.semantics
    else {
        if !attr.is_unclear {
            no_semantics(input.ident, attr, errors);
        }
        return None;
    };
    if let Some(codec) = attr
        .codec
        .as_ref()
        .filter(|_| semantics != Semantics::Serial)
    {
        errors.span(
            codec.span,
            format!(
                "only `serial` messages have a codec: this one travels as `{}`",
                semantics.word()
            ),
        );
    }
    header(input, attr, semantics, errors);
    generics(input, attr, semantics, errors);
    match semantics {
        Semantics::Move => moved(input, errors),
        Semantics::Copy => copied(input, errors),
        Semantics::Serial => serial(input, errors),
    }
    if let Some(align) = &input.repr.align
        && align.value > ALIGN_MAX
        && semantics != Semantics::Serial
    {
        errors.span(
            align.span,
            format!("messages are aligned to {ALIGN_MAX} bytes at most"),
        );
    }
    Some(semantics)
}

fn no_semantics(ident: &Ident, attr: &MessageAttr, errors: &mut Errors) {
    match &attr.publish {
        Some(publish) => errors.span(
            publish.span,
            "`publish` says where a message goes, not how: add `move`, `copy` or `serial`",
        ),
        None => errors.at(
            ident,
            format!(
                "`{ident}` has no semantics: add `#[message(move)]` for plain data, `copy` for slices and checked values, \
                 or `serial` for serde types"
            ),
        ),
    }
}

fn name_and_id(attr: &MessageAttr, errors: &mut Errors) {
    if let Some(At { value: 0, span }) = attr.id {
        errors.span(span, "id 0 means 'no message': take another");
    }
    let Some(name) = &attr.name else { return };
    let text = name.value.value();
    if text.is_empty() {
        errors.at(&name.value, "a message's name must not be empty");
    } else if text.len() > NAME_MAX {
        errors.at(
            &name.value,
            format!(
                "a message's name has at most {NAME_MAX} bytes; this one has {}",
                text.len()
            ),
        );
    } else if text.chars().any(char::is_control) {
        errors.at(&name.value, "a message's name has no control characters");
    }
}

fn reply(input: &Input, attr: &MessageAttr, errors: &mut Errors) {
    let Some(At { value: reply, .. }) = &attr.reply else {
        return;
    };
    let parameter = |name: &Ident| {
        input
            .generics
            .type_params()
            .any(|known| known.ident == *name)
    };
    match reply {
        Type::Slice(_) | Type::TraitObject(_) | Type::ImplTrait(_) => {
            errors.at(reply, "a reply is a value of one size: this type has none");
        }
        Type::Path(path) if path.path.is_ident("str") => {
            errors.at(reply, "a reply is a value of one size: use `String`");
        }
        Type::Path(path) if path.path.is_ident("Self") => {
            errors.at(reply, format!("name the type: `reply = {}`", input.ident));
        }
        Type::Path(path) if path.path.get_ident().is_some_and(parameter) => {
            errors.at(
                reply,
                "a type parameter cannot be the reply: wrap it, as in `Option<T>`",
            );
        }
        _ => refuse_pointers(reply, "a reply", errors),
    }
}

fn fields(input: &Input, errors: &mut Errors) {
    for field in input.fields() {
        refuse_pointers(field.ty, "a message", errors);
        if let FieldSchema::With(ty) = &field.schema {
            refuse_pointers(ty, "a message", errors);
        }
    }
}

fn header(input: &Input, attr: &MessageAttr, semantics: Semantics, errors: &mut Errors) {
    let Some(At { value: header, .. }) = &attr.header else {
        return;
    };
    if semantics != Semantics::Copy || input.slice_item().is_none() {
        errors.at(
            header,
            "only a `copy` message that is a slice has a header: here, make it a field",
        );
    }
    refuse_pointers(header, "a header", errors);
}

fn generics(input: &Input, attr: &MessageAttr, semantics: Semantics, errors: &mut Errors) {
    let rkyv = attr
        .codec
        .as_ref()
        .is_some_and(|codec| codec.value == Codec::Rkyv);
    for parameter in &input.generics.params {
        match parameter {
            GenericParam::Lifetime(lifetime) => {
                let text = "a message outlives its sender: it cannot have lifetime parameters";
                errors.at(&lifetime.lifetime, text);
            }
            GenericParam::Type(TypeParam { ident, .. }) if semantics != Semantics::Serial => {
                errors.at(
                    ident,
                    format!(
                        "a `{}` message has one layout: it cannot have type parameters",
                        semantics.word()
                    ),
                );
            }
            GenericParam::Type(TypeParam { ident, .. }) if rkyv => {
                errors.at(
                    ident,
                    "a message with codec \"rkyv\" cannot have type parameters",
                );
            }
            GenericParam::Const(parameter) if semantics != Semantics::Serial || rkyv => {
                let text = "only `serial` messages with codec \"postcard\" have const parameters";
                errors.at(&parameter.ident, text);
            }
            GenericParam::Const(parameter) if !is_unsigned(&parameter.ty) => {
                let text = "the value is a part of the message's name: use an unsigned integer";
                errors.at(&parameter.ty, text);
            }
            _ => {}
        }
    }
}

fn is_unsigned(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    ["u8", "u16", "u32", "u64", "usize"]
        .iter()
        .any(|name| path.path.is_ident(name))
}
