//! Supervisors of processes: the strategies under SIGKILL, giving up, and a storm.

use std::cell::Cell;
use std::fs;
use std::future::pending;
use std::task::Poll;

use futures::channel::mpsc::unbounded;
use ringway::prelude::*;
use ringway::{ChildType, ExitReason};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::has_children;
use crate::Outcome;
use crate::actors::{Add, Counter, End, Mourner, Nested, Start, Witness};

fn counter(id: &str) -> Child<ringway::OfProcess<Counter, ringway::Given<Start>>> {
    Child::process::<Counter>("counter")
        .id(id)
        .args(Start::default())
}

pub(super) fn quick(supervisor: Supervisor) -> Supervisor {
    supervisor.backoff(ms(1)..ms(4))
}

pub(super) fn pid_of(tree: &Tree, id: &str) -> Pid {
    let children = tree.which_children();
    let child = children.iter().find(|child| child.id == id);
    let pid = child.and_then(|child| child.pid).expect("it runs");
    Pid::from_raw(pid.cast_signed()).expect("a pid")
}

/// The life of a child that comes after this one.
async fn next_life(tree: &Tree, id: &str, last: &Addr<Counter>) -> Addr<Counter> {
    last.closed().await;
    // As long as any start may take here.
    let next: Addr<Counter> = tree
        .addr(id)
        .within(secs(100))
        .await
        .expect("it comes back");
    assert_ne!(next.id(), last.id());
    next
}

async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A SIGKILL restarts whom the strategy says, each when its last process has been waited for; none is left in the end.
pub(super) async fn strategies(node: Node) -> Outcome {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    for (strategy, restarted) in [
        (Strategy::OneForOne, [false, true, false]),
        (Strategy::OneForAll, [true, true, true]),
        (Strategy::RestForOne, [false, true, true]),
    ] {
        let supervisor = NAMES
            .into_iter()
            .fold(quick(Supervisor::with(strategy)), |tree, name| {
                tree.child(counter(name))
            });
        let tree = supervisor.start(&node).await?;
        for round in 0..2 {
            let mut before = Vec::new();
            for name in NAMES {
                let addr: Addr<Counter> = tree.addr(name).await?;
                addr.ask(Add { amount: 1 }).await?;
                before.push((addr, pid_of(&tree, name)));
            }
            kill_process(before[1].1, Signal::KILL)?;
            for ((name, (last, pid)), is_restarted) in NAMES.into_iter().zip(&before).zip(restarted)
            {
                if is_restarted {
                    let next = next_life(&tree, name, last).await;
                    assert!(test_kill_process(*pid).is_err(), "waited for before");
                    assert_eq!(next.ask(Add { amount: 1 }).await?, 1, "a new one");
                } else {
                    let same: Addr<Counter> = tree.addr(name).await?;
                    assert_eq!(same.id(), last.id());
                    assert!(last.ask(Add { amount: 1 }).await? > round, "the old one");
                }
            }
            let killed = &tree.which_children()[1];
            assert_eq!(killed.last_exit, Some(ExitReason::ProcessSignaled(9)));
            assert_eq!(killed.kind, ChildType::Process);
        }
        tree.stop();
        assert_eq!(tree.closed().await, ExitReason::Stopped);
        assert!(!has_children(), "{strategy:?}");
    }
    Ok(())
}

