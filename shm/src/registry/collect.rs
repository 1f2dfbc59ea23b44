//! The collector: which entries may be used again, and when.
//!
//! # Invariants
//! - **grace**: as in the registry's head; an entry leaves `marked` for `vacant` in the one step that makes it FREE.

use super::{Books, Registry, RegistryError};
use crate::region::Keep;
use crate::sync::Ordering::Release;

const GRACE: u64 = 2; // epochs from mark to reuse: one of them passes whole

impl<K: Keep> Registry<K> {
    /// Begins an epoch and frees the entries that nobody refers to and that were marked two epochs
    /// ago or earlier. Returns how many. [`allocate`](Self::allocate) calls it when the table is
    /// full.
    pub fn garbage_collect(&self) -> usize {
        self.collect(&mut self.books())
    }

    fn collect(&self, books: &mut Books) -> usize {
        books.epoch += 1;
        let (epoch, before) = (books.epoch, books.vacant.len());
        let Books { marked, vacant, .. } = books;
        marked.retain(|&(marked_in, key)| {
            let entry = &self.entries[key.index() as usize];
            let is_due = marked_in + GRACE <= epoch && entry.references() == 0;
            if is_due {
                entry
                    .transition_to_free()
                    .expect("one-writer: listed as marked");
                vacant.push(key.index());
            }
            !is_due
        });
        // Release epoch-begun: pairs with the acquiring load in `PeerRegistry::epoch`.
        self.head.epoch.store(epoch, Release);
        vacant.len() - before
    }

    /// Finds a FREE entry: one that was used before, or the next that was not, or one whose grace is over.
    pub(super) fn next_vacant(&self, books: &mut Books) -> Result<u32, RegistryError> {
        if let Some(index) = books.vacant.pop() {
            return Ok(index);
        }
        let capacity = self.view.capacity();
        if books.used < capacity {
            let index = books.used;
            books.used += 1;
            // Release used-raised: pairs with the acquiring load in `PeerRegistry::entries`.
            self.head.used.store(u64::from(books.used), Release);
            return Ok(index);
        }
        for _ in 0..GRACE {
            self.collect(books);
        }
        books.vacant.pop().ok_or(RegistryError::Full { capacity })
    }
}
