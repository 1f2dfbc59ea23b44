//! Ready notes: 'look at this uring', one word each, in one small lane per peering and direction.
//!
//! With thousands of urings nobody scans them all. A reader that stops watching a uring says so (`idle`, see
//! [`TakeEnd::go_idle`](crate::uring::TakeEnd::go_idle)); the sender that finds it idle after stamping an entry writes one
//! note. So a busy uring costs no notes, and an idle one no looks.
//!
//! # Invariants
//! - **two-per-uring**: a sender writes one note per `idle` epoch that it sees, and the reader reads all notes before it
//!   stores a new epoch; so at most two unread notes per uring exist, and a ring of twice as many slots as urings cannot
//!   overflow. If it does, the reader made epochs up: a violation.
//! # Edges
//! **idle** is Dekker's pattern over the uring's stamp S and its `idle` I. The sender stores S, fences, loads I; the reader
//! stores I, fences, loads S. Ruled out: 'the sender saw it watched, and the reader saw it empty'. **bell** follows with
//! the note's stamp in the place of S: the sender stores the note, fences again, loads `asleep`; the reader stores `asleep`,
//! fences, looks at the notes. Ruled out: 'no ring, and the reader saw no note'. Each of the four fences is needed.
//! # If a side dies
//! | after… | the other finds | repaired by |
//! |---|---|---|
//! | the entry's stamp, before the note | an idle uring with an entry, no note | the reader: a death notice makes it look at *all* urings of the dead |
//! | the note, before ringing | a note, no bell | the reader: a death notice makes it look |

use crate::error::{PushError, Violation};
use crate::generation::Key;
use crate::lane::{HeadLine, Peek, Push, Take};
use crate::layout::NotesLayout;
use crate::region::{DefaultKeep, Keep, OwnRegion, PeerRegion};

/// The part of a note ring that its writer owns, with nothing in it.
#[derive(Debug)]
pub struct NoteWriter<K = DefaultKeep> {
    lane: Push<1, K>,
}

impl<K: Keep> NoteWriter<K> {
    /// Opens the writing end over `own` (of [`NotesLayout::writer_len`]) and the reader's part.
    ///
    /// # Errors
    ///
    /// The peer's part is too small or misaligned.
    ///
    /// # Panics
    ///
    /// When `own` is.
    pub fn open(
        own: &OwnRegion<K>,
        peer: &PeerRegion<K>,
        layout: NotesLayout,
    ) -> Result<Self, Violation> {
        let slots = own
            .hold_all(0, layout.capacity.get())
            .expect("own part: sized by the layout");
        let reader = peer.hold::<HeadLine>(0).ok_or(Violation::Place {
            name: "note ring's head",
            needed: NotesLayout::reader_len(),
            len: peer.len(),
        })?;
        Ok(Self {
            lane: Push::new(slots, reader),
        })
    }

    /// Writes 'look at this uring'; afterwards [`Bell::should_ring`](crate::doorbell::Bell::should_ring) says whether the
    /// reader sleeps.
    ///
    /// # Errors
    ///
    /// The reader's head cannot be, or it made up epochs until the ring was full.
    pub fn note(&mut self, uring: Key) -> Result<(), Violation> {
        match self.lane.push(&[uring.to_bits()]) {
            Ok(_) => Ok(()),
            Err(PushError::Peer(violation)) => Err(violation),
            // two-per-uring
            Err(_) => Err(Violation::Notes {
                capacity: self.lane.capacity().get(),
            }),
        }
    }
}

/// The reading end of a note ring.
#[derive(Debug)]
pub struct NoteReader<K = DefaultKeep> {
    lane: Take<1, K>,
}

impl<K: Keep> NoteReader<K> {
    /// Opens the reading end over `own` (of [`NotesLayout::reader_len`]) and the writer's part.
    ///
    /// # Errors
    ///
    /// The peer's part is too small or misaligned.
    ///
    /// # Panics
    ///
    /// When `own` is.
    pub fn open(
        own: &OwnRegion<K>,
        peer: &PeerRegion<K>,
        layout: NotesLayout,
    ) -> Result<Self, Violation> {
        let slots = peer
            .hold_all(0, layout.capacity.get())
            .ok_or(Violation::Place {
                name: "note ring",
                needed: layout.writer_len(),
                len: peer.len(),
            })?;
        let head = own.hold(0).expect("own part: sized by the layout");
        Ok(Self {
            lane: Take::new(slots, head),
        })
    }

    /// A way to ask [`has_note`](Self::has_note) without this end, and so without its lock.
    #[must_use]
    pub fn peeker(&self) -> Peek<1, K> {
        self.lane.peeker()
    }

    /// Whether [`next`](Self::next) has something to say.
    #[inline]
    #[must_use]
    pub fn has_note(&self) -> bool {
        self.lane.peek()
    }

    /// Takes the next note. It may be old or made up: the key is to be found in the caller's own table, or ignored.
    ///
    /// # Errors
    ///
    /// A stamp that cannot be, or a note that is no key.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, and goes on after `None`"
    )]
    pub fn next(&mut self) -> Result<Option<Key>, Violation> {
        match self.lane.take()? {
            None => Ok(None),
            Some([found]) => Key::from_bits(found)
                .ok_or(Violation::Note { found })
                .map(Some),
        }
    }
}