/// Processes stop in their turn and with their hooks; one that hangs is killed; one that fails to start is an error.
pub(super) async fn stops(node: Node) -> Outcome {
    let (gone, mut ends) = unbounded();
    let mourner = node.spawn(Witness(gone))?;
    let start = Start {
        mourner: Some(mourner.recipient()),
        ..Start::default()
    };
    let mourned = |id: &str| {
        Child::process::<Counter>("counter")
            .id(id)
            .args(start.clone())
    };
    let tree = Supervisor::one_for_one()
        .child(mourned("first"))
        .child(counter("hangs").stop_within(ms(20)))
        .child(mourned("last").name("the last"))
        .start(&node)
        .await?;
    let last: Addr<Counter> = tree.addr("last").await?;
    let found: Addr<Counter> = node.lookup("the last").await?;
    assert_eq!(found, last, "both follow the name");
    assert_eq!(found.id(), last.id());
    let order = ["last", "first"].map(|id| pid_of(&tree, id).as_raw_nonzero().get());
    let hangs: Addr<Counter> = tree.addr("hangs").await?;
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    hangs.tell(End::Never(witness)).await?;
    begins.next().await;
    tree.stop();
    tree.closed().await;
    assert!(!has_children());
    for pid in order {
        assert_eq!(ends.next().await, Some(u64::try_from(pid)?));
    }
    assert_eq!(last.closed().await, ExitReason::Shutdown);
    assert_eq!(hangs.closed().await, ExitReason::ProcessSignaled(15));

    let wrong = Child::process::<Counter>("failing").args(Start::default());
    let supervisor = Supervisor::one_for_one().child(counter("a")).child(wrong);
    let error = supervisor.start(&node).await.expect_err("another actor");
    let SuperviseError::StartFailed { child, reason } = &error else {
        panic!("{error}")
    };
    assert_eq!(child, "failing");
    assert!(matches!(reason, ExitReason::StartFailed(_)), "{reason}");
    assert!(!has_children());

    Ok(())
}

/// A detaching node stops what is supervised, too, and waits for it.
pub(super) async fn detached(node: Node) -> Outcome {
    let tree = Supervisor::one_for_one()
        .child(counter("a"))
        .child(Child::actor("mourner", || Mourner))
        .child(counter("b").stop_within(ms(20)))
        .start(&node)
        .await?;
    let hangs: Addr<Counter> = tree.addr("b").await?;
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    hangs.tell(End::Never(witness)).await?;
    begins.next().await;
    node.detach();
    assert!(!has_children());
    assert!(tree.is_closed());
    assert_eq!(hangs.closed().await, ExitReason::ProcessSignaled(15));
    Ok(())
}

/// A root that gives up ends the program, in order, and not as a success.
pub(super) async fn gives_up(node: Node) -> Outcome {
    let tree = quick(Supervisor::one_for_one())
        .intensity(1, secs(60))
        .child(Child::actor("mourner", || Mourner))
        .child(counter("counter"))
        .start(&node)
        .await?;
    let first: Addr<Counter> = tree.addr("counter").await?;
    kill_process(pid_of(&tree, "counter"), Signal::KILL)?;
    next_life(&tree, "counter", &first).await;
    kill_process(pid_of(&tree, "counter"), Signal::KILL)?;
    let held = OnDrop;
    pending::<()>().await;
    drop(held);
    Ok(())
}

/// What the program itself had in hand.
struct OnDrop;

impl Drop for OnDrop {
    fn drop(&mut self) {
        println!("the program was dropped");
    }
}

/// A child process whose own supervisor gives up has failed, and is started again by the one here.
pub(super) async fn gives_up_below(node: Node) -> Outcome {
    let tree = quick(Supervisor::one_for_one())
        .child(Child::process::<Nested>("nested").transient())
        .start(&node)
        .await?;
    let first: Addr<Nested> = tree.addr("nested").await?;
    first.ask(Add { amount: 1 }).await?;
    first.closed().await;
    while tree.which_children()[0].starts < 2 {
        yield_now().await;
    }
    let child = &tree.which_children()[0];
    assert_eq!(child.last_exit, Some(ExitReason::ProcessExited(1)));
    let second: Addr<Nested> = tree.addr("nested").await?;
    assert_ne!(second.id(), first.id());
    Ok(())
}

/// One that is contained is the program's own to deal with.
pub(super) async fn contained(node: Node) -> Outcome {
    let tree = Supervisor::one_for_one()
        .intensity(0, secs(60))
        .child(counter("counter"))
        .contained()
        .start(&node)
        .await?;
    kill_process(pid_of(&tree, "counter"), Signal::KILL)?;
    let reason = tree.closed().await;
    assert!(matches!(reason, ExitReason::GaveUp(_)), "{reason}");
    assert!(!has_children());
    Ok(())
}

