//! Ready notes and bell as an explicit-state model: one sender with one uring, one reader, and a sender that may be killed at
//! any step. What loom cannot say: that nothing is lost to a death, and that at most two notes are ever unread.
//!
//! Each side's stores wait in a buffer of its own and reach memory in order (total store order; loom covers weaker
//! memories). A fence waits until the buffer is empty. A killed sender's buffer still drains, then the reader gets a
//! death notice. `Tail` stands for the stamps. Every state is visited; known-wrong variants must fail.

use std::collections::{HashSet, VecDeque};

/// One way to get it wrong, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Right,
    NoFenceAfterStamp,
    NoFenceAfterNote,
    NoFenceAfterIdle,
    NoFenceAfterAsleep,
    DeathNoticeLooksAtNotesOnly,
}

/// Words of shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Word {
    Tail,
    Notes,
    Idle,
    Asleep,
}

/// A side's stores that memory has not seen yet, and how it reads its own back.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct StoreBuffer(Vec<(Word, u8)>);

impl StoreBuffer {
    fn load(&self, memory: &[u8; 4], word: Word) -> u8 {
        let own = self.0.iter().rev().find(|(stored, _)| *stored == word);
        own.map_or(memory[word as usize], |(_, value)| *value)
    }

    fn store(&mut self, word: Word, value: u8) {
        self.0.push((word, value));
    }

