//! The note rings of one peering: 'look at this uring'.
//!
//! A ring has room for two notes per uring and so cannot overflow. When more urings are opened than it was made for, the
//! request to open carries a larger one, which is written from the answer on; the reader reads all that there are, of
//! which the older ones stay empty.

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::{NotesLayout, Pow2};
use ringway_shm::ready::{NoteReader, NoteWriter};
use ringway_shm::region::PeerRegion;

use crate::rings::RingSpan;

/// Urings that the first note ring of a peering has room for.
const FIRST: Pow2 = Pow2::of::<64>();

/// A note ring that the peer has yet to learn of.
struct Offered {
    by: Key,
    layout: NotesLayout,
    span: RingSpan,
    urings: Pow2,
}

/// The writing side.
#[derive(Default)]
pub(crate) struct NotesOut {
    writer: Option<NoteWriter>,
    offered: Option<Offered>,
    /// Urings that the writer has room for.
    room: u64,
    open: u64,
    /// Rings written to before; the peer may still read their last notes.
    spans: Vec<RingSpan>,
}

/// What a request to open must offer beside the uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingNeeded {
    No,
    Yes(NotesLayout),
}

impl NotesOut {
    /// Counts a uring that is about to be opened; tells whether a larger ring is needed for it.
    pub(crate) fn count(&mut self) -> RingNeeded {
        self.open += 1;
        if self.open <= self.room
            || self
                .offered
                .as_ref()
                .is_some_and(|ring| self.open <= ring.urings.get())
        {
            return RingNeeded::No;
        }
        let urings = Pow2::new(self.open.next_power_of_two())
            .unwrap_or(Pow2::MAX)
            .max(FIRST);
        match NotesLayout::for_urings(urings) {
            Some(layout) => RingNeeded::Yes(layout),
            None => RingNeeded::No,
        }
    }

    /// A uring counted before was closed, or never opened.
    pub(crate) fn uncount(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Keeps a ring that the request for `by` offers.
    pub(crate) fn offer(&mut self, by: Key, layout: NotesLayout, span: RingSpan) {
        let urings = Pow2::new(layout.capacity.get() / 2).unwrap_or(FIRST);
        self.offered = Some(Offered {
            by,
            layout,
            span,
            urings,
        });
    }

    /// The request for `by` was answered: notes go to the ring that it offered, read by the head at `reader`.
    pub(crate) fn answered(
        &mut self,
        by: Key,
        reader: Option<&PeerRegion>,
    ) -> Result<(), Violation> {
        let Some(offered) = self.offered.take_if(|offered| offered.by == by) else {
            return Ok(());
        };
        let Some(reader) = reader else {
            return Err(Violation::Meaningless {
                name: "answer without note head",
                found: by.to_bits(),
            });
        };
        self.writer = Some(NoteWriter::open(
            offered.span.region(),
            reader,
            offered.layout,
        )?);
        self.room = offered.urings.get();
        self.spans.push(offered.span);
        Ok(())
    }

    /// The request for `by` was refused: what it offered is offered again with the next one.
    pub(crate) fn refused(&mut self, by: Key) {
        self.offered.take_if(|offered| offered.by == by);
    }

    /// Writes a note.
    pub(crate) fn note(&mut self, uring: Key) -> Result<(), Violation> {
        match &mut self.writer {
            Some(writer) => writer.note(uring),
            None => Ok(()),
        }
    }
}

/// The reading side.
#[derive(Default)]
pub(crate) struct NotesIn {
    readers: Vec<(NoteReader, RingSpan)>,
}

impl NotesIn {
    /// Reads a further ring of the peer, with a head of our own at `span`.
    pub(crate) fn add(
        &mut self,
        peer: &PeerRegion,
        layout: NotesLayout,
        span: RingSpan,
    ) -> Result<(), Violation> {
        let reader = NoteReader::open(span.region(), peer, layout)?;
        self.readers.push((reader, span));
        Ok(())
    }

    /// Takes the next note of any ring.
    pub(crate) fn next(&mut self) -> Result<Option<Key>, Violation> {
        for (reader, _) in &mut self.readers {
            if let Some(uring) = reader.next()? {
                return Ok(Some(uring));
            }
        }
        Ok(None)
    }
}
