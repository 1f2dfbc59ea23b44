//! An actor that tells what its process is like, starts programs, and does what kills a process.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use ringway::ExitReason;
use ringway::prelude::*;
use rustix::process::{Resource, getpgid, getpgrp, getpriority_process, getrlimit};
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::actors::{Began, own_pid};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks what the process is like.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = Probed)]
pub(crate) struct Probe;

#[derive(Message, Serialize, Deserialize, Debug, PartialEq, Eq)]
#[message(serial)]
pub(crate) struct Probed {
    pub(crate) directory: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<String>,
    /// Of the handler's thread.
    pub(crate) cpus: Vec<u32>,
    pub(crate) nice: i32,
    pub(crate) address_space: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) group: i32,
    /// The lines of `/proc/self/cgroup`.
    pub(crate) cgroups: Vec<String>,
}

/// Has the process start a program that lives until it is killed, and tells its number.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = u32)]
pub(crate) struct Run;

/// Has the process write to its standard output or error.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
pub(crate) struct Write {
    pub(crate) to_error: bool,
    pub(crate) text: String,
    /// How often.
    pub(crate) times: u32,
}

/// Has the process do that.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial)]
pub(crate) enum Deed {
    Abort,
    /// A panic, of which a hook makes an abort: what `panic = "abort"` does.
    PanicAndAbort,
    Panic,
    /// It never ends this handler, and blocks its thread, once it has told so.
    Block(Recipient<Began>),
    /// It never ends this handler.
    Never,
    Stop,
    /// It starts programs until the system refuses, and fails with what it says.
    Multiply,
}

#[derive(Actor, Default)]
#[actor(handles(Probe, Run, Write, Deed), hooks)]
pub(crate) struct Prober {
    programs: Vec<Child>,
}

impl Hooks for Prober {
    async fn restarted(
        &mut self,
        last: &ExitReason,
        _: &mut Context<Self>,
    ) -> Result<(), BoxError> {
        println!("again: {last}");
        Ok(())
    }

    fn panicked(&mut self, message: &str) {
        println!("panicked: {message}");
    }
}

impl Handler<Probe> for Prober {
    async fn handle(&mut self, _: Probe, _: &mut Context<Self>) -> Probed {
        let cpus = sched_getaffinity(None).expect("it is this thread");
        let cgroups = std::fs::read_to_string("/proc/self/cgroup").expect("it is there");
        Probed {
            directory: std::env::current_dir()
                .map_or_else(|e| e.to_string(), |it| it.display().to_string()),
            arguments: std::env::args().skip(1).collect(),
            variables: std::env::vars().map(|(name, _)| name).collect(),
            cpus: (0..CpuSet::MAX_CPU)
                .filter(|cpu| cpus.is_set(*cpu))
                .map(|cpu| u32::try_from(cpu).expect("small"))
                .collect(),
            nice: getpriority_process(None).expect("it is this process"),
            address_space: getrlimit(Resource::As).current,
            open_files: getrlimit(Resource::Nofile).current,
            group: getpgrp().as_raw_nonzero().get(),
            cgroups: cgroups.lines().map(str::to_owned).collect(),
        }
    }
}

/// A program that lives longer than any test, and keeps none of the test's pipes open.
fn sleeper() -> Command {
    let mut program = Command::new("sleep");
    program.arg("120");
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    program
}

impl Handler<Run> for Prober {
    async fn handle(&mut self, _: Run, _: &mut Context<Self>) -> u32 {
        let program = sleeper().spawn().expect("there is a `sleep`");
        let pid = program.id();
        let of = rustix::process::Pid::from_raw(pid.cast_signed());
        assert_eq!(getpgid(of).expect("it runs"), getpgrp());
        self.programs.push(program);
        pid
    }
}

impl Handler<Write> for Prober {
    async fn handle(&mut self, write: Write, _: &mut Context<Self>) {
        for _ in 0..write.times {
            let written = if write.to_error {
                std::io::stderr().write_all(write.text.as_bytes())
            } else {
                let mut out = std::io::stdout();
                out.write_all(write.text.as_bytes())
                    .and_then(|()| out.flush())
            };
            written.expect("somebody reads");
        }
    }
}

impl Handler<Deed, Result<(), BoxError>> for Prober {
    async fn handle(&mut self, deed: Deed, cx: &mut Context<Self>) -> Result<(), BoxError> {
        match deed {
            Deed::Abort => std::process::abort(),
            Deed::PanicAndAbort => {
                // No backtrace: of the last words only so many are kept.
                std::panic::set_hook(Box::new(|info| {
                    eprintln!("{info}");
                    std::process::abort();
                }));
                panic!("as asked, for all")
            }
            Deed::Panic => panic!("as asked"),
            Deed::Block(witness) => {
                witness.tell(own_pid()).await?;
                loop {
                    std::thread::park();
                }
            }
            Deed::Never => std::future::pending().await,
            Deed::Stop => cx.stop(),
            Deed::Multiply => loop {
                self.programs.push(sleeper().spawn()?);
            },
        }
        Ok(())
    }
}
