//! What `#[derive(Actor)]` becomes: the letters of an actor, and their way to its handlers.
//!
//! A letter is a message with where its reply goes. All letters of an actor are one enum, so that its mailbox is one
//! queue and its dispatch one `async fn` without boxes; messages of other processes are opened into the same enum.

mod accepts;
mod dispatch;
mod ports;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, GenericParam, Generics, Ident, Token, Type, parse_quote};

use crate::attr::{At, each, integer, set, ty, unknown, value_at};
use crate::errors::Errors;

/// What `#[actor(..)]` says.
#[derive(Default)]
struct ActorAttr {
    handles: Vec<Type>,
    args: Option<At<Type>>,
    hooks: Option<At<()>>,
    redeliver: Option<At<u32>>,
}

impl ActorAttr {
    fn read(input: &DeriveInput, errors: &mut Errors) -> Self {
        let mut attr = Self::default();
        each(&input.attrs, "actor", errors, |key, input, errors| {
            match key.to_string().as_str() {
                "handles" => {
                    let list;
                    syn::parenthesized!(list in input);
                    for ty in Punctuated::<Type, Token![,]>::parse_terminated(&list)? {
                        attr.handle(ty, errors);
                    }
                }
                "args" => set(&mut attr.args, key, value_at(input, ty)?, errors),
                "hooks" => {
                    set(
                        &mut attr.hooks,
                        key,
                        At {
                            value: (),
                            span: key.span(),
                        },
                        errors,
                    );
                }
                "redeliver" => set(&mut attr.redeliver, key, value_at(input, integer)?, errors),
                _ => {
                    return Err(unknown(
                        key,
                        "actor",
                        "`handles`, `args`, `hooks`, `redeliver`",
                    ));
                }
            }
            Ok(())
        });
        attr
    }

    fn handle(&mut self, ty: Type, errors: &mut Errors) {
        if self.handles.contains(&ty) {
            errors.at(
                &ty,
                "this message is handled already: an actor has one handler per message",
            );
        } else {
            self.handles.push(ty);
        }
    }
}

/// `#[derive(Actor)]`.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::default();
    let attr = ActorAttr::read(&input, &mut errors);
    if attr.handles.is_empty() {
        errors.at(
            &input.ident,
            format!(
                "`{}` handles nothing: add `#[actor(handles(..))]` with its messages",
                input.ident
            ),
        );
    }
    if let Data::Union(data) = &input.data {
        errors.at(data.union_token, "a union cannot be an actor");
    }
    for lifetime in input.generics.lifetimes() {
        errors.at(
            &lifetime.lifetime,
            "an actor outlives who spawned it: it cannot have lifetime parameters",
        );
    }
    errors.or_else(|| expand(&input, &attr))
}

fn expand(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    let letters = format_ident!("{}Letters", input.ident);
    let parts = [
        letters_enum(input, attr, &letters),
        ports::ports(input, attr),
        dispatch::actor(input, attr, &letters),
        accepts::accepts(input, attr),
        distinct(input, attr),
        kept(input, attr),
        hooks(input, attr),
    ];
    quote!(const _: () = { #(#parts)* };)
}

/// The names of the letters' variants, one per message.
fn variants(attr: &ActorAttr) -> Vec<Ident> {
    (0..attr.handles.len())
        .map(|at| format_ident!("M{at}"))
        .collect()
}

/// Every type parameter of an actor is owned by it and may cross threads with it.
fn generics(input: &DeriveInput) -> Generics {
    let mut generics = input.generics.clone();
    for parameter in generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::core::marker::Send));
        parameter.bounds.push(parse_quote!('static));
    }
    generics
}

fn letters_enum(input: &DeriveInput, attr: &ActorAttr, letters: &Ident) -> TokenStream {
    let generics = generics(input);
    let (_, arguments, bounds) = generics.split_for_impl();
    let variants = variants(attr);
    let letter_types = attr
        .handles
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> ::ringway::private::Letter<#ty>));
    // Parameters that no message names must still be used.
    let unused = (!generics.params.is_empty()).then(|| {
        let ident = &input.ident;
        quote! {
            #[doc(hidden)]
            Never(::ringway::private::Never, ::core::marker::PhantomData<fn() -> #ident #arguments>),
        }
    });
    quote! {
        /// A message for the actor, with where its reply goes.
        #[doc(hidden)]
        #[allow(missing_debug_implementations, clippy::large_enum_variant)]
        pub enum #letters #generics #bounds {
            #(#variants(#letter_types),)*
            #unused
        }
    }
}

/// Two messages with one id could not be told apart; the compiler knows the ids, the derive does not.
fn distinct(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    let generic = input
        .generics
        .params
        .iter()
        .any(|it| !matches!(it, GenericParam::Lifetime(_)));
    if generic {
        return TokenStream::new();
    }
    let handles = &attr.handles;
    let text = format!(
        "two messages that `{}` handles have the same id: give one another `id` or `name`",
        input.ident
    );
    quote_spanned! {input.ident.span()=>
        const _: () = ::core::assert!(
            ::ringway::private::are_distinct(&[
                #(<<#handles as ::ringway::private::Delivery>::Message as ::ringway::private::Message>::TYPE_ID),*
            ]),
            #text
        );
    }
}

/// What is to be sent again must be copied first.
fn kept(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    let Some(redeliver) = &attr.redeliver else {
        return TokenStream::new();
    };
    let generic = input
        .generics
        .params
        .iter()
        .any(|it| !matches!(it, GenericParam::Lifetime(_)));
    if generic || redeliver.value == 0 {
        return TokenStream::new();
    }
    let handles = attr.handles.iter().map(|ty| {
        let text = "a message that is to be redelivered must be `Clone`";
        quote_spanned! {ty.span()=>
            const _: () = ::core::assert!(
                <<#ty as ::ringway::private::Delivery>::Message as ::ringway::private::Message>::KEEP.is_some(), #text
            );
        }
    });
    quote!(#(#handles)*)
}

fn hooks(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    if attr.hooks.is_some() {
        return TokenStream::new();
    }
    let ident = &input.ident;
    let generics = generics(input);
    let (params, arguments, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #params ::ringway::private::Hooks for #ident #arguments #bounds {}
    }
}
