//! The floor: the least that two processes can do to pass messages through shared memory, and still pass them.
//!
//! A ring of one-line slots, each a turn, a length and 56 bytes; a longer payload lies in the slot's block and is written
//! and read there. The reader tells how far it is every eighth of the ring. No types, no checks, nobody may die.
//!
//! # Edges
//! | edge | released by | acquired by | publishes |
//! |---|---|---|---|
//! | slot-written | `send`: store of the turn | `receive`: load of the turn | the slot's bytes |
//! | slot-read | `receive`: store of the progress | `send`: load of the progress | that the bytes were read |
#![allow(
    unsafe_code,
    reason = "takes bytes of a slot that its turn gave to this side"
)]

use std::hint::black_box;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use ringway_shm::sync::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use ringway_shm::sync::fence;
use rustix::thread::futex;

use crate::Result;
use crate::options::{Burden, Mode};
use crate::shared::{LINE, Shared};
use crate::spin::Spin;

/// Bytes before a slot's payload: turn and length.
const HEAD: usize = 8;
/// Bytes of a payload that lies in its slot.
const INLINE: usize = LINE - HEAD;
/// Lines before the slots: the reader's progress, and whether it sleeps, apart as the prefetcher pulls neighbours along.
const LINES: usize = 4;
const PAGE: usize = 4096;

/// Both directions of one pair: what one writes, and what it reads.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) out: Writer,
    pub(crate) back: Reader,
    memory: Rc<Shared>,
}

impl Link {
    /// A link of this shape, in new memory.
    pub(crate) fn create(shape: Shape, mode: Mode, burden: Burden) -> Result<Self> {
        let memory = Shared::create(shape.len() * 2)?;
        Ok(Self::over(memory, shape, (mode, burden), [0, 1]))
    }

    /// The other end of the link at `path`.
    pub(crate) fn open(path: &str, shape: Shape, mode: Mode, burden: Burden) -> Result<Self> {
        let memory = Shared::open(path, shape.len() * 2)?;
        Ok(Self::over(memory, shape, (mode, burden), [1, 0]))
    }

    fn over(
        memory: Shared,
        shape: Shape,
        (mode, burden): (Mode, Burden),
        [out, back]: [usize; 2],
    ) -> Self {
        let memory = Rc::new(memory);
        let ring = |which| Ring {
            memory: Rc::clone(&memory),
            at: which * shape.len(),
            shape,
            sleeps: mode != Mode::Spin,
            burden,
            lock: Mutex::new(()),
        };
        Self {
            out: Writer {
                ring: ring(out),
                sent: 0,
                free: shape.slots,
            },
            back: Reader {
                ring: ring(back),
                taken: 0,
            },
            memory,
        }
    }

    /// Where the other process finds it.
    pub(crate) fn path(&self) -> String {
        self.memory.path()
    }
}

/// The slots of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    slots: usize,
    /// Bytes of a slot's block.
    block: usize,
}

impl Shape {
    /// Slots for payloads up to `bytes`, used in turn: as many as are usual, or so many as a power of two.
    pub(crate) fn of(bytes: usize, slots: Option<usize>) -> Self {
        let usual = if bytes <= INLINE {
            1024
        } else if bytes <= 4096 {
            256
        } else if bytes <= 65536 {
            16
        } else {
            4
        };
        let block = if bytes > INLINE {
            bytes.next_multiple_of(PAGE)
        } else {
            0
        };
        let slots = slots.map_or(usual, usize::next_power_of_two);
        Self { slots, block }
    }

    fn blocks(self) -> usize {
        ((LINES + self.slots) * LINE).next_multiple_of(PAGE)
    }

    fn len(self) -> usize {
        self.blocks() + self.slots * self.block
    }
}

#[derive(Debug)]
struct Ring {
    memory: Rc<Shared>,
    at: usize,
    shape: Shape,
    sleeps: bool,
    burden: Burden,
    /// Nobody else wants it.
    lock: Mutex<()>,
}

