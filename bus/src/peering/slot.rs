//! Places for peers: a small number by which the books of heaps and urings name a peer, used again only when nothing of
//! the peer before is left.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::PEERS_MAX;

/// Which of the [`PEERS_MAX`] places are taken.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    taken: Mutex<[u64; PEERS_MAX as usize / 64]>,
}

/// One taken place; dropping it frees it, so whatever still speaks of the peer keeps it.
#[derive(Debug)]
pub(crate) struct Slot {
    index: u16,
    slots: Arc<Slots>,
}

impl Slots {
    /// Takes the lowest free place; `None` when all are taken.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let index = (0..PEERS_MAX).find(|index| taken[word(*index)] & bit(*index) == 0)?;
        taken[word(index)] |= bit(index);
        Some(Slot {
            index,
            slots: Arc::clone(self),
        })
    }
}

impl Slot {
    pub(crate) fn index(&self) -> u16 {
        self.index
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken[word(self.index)] &= !bit(self.index);
    }
}

fn word(index: u16) -> usize {
    usize::from(index / 64)
}

fn bit(index: u16) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_given_once_and_come_back() {
        let slots = Arc::new(Slots::default());
        let mut held: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(
            held.iter().map(Slot::index).collect::<Vec<_>>(),
            (0..PEERS_MAX).collect::<Vec<_>>()
        );
        drop(held.swap_remove(77));
        assert_eq!(slots.take().map(|slot| slot.index()), Some(77));
    }
}
