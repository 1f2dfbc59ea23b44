//! Derive macros of Ringway: `Message`, `Schema`, `Actor`, and bytemuck's four for programs that depend on `ringway` alone.
//!
//! Every derive reads its input once (`ast`, `attr`), applies all rules (`valid`) and only then expands: an input with
//! three mistakes gets three errors, each at its token. The output names `::ringway::private` and nothing else.
#![forbid(unsafe_code)]

mod actor;
mod ast;
mod attr;
mod errors;
mod expand;
mod plain;
mod schema;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a type a message; the semantics is required.
///
/// On the type, `#[message(..)]` takes:
///
/// | key | value | meaning |
/// |---|---|---|
/// | `move`, `copy`, `serial` | none, or `semantics = move` | how values travel; exactly one |
/// | `publish` | none, beside one of the three | marked for topics |
/// | `reply` | a type | what a handler answers; default `()` |
/// | `name` | text of 1 to 120 bytes | the name on the bus; default the type's full path |
/// | `id` | an integer but 0 | the id on the bus; default a hash of the name |
/// | `version` | an integer | part of the schema; default 0 |
/// | `codec` | `"postcard"`, `"rkyv"` | of `serial`; default `"postcard"` |
/// | `header` | a `Pod` type | of a `copy` message that is a slice: `struct Frame([u8])` |
///
/// `move` needs `#[repr(C)]` or `#[repr(transparent)]` and `#[derive(Clone, Copy, Pod, Zeroable)]`; `copy` the same with
/// `NoUninit, CheckedBitPattern` in place of the last two, or a slice; `serial` needs serde's (or rkyv's) derives.
///
/// Each field's type states its schema, by [`macro@Schema`] or by an attribute on the field, in either spelling:
/// `#[schema(..)]`, `#[message(..)]`. `foreign = "uuid 1"` gives a text that stands for the type; change it when its bytes
/// change. `with = "[u8; 16]"` names another type whose schema counts. `skip` leaves the field out.
///
/// A type that holds itself needs `foreign` at that field, since its shape has no end: `#[schema(foreign = "Tree")]`. Such a
/// message can be nested as deep as it is long, and its decoder's stack with it: do not take it from untrusted peers.
#[proc_macro_derive(Message, attributes(message, schema))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    expand::message(parse_macro_input!(input as DeriveInput)).into()
}

/// States the schema of a type that is a field of messages. [`macro@Message`] includes it.
///
/// Takes the field attributes of `Message`.
#[proc_macro_derive(Schema, attributes(schema))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    schema::derive(parse_macro_input!(input as DeriveInput)).into()
}

/// Makes a type an actor that handles the messages named in `#[actor(handles(..))]`.
///
/// | key | value | meaning |
/// |---|---|---|
/// | `handles` | messages `M`, or `Lease<M>` to read a `move` message in place | each needs `impl Handler<..>` |
/// | `args` | a message type | what the actor is started with in another process; default `()` |
/// | `hooks` | none | the program implements `Hooks` itself |
/// | `redeliver = 3` | 0 | how often more than once its messages, which must be `Clone`, are sent to its next lives when it dies |
#[proc_macro_derive(Actor, attributes(actor))]
pub fn derive_actor(input: TokenStream) -> TokenStream {
    actor::derive(parse_macro_input!(input as DeriveInput)).into()
}

/// Declares a struct plain data: every bit pattern is a value and there is no padding.
///
/// Implements bytemuck's trait after checking `#[repr(C)]` or `#[repr(transparent)]`, that all fields are `Pod`, and that
/// no byte lies between them.
#[proc_macro_derive(Pod)]
pub fn derive_pod(input: TokenStream) -> TokenStream {
    plain::pod(parse_macro_input!(input as DeriveInput)).into()
}

/// Declares that all bytes zero are a value of a struct. Implements bytemuck's trait if all fields are `Zeroable`.
#[proc_macro_derive(Zeroable)]
pub fn derive_zeroable(input: TokenStream) -> TokenStream {
    plain::zeroable(parse_macro_input!(input as DeriveInput)).into()
}

/// Declares that a struct without padding, or an enum without fields, has only initialized bytes. Implements bytemuck's trait.
#[proc_macro_derive(NoUninit)]
pub fn derive_no_uninit(input: TokenStream) -> TokenStream {
    plain::no_uninit(parse_macro_input!(input as DeriveInput)).into()
}

/// Lets bytes become a struct, or an enum without fields, after a check of each field or of the number. Implements
/// bytemuck's trait.
#[proc_macro_derive(CheckedBitPattern)]
pub fn derive_checked_bit_pattern(input: TokenStream) -> TokenStream {
    plain::checked_bit_pattern(parse_macro_input!(input as DeriveInput)).into()
}
