//! From letters and entries to handlers: the impl of `Actor`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Type, parse_quote};

use super::accepts::message;
use super::ports;
use super::{ActorAttr, generics, variants};
use crate::attr::At;

/// `impl Actor`.
pub(super) fn actor(input: &DeriveInput, attr: &ActorAttr, letters: &Ident) -> TokenStream {
    let ident = &input.ident;
    let generics = generics(input);
    let (params, arguments, bounds) = generics.split_for_impl();
    let (variants, handles) = (variants(attr), &attr.handles);
    let has_hooks = attr.hooks.is_some();
    let ports = ports::name(input);
    let redeliver = attr
        .redeliver
        .as_ref()
        .map(|At { value, .. }| quote!(const REDELIVER: u32 = #value;));
    let args: Type = match &attr.args {
        Some(At { value, .. }) => value.clone(),
        None => parse_quote!(()),
    };
    // Not a method: what was once borrowed stays in the future.
    let handle = |ty: &Type, variant: &Ident| {
        quote_spanned! {ty.span()=>
            if ::core::matches!(arrival, ::core::option::Option::Some(_)) {
                ::ringway::private::end::<Self, #ty, _>(
                    ::ringway::private::Handler::<#ty, _>::handle(self, ::ringway::private::arrived(arrival), cx).await,
                    |ports| match ports {
                        #ports::#variant(port) => ::core::option::Option::Some(port.take()),
                        #[allow(unreachable_patterns)]
                        _ => ::core::option::Option::None,
                    },
                    self,
                    cx,
                );
            }
        }
    };
    let numbers = 0..handles.len();
    let entries = handles.iter().zip(numbers.clone()).map(|(ty, at)| {
        let message = message(ty);
        quote_spanned! {ty.span()=>
            ::core::option::Option::Some(id) if id == <#message as ::ringway::private::Message>::TYPE_ID => #at,
        }
    });
    let deliver_entry = handles.iter().zip(&variants).zip(numbers).map(|((ty, variant), at)| {
        let handle = handle(ty, variant);
        quote_spanned! {ty.span()=>
            #at => {
                let arrival = ::ringway::private::begin_entry::<Self, #ty>(#ports::#variant, cx);
                #handle
                return;
            }
        }
    });
    let deliver = handles.iter().zip(&variants).map(|(ty, variant)| {
        let handle = handle(ty, variant);
        quote_spanned! {ty.span()=>
            ::core::option::Option::Some(#letters::#variant(_)) => {
                let this = |letter| match letter {
                    #letters::#variant(letter) => ::core::option::Option::Some(letter),
                    #[allow(unreachable_patterns)]
                    _ => ::core::option::Option::None,
                };
                let arrival = ::ringway::private::begin::<Self, #ty>(letter, this, #ports::#variant, cx);
                #handle
            }
        }
    });
    let accepted = handles
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> ::ringway::private::Accepted::of::<Self, #ty>()));
    let give_back = variants
        .iter()
        .map(|variant| quote!(#letters::#variant(letter) => letter.give_back(back),));
    let never =
        (!generics.params.is_empty()).then(|| quote!(#letters::Never(never, _) => match never {},));
    let never_delivered = (!generics.params.is_empty())
        .then(|| quote!(::core::option::Option::Some(#letters::Never(..)) => {}));
    quote! {
        #[automatically_derived]
        impl #params ::ringway::private::Actor for #ident #arguments #bounds {
            type Args = #args;
            type Letters = #letters #arguments;
            type Ports = #ports #arguments;
            const ACCEPTED: &'static [::ringway::private::Accepted] =
                &[#(#accepted),*];
            const HAS_HOOKS: bool = #has_hooks;
            #redeliver

            fn deliver(
                &mut self,
                cx: &mut ::ringway::private::Context<Self>,
            ) -> impl ::core::future::Future<Output = ()> + ::core::marker::Send {
                // While a handler runs, the future holds nothing beside it. It would hold an argument, and what is moved out of
                // a pattern: so the letter is taken here, and moved as a whole.
                async move {
                    // An entry is opened straight into what its handler gets: a letter of it would be moved twice. By a number: what
                    // a guard has looked at stays in the future, too.
                    let at = match ::ringway::private::entry(cx) {
                        ::core::option::Option::None => usize::MAX,
                        #(#entries)*
                        _ => usize::MAX,
                    };
                    match at {
                        #(#deliver_entry)*
                        _ => {}
                    }
                    let letter = ::ringway::private::take(cx);
                    match letter {
                        ::core::option::Option::None => {}
                        #(#deliver)*
                        #never_delivered
                    }
                }
            }

            async fn on_started(
                &mut self,
                cx: &mut ::ringway::private::Context<Self>,
            ) -> ::core::result::Result<(), ::ringway::private::BoxError> {
                ::ringway::private::Hooks::started(self, cx).await
            }

            async fn on_stopping(
                &mut self,
                reason: &::ringway::private::ExitReason,
                cx: &mut ::ringway::private::Context<Self>,
            ) {
                ::ringway::private::Hooks::stopping(self, reason, cx).await
            }

            async fn on_restarted(
                &mut self,
                last: &::ringway::private::ExitReason,
                cx: &mut ::ringway::private::Context<Self>,
            ) -> ::core::result::Result<(), ::ringway::private::BoxError> {
                ::ringway::private::Hooks::restarted(self, last, cx).await
            }

            fn on_panicked(&mut self, message: &str) {
                ::ringway::private::Hooks::panicked(self, message)
            }

            fn on_tell_failed(
                &mut self,
                message: &'static str,
                error: ::ringway::private::HandlerError,
            ) {
                ::ringway::private::Hooks::tell_failed(self, message, error)
            }

            fn give_back(
                letter: Self::Letters,
                back: &::ringway::private::Back<'_>,
            ) {
                match letter {
                    #(#give_back)*
                    #never
                }
            }
        }
    }
}