impl Ring {
    fn slot(&self, position: usize) -> (usize, u32) {
        let index = position & (self.shape.slots - 1);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "turns wrap, both sides alike"
        )]
        let turn = (position >> self.shape.slots.trailing_zeros()) as u32 + 1;
        (index, turn)
    }

    fn head(&self, index: usize) -> usize {
        self.at + (LINES + index) * LINE
    }

    fn data(&self, index: usize, len: usize) -> usize {
        if len <= INLINE {
            self.head(index) + HEAD
        } else {
            self.at + self.shape.blocks() + index * self.shape.block
        }
    }

    /// Runs `work`, under the lock if that is part of the burden.
    #[inline]
    fn locked<R>(&self, work: impl FnOnce() -> R) -> R {
        let _held = self
            .burden
            .locks
            .then(|| self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        work()
    }

    /// Wakes the reader if it sleeps.
    #[cold]
    fn wake_slow(&self) {
        let asleep = self.memory.half_word(self.at + 2 * LINE);
        // The fences order the turn and `asleep` on both sides: either the reader sees the turn, or this sees it asleep.
        fence(SeqCst);
        if asleep.load(Relaxed) != 0 && asleep.swap(0, AcqRel) != 0 {
            let woken = futex::wake(asleep, futex::Flags::empty(), 1);
            debug_assert!(woken.is_ok(), "a futex can be woken");
        }
    }

    #[cold]
    fn sleep_slow(&self, is_there: impl Fn() -> bool) {
        let asleep = self.memory.half_word(self.at + 2 * LINE);
        asleep.store(1, Relaxed);
        fence(SeqCst); // see `wake_slow`
        if !is_there() {
            // Woken, or changed, or interrupted: the caller looks again.
            let _ = futex::wait(asleep, futex::Flags::empty(), 1, None);
        }
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Writer {
    ring: Ring,
    sent: usize,
    free: usize,
}

impl Writer {
    /// Sends a payload of `len` bytes as `write` writes it. Spins while the ring is full.
    #[inline]
    pub(crate) fn send(&mut self, len: usize, write: impl FnOnce(&mut [u8])) {
        let ring = &self.ring;
        let mut spin = Spin::default();
        while self.sent == self.free {
            // Acquire slot-read: pairs with the store in `receive`.
            let progress = ring.memory.word(ring.at).load(Acquire);
            self.free = usize::try_from(progress).unwrap_or(0) + ring.shape.slots;
            spin.turn();
        }
        let (index, turn) = ring.slot(self.sent);
        ring.locked(|| {
            // SAFETY: slot-read: the reader is past this slot, and does not look at it before its turn is stored.
            write(unsafe { ring.memory.bytes(ring.data(index, len), len) });
            let head = ring.head(index);
            ring.memory
                .half_word(head + 4)
                .store(u32::try_from(len).unwrap_or(0), Relaxed);
            // Release slot-written: pairs with the load in `receive`.
            ring.memory.half_word(head).store(turn, Release);
            // As `wake_slow`, for a reader that never sleeps.
            if ring.burden.fences {
                fence(SeqCst);
                black_box(ring.memory.half_word(ring.at + 2 * LINE).load(Relaxed));
            }
        });
        self.sent += 1;
        if ring.sleeps {
            ring.wake_slow();
        }
    }
}

/// The reading end.
#[derive(Debug)]
pub(crate) struct Reader {
    ring: Ring,
    taken: usize,
}

impl Reader {
    /// Waits for the next payload and reads it where it lies.
    #[inline]
    pub(crate) fn receive<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> R {
        let ring = &self.ring;
        let (index, turn) = ring.slot(self.taken);
        let head = ring.head(index);
        // Acquire slot-written: pairs with the store in `send`.
        let is_there = || ring.memory.half_word(head).load(Acquire) == turn;
        let mut spin = Spin::default();
        while !is_there() {
            if ring.sleeps {
                ring.sleep_slow(is_there);
            } else {
                spin.turn();
            }
        }
        let len = ring.memory.half_word(head + 4).load(Relaxed) as usize;
        // SAFETY: slot-written: the writer leaves the slot alone until the progress is past it.
        let bytes = unsafe { ring.memory.bytes(ring.data(index, len), len) };
        self.taken += 1;
        let taken = self.taken as u64;
        // Release slot-read: pairs with the load in `send`.
        let tell = |line: usize| {
            ring.memory
                .word(ring.at + line * LINE)
                .store(taken, Release)
        };
        if !ring.burden.heads {
            let result = ring.locked(|| read(bytes));
            if self.taken.is_multiple_of((ring.shape.slots / 8).max(1)) {
                tell(0);
            }
            return result;
        }
        let mut copy = [0; INLINE];
        ring.locked(|| {
            if let Some(copy) = copy.get_mut(..len) {
                copy.copy_from_slice(bytes);
            }
            tell(0);
        });
        let result = read(copy.get(..len).unwrap_or(bytes));
        tell(1);
        result
    }
}
