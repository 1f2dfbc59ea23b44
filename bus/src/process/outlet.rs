//! The parent's end of what one child writes to one stream.
//!
//! The reaper reads it, and whoever is first to learn of the child's death reads the rest. Nothing here waits: neither for
//! this process's own standard error nor for the program's taker of lines, which a task of the node calls.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use ringway_shm::sys::pipe::{OwnError, Read, ReadEnd};

use super::output::{OutputLine, OutputStream, Sink};
use crate::actor::run::yield_once;
use crate::shared::{Shared, lock};
use crate::task::RunQueue;
use crate::trace::warning;
use crate::wait_list::{WaitKey, WaitList};

/// Bytes of standard error that are kept of each child.
const TAIL: usize = 4096;
/// Bytes that are read at a time; what is left is found again at once.
const READ: usize = 16 * 1024;
/// Reads after a child's death: four times what a pipe holds. A program that it has left behind may write for ever.
const LAST_READS: usize = 16;
/// Bytes of the longest line that comes in one piece.
const LINE_MAX: usize = 16 * 1024;
/// Lines taken in a row: a child that writes without end must not keep a worker for itself.
const LINES_PER_TURN: usize = 64;
/// Lines that wait for the program to take them.
const LINES_MAX: usize = 1024;

/// One stream of one child.
#[derive(Debug)]
pub(super) struct Outlet {
    from: ReadEnd,
    to: Taker,
    /// The last bytes, of standard error.
    tail: Option<VecDeque<u8>>,
    is_closed: bool,
}

/// Where it goes.
#[derive(Debug)]
pub(super) enum Taker {
    Own(Passed),
    Lines(Cut),
}

/// What goes on to this process's own standard error.
#[derive(Debug)]
pub(super) struct Passed {
    to: OwnError,
    role: String,
    /// Bytes that it did not take.
    missed: u64,
}

impl Outlet {
    pub(super) fn new(from: ReadEnd, to: Taker, stream: OutputStream) -> Self {
        let tail = (stream == OutputStream::Stderr).then(VecDeque::new);
        Self {
            from,
            to,
            tail,
            is_closed: false,
        }
    }

    pub(super) fn from(&self) -> &ReadEnd {
        &self.from
    }

    /// Takes in what is there, a part of it if it is much; returns whether there may be more, now or later.
    pub(super) fn take_in(&mut self) -> bool {
        self.read_once() != Read::Closed
    }

    /// Takes in the last that is there.
    pub(super) fn take_rest(&mut self) {
        for _ in 0..LAST_READS {
            if !matches!(self.read_once(), Read::Bytes(_)) {
                break;
            }
        }
        if let Taker::Lines(lines) = &mut self.to {
            lines.end();
        }
    }

    fn read_once(&mut self) -> Read {
        if self.is_closed {
            return Read::Closed;
        }
        let mut buffer = [0; READ];
        // An error of a pipe of ours is its end.
        let read = self.from.read(&mut buffer).unwrap_or(Read::Closed);
        match read {
            Read::Bytes(len) => self.took(&buffer[..len]),
            Read::Nothing => {}
            Read::Closed => self.is_closed = true,
        }
        read
    }

    fn took(&mut self, bytes: &[u8]) {
        if let Some(tail) = &mut self.tail {
            keep_last(tail, bytes);
        }
        match &mut self.to {
            Taker::Own(passed) => passed.pass(bytes),
            Taker::Lines(lines) => lines.cut(bytes),
        }
    }

    /// The last that was written, as text, from a letter's start.
    pub(super) fn tail(&self) -> Option<String> {
        let (front, back) = self.tail.as_ref()?.as_slices();
        let bytes = [front, back].concat();
        let is_inside = |byte: &&u8| **byte & 0xc0 == 0x80;
        let cut = if bytes.len() == TAIL {
            bytes.iter().take_while(is_inside).count()
        } else {
            0
        };
        Some(String::from_utf8_lossy(&bytes[cut..]).into_owned())
    }
}

fn keep_last(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
    let excess = (tail.len() + bytes.len()).saturating_sub(TAIL);
    tail.drain(..excess);
    tail.extend(bytes);
}

impl Passed {
    pub(super) fn new(role: &str) -> Self {
        Self {
            to: OwnError::open(),
            role: role.to_owned(),
            missed: 0,
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        if self.missed > 0 {
            let (missed, role) = (self.missed, &self.role);
            let mark = format!("\n[{missed} bytes of {role:?} were left out here]\n");
            if self.to.write(mark.as_bytes()) < mark.len() {
                self.missed += bytes.len() as u64;
                return;
            }
            self.missed = 0;
        }
        let taken = self.to.write(bytes);
        self.missed += (bytes.len() - taken) as u64;
    }
}

/// Bytes made lines.
#[derive(Debug)]
pub(super) struct Cut {
    begun: Vec<u8>,
    desk: Arc<Desk>,
}

/// Lines that wait to be taken.
#[derive(Debug, Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    changes: WaitList,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Each with the number of those that were left out before it.
    lines: VecDeque<(u64, String)>,
    missed: u64,
    is_over: bool,
}

impl Cut {
    /// Starts the task that hands lines on.
    pub(super) fn new(shared: &Arc<Shared>, giver: Giver) -> Self {
        let desk = Arc::<Desk>::default();
        let task = giver.give_all(Arc::clone(&desk));
        RunQueue::task(&shared.queue, task).schedule();
        Self {
            begun: Vec::new(),
            desk,
        }
    }

