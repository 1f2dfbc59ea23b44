//! Looking for room in a submission queue for those who wait for it.

use super::Open;

/// What the driver's look for room found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomLook {
    /// Nobody waits any more.
    Over,
    /// No entry was taken since the last look.
    Nothing,
    /// Those who wait are to try again.
    Wakes,
    /// Not enough, and asked for again: look once more before sleeping.
    AsksAnew,
}

impl Open {
    /// Asks for room; `true` when the driver is yet to be told to watch for it.
    pub(in crate::remote) fn watch_room(&mut self) -> bool {
        if self.room_watched.is_some() {
            return false;
        }
        let taken = self.taken();
        self.ask_for_room(taken);
        true
    }

    /// From here on the driver has something to look at when the peer has taken more than that, and the peer rings then. Both
    /// go by the same number, or one of the two would be early and the other not at all.
    fn ask_for_room(&mut self, taken: u64) {
        self.room_watched = Some(taken);
        self.submit.ask_for_room();
    }

    /// Nobody waits for room any more.
    pub(in crate::remote) fn unwatch_room(&mut self) -> RoomLook {
        self.submit.stop_asking();
        self.room_watched = None;
        RoomLook::Over
    }

    /// Looks whether entries were taken since the last look, and wakes those who wait once half of the queue is free, as
    /// a mailbox does: with many of them, one a message would be much ado. Who waits for credit is woken by completions.
    pub(in crate::remote) fn look_for_room(&mut self) -> RoomLook {
        let taken = self.taken();
        if self.room_watched == Some(taken) {
            return RoomLook::Nothing;
        }
        // Whoever is woken may find that somebody was faster: the peer has answered what was asked, and rings once for each.
        self.ask_for_room(taken);
        match self.submit.room() {
            Ok(room) if room >= self.half => RoomLook::Wakes,
            _ => RoomLook::AsksAnew,
        }
    }

    /// Entries that the peer has taken; of a lying peer, all.
    pub(super) fn taken(&mut self) -> u64 {
        self.submit.taken().unwrap_or(self.submit.tail())
    }
}
