//! What tests ask of an actor: whether it is in a handler, and that one of them panics.

use ringway_shm::sync::Ordering::Relaxed;

use super::CellCore;

impl CellCore {
    /// Notes whether a hook or handler has begun and not ended.
    pub(in crate::actor) fn note_handling(&self, is_handling: bool) {
        // Relaxed: who asks has heard that nobody is at work.
        self.is_handling.store(is_handling, Relaxed);
    }

    /// Has the handler of the nth message from now panic.
    pub(crate) fn crash_at(&self, nth: u64) {
        // Relaxed: the message that is to bring it about is sent after it.
        let nth = u32::try_from(nth).unwrap_or(u32::MAX);
        self.crash.store(nth, Relaxed);
    }

    pub(in crate::actor) fn crash_if_due(&self) {
        // Relaxed: as above; only the actor counts down.
        match self.crash.load(Relaxed) {
            0 => {}
            left => {
                self.crash.store(left - 1, Relaxed);
                assert!(left > 1, "a test has this actor panic");
            }
        }
    }
}