/// Panics and kills at random, of processes and actors at three levels: all come back, and nothing is left in the end.
pub(super) async fn storm(node: Node) -> Outcome {
    const ROUNDS: u64 = 150;
    let tree = || {
        let local = |id: &str| Child::actor(id, local);
        let below = |strategy| {
            move || {
                quick(Supervisor::with(strategy))
                    .intensity(10_000, secs(60))
                    .child(local("x"))
                    .child(counter("y"))
                    .child(local("z"))
            }
        };
        quick(Supervisor::one_for_one())
            .intensity(10_000, secs(60))
            .child(counter("p"))
            .child(local("q"))
            .child(Child::supervisor("all", below(Strategy::OneForAll)))
            .child(Child::supervisor("rest", below(Strategy::RestForOne)))
    };
    // Threads that stay, and what a first meeting opens for good, are there from now on.
    let first = tree().start(&node).await?;
    first.stop();
    first.closed().await;
    await_no_peers(&node);
    // The least of many: the last descriptors of what has ended are closed a moment later.
    let looks = (0..1_000).map(|_| {
        std::thread::yield_now();
        census()
    });
    let before = looks.min().expect("some looks");

    let root = tree().start(&node).await?;
    let chance = Chance::new();
    for _ in 0..ROUNDS {
        let (tree, leaves): (Tree, &[&str]) = match chance.below(3) {
            0 => (root.clone(), &["p", "q"]),
            nested => {
                let id = ["all", "rest"][nested - 1];
                (
                    root.supervisor(id).within(secs(100)).await?,
                    &["x", "y", "z"],
                )
            }
        };
        let leaf = leaves[chance.below(leaves.len())];
        let victim: Addr<Counter> = tree.addr(leaf).within(secs(100)).await?;
        let children = tree.which_children();
        let pid = children
            .iter()
            .find(|it| it.actor == Some(victim.id()))
            .and_then(|child| child.pid);
        match (pid, chance.below(4)) {
            (Some(pid), 0 | 1) => {
                let pid = Pid::from_raw(pid.cast_signed()).expect("a pid");
                // It may be dead already.
                let _ = kill_process(pid, Signal::KILL);
            }
            (_, 2) => drop(victim.tell(End::ByError).await),
            _ => drop(victim.tell(End::ByPanic).await),
        }
        if chance.below(2) == 0 {
            victim.closed().await;
        }
    }
    for (id, leaves) in [
        ("", &["p", "q"][..]),
        ("all", &["x", "y", "z"]),
        ("rest", &["x", "y", "z"]),
    ] {
        let tree = match id {
            "" => root.clone(),
            id => root.supervisor(id).within(secs(100)).await?,
        };
        for leaf in leaves {
            // Its last killer's message may still be on its way to it.
            loop {
                let addr: Addr<Counter> = tree.addr(*leaf).within(secs(100)).await?;
                if addr.ask(Add { amount: 1 }).await.is_ok() {
                    break;
                }
                yield_now().await;
            }
        }
    }
    root.stop();
    assert_eq!(root.closed().await, ExitReason::Stopped);
    assert!(!has_children());
    await_no_peers(&node);
    // Descriptors are closed by the threads that use them, a moment later. Fewer than before are no leak: one of those was then
    // still about to end.
    let is_leaking = |(descriptors, threads)| descriptors > before.0 || threads > before.1;
    while is_leaking(census()) {
        std::thread::yield_now();
    }
    Ok(())
}

fn local() -> Counter {
    Counter::from_args(Start::default()).expect("it has no needs")
}

fn await_no_peers(node: &Node) {
    while !node.peers().is_empty() {
        std::thread::yield_now();
    }
}

/// Descriptors and threads of this process.
fn census() -> (usize, usize) {
    let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Numbers that look random; the first is printed, for another run.
struct Chance(Cell<u64>);

impl Chance {
    fn new() -> Self {
        let seed = u64::from(std::process::id()) | 1;
        eprintln!("seed {seed}");
        Self(Cell::new(seed))
    }

    fn below(&self, limit: usize) -> usize {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        usize::try_from(x % limit as u64).expect("below a usize")
    }
}
