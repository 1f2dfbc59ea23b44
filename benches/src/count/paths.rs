//! The paths whose instructions are counted: two nodes in one process, both driven by one thread, a pass at a time.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use ringway::prelude::*;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use super::marks::{finish, marked};
use crate::Result;
use crate::options::Mode;
use crate::pair::{LONG, READY, Teller};
use crate::sink::{self, Bytes};

/// Messages before those that count: everything is allocated and warm, and both sides watch their lanes.
const WARM_UP: u64 = 300;
/// Passes after which a message that did not come has got lost.
const PASSES_MAX: u32 = 1_000_000;
const NAME: &str = "tally";

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Number {
    number: u64,
}

/// Takes numbers in order, and says how many it has had. (The counts of two threads' paths would need no atomic.)
#[derive(Actor)]
#[actor(handles(Number, Bytes))]
struct Tally {
    had: Arc<AtomicU64>,
}

impl Handler<Number> for Tally {
    async fn handle(&mut self, number: Number, _cx: &mut Context<Self>) -> u64 {
        let had = self.had.load(Relaxed);
        if number.number == had {
            self.had.store(had + 1, Relaxed);
        }
        had
    }
}

impl Handler<Bytes> for Tally {
    async fn handle(&mut self, bytes: Lease<Bytes>, _cx: &mut Context<Self>) -> u64 {
        bytes.len() as u64
    }
}

/// An actor, the way to it, and the node that drives it.
struct Target {
    address: Addr<Tally>,
    had: Arc<AtomicU64>,
    home: Node,
}

impl Target {
    fn next(&self) -> Number {
        Number {
            number: self.had.load(Relaxed),
        }
    }
}

