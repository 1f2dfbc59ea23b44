//! How children and whole programs are stopped, step by step.

use std::future::pending;

use futures::channel::mpsc::unbounded;
use ringway::prelude::*;
use ringway::{ChildProcess, ExitReason, StopStep};

use super::{child, has_children};
use crate::Outcome;
use crate::actors::{Add, End, Mourner, Start, Witness};
use crate::prober::{Deed, Prober, Write};

async fn prober(node: &Node) -> Result<ChildProcess<Prober>, SpawnProcessError> {
    node.spawn_process::<Prober>("prober").await
}

/// Each step ends what does not end before; which one it was is told.
pub(super) async fn ladder(node: Node) -> Outcome {
    let ladder = StopLadder::new().stop(secs(60));
    let stopped = prober(&node).await?.stop_by(ladder).await;
    assert_eq!(stopped.step, StopStep::Stop);
    assert_eq!(stopped.reason, ExitReason::ProcessExited(0));

    // What it has is handled first.
    let child = child(&node).await?;
    for amount in 1..=100 {
        child.addr().tell(Add { amount }).await?;
    }
    let mut undelivered = child.addr().undelivered::<Add>();
    let stopped = child.stop_by(ladder.drain(secs(60))).await;
    assert_eq!(stopped.step, StopStep::Drain);
    assert_eq!(stopped.reason, ExitReason::ProcessExited(0));
    assert!(undelivered.next().await.is_none(), "all were handled");

    // A handler that blocks its thread comes to no `await`. Whether SIGTERM ends the process is its own business.
    let has_handler = std::env::var_os("RINGWAY_TEST_SIGNALS").is_some();
    let (step, signal) = if has_handler {
        (StopStep::Kill, 9)
    } else {
        (StopStep::Terminate, 15)
    };
    let ladder = StopLadder::new().drain(ms(10)).stop(ms(10));
    let ladder = ladder.terminate(if has_handler { ms(10) } else { secs(60) });
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    let blocked = prober(&node).await?;
    blocked.addr().tell(Deed::Block(witness.clone())).await?;
    begins.next().await;
    let stopped = blocked.stop_by(ladder).await;
    assert_eq!(stopped.step, step);
    assert_eq!(stopped.reason, ExitReason::ProcessSignaled(signal));

    // The same under a supervisor.
    let tree = Supervisor::one_for_one()
        .child(Child::process::<Prober>("prober").stop_by(ladder))
        .child(
            Child::process::<Prober>("prober")
                .id("other")
                .stop_by(ladder.drain(secs(60))),
        )
        .start(&node)
        .await?;
    let blocked: Addr<Prober> = tree.addr("prober").await?;
    blocked.tell(Deed::Block(witness)).await?;
    begins.next().await;
    tree.stop_child("prober").await?;
    tree.stop_child("other").await?;
    let children = tree.which_children();
    assert_eq!(children[0].last_stop, Some(step));
    assert_eq!(
        children[0].last_exit,
        Some(ExitReason::ProcessSignaled(signal))
    );
    assert_eq!(children[1].last_stop, Some(StopStep::Drain));
    assert_eq!(children[1].last_exit, Some(ExitReason::Shutdown));
    assert!(!has_children());
    Ok(())
}

/// An actor that is started again knows why, in another process too.
pub(super) async fn told_of_restarts(node: Node) -> Outcome {
    let (said, mut lines) = unbounded();
    let tree = Supervisor::one_for_one()
        .backoff(ms(1)..ms(2))
        .child(
            Child::process::<Prober>("prober").stdout(Output::lines(move |line| {
                said.unbounded_send(line.text.to_owned())
                    .expect("it listens");
            })),
        )
        .start(&node)
        .await?;
    let prober: Addr<Prober> = tree.addr("prober").await?;
    prober
        .ask(Write {
            to_error: false,
            text: "first\n".to_owned(),
            times: 1,
        })
        .await?;
    assert_eq!(lines.next().await.as_deref(), Some("first"));
    prober.tell(Deed::Panic).await?;
    assert_eq!(lines.next().await.as_deref(), Some("panicked: as asked"));
    let last = lines.next().await;
    assert_eq!(last.as_deref(), Some("again: a handler panicked: as asked"));
    Ok(())
}

/// Says that it is there, with a child whose end is mourned, and never ends by itself.
pub(super) async fn asked_to_end(node: Node) -> Outcome {
    let mourner = node.spawn(Mourner)?;
    let child = child(&node).await?;
    println!("{} {}", std::process::id(), child.pid());
    pending::<()>().await;
    drop((mourner, child));
    Ok(())
}

/// The same, with an actor that does not stop, and a child's, too.
pub(super) async fn hangs(node: Node) -> Outcome {
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    let child = node
        .spawn_process::<crate::actors::Counter>("counter")
        .args(Start::default())
        .await?;
    child.addr().tell(End::Never(witness)).await?;
    begins.next().await;
    let prober = node.spawn(Prober::default())?;
    prober.tell(Deed::Never).await?;
    println!("{} {}", std::process::id(), child.pid());
    pending().await
}
