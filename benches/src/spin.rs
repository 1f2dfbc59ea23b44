//! A wait for the other side that spins, as all that is measured does. Where both sides share the only processor, it gives way now and
//! then; elsewhere it must not: beside much other load both sides would hardly ever run at the same time.

use std::hint::spin_loop;

use crate::processors;

/// Turns between two times of giving way: some 40 us.
const TURNS: u32 = 1024;

/// A wait under way.
#[derive(Debug, Default)]
pub(crate) struct Spin {
    turns: u32,
}

impl Spin {
    /// One turn of it.
    #[inline]
    pub(crate) fn turn(&mut self) {
        self.turns += 1;
        if self.turns < TURNS {
            spin_loop();
        } else {
            self.give_way_slow();
        }
    }

    #[cold]
    fn give_way_slow(&mut self) {
        self.turns = 0;
        if processors::are_one() {
            std::thread::yield_now();
        }
    }
}
