//! Where the port of the message in hand lies while its handler runs: one variant per message.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident};

use super::accepts::message;
use super::{ActorAttr, generics, variants};

/// What the enum is called.
pub(super) fn name(input: &DeriveInput) -> Ident {
    format_ident!("{}Ports", input.ident)
}

/// The enum, and what the bus asks of it without knowing which message it is.
pub(super) fn ports(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    let ports = name(input);
    let generics = generics(input);
    let (params, arguments, bounds) = generics.split_for_impl();
    let variants = variants(attr);
    let types = attr.handles.iter().map(|ty| {
        let message = message(ty);
        quote_spanned!(ty.span()=> ::ringway::private::ReplyPort<#message>)
    });
    // Parameters that no message names must still be used.
    let is_generic = !generics.params.is_empty();
    let unused = is_generic.then(|| {
        let ident = &input.ident;
        quote! {
            #[doc(hidden)]
            Never(::ringway::private::Never, ::core::marker::PhantomData<fn() -> #ident #arguments>),
        }
    });
    let never = is_generic.then(|| quote!(Self::Never(never, _) => match *never {},));
    quote! {
        /// The port of the message in hand.
        #[doc(hidden)]
        #[allow(missing_debug_implementations)]
        pub enum #ports #generics #bounds {
            None,
            #(#variants(#types),)*
            #unused
        }

        #[automatically_derived]
        impl #params ::core::default::Default for #ports #arguments #bounds {
            #[inline]
            fn default() -> Self {
                Self::None
            }
        }

        #[automatically_derived]
        impl #params ::ringway::private::Ports for #ports #arguments #bounds {
            fn in_hand(&self) -> ::core::option::Option<&dyn ::ringway::private::PortInHand> {
                match self {
                    Self::None => ::core::option::Option::None,
                    #(Self::#variants(port) => ::core::option::Option::Some(port),)*
                    #never
                }
            }
        }
    }
}
