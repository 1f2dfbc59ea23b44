//! Time in the processor's own ticks: reading them costs less than what is measured.
#![cfg_attr(
    target_arch = "x86_64",
    allow(unsafe_code, reason = "reads the time stamp counter")
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long ticks are compared with the system's clock.
const CALIBRATION: Duration = Duration::from_millis(20);

/// Reads the counter.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn ticks() -> u64 {
    // SAFETY: reads a counter, which every x86-64 has.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Reads the system's clock: there is no cheaper counter here.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn ticks() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds of so many ticks.
pub(crate) fn nanos(ticks: u64) -> f64 {
    ticks as f64 * tick_ns()
}

/// Ticks of so many nanoseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time of this machine's, rounded"
)]
pub(crate) fn ticks_of(nanos: u64) -> u64 {
    (nanos as f64 / tick_ns()) as u64
}

/// The system's monotonic clock in nanoseconds, the same for all processes.
pub(crate) fn system_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

/// Does nothing for so long.
#[expect(
    clippy::disallowed_methods,
    reason = "idling is the purpose: others are to fall asleep, or to be placed anew"
)]
pub(crate) fn idle(time: Duration) {
    std::thread::sleep(time);
}

fn tick_ns() -> f64 {
    static TICK: OnceLock<f64> = OnceLock::new();
    *TICK.get_or_init(|| {
        let (start, from) = (Instant::now(), ticks());
        while start.elapsed() < CALIBRATION {
            std::hint::spin_loop();
        }
        start.elapsed().as_nanos() as f64 / (ticks() - from) as f64
    })
}
