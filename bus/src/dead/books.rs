//! What a node has counted of its dead letters, and who listens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use ringway_shm::sync::AtomicUsize;
use ringway_shm::sync::Ordering::Relaxed;

use super::stream::Queue;
use super::{DeadLetter, DeadLetterCount, DeadLetterStream};
use crate::addr::ActorId;
use crate::message::TypeId;
use crate::shared::lock;

/// Rows by type and actor; what comes beyond them is counted by type alone.
const ROWS_MAX: usize = 1024;

/// The type of a letter, and its actor unless there are too many.
type Key = (Option<TypeId>, Option<ActorId>);

#[derive(Default)]
struct Books {
    counts: HashMap<Key, DeadLetterCount>,
    listeners: Vec<Weak<Queue>>,
    /// The node has left: nobody hears more.
    is_over: bool,
}

/// The dead letters of one node.
#[derive(Default)]
pub(crate) struct DeadLetters {
    books: Mutex<Books>,
    /// A hint: whether it is worth keeping a message for those who listen.
    listening: AtomicUsize,
}

impl DeadLetters {
    /// Whether anybody listens; may be stale at once.
    pub(crate) fn is_listened(&self) -> bool {
        // Relaxed: a hint.
        self.listening.load(Relaxed) > 0
    }

    /// Counts a letter and shows it to those who listen. No lock of the caller's may be held.
    pub(crate) fn publish(&self, letter: DeadLetter) {
        let listeners = {
            let mut books = lock(&self.books);
            books.count(&letter);
            let before = books.listeners.len();
            books.listeners.retain(|it| it.strong_count() > 0);
            if books.listeners.len() != before {
                self.listening.store(books.listeners.len(), Relaxed); // Relaxed: a hint
            }
            let listeners = books.listeners.iter().filter_map(Weak::upgrade);
            listeners.collect::<Vec<_>>()
        };
        for listener in listeners {
            listener.push(letter.clone());
        }
    }

    /// Listens from now on.
    pub(crate) fn listen(&self) -> DeadLetterStream {
        let queue = Arc::<Queue>::default();
        let is_over = {
            let mut books = lock(&self.books);
            books.listeners.push(Arc::downgrade(&queue));
            self.listening.store(books.listeners.len(), Relaxed); // Relaxed: a hint
            books.is_over
        };
        if is_over {
            queue.end();
        }
        DeadLetterStream::new(queue)
    }

    /// What was counted, the most first.
    pub(crate) fn counts(&self) -> Vec<DeadLetterCount> {
        let mut counts: Vec<_> = lock(&self.books).counts.values().cloned().collect();
        counts.sort_by_key(|row| std::cmp::Reverse(row.count));
        counts
    }

    /// The node has left: who listens hears the rest, and then the end.
    pub(crate) fn end(&self) {
        let listeners = {
            let mut books = lock(&self.books);
            books.is_over = true;
            books.listeners.clone()
        };
        listeners
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|it| it.end());
    }
}

impl Books {
    fn count(&mut self, letter: &DeadLetter) {
        let mut key = (letter.type_id, Some(letter.actor));
        if self.counts.len() >= ROWS_MAX && !self.counts.contains_key(&key) {
            key.1 = None;
        }
        let row = self.counts.entry(key).or_insert_with(|| DeadLetterCount {
            type_id: letter.type_id,
            type_name: letter.type_name,
            actor: key.1,
            name: letter.name.clone().filter(|_| key.1.is_some()),
            count: 0,
        });
        row.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead::{DeadReason, Types, Whom};
    use crate::message::Message;
    use crate::number::Number;
    use crate::peering::NodeId;

    fn letter(actor: u64) -> DeadLetter {
        let whom = Whom {
            actor: ActorId::new(
                NodeId::from_bits(1).unwrap(),
                Number::from_bits(actor).unwrap(),
            ),
            name: None,
            types: Types::Accepted(&[]),
        };
        DeadLetter::of::<u64>(&whom, DeadReason::Dropped)
    }

    // Goal: as many actors as there may ever be are counted in bounded memory, and none is left out of the sum.
    #[test]
    fn rows_are_bounded() {
        let dead = DeadLetters::default();
        let many = ROWS_MAX as u64 + 10;
        (1..=many).for_each(|actor| dead.publish(letter(actor)));
        dead.publish(letter(7));
        let counts = dead.counts();
        assert_eq!(counts.iter().map(|row| row.count).sum::<u64>(), many + 1);
        assert_eq!(counts.len(), ROWS_MAX + 1);
        let beyond = counts.iter().find(|row| row.actor.is_none()).unwrap();
        assert_eq!((beyond.count, beyond.type_id), (10, Some(u64::TYPE_ID)));
        assert_eq!(counts.iter().filter(|row| row.count == 2).count(), 1);
    }

    // Goal: who does not read misses the oldest, knows how many, and costs bounded memory; who has left is forgotten.
    #[test]
    fn a_stream_is_bounded_and_says_what_it_missed() {
        let dead = DeadLetters::default();
        assert!(!dead.is_listened());
        let mut stream = dead.listen();
        assert!(dead.is_listened());
        let many = super::super::stream::LETTERS_MAX as u64 + 3;
        (1..=many).for_each(|actor| dead.publish(letter(actor)));
        let first = stream.try_next().unwrap();
        assert_eq!((first.missed_before, first.actor), (3, letter(4).actor));
        let second = stream.try_next().unwrap();
        assert_eq!((second.missed_before, second.actor), (0, letter(5).actor));
        drop(stream);
        dead.publish(letter(1));
        assert!(!dead.is_listened());
    }
}
