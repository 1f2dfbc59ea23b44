//! How children end.

use std::future::pending;
use std::process::Command;
use std::task::Poll;

use futures::channel::mpsc::unbounded;
use futures::poll;
use ringway::prelude::*;
use ringway::test::kill_processes;
use ringway::{AskError, ExitReason};

use super::{assert_works, await_no_children, begin, child, has_children};
use crate::Outcome;
use crate::actors::{Add, Counter, End, Parent, Start, Witness};

/// SIGKILL in the middle of a handler: what was taken and what was not are told apart, with the signal.
pub(super) async fn killed(node: Node) -> Outcome {
    let child = child(&node).await?;
    let counter = child.addr();
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    let mut taken = counter.ask(End::Never(witness)).deadline(secs(60));
    begin(&mut taken);
    assert_eq!(begins.next().await, Some(u64::from(child.pid())));
    let mut waiting = counter.ask(Add { amount: 8 }).deadline(secs(60));
    begin(&mut waiting);

    child.kill();

    match taken.await {
        Err(AskError::Died {
            taken: true,
            message: None,
            reason,
        }) => {
            assert_eq!(reason, ExitReason::ProcessSignaled(9));
        }
        other => panic!("{other:?}"),
    }
    match waiting.await {
        Err(AskError::Died {
            taken: false,
            message: Some(add),
            reason,
        }) => {
            assert_eq!((add.amount, reason), (8, ExitReason::ProcessSignaled(9)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(child.exited().await, ExitReason::ProcessSignaled(9));
    assert_eq!(counter.closed().await, ExitReason::ProcessSignaled(9));
    assert!(!has_children());

    // By the name of its role, as tests do it.
    let child = self::child(&node).await?;
    assert_eq!(kill_processes(&node, "nobody"), 0);
    assert_eq!(kill_processes(&node, "counter"), 1);
    assert_eq!(child.exited().await, ExitReason::ProcessSignaled(9));
    Ok(())
}

pub(super) async fn stopped(node: Node) -> Outcome {
    let (gone, mut ends) = unbounded();
    let mourner = Some(node.spawn(Witness(gone))?.recipient());
    let start = Start {
        mourner,
        ..Start::default()
    };
    let child = node.spawn_process::<Counter>("counter").args(start).await?;

    child.stop();

    assert_eq!(
        ends.next().await,
        Some(u64::from(child.pid())),
        "the hook ran"
    );
    assert_eq!(child.addr().closed().await, ExitReason::Stopped);
    assert_eq!(child.exited().await, ExitReason::ProcessExited(0));
    assert_eq!(
        child.exited().await,
        ExitReason::ProcessExited(0),
        "told again"
    );
    child.kill();
    Ok(())
}

/// How the actor ended is told as it was, also to those who look when its node and its process are long gone.
pub(super) async fn codes(node: Node) -> Outcome {
    for (end, code) in [
        (End::Normally, 0),
        (End::ByError, 1),
        (End::ByPanic, 101),
        (End::ByExit(7), 7),
    ] {
        let child = child(&node).await?;
        assert_works(&child.addr()).await?;

        let counter = child.addr();
        let mut asked = counter.ask(end).deadline(secs(60));
        let early = poll!(&mut asked); // sent; the answer may be there at the first look already

        assert_eq!(child.exited().await, ExitReason::ProcessExited(code));
        while !node.peers().is_empty() {
            std::thread::yield_now();
        }
        let asked = match early {
            Poll::Ready(asked) => asked,
            Poll::Pending => asked.await,
        };
        match (code, asked) {
            (0, Ok(())) => assert_eq!(counter.closed().await, ExitReason::Normal),
            (1, Ok(())) => {
                let reason = ExitReason::Error("no film".to_owned());
                assert_eq!(counter.closed().await, reason);
            }
            (
                101,
                Err(AskError::Died {
                    taken: true,
                    reason: ExitReason::Panicked(text),
                    ..
                }),
            ) => {
                assert_eq!(text, "as asked");
            }
            (
                7,
                Err(AskError::Died {
                    taken: true,
                    reason,
                    ..
                }),
            ) => {
                assert_eq!(reason, ExitReason::ProcessExited(7));
            }
            (_, other) => panic!("{code}: {other:?}"),
        }
        assert!(!has_children());
    }
    Ok(())
}

/// A child that the kernel kills for want of memory is told from one that somebody killed. Method: this process goes into
/// the cgroup that the test has limited, and its children start there; each is killed in its own way, one after the other.
pub(super) async fn hungry(node: Node) -> Outcome {
    let cgroup = std::env::args().nth(2).expect("a cgroup");
    std::fs::write(cgroup + "/cgroup.procs", "0")?;
    for end in [Some(End::ByHunger), None, Some(End::ByHunger)] {
        let child = child(&node).await?;
        let counter = child.addr();
        let reason = if let Some(end) = end {
            counter.tell(end).await?;
            ExitReason::OutOfMemory
        } else {
            let pid = i32::try_from(child.pid())?;
            let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
            ExitReason::ProcessSignaled(9)
        };
        assert_eq!(child.exited().await, reason);
        assert_eq!(counter.closed().await, reason);
    }
    Ok(())
}

/// A node that detaches ends its children, in order.
pub(super) async fn detached(node: Node) -> Outcome {
    let children = [child(&node).await?, child(&node).await?];
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    children[1].addr().tell(End::Never(witness)).await?;
    begins.next().await;

    node.detach();

    assert!(!has_children(), "gone with the node");
    assert_eq!(
        children[0].exited().await,
        ExitReason::ProcessExited(0),
        "stopped"
    );
    assert_eq!(
        children[1].exited().await,
        ExitReason::ProcessExited(1),
        "hung, and gave up"
    );
    let refused = child(&node).await.expect_err("detached");
    assert_eq!(refused.to_string(), "the node is detached");
    Ok(())
}

/// Whoever holds the handles, children are reaped; those that the program starts by itself are left to it.
pub(super) async fn zombies(node: Node) -> Outcome {
    let mut own = Command::new("/bin/true").spawn()?;
    let kept = child(&node).await?;
    drop(child(&node).await?.addr().ask(End::ByExit(1)).await);
    child(&node).await?.kill();
    child(&node).await?.stop();
    let survivor = child(&node).await?.addr();
    kept.kill();
    kept.exited().await;
    assert_works(&survivor).await?;
    survivor.stop();
    survivor.closed().await;

    assert!(own.wait()?.success(), "still ours to wait for");
    await_no_children();
    Ok(())
}

/// Says which processes there are, and waits for the test to kill this one: a child, one that hangs, and one that has a
/// child of its own.
pub(super) async fn orphans(node: Node) -> Outcome {
    let quiet = child(&node).await?;
    let busy = child(&node).await?;
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    busy.addr().tell(End::Never(witness)).await?;
    begins.next().await;
    let parent = node.spawn_process::<Parent>("parent").await?;
    let grandchild = parent.addr().ask(Add { amount: 0 }).await?;
    println!(
        "{} {} {} {grandchild}",
        quiet.pid(),
        busy.pid(),
        parent.pid()
    );
    pending().await
}
