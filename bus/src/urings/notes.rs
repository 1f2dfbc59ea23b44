//! The note rings of one peering: 'look at this uring'.
//!
//! A ring has room for two notes per uring. When more urings are opened than it was made for, the request to open carries a
//! larger one, which is written from the answer on; the reader reads all that there are, of which the older ones stay
//! empty. Until the first answer, and should a ring ever be full, a note is said on the socket.

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::lane::Peek;
use ringway_shm::layout::{NotesLayout, Pow2};
use ringway_shm::ready::{NoteReader, NoteWriter};
use ringway_shm::region::PeerRegion;

use super::wire::Place;
use crate::rings::RingSpan;

/// Urings that the first note ring of a peering has room for.
const FIRST: Pow2 = Pow2::of::<64>();

/// A note ring that the peer has yet to learn of.
struct Offered {
    layout: NotesLayout,
    span: RingSpan,
    urings: Pow2,
}

/// The next ring on its way to the peer.
#[derive(Default)]
enum Offer {
    /// There is none.
    #[default]
    None,
    /// One for so many urings is being made: others need not.
    Making(Pow2),
    /// It went with the request for this uring.
    Sent(Key, Offered),
    /// The request that it went with was refused, by a peer that may read it all the same: it goes with the next one.
    Kept(Offered),
}

/// The writing side.
#[derive(Default)]
pub(crate) struct NotesOut {
    writer: Option<NoteWriter>,
    offer: Offer,
    /// Urings that the writer has room for.
    room: u64,
    open: u64,
    /// Rings written to, or offered, before; the peer may still read them.
    spans: Vec<RingSpan>,
}

/// What a request to open must offer beside the uring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingNeeded {
    No,
    /// One of this layout: [`NotesOut::offer`] takes it.
    Yes(NotesLayout),
    /// The one that was offered before, at this place and of this layout.
    Again(Place, NotesLayout),
}

/// What became of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// The peer finds it in the ring.
    InRing,
    /// There is no ring yet, or it is full: it must be said on the socket.
    Nowhere,
}

impl NotesOut {
    /// Counts a uring that is about to be opened; tells what its request is to offer.
    pub(crate) fn count(&mut self, uring: Key) -> RingNeeded {
        self.open += 1;
        if self.open <= self.room {
            return RingNeeded::No;
        }
        let on_its_way = match &self.offer {
            Offer::None => 0,
            Offer::Making(urings) => urings.get(),
            Offer::Sent(_, ring) | Offer::Kept(ring) => ring.urings.get(),
        };
        if self.open > on_its_way {
            return self.larger();
        }
        match std::mem::take(&mut self.offer) {
            Offer::Kept(ring) => {
                let again = RingNeeded::Again(Place::of(&ring.span), ring.layout);
                self.offer = Offer::Sent(uring, ring);
                again
            }
            offer => {
                self.offer = offer;
                RingNeeded::No
            }
        }
    }

    fn larger(&mut self) -> RingNeeded {
        let urings = Pow2::new(self.open.next_power_of_two())
            .unwrap_or(Pow2::MAX)
            .max(FIRST);
        let Some(layout) = NotesLayout::for_urings(urings) else {
            return RingNeeded::No;
        };
        let former = std::mem::replace(&mut self.offer, Offer::Making(urings));
        if let Offer::Sent(_, ring) | Offer::Kept(ring) = former {
            self.spans.push(ring.span);
        }
        RingNeeded::Yes(layout)
    }

    /// A uring counted before was closed, or never opened.
    pub(crate) fn uncount(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Keeps a ring that the request for `by` offers.
    pub(crate) fn offer(&mut self, by: Key, layout: NotesLayout, span: RingSpan) {
        let urings = Pow2::new(layout.capacity.get() / 2).unwrap_or(FIRST);
        let ring = Offered {
            layout,
            span,
            urings,
        };
        match &self.offer {
            Offer::Making(making) if *making == urings => self.offer = Offer::Sent(by, ring),
            // A larger one was wanted meanwhile; the peer may still read this one.
            _ => self.spans.push(ring.span),
        }
    }

    /// There was no memory for the ring that was to be offered.
    pub(crate) fn not_offered(&mut self) {
        if matches!(self.offer, Offer::Making(_)) {
            self.offer = Offer::None;
        }
    }

    /// The request for `by` was answered: notes go to the ring that it offered, read by the head at `reader`.
    pub(crate) fn answered(
        &mut self,
        by: Key,
        reader: Option<&PeerRegion>,
    ) -> Result<(), Violation> {
        let Some(offered) = self.take_sent(by) else {
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
        if let Some(ring) = self.take_sent(by) {
            self.offer = Offer::Kept(ring);
        }
    }

    fn take_sent(&mut self, by: Key) -> Option<Offered> {
        match std::mem::take(&mut self.offer) {
            Offer::Sent(uring, ring) if uring == by => Some(ring),
            offer => {
                self.offer = offer;
                None
            }
        }
    }

    /// Writes a note, if there is a ring with room for it. Urings may come and go faster than a slow peer reads.
    pub(crate) fn note(&mut self, uring: Key) -> Result<Noted, Violation> {
        match self.writer.as_mut().map(|writer| writer.note(uring)) {
            Some(Ok(())) => Ok(Noted::InRing),
            None | Some(Err(Violation::Notes { .. })) => Ok(Noted::Nowhere),
            Some(Err(violation)) => Err(violation),
        }
    }
}

/// Rings that a peer may have read: each is twice as large as the one before, so these are more than it needs. All are
/// looked at in every pass.
const READ_MAX: usize = 32;

/// The reading side.
#[derive(Default)]
pub(crate) struct NotesIn {
    readers: Vec<(NoteReader, RingSpan)>,
    /// Nothing is read any more.
    is_stopped: bool,
}

impl NotesIn {
    /// Reads a further ring of the peer, with a head of our own at `span`.
    pub(crate) fn add(
        &mut self,
        peer: &PeerRegion,
        layout: NotesLayout,
        span: RingSpan,
    ) -> Result<(), Violation> {
        if self.readers.len() == READ_MAX {
            return Err(Violation::Meaningless {
                name: "note rings of one peer",
                found: READ_MAX as u64 + 1,
            });
        }
        let reader = NoteReader::open(span.region(), peer, layout)?;
        self.readers.push((reader, span));
        Ok(())
    }

    /// Reads no more notes. The heads stay: the peer may still look at them.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// A look at each ring, for who does not hold this.
    pub(crate) fn peekers(&self) -> Vec<Peek<1>> {
        let peekers = self.readers.iter().map(|(reader, _)| reader.peeker());
        peekers.collect()
    }

    /// Takes the next note of any ring.
    pub(crate) fn next(&mut self) -> Result<Option<Key>, Violation> {
        if self.is_stopped {
            return Ok(None);
        }
        for (reader, _) in &mut self.readers {
            if let Some(uring) = reader.next()? {
                return Ok(Some(uring));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rings::Rings;

    // Goal: a peer cannot make every pass of the driver look at ever more rings.
    #[test]
    fn a_peer_has_so_many_rings_and_no_more() {
        let rings = Rings::create(1 << 16, 1 << 16).unwrap();
        let span = || rings.span(64, |_| ()).unwrap();
        let layout = NotesLayout {
            capacity: Pow2::of::<2>(),
        };
        let (theirs, mut notes) = (span(), NotesIn::default());
        let theirs = theirs.region().read_only();
        for _ in 0..READ_MAX {
            notes.add(&theirs, layout, span()).unwrap();
        }
        assert!(notes.add(&theirs, layout, span()).is_err());
    }
}
