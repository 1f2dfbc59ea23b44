//! An actor whose handlers end as they are told, and that logs what it does with each message; and what commands it.
//!
//! The helper and the tests are two programs, so the messages have names of their own.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use ringway::prelude::*;

/// What a handler does with a message.
pub(crate) const PASS: u64 = 0;
/// Waits at the gate, in the first life of the worker; then does what the gate says.
pub(crate) const HOLD: u64 = 1;
pub(crate) const FAIL: u64 = 2;
pub(crate) const PANIC: u64 = 3;
/// Has its process killed, as by somebody else, unless this is the attempt in the upper half.
pub(crate) const DIE: u64 = 4;
/// Panics unless this is the attempt in the upper half.
pub(crate) const PANIC_UNTIL: u64 = 5;
/// Is put aside for good, at the first attempt.
pub(crate) const ASIDE: u64 = 6;

#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(name = "fate.job", move, reply = u64)]
#[repr(C)]
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) what: u64,
}

/// A job that panics, or has its process killed, at each attempt before `attempt`.
pub(crate) fn bad_until(number: u64, what: u64, attempt: u32) -> Job {
    let what = what | u64::from(attempt) << 32;
    Job { number, what }
}

#[derive(Schema, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) what: u64,
}

/// The same in a block, filled with its number's low byte.
#[derive(Message)]
#[message(name = "fate.load", copy, header = Head, reply = u64)]
#[repr(transparent)]
pub(crate) struct Load([u8]);

/// What a worker says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Record {
    pub(crate) number: u64,
    /// Its id on its sender's node; 0 if it has none.
    pub(crate) id: u64,
    /// Which life of the worker.
    pub(crate) life: u32,
    pub(crate) attempt: u32,
    /// 0 when its handler begins, 1 when it ends.
    pub(crate) ended: u64,
}

impl Record {
    pub(crate) const LEN: usize = 32;
}

/// Where handlers wait.
#[derive(Default)]
pub(crate) struct Gate(Mutex<(Option<u64>, Vec<Waker>)>);

impl Gate {
    /// Lets all pass, to do `what`.
    pub(crate) fn open(&self, what: u64) {
        let wakers = {
            let mut state = self.0.lock().expect("not poisoned");
            state.0 = Some(what);
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn pass(&self) -> u64 {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock().expect("not poisoned");
            if let Some(what) = state.0 {
                return Poll::Ready(what);
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Takes the records.
pub(crate) type Log = Arc<dyn Fn(Record) + Send + Sync>;

#[derive(Actor)]
#[actor(handles(Job, Load))]
pub(crate) struct Worker {
    log: Log,
    gate: Arc<Gate>,
    life: u32,
}

impl Worker {
    pub(crate) fn new(log: Log, gate: Arc<Gate>, life: u32) -> Self {
        Self { log, gate, life }
    }

    /// A handler has begun.
    fn record(&self, job: Job, cx: &Context<Self>) -> Record {
        Record {
            number: job.number,
            id: cx.message_id().map_or(0, |id| id.number),
            life: self.life,
            attempt: cx.attempt(),
            ended: 0,
        }
    }

    async fn work(&self, job: Job, cx: &mut Context<Self>) -> Result<u64, String> {
        let record = self.record(job, cx);
        (self.log)(record);
        let is_last = u64::from(record.attempt) >= job.what >> 32;
        match job.what & 0xFFFF_FFFF {
            HOLD if self.life == 1 => match self.gate.pass().await {
                FAIL => {
                    (self.log)(Record { ended: 1, ..record });
                    return Err(format!("job {} failed", job.number));
                }
                PANIC => panic!("job {} panics", job.number),
                _ => {}
            },
            FAIL => {
                (self.log)(Record { ended: 1, ..record });
                return Err(format!("job {} failed", job.number));
            }
            PANIC => panic!("job {} panics", job.number),
            PANIC_UNTIL if !is_last => panic!("job {} panics", job.number),
            DIE if !is_last => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL)
                    .expect("it is ours");
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        (self.log)(Record { ended: 1, ..record });
        Ok(job.number)
    }
}

impl Handler<Job, Result<u64, String>> for Worker {
    async fn handle(&mut self, job: Job, cx: &mut Context<Self>) -> Result<u64, String> {
        if job.what == ASIDE && cx.attempt() == 1 {
            (self.log)(self.record(job, cx));
            drop(cx.stash(job).expect("there is room"));
            return Ok(0); // no answer: that would come later
        }
        self.work(job, cx).await
    }
}

impl Handler<Load, Result<u64, String>> for Worker {
    async fn handle(&mut self, load: Lease<Load>, cx: &mut Context<Self>) -> Result<u64, String> {
        let number = load.header().number;
        assert!(
            load.iter().all(|byte| *byte == number.to_le_bytes()[0]),
            "spoilt"
        );
        let what = load.header().what;
        self.work(Job { number, what }, cx).await
    }
}

/// A worker, and how its handlers are let go.
struct Kept {
    gate: Arc<Gate>,
    addr: Addr<Worker>,
    /// Of one that is started again.
    tree: Option<Tree>,
}

/// Hundreds of workers panic as they are told: that need not be read.
static QUIET: std::sync::Once = std::sync::Once::new();

/// Workers of one node, by name.
pub(crate) struct Yard {
    node: Node,
    log: Log,
    workers: Mutex<HashMap<String, Kept>>,
}

impl Yard {
    pub(crate) fn new(node: &Node, log: Log) -> Self {
        QUIET.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let text = info.payload_as_str().unwrap_or_default();
                if !(text.starts_with("job ") && text.ends_with(" panics")) {
                    usual(info);
                }
            }));
        });
        Self {
            node: node.clone(),
            log,
            workers: Mutex::default(),
        }
    }

