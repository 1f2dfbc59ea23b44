//! How long an idle driver looks around before it sleeps, and to whom it leaves its processor meanwhile.
//!
//! Where there are more drivers than processors, one that only looks around keeps the others from what it waits for. So it gives way
//! now and then (`sched_yield`), and as soon as somebody else ran meanwhile, after every pass. What it gives away is not its own
//! looking around. A thread that computes does not give way in turn: whoever gave way to one would be awake, and yet not run for
//! a time slice. Beside such a one a driver looks around as if it were alone, and sleeps, and tries again after twice as long each
//! time.

use super::Nanos;

/// Nanoseconds of looking at idle urings before sleeping: about what a wake-up costs, so that waiting costs at most
/// twice the better choice (competitive spinning: Karlin, Li, Manasse, Owicki, SOSP 1991).
pub(crate) const SPIN_NS: u64 = 50_000;

/// Idle passes between two looks at the clock.
const PASSES_PER_CLOCK: u32 = 64;

/// Giving way takes less than this where nobody else wants the processor.
const NOBODY_NS: u64 = 1_500;

/// And more than this where somebody computes: most of the kernel's time slice.
const COMPUTES_NS: u64 = 1_000_000;

/// Until it is tried again whether he does: at first, and at most.
const BESIDE_NS: u64 = 10_000_000;
const BESIDE_MAX_NS: u64 = 10_000_000_000;

/// Who else wants this processor, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    None,
    /// Some who give way too.
    Polite,
    /// Somebody who does not; looked for again after that.
    Busy(Nanos),
}

/// An idle driver's looking around.
#[derive(Debug)]
pub(super) struct Spin {
    /// Idle passes in a row.
    passes: u32,
    /// When it last came back, since the first look at the clock, and how long it has looked around until then.
    since: Option<Nanos>,
    spent: u64,
    others: Others,
    /// Nanoseconds for which the next one counts who is found to compute.
    beside: u64,
}

impl Spin {
    pub(super) const fn new() -> Self {
        Self {
            passes: 0,
            since: None,
            spent: 0,
            others: Others::None,
            beside: BESIDE_NS,
        }
    }

    /// There was something to do, or it has slept.
    #[inline]
    pub(super) fn end(&mut self) {
        if self.passes > 0 {
            self.passes = 0;
            self.since = None;
            self.spent = 0;
        }
    }

    /// After an idle pass: whether it goes on.
    #[inline]
    pub(super) fn goes_on(&mut self) -> bool {
        self.passes += 1;
        if !self.passes.is_multiple_of(PASSES_PER_CLOCK) && self.others != Others::Polite {
            return true;
        }
        self.look(Nanos::now, std::thread::yield_now)
    }

    /// Looks at the clock, and gives way if that helps.
    fn look(&mut self, now: impl Fn() -> Nanos, give_way: impl FnOnce()) -> bool {
        let left = now();
        self.spent += self.since.map_or(0, |since| left.0 - since.0);
        if self.spent >= SPIN_NS {
            return false;
        }
        if let Others::Busy(until) = self.others
            && left < until
        {
            self.since = Some(left);
            return true;
        }
        give_way();
        let back = now();
        self.since = Some(back);
        self.others = match back.0 - left.0 {
            ..NOBODY_NS => Others::None,
            NOBODY_NS..COMPUTES_NS => Others::Polite,
            _ => Others::Busy(Nanos(back.0 + self.beside)),
        };
        let is_beside = matches!(self.others, Others::Busy(_));
        self.beside = match is_beside {
            true => BESIDE_MAX_NS.min(2 * self.beside),
            false => BESIDE_NS,
        };
        !is_beside
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that each pass moves by so much, and giving way by so much.
    struct Machine {
        now: Cell<u64>,
        pass: u64,
        away: u64,
        gave_way: Cell<u32>,
    }

    impl Machine {
        fn new(pass: u64, away: u64) -> Self {
            Self {
                now: Cell::new(1),
                pass,
                away,
                gave_way: Cell::new(0),
            }
        }

        /// One spin; returns how many passes it had, and how often it gave way.
        fn spin(&self, spin: &mut Spin) -> (u32, u32) {
            self.gave_way.set(0);
            for passes in 1.. {
                self.now.set(self.now.get() + self.pass);
                spin.passes += 1;
                let looks =
                    spin.passes.is_multiple_of(PASSES_PER_CLOCK) || spin.others == Others::Polite;
                let goes_on = !looks
                    || spin.look(
                        || Nanos(self.now.get()),
                        || {
                            self.now.set(self.now.get() + self.away);
                            self.gave_way.set(self.gave_way.get() + 1);
                        },
                    );
                if !goes_on {
                    spin.end();
                    return (passes, self.gave_way.get());
                }
            }
            unreachable!("it ends");
        }
    }

    // Alone it looks around for its time, and gives way once for each look at the clock.
    #[test]
    fn alone_it_spins_for_its_time() {
        let mut spin = Spin::new();
        let (passes, gave_way) = Machine::new(50, 300).spin(&mut spin);
        assert_eq!(passes, 64 + 1024); // 50 us after the first look at the clock, in whole looks
        assert_eq!(gave_way, passes / 64 - 1);
        assert_eq!(spin.others, Others::None);
    }

    // Beside others that give way it does after every pass, and what they take is not its own.
    #[test]
    fn in_a_crowd_it_gives_way_each_time() {
        let mut spin = Spin::new();
        let machine = Machine::new(500, 20_000);
        let (passes, gave_way) = machine.spin(&mut spin);
        assert_eq!((passes, gave_way), (64 + 100, 100));
        // It knows from the start now.
        assert_eq!(machine.spin(&mut spin), (101, 100));
        // Until they have gone.
        let alone = Machine::new(500, 300);
        alone.spin(&mut spin);
        assert_eq!(spin.others, Others::None);
    }

    // Who gave way to somebody who computes sleeps at once, and does not give way again for long.
    #[test]
    fn it_does_not_give_way_to_who_computes() {
        let mut spin = Spin::new();
        let machine = Machine::new(50, 3_000_000);
        for times in [1, 2, 4] {
            assert_eq!(machine.spin(&mut spin), (64, 1));
            let until = machine.now.get() + times * BESIDE_NS;
            assert_eq!(spin.others, Others::Busy(Nanos(until)));
            assert_eq!(machine.spin(&mut spin), (64 + 1024, 0));
            machine.now.set(until);
        }
        // One who has gone is forgotten.
        let alone = Machine::new(50, 300);
        alone.now.set(machine.now.get());
        while spin.others != Others::None {
            alone.spin(&mut spin);
        }
        assert_eq!(spin.beside, BESIDE_NS);
    }
}
