//! What became of each message.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What ends the wait for what does not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// What its sender knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is being sent.
    Drafted,
    /// The send failed, or it came back and had not been taken: it had no effect.
    Returned,
    /// A tell returned `Ok`, and it did not come back: it was handled.
    Told,
    /// An ask was answered.
    Answered,
    /// It is sent again until somebody has handled it: at least once.
    Redelivered,
    /// It was taken by who died before the end of the handler: nobody knows.
    InDoubt,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    fate: Fate,
    effects: u32,
}

#[derive(Debug, Default)]
struct Books {
    entries: Vec<Entry>,
    /// Tells that were taken and whose bytes are gone with their receivers, so that nobody can say which they were.
    nameless: u64,
}

/// All messages by number.
#[derive(Debug, Default)]
pub(crate) struct Account(Mutex<Books>);

impl Account {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next message.
    pub(crate) fn draft(&self) -> u64 {
        let mut books = self.books();
        books.entries.push(Entry {
            fate: Fate::Drafted,
            effects: 0,
        });
        books.entries.len() as u64 - 1
    }

    /// What has become of it. What came back may do so before its send has returned.
    pub(crate) fn settle(&self, number: u64, fate: Fate) {
        let mut books = self.books();
        let entry = &mut books.entries[index(number)];
        let is_news = match fate {
            Fate::Told => entry.fate == Fate::Drafted,
            _ => matches!(entry.fate, Fate::Drafted | Fate::Told),
        };
        assert!(
            is_news || fate == Fate::Told,
            "number {number}: {:?}, and now {fate:?}",
            entry.fate
        );
        if is_news {
            entry.fate = fate;
        }
    }

    /// One that was taken died with its receiver.
    pub(crate) fn nameless(&self) {
        self.books().nameless += 1;
    }

    /// It had its effect.
    pub(crate) fn done(&self, number: u64) {
        // Probes are nobody's work.
        if let Some(entry) = self.books().entries.get_mut(index(number)) {
            entry.effects += 1;
        }
    }

    /// Waits until everything that is sent again has been handled.
    pub(crate) fn await_redelivered(&self) {
        self.await_none("are still to be handled", |sums| sums.outstanding == 0);
    }

    /// Checks that everything is accounted for, once what is under way has come in.
    pub(crate) fn balance(&self) -> Sums {
        self.await_none("are missing", |sums| sums.missing <= sums.nameless)
    }

    fn await_none(&self, what: &str, is_done: impl Fn(&Sums) -> bool) -> Sums {
        let began = Instant::now();
        loop {
            let sums = self.sums();
            if is_done(&sums) {
                return sums;
            }
            // What was said by those who died is still being read.
            assert!(began.elapsed() < PATIENCE, "some {what}: {sums:?}");
            thread::yield_now();
        }
    }

    fn sums(&self) -> Sums {
        let books = self.books();
        let mut sums = Sums {
            nameless: books.nameless,
            ..Sums::default()
        };
        for (number, Entry { fate, effects }) in books.entries.iter().enumerate() {
            let (count, most) = match fate {
                Fate::Drafted => panic!("number {number} was never settled"),
                Fate::Returned => (&mut sums.returned, 0),
                Fate::Told => (&mut sums.told, 1),
                Fate::Answered => (&mut sums.answered, 1),
                Fate::InDoubt => (&mut sums.in_doubt, 1),
                Fate::Redelivered => (&mut sums.redelivered, u32::MAX),
            };
            *count += 1;
            assert!(
                *effects <= most,
                "number {number}: {fate:?}, with {effects} effects"
            );
            let is_missing = *effects == 0 && matches!(fate, Fate::Told | Fate::Answered);
            sums.missing += u64::from(is_missing);
            if *fate == Fate::Redelivered {
                // A ledger that goes by the numbers counts it once.
                sums.outstanding += u64::from(*effects == 0);
                sums.repeated += u64::from(*effects > 1);
            }
        }
        sums
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a 64-bit system")
}

/// How many messages had which fate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    told: u64,
    answered: u64,
    returned: u64,
    in_doubt: u64,
    redelivered: u64,
    /// Those of them that were handled more than once.
    repeated: u64,
    /// And not at all so far.
    outstanding: u64,
    nameless: u64,
    /// Told or answered, without an effect: with those that have no name.
    missing: u64,
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.told + self.answered + self.returned + self.in_doubt + self.redelivered;
        write!(
            f,
            "{all} messages: {} told, {} answered, {} returned without effect, {} in doubt; {} of those told died with \
             their receivers after they were taken; {} redelivered, {} of them handled more than once",
            self.told,
            self.answered,
            self.returned,
            self.in_doubt,
            self.nameless,
            self.redelivered,
            self.repeated
        )
    }
}
