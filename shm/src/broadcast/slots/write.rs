//! The slots of a lane, as their writer sees them.

use super::{FIRST, Line, first_line};
use crate::broadcast::stamp::Stamp;
use crate::layout::BroadcastLayout;
use crate::mutant::{self, Mutant};
use crate::region::{Keep, OwnRecords};
use crate::step;
use crate::sync::Ordering::{Relaxed, Release};
use crate::sync::fence;

/// A publisher's own slots.
#[derive(Debug)]
pub(in crate::broadcast) struct OwnSlots<K> {
    lines: OwnRecords<Line, K>,
    layout: BroadcastLayout,
}

impl<K: Keep> OwnSlots<K> {
    /// Takes over the slots and makes them empty.
    pub(in crate::broadcast) fn new(lines: OwnRecords<Line, K>, layout: BroadcastLayout) -> Self {
        for line in &*lines {
            // Relaxed: subscribers learn of this place later, over a socket.
            line.words[0].store(0, Relaxed);
        }
        Self { lines, layout }
    }

    /// Writes the sample of `sequence` into its slot, whose sample nobody may need any more, and publishes it.
    #[inline]
    pub(in crate::broadcast) fn write(&self, sequence: u64, words: &[u64], leased: bool) {
        let slot = &self.lines[first_line(sequence, self.layout)..][..self.layout.lines().into()];
        let stamp = &slot[0].words[0];
        // At least the first line; at most those of the slot, as its words were counted.
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        let lines = (words.len() / 8 + 1) as u8;
        let whole = Stamp::whole(sequence, lines, leased);
        if !mutant::under(Mutant::NoWritingStamp) {
            // Relaxed: the fence orders it before the words, and that of `reclaim` before the look at the claims.
            stamp.store(Stamp::writing(sequence).0, Relaxed);
        }
        step!("publish-writing");
        if !mutant::under(Mutant::NoFenceAfterWriting) {
            // Release overwritten: pairs with the fence before the second load of the stamp in `SubscribeEnd`. Who copies
            // one of the words below sees the stamp above, too.
            fence(Release);
        }
        if mutant::under(Mutant::StampBeforeWords) {
            stamp.store(whole.0, Release);
        }
        let (first, rest) = words.split_at(words.len().min(FIRST));
        for (to, from) in slot[0].words[1..].iter().zip(first) {
            to.store(*from, Relaxed); // Relaxed: the stamp publishes it.
        }
        for (line, words) in slot[1..].iter().zip(rest.chunks(8)) {
            for (to, from) in line.words.iter().zip(words) {
                to.store(*from, Relaxed); // Relaxed: as above.
            }
        }
        step!("publish-written");
        // Release sample-written: pairs with the first load of the stamp in `SubscribeEnd`.
        stamp.store(whole.0, Release);
        step!("publish-stamped");
    }

    /// Says that the sample of `sequence` is gone.
    pub(in crate::broadcast) fn retire(&self, sequence: u64) {
        // Relaxed: the fence of `reclaim` orders it before the look at the claims. The words stay what they are.
        self.lines[first_line(sequence, self.layout)].words[0]
            .store(Stamp::retired(sequence).0, Relaxed);
    }
}
