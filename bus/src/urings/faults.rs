//! What a peer does against the rules, counted and blamed on it.

use ringway_shm::error::{PushError, Violation};

use super::PeerUrings;
use crate::entry::VerifyError;
use crate::trace::warning;

impl PeerUrings {
    /// An entry of the peer that is none.
    pub(crate) fn bad_entry(&self, error: &VerifyError) {
        if !matches!(error, VerifyError::NoMemory { .. }) {
            warning!(peer = self.name(), %error, "a bad entry");
            self.violation(Violation::Meaningless {
                name: "entry",
                found: 0,
            });
        }
    }

    /// A word about a uring that says nothing.
    pub(crate) fn garbled(&self) {
        self.violation(Violation::Meaningless {
            name: "word about a uring",
            found: 0,
        });
    }

    /// Whether what the peer broke is not looked at any more.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.peer.is_cut_off()
    }

    /// Counts what the peer did wrong and blames it.
    pub(crate) fn violation(&self, violation: Violation) {
        self.peer.violation(violation);
    }

    /// A completion named no op in flight: counted, ignored.
    pub(crate) fn unknown_op(&self, bits: u64) {
        self.peer.violation(Violation::Meaningless {
            name: "completed op",
            found: bits,
        });
    }

    /// A completion could not be posted.
    pub(crate) fn post_refused(&self, refused: PushError) {
        match refused {
            // The submitter closed its end, or is gone: nobody waits.
            PushError::Closed => {}
            PushError::Peer(violation) => self.violation(violation),
            // Its own in-flight bound makes room; it broke it.
            _ => self.violation(Violation::Meaningless {
                name: "completions in flight",
                found: u64::MAX,
            }),
        }
    }
}
