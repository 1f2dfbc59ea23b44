//! What a handler of the message may return.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use super::Expansion;

impl Expansion<'_> {
    /// The reply, or a `Result` of it with any error: one impl per message, so that a `Result` can be a reply too.
    pub(super) fn replies(&self) -> TokenStream {
        let (ident, reply) = (self.input.ident, self.reply());
        let generics = self.generics();
        let mut fallible = generics.clone();
        fallible.params.push(parse_quote! {
            __E: ::core::convert::Into<::ringway::private::BoxError> + ::core::marker::Send + 'static
        });
        let (params, arguments, bounds) = generics.split_for_impl();
        let (fallible, ..) = fallible.split_for_impl();
        let error = quote!(::ringway::private::HandlerError);
        let result = quote!(::core::result::Result);
        quote! {
            #[automatically_derived]
            impl #params ::ringway::private::IntoReply<#ident #arguments> for #reply #bounds {
                fn into_reply(self) -> #result<#reply, #error> { #result::Ok(self) }
            }
            #[automatically_derived]
            impl #fallible ::ringway::private::IntoReply<#ident #arguments> for #result<#reply, __E> #bounds {
                fn into_reply(self) -> #result<#reply, #error> { self.map_err(#error::from_error) }
            }
        }
    }
}
