//! What hangs is told, and ended: a run that is only to check what arrives leaves nobody waiting for ever.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longer than any workload takes in brief, on however slow and busy a machine: seconds, usually.
const HANGS: Duration = Duration::from_secs(900);

/// Runs a workload and says on standard error how long it took; ends this program, and so its children, if it does not end in brief.
pub(crate) fn watched<T>(name: &'static str, is_brief: bool, work: impl FnOnce() -> T) -> T {
    let (ended, ends) = channel::<()>();
    if is_brief {
        std::thread::spawn(move || {
            if ends.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("ringway-bench: {name} has not ended in {HANGS:?}: it hangs");
                std::process::exit(1);
            }
        });
    }
    let start = Instant::now();
    let result = work();
    drop(ended);
    eprintln!("{name}: {:.1} s", start.elapsed().as_secs_f64());
    result
}
