//! What becomes of what a child writes: where its program says, and the last of its errors for those who ask why it died.

use std::fmt;
use std::sync::Arc;

/// What becomes of what a child process writes to its standard output or error.
///
/// ```
/// use ringway::prelude::*;
/// # #[derive(Actor, Default)]
/// # #[actor(handles(u32))]
/// # struct Worker;
/// # impl Handler<u32> for Worker {
/// #     async fn handle(&mut self, _: u32, _cx: &mut Context<Self>) {}
/// # }
///
/// let worker = Child::process::<Worker>("worker")
///     .stdout(Output::null())
///     .stderr(Output::lines(|line| eprintln!("{}[{}]: {}", line.role, line.pid, line.text)));
/// # let _ = worker;
/// ```
#[derive(Clone, Default)]
pub struct Output(pub(super) To);

#[derive(Clone, Default)]
pub(super) enum To {
    #[default]
    Inherit,
    Direct,
    Null,
    Lines(Sink),
}

/// What lines are handed to.
pub(super) type Sink = Arc<dyn Fn(&OutputLine<'_>) + Send + Sync>;

impl Output {
    /// It goes where this process's own goes; the default.
    ///
    /// Standard error goes there by way of this process, which keeps [the last of it](crate::ChildProcess::stderr_tail). So
    /// the child does not see a terminal there, and what it writes while this process is stopped waits, and with it, once a
    /// pipe is full (64 KiB), the child. What this process's standard error does not take at once is left out, and a line there
    /// says how much that was. A [detached](crate::SpawnProcess::detached) child writes as if by [`direct`](Self::direct).
    #[must_use]
    pub fn inherit() -> Self {
        Self(To::Inherit)
    }

    /// It goes where this process's own goes, without this process: nothing of it is kept.
    #[must_use]
    pub fn direct() -> Self {
        Self(To::Direct)
    }

    /// Nobody gets it.
    #[must_use]
    pub fn null() -> Self {
        Self(To::Null)
    }

    /// `take` is called with each line, on a thread of the node's workers, one after the other.
    ///
    /// A child never waits for it: 1024 lines wait to be taken, and what comes while there are so many is left out, and
    /// counted. A line of more than 16 KiB comes in pieces. A panic of `take` ends the taking.
    #[must_use]
    pub fn lines(take: impl Fn(&OutputLine<'_>) + Send + Sync + 'static) -> Self {
        Self(To::Lines(Arc::new(take)))
    }

    /// Each line becomes an event of `tracing`, of target `ringway::child` and level `INFO`, with the fields `role`, `pid`
    /// and `stream`.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn traced() -> Self {
        Self::lines(|line| {
            let OutputLine {
                role,
                pid,
                stream,
                missed,
                text,
            } = *line;
            if missed > 0 {
                tracing::warn!(target: "ringway::child", role, pid, %stream, missed, "lines were left out");
            }
            tracing::info!(target: "ringway::child", role, pid, %stream, "{text}");
        })
    }

    pub(super) fn needs_parent(&self) -> bool {
        matches!(self.0, To::Lines(_))
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            To::Inherit => "inherit",
            To::Direct => "direct",
            To::Null => "null",
            To::Lines(_) => "lines",
        })
    }
}

/// One line that a child process has written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OutputLine<'a> {
    /// The child's role.
    pub role: &'a str,
    /// Its process.
    pub pid: u32,
    /// Where it was written.
    pub stream: OutputStream,
    /// Lines that were left out since the one before.
    pub missed: u64,
    /// The line, without its end. Bytes that are no text are replaced.
    pub text: &'a str,
}

/// A stream of a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

impl fmt::Display for OutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}
