//! A program in which a panic is the death of its process, as it is built with `-C panic=abort`: see `aborting.rs` beside it.
//!
//! Built otherwise it fails.

use ringway::prelude::*;
use ringway::{ExitCode, ExitReason};

type Outcome = Result<(), BoxError>;

/// What SIGABRT ends a process with.
const ABORTED: ExitReason = ExitReason::ProcessSignaled(6);

#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Work {
    number: u64,
}

/// Its handler panics.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Panic {
    number: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Work, Panic))]
struct Fragile;

impl Handler<Work> for Fragile {
    async fn handle(&mut self, work: Work, _cx: &mut Context<Self>) -> u64 {
        work.number
    }
}

impl Handler<Panic> for Fragile {
    async fn handle(&mut self, panic: Panic, _cx: &mut Context<Self>) -> u64 {
        panic!("as asked, {}", panic.number)
    }
}

fn main() -> ExitCode {
    // No backtrace: of the last words only so many are kept.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    let scene = std::env::args().nth(1);
    Roles::with(NodeConfig::on("test"))
        .actor::<Fragile>("fragile")
        .run(|node| async move {
            match scene.as_deref() {
                Some("here") => here(&node).await,
                _ => elsewhere(&node).await,
            }
        })
}

/// An actor of this process ends all of it.
async fn here(node: &Node) -> Outcome {
    let fragile = node.spawn(Fragile)?;
    let answer = fragile.ask(Panic { number: 1 }).await;
    panic!("it was to end this process: {answer:?}")
}

/// One of a child process ends the child: its asker is told how, and its supervisor starts it again.
async fn elsewhere(node: &Node) -> Outcome {
    let child = node.spawn_process::<Fragile>("fragile").await?;
    match child.addr().ask(Panic { number: 2 }).await {
        Err(AskError::Died {
            taken: true,
            reason,
            ..
        }) => assert_eq!(reason, ABORTED),
        other => panic!("{other:?}"),
    }
    assert_eq!(child.exited().await, ABORTED);
    assert!(child.stderr_tail().contains("as asked, 2"));

    let tree = Supervisor::one_for_one()
        .backoff(ms(1)..ms(2))
        .child(Child::process::<Fragile>("fragile"))
        .start(node)
        .await?;
    let fragile: Addr<Fragile> = tree.addr("fragile").await?;
    let life = fragile.pinned();
    let before = tree.which_children().remove(0);
    life.tell(Panic { number: 3 }).await?;
    assert_eq!(life.closed().await, ABORTED);
    // It follows the child to its next life.
    assert_eq!(fragile.ask(Work { number: 4 }).await?, 4);
    let after = tree.which_children().remove(0);
    assert_eq!((before.starts, after.starts), (1, 2));
    assert!(after.pid.is_some() && after.pid != before.pid);
    assert_eq!(after.last_exit, Some(ABORTED));
    assert!(after.last_stderr.contains("as asked, 3"), "{after:?}");

    // Redelivered, it is poison, as any other that ends its receiver.
    let poisoned = fragile.ask(Panic { number: 5 }).redeliver(1).await;
    assert!(
        matches!(poisoned, Err(AskError::Poisoned { .. })),
        "{poisoned:?}"
    );
    assert_eq!(fragile.ask(Work { number: 6 }).await?, 6);
    tree.stop();
    tree.closed().await;
    Ok(())
}
