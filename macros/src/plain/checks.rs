//! What the four traits demand: some of it told from the tokens, the rest asked of the compiler at each field.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DataEnum, DataStruct, DeriveInput, Fields, Ident, Member, Type};

use super::path;
use crate::attr::Repr;
use crate::errors::Errors;

/// Checks that a struct has a layout that is written down, and yields its fields.
pub(super) fn plain_struct<'a>(
    input: &DeriveInput,
    data: &'a DataStruct,
    name: &str,
    errors: &mut Errors,
) -> Vec<(Member, &'a Type)> {
    no_generics(input, name, errors);
    let fields = fields(&data.fields);
    if !Repr::read(&input.attrs).is_fixed() && !fields.is_empty() {
        errors.at(
            &input.ident,
            format!("`{name}` needs a fixed layout: add `#[repr(C)]` or `#[repr(transparent)]`"),
        );
    }
    fields
}

/// Checks that an enum is nothing but an integer, and yields that.
pub(super) fn plain_enum(
    input: &DeriveInput,
    data: &DataEnum,
    name: &str,
    errors: &mut Errors,
) -> Option<Ident> {
    no_generics(input, name, errors);
    for variant in data
        .variants
        .iter()
        .filter(|variant| !variant.fields.is_empty())
    {
        errors.at(
            &variant.ident,
            format!("`{name}` is for enums without fields"),
        );
    }
    if data.variants.is_empty() {
        errors.at(
            &input.ident,
            format!("`{name}` is for enums with values; this one has none"),
        );
    }
    let integer = Repr::read(&input.attrs).integer;
    if integer.is_none() {
        errors.at(
            &input.ident,
            format!("`{name}` needs a fixed size: add `#[repr(u8)]` or another integer"),
        );
    }
    integer
}

pub(super) fn no_generics(input: &DeriveInput, name: &str, errors: &mut Errors) {
    for parameter in &input.generics.params {
        errors.at(
            parameter,
            format!("`{name}` cannot be derived for generic types: the layout depends on them"),
        );
    }
}

pub(super) fn fields(fields: &Fields) -> Vec<(Member, &Type)> {
    fields
        .members()
        .zip(fields.iter().map(|field| &field.ty))
        .collect()
}

/// Every field keeps the promise of the trait, asked at its type.
pub(super) fn keep_promise(fields: &[(Member, &Type)], name: &str) -> TokenStream {
    let trait_path = path(name);
    let asks = fields
        .iter()
        .map(|(_, ty)| quote_spanned!(ty.span()=> promised::<#ty>();));
    quote! {
        const _: fn() = || {
            fn promised<T: #trait_path>() {}
            #(#asks)*
        };
    }
}

/// Each field ends where the next begins, and the last where the type ends.
pub(super) fn no_gaps(ident: &Ident, fields: &[(Member, &Type)]) -> TokenStream {
    let checks = fields.iter().enumerate().map(|(at, (member, ty))| {
        let (end, after) = match fields.get(at + 1) {
            Some((next, _)) => (
                quote!(::core::mem::offset_of!(#ident, #next)),
                format!("before `{}`", name(next)),
            ),
            None => (quote!(::core::mem::size_of::<#ident>()), "at the end".to_owned()),
        };
        let text = format!(
            "`{ident}` has padding after `{}`, {after}: order its fields from large to small, or fill the gap with a field",
            name(member)
        );
        quote_spanned! {member.span()=>
            const _: () = ::core::assert!(
                ::core::mem::offset_of!(#ident, #member) + ::core::mem::size_of::<#ty>() == #end, #text
            );
        }
    });
    quote!(#(#checks)*)
}

fn name(member: &Member) -> String {
    match member {
        Member::Named(ident) => ident.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}
