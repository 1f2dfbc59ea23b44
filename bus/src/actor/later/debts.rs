//! The answers that one actor owes: they end with it.

use std::sync::{Mutex, Weak};

use slab::Slab;

use crate::shared::lock;

/// Something that is owed to an asker.
pub(crate) trait Debt: Send + Sync {
    /// The actor that owes it has ended.
    fn end(&self);
}

/// What an actor owes.
#[derive(Default)]
pub(crate) struct Debts(Mutex<Slab<Weak<dyn Debt>>>);

impl Debts {
    /// Adds one; its actor has not ended.
    pub(super) fn add(&self, debt: Weak<dyn Debt>) -> usize {
        lock(&self.0).insert(debt)
    }

    /// One is settled.
    pub(super) fn settled(&self, place: usize) {
        let debt = lock(&self.0).try_remove(place);
        drop(debt); // outside of the lock
    }

    /// The actor has ended.
    pub(crate) fn end(&self) {
        let debts = std::mem::take(&mut *lock(&self.0));
        for (_, debt) in debts {
            if let Some(debt) = debt.upgrade() {
                debt.end();
            }
        }
    }
}