    /// Does what a line says: `once NAME MAILBOX`, `always NAME MAILBOX`, both with a number of redeliveries or not, `stop NAME`,
    /// `open NAME WHAT`, `end NAME`.
    pub(crate) fn obey(&self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let mut workers = self.workers.lock().expect("not poisoned");
        let known = |name: &str| workers.get(name).expect("it is there");
        match words.as_slice() {
            [how @ ("once" | "always"), name, mailbox, again @ ..] => {
                let mailbox = mailbox.parse().expect("a number");
                let again = again.first().map(|it| it.parse().expect("a number"));
                let kept = match *how {
                    "once" => self.once(name, mailbox, again),
                    _ => self.always(name, mailbox, again),
                };
                workers.insert((*name).to_owned(), kept);
            }
            ["stop", name] => known(name).addr.stop(),
            ["open", name, what] => known(name).gate.open(what.parse().expect("a number")),
            ["end", name] => {
                let gone = workers.remove(*name).expect("it is there");
                match gone.tree {
                    Some(tree) => tree.stop(),
                    None => gone.addr.stop(),
                }
            }
            words => panic!("no command {words:?}"),
        }
    }

    fn once(&self, name: &str, mailbox: usize, again: Option<u32>) -> Kept {
        let gate = Arc::<Gate>::default();
        let worker = Worker::new(Arc::clone(&self.log), Arc::clone(&gate), 1);
        let builder = self.node.actor(worker).name(name).mailbox(mailbox);
        let builder = builder.redeliver(again.unwrap_or(0));
        let addr = builder.spawn().expect("spawned");
        Kept {
            gate,
            addr,
            tree: None,
        }
    }

    fn always(&self, name: &str, mailbox: usize, again: Option<u32>) -> Kept {
        let gate = Arc::<Gate>::default();
        let (log, held) = (Arc::clone(&self.log), Arc::clone(&gate));
        let mut life = 0;
        let make = move || {
            life += 1;
            Worker::new(Arc::clone(&log), Arc::clone(&held), life)
        };
        let start = Supervisor::one_for_one()
            .intensity(u32::MAX, secs(1000))
            .backoff(ms(0)..ms(0))
            .child(
                Child::actor(name, make)
                    .name(name)
                    .mailbox(mailbox)
                    .redeliver(again.unwrap_or(0)),
            )
            .start(&self.node);
        let tree = block_on(start.into_future()).expect("started");
        let addr = tree.addr(name).wait().expect("it runs");
        Kept {
            gate,
            addr,
            tree: Some(tree),
        }
    }
}