    fn drain_one(&mut self, memory: &mut [u8; 4]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let (word, value) = self.0.remove(0);
        memory[word as usize] = value;
        true
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum SenderAt {
    Submit,
    AfterStamp,
    LookIdle,
    Note,
    AfterNote,
    LookAsleep,
    Ring,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Sender {
    at: SenderAt,
    sent: u8,
    noted: u8,
    rang: u8,
    buffer: StoreBuffer,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum ReaderAt {
    ClearBell,
    ReadNotes,
    Drain,
    ReadNotesAgain,
    GoIdle,
    AfterIdle,
    LookAgain,
    Arm,
    AfterAsleep,
    LookAtNotes,
    Blocked,
    Disarm,
    Bereft,
    DrainDead,
    End,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Reader {
    at: ReaderAt,
    taken: u8,
    idle_epoch: u8,
    asleep_epoch: u8,
    notes_read: u8,
    watches: bool,
    buffer: StoreBuffer,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    memory: [u8; 4],
    bell: bool,
    sender: Sender,
    reader: Reader,
    dead: bool,
}

impl State {
    fn first() -> Self {
        let sender = Sender {
            at: SenderAt::Submit,
            sent: 0,
            noted: 0,
            rang: 0,
            buffer: StoreBuffer::default(),
        };
        let reader = Reader {
            at: ReaderAt::ClearBell,
            taken: 0,
            idle_epoch: 0,
            asleep_epoch: 0,
            notes_read: 0,
            watches: true,
            buffer: StoreBuffer::default(),
        };
        Self {
            memory: [0; 4],
            bell: false,
            sender,
            reader,
            dead: false,
        }
    }

    fn tail(&self) -> u8 {
        self.memory[Word::Tail as usize]
    }

    fn unread_notes(&self) -> u8 {
        self.memory[Word::Notes as usize] - self.reader.notes_read
    }

    /// All states one step further, deaths apart.
    fn successors(&self, messages: u8, variant: Variant) -> Vec<Self> {
        let mut next = Vec::new();
        let mut drained = self.clone();
        if drained.sender.buffer.drain_one(&mut drained.memory) {
            next.push(drained);
        }
        let mut drained = self.clone();
        if drained.reader.buffer.drain_one(&mut drained.memory) {
            next.push(drained);
        }
        if !self.dead {
            next.extend(self.sender_step(messages, variant));
        }
        next.extend(self.reader_step(variant));
        next
    }

    fn sender_step(&self, messages: u8, variant: Variant) -> Option<Self> {
        let mut next = self.clone();
        let Sender {
            at,
            sent,
            noted,
            rang,
            buffer,
        } = &mut next.sender;
        *at = match *at {
            SenderAt::Submit if *sent == messages => return None,
            SenderAt::Submit => {
                *sent += 1;
                buffer.store(Word::Tail, *sent);
                SenderAt::AfterStamp
            }
            SenderAt::AfterStamp if buffer.is_empty() || variant == Variant::NoFenceAfterStamp => {
                SenderAt::LookIdle
            }
            SenderAt::LookIdle => match buffer.load(&self.memory, Word::Idle) {
                idle if idle == 0 || idle == *noted => SenderAt::Submit,
                idle => {
                    *noted = idle;
                    SenderAt::Note
                }
            },
            SenderAt::Note => {
                buffer.store(Word::Notes, buffer.load(&self.memory, Word::Notes) + 1);
                SenderAt::AfterNote
            }
            SenderAt::AfterNote if buffer.is_empty() || variant == Variant::NoFenceAfterNote => {
                SenderAt::LookAsleep
            }
            SenderAt::LookAsleep => match buffer.load(&self.memory, Word::Asleep) {
                epoch if epoch <= *rang => SenderAt::Submit,
                epoch => {
                    *rang = epoch;
                    SenderAt::Ring
                }
            },
            // A system call: a fence of its own.
            SenderAt::Ring if buffer.is_empty() => {
                next.bell = true;
                SenderAt::Submit
            }
            SenderAt::AfterStamp | SenderAt::AfterNote | SenderAt::Ring => return None,
        };
        Some(next)
    }

    fn reader_step(&self, variant: Variant) -> Option<Self> {
        let mut next = self.clone();
        let tail = self.reader.buffer.load(&self.memory, Word::Tail);
        let notes = self.reader.buffer.load(&self.memory, Word::Notes);
        let Reader {
            at,
            taken,
            idle_epoch,
            asleep_epoch,
            notes_read,
            watches,
            buffer,
        } = &mut next.reader;
        *at = match *at {
            ReaderAt::ClearBell => {
                next.bell = false;
                ReaderAt::ReadNotes
            }
            ReaderAt::ReadNotes => {
                if notes != *notes_read && !*watches {
                    *watches = true;
                    buffer.store(Word::Idle, 0);
                }
                *notes_read = notes;
                ReaderAt::Drain
            }
            ReaderAt::Drain if !*watches => ReaderAt::Arm,
            ReaderAt::Drain if tail > *taken => {
                *taken += 1;
                ReaderAt::Drain
            }
            ReaderAt::Drain => ReaderAt::ReadNotesAgain,
            // Before a new epoch, so that there are never more than two.
            ReaderAt::ReadNotesAgain => {
                *notes_read = notes;
                ReaderAt::GoIdle
            }
            ReaderAt::GoIdle => {
                *idle_epoch += 1;
                buffer.store(Word::Idle, *idle_epoch);
                ReaderAt::AfterIdle
            }
            ReaderAt::AfterIdle if buffer.is_empty() || variant == Variant::NoFenceAfterIdle => {
                ReaderAt::LookAgain
            }
            ReaderAt::LookAgain if tail > *taken => {
                buffer.store(Word::Idle, 0);
                ReaderAt::ClearBell
            }
            ReaderAt::LookAgain => {
                *watches = false;
                ReaderAt::Arm
            }
            ReaderAt::Arm => {
                *asleep_epoch += 1;
                buffer.store(Word::Asleep, *asleep_epoch);
                ReaderAt::AfterAsleep
            }
            ReaderAt::AfterAsleep
                if buffer.is_empty() || variant == Variant::NoFenceAfterAsleep =>
            {
                ReaderAt::LookAtNotes
            }
            ReaderAt::LookAtNotes if notes != *notes_read => ReaderAt::Disarm,
            ReaderAt::LookAtNotes => ReaderAt::Blocked,
            ReaderAt::Blocked if self.bell => ReaderAt::Disarm,
            ReaderAt::Blocked if self.dead && self.sender.buffer.is_empty() => ReaderAt::Bereft,
            ReaderAt::Disarm => {
                buffer.store(Word::Asleep, 0);
                ReaderAt::ClearBell
            }
            ReaderAt::Bereft => {
                *watches |= variant != Variant::DeathNoticeLooksAtNotesOnly;
                ReaderAt::DrainDead
            }
            ReaderAt::DrainDead if *watches && tail > *taken => {
                *taken += 1;
                ReaderAt::DrainDead
            }
            ReaderAt::DrainDead => ReaderAt::End,
            ReaderAt::AfterIdle | ReaderAt::AfterAsleep | ReaderAt::Blocked | ReaderAt::End => {
                return None;
            }
        };
        Some(next)
    }
}

/// What the visit of all states found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Nothing wrong; the most notes that were ever unread.
    Sound { unread_max: u8 },
    /// The reader sleeps on an entry, and nobody will wake it.
    Hang,
    /// The reader is done with a dead sender, and an entry is left.
    LostToDeath,
}

fn explore(messages: u8, may_die: bool, variant: Variant) -> Found {
    let mut seen = HashSet::from([State::first()]);
    let mut queue = VecDeque::from([State::first()]);
    let mut unread_max = 0;
    while let Some(state) = queue.pop_front() {
        unread_max = unread_max.max(state.unread_notes());
        let entry_left = state.reader.taken < state.tail();
        if state.reader.at == ReaderAt::End && entry_left {
            return Found::LostToDeath;
        }
        let mut next = state.successors(messages, variant);
        if next.is_empty() && state.reader.at == ReaderAt::Blocked && entry_left {
            return Found::Hang;
        }
        if may_die && !state.dead {
            next.push(State {
                dead: true,
                ..state
            });
        }
        queue.extend(next.into_iter().filter(|state| seen.insert(state.clone())));
    }
    Found::Sound { unread_max }
}

#[test]
fn nothing_hangs_and_nothing_is_lost() {
    for messages in 1..=3 {
        for may_die in [false, true] {
            let unread_max = messages.min(2);
            assert_eq!(
                explore(messages, may_die, Variant::Right),
                Found::Sound { unread_max },
                "{messages} messages, may die: {may_die}"
            );
        }
    }
}

#[test]
fn each_fence_is_needed() {
    for variant in [
        Variant::NoFenceAfterStamp,
        Variant::NoFenceAfterNote,
        Variant::NoFenceAfterIdle,
        Variant::NoFenceAfterAsleep,
    ] {
        assert_eq!(explore(2, false, variant), Found::Hang, "{variant:?}");
    }
}

#[test]
fn a_death_notice_that_looks_at_notes_only_loses_entries() {
    let variant = Variant::DeathNoticeLooksAtNotesOnly;
    assert_eq!(explore(1, true, variant), Found::LostToDeath);
}
