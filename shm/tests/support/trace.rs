//! Counts the system calls that an actor makes between two marks, by tracing it.
//!
//! The actor marks its stretch with [`marked`]; the test attaches to it while it waits at some gate, opens the gate, and
//! runs until it has ended. Only the calls of the thread that set the marks count. Traced threads run at full speed
//! between calls. What the vDSO answers (clocks) is no call.
#![allow(dead_code, unsafe_code, reason = "ptrace; each test file uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Error;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

use libc::{c_int, c_long, c_void, pid_t};

use super::scene::Actor;

/// An option that `prctl` does not know: the mark. Its second argument says which.
const MARK: u64 = 0x52_49_4e_47;
const BEGIN: u64 = 1;
const END: u64 = 2;
const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80; // what PTRACE_O_TRACESYSGOOD makes of SIGTRAP

/// In an actor: sets the marks around `stretch`.
pub(crate) fn marked<R>(stretch: impl FnOnce() -> R) -> R {
    begin();
    let result = stretch();
    end();
    result
}

/// In an actor: begins a stretch of this thread.
pub(crate) fn begin() {
    begin_noting(0);
}

/// In an actor: ends it.
pub(crate) fn end() {
    end_noting(0);
}

/// The same with a note for the test.
pub(crate) fn begin_noting(note: u64) {
    mark(BEGIN, note);
}

/// The same with a note for the test.
pub(crate) fn end_noting(note: u64) {
    mark(END, note);
}

fn mark(which: u64, note: u64) {
    // SAFETY: an unknown option: refused, whatever the arguments.
    unsafe { libc::syscall(libc::SYS_prctl, MARK, which, note, 0, 0) };
}

/// The calls of one marked stretch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The number of the process in which it was.
    pub(crate) process: pid_t,
    /// The numbers of the system calls made in it.
    pub(crate) calls: Vec<i64>,
    /// What the marks noted, at the beginning and at the end.
    pub(crate) notes: [u64; 2],
    /// Whether its end was marked, too.
    pub(crate) is_whole: bool,
}

/// Traces actors. Bound to its thread, as tracing is; when the thread ends, so do they.
pub(crate) struct Tracer {
    threads: BTreeMap<pid_t, Thread>,
    stretches: Vec<Stretch>,
    _not_send: PhantomData<*const ()>,
}

struct Thread {
    process: pid_t,
    stretch: Option<usize>,
}

impl Tracer {
    /// Attaches to all threads of the actors, which must be waiting at a gate.
    ///
    /// `None`, and why on the standard output, where tracing is not permitted.
    pub(crate) fn attach(actors: &[&Actor]) -> Option<Self> {
        let mut tracer = Self {
            threads: BTreeMap::new(),
            stretches: Vec::new(),
            _not_send: PhantomData,
        };
        for actor in actors {
            let process = actor.pid().as_raw_nonzero().get();
            // Until no new thread shows: they may start while we look.
            while tracer.attach_to_new_threads(process) {}
        }
        if tracer.threads.is_empty() {
            println!(
                "not run: system calls cannot be counted: ptrace: {}",
                Error::last_os_error()
            );
            return None;
        }
        Some(tracer)
    }

    fn attach_to_new_threads(&mut self, process: pid_t) -> bool {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let tids = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap());
        let new: Vec<pid_t> = tids.filter(|tid| !self.threads.contains_key(tid)).collect();
        let options =
            libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
        let attached = new.into_iter().take_while(|&tid| {
            request(libc::PTRACE_SEIZE, tid, 0, number(options))
                && request(libc::PTRACE_INTERRUPT, tid, 0, ptr::null_mut())
        });
        let attached: Vec<pid_t> = attached.collect();
        self.threads.extend(attached.iter().map(|&tid| {
            (
                tid,
                Thread {
                    process,
                    stretch: None,
                },
            )
        }));
        !attached.is_empty()
    }

    /// Lets the actors run until all have ended, and returns their marked stretches. To be called after their gates were
    /// opened.
    pub(crate) fn run(mut self) -> Vec<Stretch> {
        while let Some((tid, status)) = next_stop() {
            if !libc::WIFSTOPPED(status) {
                self.threads.remove(&tid);
                continue;
            }
            let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
            if signal == SYSCALL_STOP {
                self.note_call(tid);
            } else if event == libc::PTRACE_EVENT_CLONE {
                self.note_thread(tid);
            }
            // A signal on its way is passed on; all other stops are ours.
            let passed = if signal == SYSCALL_STOP || event != 0 {
                0
            } else {
                signal
            };
            request(libc::PTRACE_SYSCALL, tid, 0, number(passed));
        }
        self.stretches
    }

    fn note_call(&mut self, tid: pid_t) {
        let Some((number, args)) = call_entered(tid) else {
            return;
        };
        let thread = self.threads.entry(tid).or_insert(Thread {
            process: 0,
            stretch: None,
        });
        let is_mark = number == libc::SYS_prctl && args[0] == MARK;
        match thread.stretch {
            None if is_mark && args[1] == BEGIN => {
                thread.stretch = Some(self.stretches.len());
                let process = thread.process;
                self.stretches.push(Stretch {
                    process,
                    calls: Vec::new(),
                    notes: [args[2], 0],
                    is_whole: false,
                });
            }
            Some(stretch) if is_mark => {
                self.stretches[stretch].is_whole = args[1] == END;
                self.stretches[stretch].notes[1] = args[2];
                thread.stretch = None;
            }
            Some(stretch) => self.stretches[stretch].calls.push(number),
            None => {}
        }
    }

    fn note_thread(&mut self, parent: pid_t) {
        let mut tid: libc::c_ulong = 0;
        if request(libc::PTRACE_GETEVENTMSG, parent, 0, (&raw mut tid).cast()) {
            let process = self.threads.get(&parent).map_or(0, |thread| thread.process);
            let tid = pid_t::try_from(tid).unwrap();
            self.threads
                .entry(tid)
                .or_insert(Thread {
                    process,
                    stretch: None,
                })
                .process = process;
        }
    }
}

/// Waits for the next stop or end of a thread that this thread traces; `None` when there is none left.
fn next_stop() -> Option<(pid_t, c_int)> {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer of ours. Other threads' children are not waited for.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        match tid {
            -1 if Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            -1 => return None,
            tid => return Some((tid, status)),
        }
    }
}

/// Returns number and arguments of the call that a stopped thread is about to make; `None` when it returns from one.
fn call_entered(tid: pid_t) -> Option<(c_long, [u64; 6])> {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let len = size_of_val(&info);
    if !request(
        libc::PTRACE_GET_SYSCALL_INFO,
        tid,
        len,
        info.as_mut_ptr().cast(),
    ) {
        return None;
    }
    // SAFETY: zeroed, and then written by the kernel: integers, in a union of such.
    let info = unsafe { info.assume_init() };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: `op` says that this is the union's member.
    let entry = unsafe { info.u.entry };
    Some((c_long::try_from(entry.nr).unwrap(), entry.args))
}

/// Makes a request, and returns whether it was granted. A thread that has ended grants nothing, which is no matter.
fn request(what: libc::c_uint, tid: pid_t, len: usize, data: *mut c_void) -> bool {
    let len: *mut c_void = ptr::without_provenance_mut(len);
    // SAFETY: `data` is a number, or the address of a record of the caller's that is large enough for this request.
    unsafe { libc::ptrace(what, tid, len, data) != -1 }
}

/// A number where others pass the address of a record.
fn number(value: c_int) -> *mut c_void {
    ptr::without_provenance_mut(usize::try_from(value).unwrap())
}
