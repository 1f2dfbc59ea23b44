//! From senders of this process to letters: one impl of `Accepts` per message.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, GenericArgument, PathArguments, Type};

use super::{ActorAttr, generics, variants};

/// `impl Accepts<M>` for each message.
pub(super) fn accepts(input: &DeriveInput, attr: &ActorAttr) -> TokenStream {
    let ident = &input.ident;
    let letters = format_ident!("{ident}Letters");
    let ports = super::ports::name(input);
    let generics = generics(input);
    let (params, arguments, bounds) = generics.split_for_impl();
    let handles = attr
        .handles
        .iter()
        .zip(variants(attr))
        .map(|(ty, variant)| {
            let message = message(ty);
            quote_spanned! {ty.span()=>
                #[automatically_derived]
                impl #params ::ringway::private::Accepts<#message> for #ident #arguments #bounds {
                    #[inline]
                    fn letter(
                        handed: ::ringway::private::Handed<#message>,
                        reply: ::ringway::private::ReplyPort<#message>,
                    ) -> Self::Letters {
                        #letters::#variant(::ringway::private::Letter::<#ty>::new(handed, reply))
                    }

                    fn port_of(
                        ports: Self::Ports,
                    ) -> ::core::result::Result<::ringway::private::ReplyPort<#message>, Self::Ports> {
                        match ports {
                            #ports::#variant(port) => ::core::result::Result::Ok(port),
                            other => ::core::result::Result::Err(other),
                        }
                    }

                    fn port_in_hand(port: ::ringway::private::ReplyPort<#message>) -> Self::Ports {
                        #ports::#variant(port)
                    }
                }
            }
        });
    quote!(#(#handles)*)
}

/// The message behind what a handler names: `M` of `Lease<M>`, else the type itself.
///
/// Told from the tokens: for a generic actor, coherence does not look through `<Lease<M> as Delivery>::Message`, as a
/// later version of `ringway` might make a lease a message.
pub(super) fn message(ty: &Type) -> &Type {
    let Type::Path(path) = ty else { return ty };
    let Some(last) = path.path.segments.last() else {
        return ty;
    };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments)
            if last.ident == "Lease" || last.ident == "ArchivedLease" =>
        {
            match arguments.args.first() {
                Some(GenericArgument::Type(message)) => message,
                _ => ty,
            }
        }
        _ => ty,
    }
}
