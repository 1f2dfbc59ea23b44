//! What tests with helper processes share: the processes, and numbers from a seed.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part, and a failure here fails the test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::support::Bus;

/// A helper process. It is killed, and waited for, when this is dropped.
pub(crate) struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Helper {
    /// Starts a helper that plays the scene of the first word; the others are its arguments.
    pub(crate) fn start(bus: &Bus, words: &[&str]) -> Self {
        Self::start_with(bus, words, |_| {})
    }

    pub(crate) fn start_with(bus: &Bus, words: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        command
            .args(words)
            .env("RINGWAY_DIR", bus.directory())
            .env("RINGWAY_TEST_PARENT", std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        adjust(&mut command);
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        Self {
            child,
            input,
            output,
        }
    }

    /// How often the threads of the process were given a processor: the kernel's own count.
    pub(crate) fn runs(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let of_thread = |status: String| -> u64 {
            let counts = status
                .lines()
                .filter_map(|line| line.split_once("_ctxt_switches:"));
            counts
                .map(|(_, count)| count.trim().parse::<u64>().unwrap())
                .sum()
        };
        tasks
            .map(|task| of_thread(fs::read_to_string(task.unwrap().path().join("status")).unwrap()))
            .sum()
    }

    /// What the process writes, for whoever reads it elsewhere.
    pub(crate) fn take_output(&mut self) -> BufReader<ChildStdout> {
        self.output.take().expect("taken once")
    }

    /// What the process reads, for whoever writes it elsewhere.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("taken once")
    }

    /// Says a line and returns the line that answers it.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().expect("not ended"), "{line}").unwrap();
        self.read_line()
    }

    /// Reads the next line that the process says.
    pub(crate) fn read_line(&mut self) -> String {
        let mut answer = String::new();
        let output = self.output.as_mut().expect("not taken");
        let read = output.read_line(&mut answer).unwrap();
        assert!(read > 0, "the helper ended instead of answering");
        answer.trim_end().to_owned()
    }

    /// Ends its input, which ends the scene, and asserts that it ended well.
    pub(crate) fn end(mut self) {
        drop(self.input.take());
        if let Some(output) = &mut self.output {
            output.read_to_end(&mut Vec::new()).unwrap();
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    /// Kills it, as the kernel's killer would, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Stops the process, and waits until it has stopped.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), stopped).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The names of the sockets in the bus directory.
pub(crate) fn sockets(bus: &Bus) -> Vec<String> {
    let names = std::fs::read_dir(bus.directory().join("test")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("names.")).collect()
}

/// Waits, under the test's watchdog, until `is_true`.
pub(crate) fn wait_until(mut is_true: impl FnMut() -> bool) {
    while !is_true() {
        std::thread::yield_now();
    }
}

/// Numbers that look random: xorshift64*, from a seed that is printed.
pub(crate) struct Rng(u64);

impl Rng {
    /// Starts from `RINGWAY_TEST_SEED`, or from the time.
    pub(crate) fn new(test: &str) -> Self {
        let given = std::env::var("RINGWAY_TEST_SEED").ok();
        let seed = given.map_or_else(
            || {
                let now = std::time::UNIX_EPOCH.elapsed().unwrap();
                u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id()) | 1
            },
            |seed| seed.parse().unwrap(),
        );
        println!("{test}: RINGWAY_TEST_SEED={seed}");
        Self(seed)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % bound
    }
}
