//! Named steps at which a crash test kills the process; nothing at all without `cfg(crash_steps)`.
//!
//! `RINGWAY_CRASH_AT=name` kills (SIGKILL, as the kernel's killer would) the first time that `step!("name")` is
//! reached, `RINGWAY_CRASH_AT=name:3` the third time.

/// Marks a point between two stores that others may see, for crash tests.
#[macro_export]
macro_rules! step {
    ($name:literal) => {
        #[cfg(all(crash_steps, not(loom)))]
        $crate::step::reach($name);
    };
}

/// Kills this process if the environment asks for it here; called by [`step!`](crate::step!).
#[cfg(all(crash_steps, not(loom), feature = "std"))]
#[doc(hidden)]
pub fn reach(name: &str) {
    use crate::sync::{AtomicU64, Ordering::Relaxed};
    use std::sync::LazyLock;

    static CRASH_AT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("RINGWAY_CRASH_AT").ok()?;
        let (name, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), time.parse().ok()?))
    });
    static REACHED: AtomicU64 = AtomicU64::new(0);

    if let Some((wanted, time)) = &*CRASH_AT
        && wanted == name
        // Relaxed: counts, publishes nothing.
        && REACHED.fetch_add(1, Relaxed) + 1 == *time
    {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL)
            .expect("own process: always there, always ours to kill");
    }
}

/// Without std there is no environment to ask.
#[cfg(all(crash_steps, not(loom), not(feature = "std")))]
#[doc(hidden)]
pub fn reach(_name: &str) {}
