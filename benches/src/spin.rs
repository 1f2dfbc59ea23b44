//! A wait for the other side that spins, as all that is measured does; if nothing comes for long, it gives way now and then, as the
//! other side may need this very processor.

use std::hint::spin_loop;

/// Turns between two times of giving way: some 40 us, longer than the answer to a small message takes on a processor of its own.
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
        std::thread::yield_now();
    }
}
