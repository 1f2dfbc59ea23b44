//! The shape of a type, as an expression that the compiler evaluates.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, parse_quote};

use crate::ast::{Body, Field, Input};
use crate::attr::FieldSchema;
use crate::errors::Errors;

/// `#[derive(Schema)]`.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let read = Input::read(&input, &mut errors);
    match read {
        Some(input) => errors.or_else(|| expand(&input)),
        None => errors.or_else(TokenStream::new),
    }
}

/// `impl Schema`.
pub(crate) fn expand(input: &Input) -> TokenStream {
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter
            .bounds
            .push(parse_quote!(::ringway::private::Schema));
    }
    let ident = input.ident;
    let (params, arguments, bounds) = generics.split_for_impl();
    let shape = shape(input);
    quote! {
        #[automatically_derived]
        impl #params ::ringway::private::Schema for #ident #arguments #bounds {
            const SHAPE: ::ringway::private::Shape = #shape;
        }
    }
}

fn shape(input: &Input) -> TokenStream {
    let name = input.ident.unraw().to_string();
    match &input.body {
        Body::Struct(fields) => {
            let fields = fields.iter().filter_map(|field| {
                let member = &field.member;
                self::field(
                    field,
                    quote!(::core::option::Option::Some(
                        ::core::mem::offset_of!(Self, #member)
                    )),
                )
            });
            quote! {
                ::ringway::private::Shape::structure(#name, ::core::mem::size_of::<Self>(), &[#(#fields),*])
            }
        }
        Body::Enum(variants) => {
            let variants = variants.iter().map(|variant| {
                let name = variant.ident.unraw().to_string();
                let discriminant = match variant.discriminant {
                    Some(number) => quote!(::core::option::Option::Some((#number) as i128)),
                    None => quote!(::core::option::Option::None),
                };
                let fields = variant
                    .fields
                    .iter()
                    .filter_map(|field| self::field(field, quote!(::core::option::Option::None)));
                quote! {
                    ::ringway::private::Variant {
                        name: #name,
                        discriminant: #discriminant,
                        fields: &[#(#fields),*],
                    }
                }
            });
            quote! {
                ::ringway::private::Shape::enumeration(#name, ::core::mem::size_of::<Self>(), &[#(#variants),*])
            }
        }
    }
}

fn field(field: &Field, offset: TokenStream) -> Option<TokenStream> {
    let name = field.name();
    let shape = match &field.schema {
        FieldSchema::Own => of_type(field.ty, field.ty.span()),
        FieldSchema::With(ty) => of_type(ty, ty.span()),
        FieldSchema::Foreign(text) => {
            let ty = field.ty;
            quote!(&::ringway::private::Shape::leaf(#text, ::core::mem::size_of::<#ty>()))
        }
        FieldSchema::Skip => return None,
    };
    Some(quote!(::ringway::private::Field { name: #name, offset: #offset, shape: #shape }))
}

/// The shape of a type, asked for at its token.
pub(crate) fn of_type(ty: &syn::Type, span: Span) -> TokenStream {
    quote_spanned!(span=> &<#ty as ::ringway::private::Schema>::SHAPE)
}
