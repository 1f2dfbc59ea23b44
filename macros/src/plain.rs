//! bytemuck's four traits, for programs that depend on `ringway` alone.
//!
//! bytemuck's own derives name the crate `bytemuck`, which such programs do not have. These check the same duties: a fixed
//! layout, fields that keep the same promise, no byte between them; and they point at the field that a gap follows.

mod checks;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Ident, Member, Type};

use self::checks::{fields, keep_promise, no_gaps, no_generics, plain_enum, plain_struct};
use crate::errors::Errors;

/// `#[derive(Pod)]`.
pub(crate) fn pod(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let fields = match &input.data {
        Data::Struct(data) => plain_struct(&input, data, "Pod", &mut errors),
        Data::Enum(_) => {
            errors.at(
                &input.ident,
                "an enum cannot be `Pod`, as not all bytes are a value of it: derive `NoUninit` and `CheckedBitPattern`",
            );
            Vec::new()
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "a union cannot be `Pod`: its fields may leave bytes unset",
            );
            Vec::new()
        }
    };
    errors.or_else(|| {
        let checks = [keep_promise(&fields, "Pod"), no_gaps(&input.ident, &fields)];
        implement(&input.ident, "Pod", quote!(), quote!(#(#checks)*))
    })
}

/// `#[derive(Zeroable)]`.
pub(crate) fn zeroable(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    no_generics(&input, "Zeroable", &mut errors);
    let fields = match &input.data {
        Data::Struct(data) => fields(&data.fields),
        Data::Enum(_) => {
            errors.at(
                &input.ident,
                "an enum cannot derive `Zeroable` here: implement it if one variant is 0",
            );
            Vec::new()
        }
        Data::Union(data) => {
            errors.at(data.union_token, "a union cannot derive `Zeroable` here");
            Vec::new()
        }
    };
    errors.or_else(|| {
        implement(
            &input.ident,
            "Zeroable",
            quote!(),
            keep_promise(&fields, "Zeroable"),
        )
    })
}

/// `#[derive(NoUninit)]`.
pub(crate) fn no_uninit(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let fields = match &input.data {
        Data::Struct(data) => plain_struct(&input, data, "NoUninit", &mut errors),
        Data::Enum(data) => {
            plain_enum(&input, data, "NoUninit", &mut errors);
            Vec::new()
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "a union cannot be `NoUninit`: its fields may leave bytes unset",
            );
            Vec::new()
        }
    };
    errors.or_else(|| {
        let checks = [
            keep_promise(&fields, "NoUninit"),
            no_gaps(&input.ident, &fields),
        ];
        implement(&input.ident, "NoUninit", quote!(), quote!(#(#checks)*))
    })
}

/// `#[derive(CheckedBitPattern)]`.
pub(crate) fn checked_bit_pattern(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let name = "CheckedBitPattern";
    match &input.data {
        Data::Struct(data) => {
            let fields = plain_struct(&input, data, name, &mut errors);
            errors.or_else(|| checked_struct(&input, &fields))
        }
        Data::Enum(data) => {
            let integer = plain_enum(&input, data, name, &mut errors);
            errors.or_else(|| checked_enum(&input.ident, data, integer))
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                "a union cannot be `CheckedBitPattern`: nothing says which field holds",
            );
            errors.or_else(TokenStream::new)
        }
    }
}

/// The bits of a struct are the bits of its fields, in the same layout.
fn checked_struct(input: &DeriveInput, fields: &[(Member, &Type)]) -> TokenStream {
    let trait_path = path("CheckedBitPattern");
    let bits = format_ident!("{}Bits", input.ident);
    let reprs = input
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("repr"));
    let names: Vec<_> = (0..fields.len())
        .map(|at| format_ident!("field{at}"))
        .collect();
    let types: Vec<_> = fields
        .iter()
        .map(|(_, ty)| quote_spanned!(ty.span()=> <#ty as #trait_path>::Bits))
        .collect();
    let bytemuck = quote!(::ringway::private::bytemuck);
    let items = quote! {
        /// The fields before they are checked.
        #[derive(::core::clone::Clone, ::core::marker::Copy)]
        #(#reprs)*
        pub struct #bits { #(#names: #types,)* }
        #[automatically_derived]
        impl ::core::fmt::Debug for #bits {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(::core::stringify!(#bits)).finish_non_exhaustive()
            }
        }
        // SAFETY: all fields are bits of a `CheckedBitPattern`, which are `AnyBitPattern`, thus `Zeroable`.
        #[automatically_derived]
        unsafe impl #bytemuck::Zeroable for #bits {}
        // SAFETY: all fields are `AnyBitPattern`.
        #[automatically_derived]
        unsafe impl #bytemuck::AnyBitPattern for #bits {}
    };
    let checks = fields
        .iter()
        .zip(&names)
        .map(|((_, ty), name)| quote!(<#ty as #trait_path>::is_valid_bit_pattern(&{ bits.#name })));
    let body = quote! {
        type Bits = #bits;
        fn is_valid_bit_pattern(bits: &#bits) -> bool {
            let _ = bits;
            true #(&& #checks)*
        }
    };
    implement(&input.ident, "CheckedBitPattern", body, items)
}

/// The bits of an enum are its integer; the numbers of its variants are valid.
fn checked_enum(ident: &Ident, data: &DataEnum, integer: Option<Ident>) -> TokenStream {
    let variants = data.variants.iter().map(|variant| &variant.ident);
    let body = quote! {
        type Bits = #integer;
        fn is_valid_bit_pattern(bits: &#integer) -> bool {
            [#(#ident::#variants as #integer),*].contains(bits)
        }
    };
    implement(ident, "CheckedBitPattern", body, quote!())
}

fn implement(ident: &Ident, name: &str, body: TokenStream, beside: TokenStream) -> TokenStream {
    let trait_path = path(name);
    quote! {
        const _: () = {
            #beside
            // SAFETY: the derive refused what breaks the trait's promise: see the checks beside this.
            #[automatically_derived]
            unsafe impl #trait_path for #ident { #body }
        };
    }
}

fn path(name: &str) -> TokenStream {
    let name = format_ident!("{name}");
    quote!(::ringway::private::bytemuck::#name)
}
