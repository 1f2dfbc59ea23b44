//! What the input of a derive is, with the attributes of its fields.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Expr, Fields, Generics, Ident, Member, Type};

use crate::attr::{FieldSchema, Repr, field_schema};
use crate::errors::Errors;

/// A struct or an enum.
pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) repr: Repr,
    pub(crate) body: Body<'a>,
}

pub(crate) enum Body<'a> {
    Struct(Vec<Field<'a>>),
    Enum(Vec<Variant<'a>>),
}

/// One field of a struct or variant.
pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) schema: FieldSchema,
}

impl Field<'_> {
    /// Its name, or its number in decimal.
    pub(crate) fn name(&self) -> String {
        match &self.member {
            Member::Named(ident) => ident.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) fields: Vec<Field<'a>>,
    pub(crate) discriminant: Option<&'a Expr>,
}

impl<'a> Input<'a> {
    /// `None` for a union.
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let body = match &input.data {
            Data::Struct(data) => Body::Struct(fields(&data.fields, errors)),
            Data::Enum(data) => Body::Enum(
                data.variants
                    .iter()
                    .map(|variant| Variant {
                        ident: &variant.ident,
                        fields: fields(&variant.fields, errors),
                        discriminant: variant.discriminant.as_ref().map(|(_, number)| number),
                    })
                    .collect(),
            ),
            Data::Union(data) => {
                errors.at(
                    data.union_token,
                    "a union does not say which of its fields it holds: use an enum",
                );
                return None;
            }
        };
        let repr = Repr::read(&input.attrs);
        let DeriveInput {
            ident, generics, ..
        } = input;
        Some(Self {
            ident,
            generics,
            repr,
            body,
        })
    }

    /// The fields of all variants.
    pub(crate) fn fields(&self) -> Box<dyn Iterator<Item = &Field<'a>> + '_> {
        match &self.body {
            Body::Struct(fields) => Box::new(fields.iter()),
            Body::Enum(variants) => Box::new(variants.iter().flat_map(|variant| &variant.fields)),
        }
    }

    /// The item of a struct that ends in a slice, such as `struct Frame([u8])`.
    pub(crate) fn slice_item(&self) -> Option<&'a Type> {
        match &self.body {
            Body::Struct(fields) => match fields.last()?.ty {
                Type::Slice(slice) => Some(&slice.elem),
                _ => None,
            },
            Body::Enum(_) => None,
        }
    }
}

fn fields<'a>(fields: &'a Fields, errors: &mut Errors) -> Vec<Field<'a>> {
    let members = fields.members().zip(fields);
    members
        .map(|(member, field)| Field {
            member,
            ty: &field.ty,
            schema: field_schema(&field.attrs, errors),
        })
        .collect()
}
