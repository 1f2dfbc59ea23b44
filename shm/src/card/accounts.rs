//! The accounts: what has become of a node's messages and blocks, in sums of one moment that must balance.
//!
//! They are about what passes between nodes: messages over urings, and blocks of the heap. A node adds them up when it is asked, as
//! most of what they need is counted by indices; so they cost nothing on a message's way. What it has added up it posts on
//! its card, where they stay after its death.
//!
//! # Invariants
//! - **one-moment**: the words that stand between two equal, even versions are of one posting.
//! # If a side dies
//! Killed in the middle of a posting, it leaves an odd version: there are no accounts, which is said.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::region::{DefaultKeep, Keep, OwnRecord, PeerRecord, record};
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU64, fence};

/// Words of a posting; those that are not used are 0.
const WORDS: usize = 23;

/// Tries to read while the owner posts.
const READS_MAX: u32 = 1000;

record! {
    /// The accounts that were posted last.
    pub(crate) struct AccountLines: size 192, align 64 {
        version: AtomicU64, // odd while they are written; 0 for none
        words: [AtomicU64; WORDS],
    }
}

macro_rules! accounts {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// What has become of a node's messages to and from other nodes, and of its blocks.
        ///
        /// At any quiet moment they balance, also after the death of anybody: [`check`](Self::check). While messages are
        /// under way what this node has sent balances all the same; what it has taken may lag by what its workers have
        /// handled since their last pass.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Accounts {
            $($(#[$meta])* pub $name: u64,)*
        }

        impl Accounts {
            fn to_words(self) -> [u64; WORDS] {
                let mut words = [0; WORDS];
                let mut at = words.iter_mut();
                $(if let Some(word) = at.next() { *word = self.$name; })*
                words
            }

            fn from_words(words: [u64; WORDS]) -> Self {
                let mut words = words.into_iter();
                Self { $($name: words.next().unwrap_or_default(),)* }
            }
        }

        const _: () = assert!([$(stringify!($name)),*].len() <= WORDS);
    };
}

accounts! {
    /// When they were added up, in milliseconds since 1970 by the node's wall clock.
    at_ms,

    /// Messages that this node has submitted to others.
    sent,
    /// Those that ended with any result of their receiver: a reply, an error, or that it dropped them, found them expired or
    /// cancelled, or could not read them.
    completed,
    /// Those that were never taken, and came back.
    returned,
    /// Those whose receiver ended after it took them and before it completed them.
    died_after_take,
    /// Those of which nobody knows: this node has left, or closed their uring, before their receiver had completed them.
    uncertain,
    /// Those that have not ended.
    in_flight,

    /// Messages of other nodes that this one has taken.
    taken,
    /// Those whose handler came to its end, well or with an error, or left the reply for later; of a queue, those received.
    handled,
    /// Those whose handler did not: it panicked, or its actor was killed.
    panicked,
    /// Those that the policy of a full mailbox dropped.
    dropped,
    /// Those whose deadline had passed when they were taken.
    expired,
    /// Those that their senders had given up when they were taken.
    cancelled,
    /// Those that an actor which ended has left of senders that are dead.
    dead_letters,
    /// Those that could not be read.
    refused,
    /// Those whose handler has begun and not ended.
    in_handling,

    /// Blocks of the heap that were handed out.
    blocks_allocated,
    /// Those that were freed.
    blocks_freed,
    /// Those that this process has for itself: being filled, or on their way.
    blocks_owned,
    /// Those that others read, or may.
    blocks_lent,
}

/// What must be equal to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// What was sent.
    Sent,
    /// What was taken.
    Taken,
    /// The blocks of the heap.
    Blocks,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => {
                "sent = completed + returned + died_after_take + uncertain + in_flight"
            }
            Self::Taken => {
                "taken = handled + panicked + dropped + expired + cancelled + dead_letters + refused + in_handling"
            }
            Self::Blocks => "blocks_allocated = blocks_freed + blocks_owned + blocks_lent",
        })
    }
}

/// Accounts that do not balance. At a quiet moment that is a fault of the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not true: {identity}; it is {total}, and they are {sum}")]
#[non_exhaustive]
pub struct Imbalance {
    /// What is not true.
    pub identity: Identity,
    /// Its left side.
    pub total: u64,
    /// The sum of its right side.
    pub sum: u64,
}

impl Accounts {
    /// Says that these were added up now.
    #[must_use]
    pub fn dated(self) -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let at_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Self { at_ms, ..self }
    }

    /// Checks that all identities hold.
    ///
    /// # Errors
    ///
    /// The first one that does not, with both of its sides.
    pub fn check(&self) -> Result<(), Imbalance> {
        let sides: [(Identity, u64, &[u64]); 3] = [
            (
                Identity::Sent,
                self.sent,
                &[
                    self.completed,
                    self.returned,
                    self.died_after_take,
                    self.uncertain,
                    self.in_flight,
                ],
            ),
            (
                Identity::Taken,
                self.taken,
                &[
                    self.handled,
                    self.panicked,
                    self.dropped,
                    self.expired,
                    self.cancelled,
                    self.dead_letters,
                    self.refused,
                    self.in_handling,
                ],
            ),
            (
                Identity::Blocks,
                self.blocks_allocated,
                &[self.blocks_freed, self.blocks_owned, self.blocks_lent],
            ),
        ];
        for (identity, total, parts) in sides {
            // A dead or hostile node's card may say anything.
            let sum = parts
                .iter()
                .fold(0_u64, |sum, part| sum.saturating_add(*part));
            if total != sum {
                return Err(Imbalance {
                    identity,
                    total,
                    sum,
                });
            }
        }
        Ok(())
    }

    /// Tells whether nothing is under way: no message that this node has sent or taken, no block that others read.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.in_flight == 0 && self.in_handling == 0 && self.blocks_lent == 0
    }
}