/// One path: its name, and what walks it once and sets the marks.
type Path = (&'static str, fn(&Scene) -> Result<()>);

/// Messages that are told together.
const BATCH: u64 = 64;

const PATHS: [Path; 14] = [
    ("nothing", |_| {
        marked(|| ());
        Ok(())
    }),
    ("idle pass", |scene| {
        marked(|| scene.near.run_until(passes(1)));
        Ok(())
    }),
    ("ask 8 B", |scene| marked(|| scene.ask(&scene.remote))),
    ("tell 8 B: submit", |scene| scene.submit(&scene.remote)),
    ("tell 8 B: take and handle", |scene| {
        scene.take(&scene.remote)
    }),
    ("tell 64 of 8 B: submit", |scene| {
        scene.submit_all(&scene.remote)
    }),
    ("tell 64 of 8 B: take and handle", |scene| {
        scene.take_all(&scene.remote)
    }),
    ("loan and drop 64 B", |scene| scene.loan(64)),
    ("loan and drop 1 MiB", |scene| scene.loan(1 << 20)),
    ("local ask 8 B", |scene| marked(|| scene.ask(&scene.local))),
    ("local tell 8 B: submit", |scene| scene.submit(&scene.local)),
    ("local tell 8 B: take and handle", |scene| {
        scene.take(&scene.local)
    }),
    ("local tell 64 of 8 B: submit", |scene| {
        scene.submit_all(&scene.local)
    }),
    ("local tell 64 of 8 B: take and handle", |scene| {
        scene.take_all(&scene.local)
    }),
];

/// Walks every path so many times.
pub(super) fn walk(times: usize, directory: &str, teller: &mut Teller) -> Result<()> {
    let scene = Scene::new(directory)?;
    for _ in 0..WARM_UP {
        for (_, walk) in PATHS {
            walk(&scene)?;
        }
    }
    let names: Vec<&str> = PATHS.iter().map(|path| path.0).collect();
    teller.say(&names.join(","))?;
    teller.hear()?;
    for (_, walk) in PATHS {
        for _ in 0..times {
            walk(&scene)?;
        }
    }
    finish();
    drop(scene);
    teller.say(READY)
}

/// An actor on the near node, from where all is sent, and one on the far node.
struct Scene {
    near: Node,
    remote: Target,
    local: Target,
}

impl Scene {
    fn new(directory: &str) -> Result<Self> {
        let far = sink::attach(Mode::Spin, directory, "far")?;
        let near = sink::attach(Mode::Spin, directory, "near")?;
        let [at_far, at_near] = [(); 2].map(|()| Arc::<AtomicU64>::default());
        let tally = |had| Tally {
            had: Arc::clone(had),
        };
        let local = near.spawn(tally(&at_near))?;
        far.actor(tally(&at_far)).name(NAME).spawn()?;
        let mut lookup = pin!(near.lookup(NAME).within(LONG).into_future());
        let remote = loop {
            match near.run_until(once(lookup.as_mut())) {
                Poll::Ready(found) => break found?,
                Poll::Pending => drive(&near, &far),
            }
        };
        Ok(Self {
            remote: Target {
                address: remote,
                had: at_far,
                home: far,
            },
            local: Target {
                address: local,
                had: at_near,
                home: near.clone(),
            },
            near,
        })
    }

    /// A whole ask, with as many passes of both nodes as it needs.
    fn ask(&self, target: &Target) -> Result<()> {
        let number = target.next();
        let mut ask = pin!(target.address.ask(number));
        // Its own deadline bounds it.
        loop {
            match self.near.run_until(once(ask.as_mut())) {
                Poll::Ready(reply) => {
                    let (had, asked) = (reply?, number.number);
                    return match had == asked {
                        true => Ok(()),
                        false => {
                            Err(format!("number {asked} came to one that has had {had}").into())
                        }
                    };
                }
                Poll::Pending => drive(&self.near, &target.home),
            }
        }
    }

    /// What a tell costs its sender.
    fn submit(&self, target: &Target) -> Result<()> {
        let until = target.next().number + 1;
        marked(|| self.tell(target))?;
        self.handle(target, until);
        self.near.run_until(passes(1));
        self.ask(target)
    }

    /// What many tells together cost their sender.
    fn submit_all(&self, target: &Target) -> Result<()> {
        let until = target.next().number + BATCH;
        marked(|| self.tell_all(target))?;
        self.handle(target, until);
        self.near.run_until(passes(1));
        self.ask(target)
    }

    /// What they cost the receiver's driver and actor.
    fn take_all(&self, target: &Target) -> Result<()> {
        let until = target.next().number + BATCH;
        self.tell_all(target)?;
        marked(|| self.handle(target, until));
        self.near.run_until(passes(1));
        self.ask(target)
    }

    fn tell_all(&self, target: &Target) -> Result<()> {
        let from = target.next().number;
        let numbers = (from..from + BATCH).map(|number| Number { number });
        let mut tell = pin!(target.address.tell_all(numbers));
        match self.near.run_until(once(tell.as_mut())) {
            Poll::Ready(told) => Ok(told?),
            Poll::Pending => Err("no room for many tells".into()),
        }
    }

    /// What a tell costs the receiver's driver and actor.
    fn take(&self, target: &Target) -> Result<()> {
        let until = target.next().number + 1;
        self.tell(target)?;
        marked(|| self.handle(target, until));
        self.near.run_until(passes(1));
        self.ask(target)
    }

    fn tell(&self, target: &Target) -> Result<()> {
        let mut tell = pin!(target.address.tell(target.next()));
        match self.near.run_until(once(tell.as_mut())) {
            Poll::Ready(told) => Ok(told?),
            Poll::Pending => Err("no room for a tell".into()),
        }
    }

    /// Drives the actor's node until the actor has had so many.
    fn handle(&self, target: &Target, until: u64) {
        let mut left = PASSES_MAX;
        let more = poll_fn(|cx| {
            if target.had.load(Relaxed) == until || left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        target.home.run_until(more);
    }

    fn loan(&self, bytes: usize) -> Result<()> {
        let loan = marked(|| {
            self.remote
                .address
                .loan::<Bytes>(bytes)
                .map(|loan| loan.len())
        })?;
        if loan != bytes {
            return Err(format!("a loan of {bytes} bytes has {loan}").into());
        }
        Ok(())
    }
}

/// One pass of each node.
fn drive(near: &Node, home: &Node) {
    if home.id() != near.id() {
        home.run_until(passes(1));
    }
    near.run_until(passes(1));
}

/// Ready after so many passes of whoever runs it.
fn passes(mut count: u32) -> impl Future<Output = ()> {
    poll_fn(move |cx| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// One look at a future.
fn once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Poll<F::Output>> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx)))
}
