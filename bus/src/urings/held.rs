//! Words about urings that wait for a ring segment which this process was too poor to map.
//!
//! A peer announces a segment before it names a place in it. A process that is short of descriptors or mappings answers that
//! it is to be announced again, and until it is mapped the words that name it wait here, each with all that is said later
//! about the same uring. Nobody is to blame, and nothing is refused but what there is no room to keep.
//!
//! Bounded: by what this node itself opens, by a number of urings that the peer opens, and by the words that can be said of
//! one.

use std::collections::BTreeMap;

use super::wire::{Place, UringWord};
use crate::frame::WireKey;

/// Urings that a peer opens and that wait at a time.
const URINGS_MAX: usize = 1024;

/// Words kept of one uring: it is opened, looked at, closed and released, or opened and closed by the other side.
const WORDS_MAX: usize = 4;

/// Who opened a uring, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Ours(u64),
    Theirs(u64),
}

/// What becomes of a word.
#[derive(Debug)]
pub(crate) enum Holding {
    /// It can be taken in now.
    Now(UringWord),
    Held,
    /// A request, when too many wait already.
    NoRoom(WireKey),
    /// More about one uring than there is to say.
    TooMany(WireKey),
}

/// The words that wait.
#[derive(Debug, Default)]
pub(super) struct Held {
    words: BTreeMap<Name, Vec<UringWord>>,
}

impl Held {
    /// Keeps a word that names an awaited place, or is about a uring of which a word waits.
    pub(super) fn hold(&mut self, word: UringWord, is_awaited: impl Fn(&Place) -> bool) -> Holding {
        let Some(uring) = word.uring() else {
            return Holding::Now(word);
        };
        let name = match word.answers() {
            Some(ours) => Name::Ours(ours.to_bits()),
            None => Name::Theirs(uring.0.to_bits()),
        };
        if let Some(words) = self.words.get_mut(&name) {
            if words.len() == WORDS_MAX {
                return Holding::TooMany(uring);
            }
            words.push(word);
            return Holding::Held;
        }
        if !word.places().iter().flatten().any(is_awaited) {
            return Holding::Now(word);
        }
        if matches!(name, Name::Theirs(_)) && self.words.len() >= URINGS_MAX {
            return Holding::NoRoom(uring);
        }
        self.words.insert(name, vec![word]);
        Holding::Held
    }

    /// Takes all out, those about one uring in order.
    pub(super) fn take(&mut self) -> Vec<UringWord> {
        let words = std::mem::take(&mut self.words);
        words.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use ringway_shm::generation::Key;

    use super::*;
    use crate::mailbox::Overflow;
    use crate::urings::wire::Terms;

    fn opened(uring: u32, segment: u32) -> UringWord {
        UringWord::Opened {
            uring: WireKey(Key::first(uring)),
            place: Place {
                segment: WireKey(Key::first(segment)),
                offset: 0,
            },
            notes_head: None,
            terms: Terms {
                overflow: Overflow::Wait,
                bound: 128,
                redeliver: 0,
            },
        }
    }

    // Goal: what is said of one uring stays in order, what is said of others is not held up, and nobody says without end.
    #[test]
    fn only_what_must_wait_waits_and_in_order() {
        let mut held = Held::default();
        let is_awaited = |place: &Place| place.segment == WireKey(Key::first(7));
        let uring = WireKey(Key::first(1));
        assert!(matches!(held.hold(opened(1, 7), is_awaited), Holding::Held));
        assert!(matches!(
            held.hold(opened(2, 6), is_awaited),
            Holding::Now(_)
        ));
        // The peer's own uring of the same name.
        let close = UringWord::Close { uring };
        assert!(matches!(held.hold(close, is_awaited), Holding::Now(_)));
        let refused = || UringWord::Refused {
            uring,
            why: super::super::wire::OpenRefusal::WrongKind,
        };
        for _ in 1..WORDS_MAX {
            assert!(matches!(held.hold(refused(), is_awaited), Holding::Held));
        }
        assert!(matches!(
            held.hold(refused(), is_awaited),
            Holding::TooMany(_)
        ));
        let words = held.take();
        assert_eq!((words.len(), &words[0]), (WORDS_MAX, &opened(1, 7)));
        assert!(held.take().is_empty());
    }
}
