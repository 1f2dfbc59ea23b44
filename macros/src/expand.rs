//! What `#[derive(Message)]` becomes.

mod place;
mod replies;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, GenericParam, Generics, Type, parse_quote};

use crate::ast::Input;
use crate::attr::{At, Codec, MessageAttr, Semantics};
use crate::errors::Errors;
use crate::{schema, valid};

/// `#[derive(Message)]`.
pub(crate) fn message(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let attr = MessageAttr::read(&input.attrs, &mut errors);
    let read = Input::read(&input, &mut errors);
    let valid = read
        .as_ref()
        .and_then(|input| valid::message(input, &attr, &mut errors));
    errors.or_else(|| match (&read, valid) {
        (Some(input), Some(semantics)) => Expansion {
            input,
            attr: &attr,
            semantics,
        }
        .expand(),
        _ => TokenStream::new(),
    })
}

/// A valid input.
struct Expansion<'a> {
    input: &'a Input<'a>,
    attr: &'a MessageAttr,
    semantics: Semantics,
}

impl Expansion<'_> {
    fn expand(&self) -> TokenStream {
        let schema = match self.input.slice_item() {
            Some(_) => TokenStream::new(),
            None => schema::expand(self.input),
        };
        let parts = [
            self.message(),
            schema,
            self.name_check(),
            self.place(),
            self.replies(),
        ];
        quote!(const _: () = { #(#parts)* };)
    }

    /// Where the semantics stands: what it demands is asked there.
    fn span(&self) -> Span {
        let semantics = self.attr.semantics.as_ref();
        semantics.map_or(self.input.ident.span(), |at| at.span)
    }

    fn message(&self) -> TokenStream {
        let ident = self.input.ident;
        let generics = self.generics();
        let (params, arguments, bounds) = generics.split_for_impl();
        let (name, type_id, schema) = (self.name(), self.type_id(), self.schema());
        let (semantics, reply) = (self.semantics(), self.reply());
        let answer = self.input.slice_item().is_none().then(|| {
            quote! {
                #[automatically_derived]
                impl #params ::ringway::private::Answer for #ident #arguments #bounds {}
            }
        });
        let (value, arrival) = match self.input.slice_item() {
            Some(_) => (
                quote!(::ringway::private::Never),
                quote!(::ringway::private::Lease<Self>),
            ),
            None if self.semantics == Semantics::Copy => {
                (quote!(Self), quote!(::ringway::private::Lease<Self>))
            }
            None => (quote!(Self), quote!(Self)),
        };
        let keep = self.keep();
        quote! {
            #[automatically_derived]
            impl #params ::ringway::private::Message for #ident #arguments #bounds {
                const NAME: &'static str = #name;
                const TYPE_ID: ::ringway::private::TypeId = #type_id;
                const SCHEMA: ::ringway::private::MessageSchema = #schema;
                type Semantics = #semantics;
                type Reply = #reply;
                type Value = #value;
                type Arrival = #arrival;
                const KEEP: ::core::option::Option<::ringway::private::Keep<Self::Value>> = #keep;
            }
            #answer
        }
    }

    /// How a value is copied: plain ones as they are, others if they are `Clone`.
    fn keep(&self) -> TokenStream {
        match (self.input.slice_item(), self.semantics) {
            (Some(_), _) => quote!(::core::option::Option::Some(|never| match *never {})),
            (None, Semantics::Move | Semantics::Copy) => {
                quote!(::core::option::Option::Some(|value| *value))
            }
            (None, Semantics::Serial) => quote! {{
                #[allow(unused_imports)]
                use ::ringway::private::NotKept as _;
                ::ringway::private::Keeping::<Self>::KEEP
            }},
        }
    }

    /// The generics of the input; what type parameters must be for `serial`.
    fn generics(&self) -> Generics {
        let mut generics = self.input.generics.clone();
        for parameter in generics.type_params_mut() {
            parameter
                .bounds
                .push(parse_quote!(::ringway::private::SerialItem));
        }
        generics
    }

    /// The name given, or the path; with the arguments of a generic type.
    fn name(&self) -> TokenStream {
        let ident = self.input.ident.unraw().to_string();
        let base = match &self.attr.name {
            Some(At { value, .. }) => quote!(#value),
            None => quote!(::core::concat!(::core::module_path!(), "::", #ident)),
        };
        let mut arguments =
            self.input
                .generics
                .params
                .iter()
                .filter_map(|parameter| match parameter {
                    GenericParam::Type(parameter) => {
                        let ident = &parameter.ident;
                        Some(quote!(.shape(&<#ident as ::ringway::private::Schema>::SHAPE)))
                    }
                    GenericParam::Const(parameter) => {
                        let ident = &parameter.ident;
                        Some(quote!(.number(#ident as u64)))
                    }
                    GenericParam::Lifetime(_) => None,
                });
        let Some(first) = arguments.next() else {
            return base;
        };
        quote! {
            const {
                &::ringway::private::Name::new().text(#base).text("<") #first #(.text(", ") #arguments)*.text(">")
            }.as_str()
        }
    }

    fn type_id(&self) -> TokenStream {
        match self.attr.id {
            Some(At { value, .. }) => quote!(::ringway::private::TypeId::new(#value)),
            None => quote!(::ringway::private::TypeId::of_name(
                <Self as ::ringway::private::Message>::NAME
            )),
        }
    }

    fn schema(&self) -> TokenStream {
        let version = self
            .attr
            .version
            .as_ref()
            .map_or(0, |version| version.value);
        let code = self.code();
        match self.input.slice_item() {
            Some(item) => {
                let shape = schema::of_type(item, item.span());
                let header = match &self.attr.header {
                    Some(At { value, .. }) => {
                        let shape = schema::of_type(value, value.span());
                        quote!(::core::option::Option::Some(#shape))
                    }
                    None => quote!(::core::option::Option::None),
                };
                quote!(::ringway::private::MessageSchema::with_header(#shape, #code, #version, #header))
            }
            None => quote! {
                ::ringway::private::MessageSchema::new(
                    &<Self as ::ringway::private::Schema>::SHAPE, #code, #version
                )
            },
        }
    }

    fn semantics(&self) -> TokenStream {
        let span = self.span();
        let rkyv = self.is_rkyv();
        let semantics = match self.semantics {
            Semantics::Move => quote_spanned!(span=> ::ringway::private::Move),
            Semantics::Copy => quote_spanned!(span=> ::ringway::private::Copy),
            Semantics::Serial if rkyv => quote_spanned!(span=> ::ringway::private::Rkyv),
            Semantics::Serial => quote_spanned!(span=> ::ringway::private::Serial),
        };
        match self.attr.publish {
            Some(_) => quote_spanned!(span=> ::ringway::private::Publish<#semantics>),
            None => semantics,
        }
    }

    fn code(&self) -> TokenStream {
        let name = match self.semantics {
            Semantics::Move => "MOVE",
            Semantics::Copy => "COPY",
            Semantics::Serial if self.is_rkyv() => "RKYV",
            Semantics::Serial => "SERIAL",
        };
        let name = format_ident!("{name}");
        let published = self.attr.publish.as_ref().map(|_| quote!(.published()));
        quote!(::ringway::private::SemanticsCode::#name #published)
    }

    fn is_rkyv(&self) -> bool {
        let codec = self.attr.codec.as_ref();
        codec.is_some_and(|codec| codec.value == Codec::Rkyv)
    }

    fn reply(&self) -> Type {
        match &self.attr.reply {
            Some(At { value, .. }) => value.clone(),
            None => parse_quote!(()),
        }
    }

    /// The default name is as long as the path; the compiler knows it, the derive does not.
    fn name_check(&self) -> TokenStream {
        if !self.input.generics.params.is_empty() {
            return TokenStream::new();
        }
        let ident = self.input.ident;
        let max = valid::NAME_MAX;
        let text = format!(
            "the path of `{ident}` has more than {max} bytes: give it a name with `#[message(name = \"..\")]`"
        );
        quote_spanned! {ident.span()=>
            const _: () = ::core::assert!(
                <#ident as ::ringway::private::Message>::NAME.len() <= ::ringway::private::NAME_MAX, #text
            );
        }
    }
}