/// Where a node posts its accounts.
#[derive(Debug)]
pub(super) struct Board<K = DefaultKeep> {
    lines: OwnRecord<AccountLines, K>,
    /// One of the owner's threads posts at a time.
    posting: Mutex<()>,
}

impl<K: Keep> Board<K> {
    pub(super) fn new(lines: OwnRecord<AccountLines, K>) -> Self {
        Self {
            lines,
            posting: Mutex::default(),
        }
    }

    pub(super) fn post(&self, accounts: &Accounts) {
        let _turn = self.posting.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: only changed in turns.
        let version = self.lines.version.load(Relaxed) | 1;
        self.lines.version.store(version, Relaxed);
        // Release accounts-posted: the odd version before the words; pairs with the Acquire fence in `read`: who sees one of
        // these words sees that version, or a later one.
        fence(Release);
        for (word, value) in self.lines.words.iter().zip(accounts.to_words()) {
            word.store(value, Relaxed); // Relaxed: the version publishes them.
        }
        // Release accounts-posted: pairs with the acquiring load of the version in `read`.
        self.lines.version.store(version.wrapping_add(1), Release);
    }
}

/// A node's accounts as others see them.
#[derive(Debug)]
pub(super) struct PeerBoard<K = DefaultKeep> {
    lines: PeerRecord<AccountLines, K>,
}

impl<K: Clone> Clone for PeerBoard<K> {
    fn clone(&self) -> Self {
        Self {
            lines: self.lines.clone(),
        }
    }
}

impl<K: Keep> PeerBoard<K> {
    pub(super) fn new(lines: PeerRecord<AccountLines, K>) -> Self {
        Self { lines }
    }

    pub(super) fn read(&self) -> Option<Accounts> {
        let lines = self.lines.get();
        for _ in 0..READS_MAX {
            // Acquire accounts-posted: pairs with the Release store of the version in `post`.
            let before = lines.load_acquire(|lines| &lines.version);
            if before == 0 {
                return None;
            }
            if before & 1 == 1 {
                std::hint::spin_loop();
                continue;
            }
            let words = std::array::from_fn(|at| lines.load(|lines| &lines.words[at]));
            // Acquire accounts-posted: the words before the version; pairs with the Release fence in `post`.
            fence(Acquire);
            // Relaxed: the fence orders it.
            if lines.load(|lines| &lines.version) == before {
                return Some(Accounts::from_words(words));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Buffer;

    fn balanced() -> Accounts {
        Accounts {
            sent: 15,
            completed: 1,
            returned: 2,
            died_after_take: 3,
            uncertain: 4,
            in_flight: 5,
            taken: 36,
            handled: 1,
            panicked: 2,
            dropped: 3,
            expired: 4,
            cancelled: 5,
            dead_letters: 6,
            refused: 7,
            in_handling: 8,
            blocks_allocated: 6,
            blocks_freed: 1,
            blocks_owned: 2,
            blocks_lent: 3,
            ..Accounts::default()
        }
    }

    // Goal: a fault in any term is told, with the identity that it is in. Method: each word one more, in turn.
    #[test]
    fn every_term_counts() {
        assert_eq!(balanced().check(), Ok(()));
        let mut named = Vec::new();
        for at in 0..WORDS {
            let mut words = balanced().to_words();
            words[at] += 1;
            let checked = Accounts::from_words(words).check();
            named.extend(checked.err().map(|imbalance| imbalance.identity));
        }
        let count = |identity| named.iter().filter(|it| **it == identity).count();
        let counts = [Identity::Sent, Identity::Taken, Identity::Blocks].map(count);
        assert_eq!(counts, [6, 9, 4]);
        let error = Accounts {
            sent: 14,
            ..balanced()
        };
        let error = error.check().unwrap_err().to_string();
        assert!(error.ends_with("it is 14, and they are 15"), "{error}");
    }

    // Goal: a card may say anything: no sum overflows.
    #[test]
    fn absurd_sums_do_not_balance() {
        let words = [u64::MAX; WORDS];
        let absurd = Accounts::from_words(words);
        // Saturated, they happen to agree; nothing panics.
        assert_eq!(absurd.check(), Ok(()));
        assert!(!absurd.is_quiet());
    }

    // Goal: what was posted is read, whole; nothing before the first posting, nor of one that was not ended.
    #[test]
    fn what_is_posted_is_read() {
        let region = Buffer::region(192);
        let board = Board::new(region.hold(0).unwrap());
        let seen = PeerBoard::new(region.read_only().hold(0).unwrap());
        assert_eq!(seen.read(), None);
        for sent in [3, 4] {
            let accounts = Accounts { sent, ..balanced() };
            board.post(&accounts);
            assert_eq!(seen.read(), Some(accounts));
        }
        board.lines.version.fetch_or(1, Relaxed);
        assert_eq!(seen.read(), None, "its owner was killed meanwhile");
    }

    // Goal: a reader never has words of two postings. Method: one thread posts equal words, another reads.
    #[test]
    fn readers_see_one_moment() {
        let region = Buffer::region(192);
        let board = Board::new(region.hold(0).unwrap());
        let seen = PeerBoard::new(region.read_only().hold(0).unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for value in 1..20_000 {
                    board.post(&Accounts::from_words([value; WORDS]));
                }
            });
            let mut last = 0;
            while last < 19_999 {
                if let Some(accounts) = seen.read() {
                    assert!(accounts.sent >= last);
                    last = accounts.sent;
                    let words = accounts.to_words();
                    let used = words.iter().filter(|word| **word == last).count();
                    assert_eq!(used, 20, "{accounts:?}");
                }
            }
        });
    }
}