    fn cut(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.begun.extend(&rest[..end]);
            self.hand_on();
            rest = &rest[end + 1..];
        }
        self.begun.extend(rest);
        if self.begun.len() >= LINE_MAX {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let line = String::from_utf8_lossy(&self.begun).into_owned();
        self.begun.clear();
        let mut waiting = lock(&self.desk.waiting);
        if waiting.lines.len() == LINES_MAX {
            waiting.missed += 1;
            return;
        }
        let missed = std::mem::take(&mut waiting.missed);
        waiting.lines.push_back((missed, line));
        drop(waiting);
        self.desk.changes.wake_all();
    }

    fn end(&mut self) {
        if !self.begun.is_empty() {
            self.hand_on();
        }
        lock(&self.desk.waiting).is_over = true;
        self.desk.changes.wake_all();
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.end();
    }
}

/// Hands lines to the program.
pub(super) struct Giver {
    pub(super) sink: Sink,
    pub(super) role: String,
    pub(super) pid: Arc<std::sync::OnceLock<u32>>,
    pub(super) stream: OutputStream,
}

impl Giver {
    async fn give_all(self, desk: Arc<Desk>) {
        let mut key = WaitKey::default();
        for taken in 1_usize.. {
            let next = poll_fn(|cx| {
                desk.changes.register(&mut key, cx);
                let mut waiting = lock(&desk.waiting);
                match waiting.lines.pop_front() {
                    Some(line) => Poll::Ready(Some(line)),
                    None if waiting.is_over => Poll::Ready(None),
                    None => Poll::Pending,
                }
            });
            let Some((missed, text)) = next.await else {
                break;
            };
            let line = OutputLine {
                role: &self.role,
                pid: self.pid.get().copied().unwrap_or_default(),
                stream: self.stream,
                missed,
                text: &text,
            };
            if catch_unwind(AssertUnwindSafe(|| (self.sink)(&line))).is_err() {
                warning!(role = self.role, "what takes a child's lines has panicked");
                break;
            }
            if taken.is_multiple_of(LINES_PER_TURN) {
                yield_once().await;
            }
        }
        desk.changes.remove(&mut key);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    // Goal: the last bytes are kept, however they come, and a letter is not cut.
    #[test]
    fn the_last_bytes_are_kept() {
        for piece in [1, 7, TAIL, 3 * TAIL] {
            let all: Vec<u8> = (b'a'..=b'z').cycle().take(3 * TAIL).collect();
            let mut tail = VecDeque::new();
            all.chunks(piece)
                .for_each(|bytes| keep_last(&mut tail, bytes));
            assert!(tail.iter().eq(&all[2 * TAIL..]), "in pieces of {piece}");
        }
    }

    // Goal: lines come whole however they are written; one without an end comes with the end of all.
    #[test]
    fn bytes_become_lines() {
        let desk = Arc::<Desk>::default();
        let mut cut = Cut {
            begun: Vec::new(),
            desk: Arc::clone(&desk),
        };
        for bytes in ["one\ntw", "o\n\nthr", "ee"] {
            cut.cut(bytes.as_bytes());
        }
        cut.cut(&vec![b'x'; LINE_MAX]);
        cut.cut(b"y");
        cut.end();
        let lines = &lock(&desk.waiting).lines;
        let lines: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let long = "three".to_owned() + &"x".repeat(LINE_MAX);
        assert_eq!(lines, ["one", "two", "", &long, "y"]);
    }

    // Goal: a child that writes faster than its lines are taken leaves others their turns. Method: whoever takes a line writes
    // the next one; the task is polled by hand.
    #[test]
    fn a_flood_of_lines_takes_turns() {
        let desk = Arc::<Desk>::default();
        let mut cut = Cut {
            begun: Vec::new(),
            desk: Arc::clone(&desk),
        };
        cut.cut(b"line\n");
        let (cut, taken) = (Mutex::new(Some(cut)), Arc::new(Mutex::new(0)));
        let count = Arc::clone(&taken);
        let sink = move |_: &OutputLine<'_>| {
            let mut count = lock(&count);
            *count += 1;
            // An end, so that a test that fails does not hang.
            if *count == 10 * LINES_PER_TURN {
                lock(&cut).take();
            }
            if let Some(cut) = &mut *lock(&cut) {
                cut.cut(b"line\n");
            }
        };
        let giver = Giver {
            sink: Arc::new(sink),
            role: "flood".to_owned(),
            pid: Arc::default(),
            stream: OutputStream::Stdout,
        };
        let mut giving = Box::pin(giver.give_all(desk));
        assert!((&mut giving).now_or_never().is_none());
        assert_eq!(*lock(&taken), LINES_PER_TURN);
    }

    // Goal: who does not take lines loses the newest, and is told how many.
    #[test]
    fn lines_beyond_the_bound_are_counted() {
        let desk = Arc::<Desk>::default();
        let mut cut = Cut {
            begun: Vec::new(),
            desk: Arc::clone(&desk),
        };
        (0..LINES_MAX + 5).for_each(|_| cut.cut(b"line\n"));
        lock(&desk.waiting).lines.pop_front();
        cut.cut(b"after\n");
        let last = lock(&desk.waiting).lines.pop_back();
        assert_eq!(last, Some((5, "after".to_owned())));
    }
}
