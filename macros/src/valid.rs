//! Every rule of `#[derive(Message)]` that can be told from the tokens. The compiler tells the others, at the same tokens.

use syn::visit::{self, Visit};
use syn::{GenericParam, Ident, Lifetime, Type, TypeParam};

use crate::ast::{Body, Field, Input};
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
        _ => References::refuse(reply, "a reply", errors),
    }
}

fn fields(input: &Input, errors: &mut Errors) {
    for field in input.fields() {
        References::refuse(field.ty, "a message", errors);
        if let FieldSchema::With(ty) = &field.schema {
            References::refuse(ty, "a message", errors);
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
    References::refuse(header, "a header", errors);
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

fn moved(input: &Input, errors: &mut Errors) {
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

fn copied(input: &Input, errors: &mut Errors) {
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

fn serial(input: &Input, errors: &mut Errors) {
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

/// Finds what points into the memory of one process.
struct References<'a> {
    what: &'static str,
    errors: &'a mut Errors,
}

impl References<'_> {
    fn refuse(ty: &Type, what: &'static str, errors: &mut Errors) {
        References { what, errors }.visit_type(ty);
    }
}

impl<'ast> Visit<'ast> for References<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let what = self.what;
        match ty {
            Type::Reference(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a reference: it means nothing in another process; own the value"),
            ),
            Type::Ptr(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a pointer: it means nothing in another process"),
            ),
            Type::BareFn(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a function: it is elsewhere in another process"),
            ),
            Type::TraitObject(_) | Type::ImplTrait(_) => {
                self.errors.at(ty, format!("{what} cannot hold a trait object: the other side must know the type"));
            }
            _ => visit::visit_type(self, ty),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        // `Cow<'static, str>` owns what it was decoded to. Other lifetimes are parameters of the type, told there.
        let _ = lifetime;
    }
}
