//! What points into the memory of one process means nothing in another.

use syn::visit::{self, Visit};
use syn::{Lifetime, Type};

use crate::errors::Errors;

/// Finds what points into the memory of one process.
struct Pointers<'a> {
    what: &'static str,
    errors: &'a mut Errors,
}

/// Refuses references, pointers, functions and trait objects anywhere in a type.
pub(super) fn refuse_pointers(ty: &Type, what: &'static str, errors: &mut Errors) {
    Pointers { what, errors }.visit_type(ty);
}

impl<'ast> Visit<'ast> for Pointers<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        let what = self.what;
        match ty {
            Type::Reference(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a reference: it means nothing in another process; own the value"),
            ),
            Type::Ptr(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a pointer: it means nothing in another process"),
            ),
            Type::BareFn(_) => self.errors.at(
                ty,
                format!("{what} cannot hold a function: it is elsewhere in another process"),
            ),
            Type::TraitObject(_) | Type::ImplTrait(_) => {
                self.errors.at(ty, format!("{what} cannot hold a trait object: the other side must know the type"));
            }
            _ => visit::visit_type(self, ty),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        // `Cow<'static, str>` owns what it was decoded to. Other lifetimes are parameters of the type, told there.
        let _ = lifetime;
    }
}
