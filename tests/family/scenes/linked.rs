//! Links between actors of several processes, ended by SIGKILL.

use futures::channel::mpsc::{UnboundedSender, unbounded};
use ringway::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use super::has_children;
use crate::Outcome;

/// Has the receiver link itself to another.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
pub(crate) struct Tie(Addr<Knot>);

/// An actor that ties itself to others.
#[derive(Actor, Default)]
#[actor(handles(Tie, LinkDown))]
pub(crate) struct Knot {
    traps: Option<UnboundedSender<LinkDown>>,
}

impl Handler<Tie> for Knot {
    async fn handle(&mut self, Tie(other): Tie, cx: &mut Context<Self>) {
        cx.trap_exits(self.traps.is_some());
        cx.link(&other);
    }
}

impl Handler<LinkDown> for Knot {
    async fn handle(&mut self, down: LinkDown, _cx: &mut Context<Self>) {
        if let Some(traps) = &self.traps {
            traps.unbounded_send(down).ok();
        }
    }
}

/// A SIGKILL of one process ends the actors of all others that are linked to it, one after the other; who traps exits is told;
/// and a process that has its actor ended so ends too.
pub(super) async fn linked(node: Node) -> Outcome {
    const ROUNDS: usize = 12;
    for round in 0..ROUNDS {
        let (log, mut told) = unbounded();
        let watcher = node.spawn(Knot { traps: Some(log) })?;
        let local = node.spawn(Knot::default())?;
        let mut children = Vec::new();
        for _ in 0..3 {
            children.push(node.spawn_process::<Knot>("knot").await?);
        }
        // watcher - first - second - third - local - first: a ring with a tail.
        let [first, second, third] = [0, 1, 2].map(|at| children[at].addr());
        for (one, other) in [
            (&watcher, &first),
            (&first, &second),
            (&second, &third),
            (&third, &local),
            (&local, &first),
        ] {
            one.ask(Tie(other.clone())).await?;
        }
        // Both ends of each know of it: one word and its answer follow each other on every socket between them.
        for (one, other) in [
            (&second, &first),
            (&third, &second),
            (&local, &third),
            (&first, &local),
        ] {
            one.ask(Tie(other.clone())).await?;
        }
        let victim = round % 3;
        let pid = Pid::from_raw(children[victim].pid().cast_signed()).expect("a pid");
        kill_process(pid, Signal::KILL)?;
        let killed = [&first, &second, &third][victim].id();
        let reasons = [
            first.closed().await,
            second.closed().await,
            third.closed().await,
        ];
        for (at, reason) in reasons.iter().enumerate() {
            match reason {
                ExitReason::ProcessSignaled(9) if at == victim => {}
                ExitReason::LinkDied { who, .. } if at != victim && *who == killed => {}
                other => panic!("{at} of round {round}: {other}"),
            }
        }
        assert!(matches!(local.closed().await, ExitReason::LinkDied { who, .. } if who == killed));
        let down = told.next().await.expect("it lives");
        assert_eq!(
            (down.who, &down.reason),
            (first.id(), &reasons[0]),
            "{round}"
        );
        watcher.stop();
        watcher.closed().await;
        assert_eq!(told.next().await, None, "told once");
        for child in &children {
            child.exited().await;
        }
        assert!(!has_children());
    }
    Ok(())
}
