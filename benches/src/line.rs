//! The limit: one cache line that two processes write in turn, each its own. Nothing that they say to each other can be
//! answered faster.

use std::fs::File;

use ringway_shm::region::{OwnRecord, PeerRecord, record};
use ringway_shm::segment::{OwnSegment, PeerSegment};
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::{Relaxed, Release};

use crate::Result;
use crate::spin::Spin;

const LEN: u64 = 4096;

record! {
    /// What one side says last.
    pub(crate) struct Said: size 64, align 64 {
        word: AtomicU64,
    }
}

/// One side's end: its own line, and the other's.
#[derive(Debug)]
pub(crate) struct Line {
    own: OwnRecord<Said>,
    theirs: PeerRecord<Said>,
}

/// A line to be shared.
pub(crate) fn create() -> Result<OwnSegment> {
    Ok(OwnSegment::create("ringway-bench-line", LEN)?)
}

impl Line {
    /// Joins the own line to the one at `path`.
    pub(crate) fn open(own: &OwnSegment, path: &str) -> Result<Self> {
        // As its owner has it, which is what a segment is checked for.
        let file = File::options().read(true).write(true).open(path)?;
        let theirs = PeerSegment::map(file.into(), LEN)?;
        Ok(Self {
            own: own.region().hold(0).ok_or("the own line is too short")?,
            theirs: theirs.region().hold(0).ok_or("their line is too short")?,
        })
    }

    /// Says a word.
    #[inline]
    pub(crate) fn say(&self, word: u64) {
        self.own.word.store(word, Release);
    }

    /// What the own side said last.
    pub(crate) fn said(&self) -> u64 {
        self.own.word.load(Relaxed)
    }

    /// What the other side said last.
    #[inline]
    pub(crate) fn heard(&self) -> u64 {
        self.theirs.get().load_acquire(|said| &said.word)
    }

    /// Says a word and waits until the other side says the same.
    #[inline]
    pub(crate) fn ask(&self, word: u64) {
        self.say(word);
        let mut spin = Spin::default();
        while self.heard() != word {
            spin.turn();
        }
    }
}
