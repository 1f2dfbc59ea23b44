//! How `move` and `copy` messages are read in place.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Type, parse_quote, parse_quote_spanned};

use super::Expansion;
use crate::attr::{At, Semantics};

impl Expansion<'_> {
    /// How `move` and `copy` messages are read in place.
    pub(super) fn place(&self) -> TokenStream {
        let ident = self.input.ident;
        let span = self.span();
        let (view, header, access, plain) = match (self.semantics, self.input.slice_item()) {
            (Semantics::Serial, _) => return TokenStream::new(),
            (_, Some(item)) => {
                let header: Type = match &self.attr.header {
                    Some(At { value, .. }) => value.clone(),
                    None => parse_quote!(()),
                };
                let access: Type = parse_quote_spanned!(item.span()=> ::ringway::private::Items);
                (parse_quote!([#item]), header, access, self.slice_is_read())
            }
            (semantics, None) => {
                let bits = match semantics {
                    Semantics::Move => quote_spanned!(span=> ::ringway::private::AnyBits),
                    _ => quote_spanned!(span=> ::ringway::private::CheckedBits),
                };
                let plain = quote_spanned! {span=>
                    #[automatically_derived]
                    impl ::ringway::private::Plain for #ident { type Bits = #bits; }
                };
                let view: Type = parse_quote!(Self);
                (
                    view,
                    parse_quote!(()),
                    parse_quote!(::ringway::private::Whole),
                    plain,
                )
            }
        };
        quote! {
            #[automatically_derived]
            impl ::ringway::private::InPlace for #ident {
                type View = #view;
                type Header = #header;
                type Access = #access;
            }
            #plain
        }
    }

    /// A slice message's field is never read by name; without this the compiler would call it dead.
    fn slice_is_read(&self) -> TokenStream {
        let ident = self.input.ident;
        let members = self.input.fields().map(|field| &field.member);
        quote!(const _: fn(&#ident) = |message| { #(let _ = &message.#members;)* };)
    }
}
