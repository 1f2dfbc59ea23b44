//! The trees of the storm.

use std::task::Poll;

use ringway::prelude::*;

use crate::Outcome;
use crate::leaf::{Done, Job, Setup, Worker, proof_of};

/// The role of the leaves that are processes.
pub(crate) const ROLE: &str = "worker";

/// Where the leaves are: the supervisors above each below the root, and its name.
pub(crate) const PROCESSES: [[&str; 3]; 8] = [
    ["left", "a", "p0"],
    ["left", "a", "p1"],
    ["left", "b", "p2"],
    ["left", "b", "p3"],
    ["right", "c", "p4"],
    ["right", "c", "p5"],
    ["right", "d", "p6"],
    ["right", "d", "p7"],
];
pub(crate) const ACTORS: [[&str; 3]; 6] = [
    ["right", "c", "l0"],
    ["right", "c", "l1"],
    ["right", "c", "l2"],
    ["right", "c", "l3"],
    ["left", "a", "x"],
    ["left", "b", "y"],
];

/// A number that no load uses: whether a leaf works at all.
const PROBE: u64 = u64::MAX;

/// A root, and the way to its leaves.
#[derive(Clone)]
pub(crate) struct Forest {
    pub(crate) root: Tree,
}

impl Forest {
    pub(crate) async fn plant(node: &Node, ledger: Recipient<Done>) -> Outcome<Self> {
        let below = |name: &'static str| {
            let ledger = ledger.clone();
            move || branch(name, &ledger)
        };
        let root = patient(Supervisor::one_for_one())
            .child(Child::supervisor("left", below("left")))
            .child(Child::supervisor("right", below("right")))
            .start(node)
            .await?;
        Ok(Self { root })
    }

    /// The leaf as it lives now, or lives next.
    pub(crate) async fn leaf(
        &self,
        [branch, twig, leaf]: [&str; 3],
    ) -> Outcome<(Tree, Addr<Worker>)> {
        loop {
            let twig = async {
                let branch = self.root.supervisor(branch).within(secs(60)).await?;
                let twig = branch.supervisor(twig).within(secs(60)).await?;
                let leaf = twig.addr(leaf).within(secs(60)).await?;
                Ok((twig, leaf))
            };
            match twig.await {
                // A supervisor on the way is being started again.
                Err(SuperviseError::Ended(_)) => yield_now().await,
                Err(error) => return Err(error.into()),
                Ok(found) => return Ok(found),
            }
        }
    }

    pub(crate) async fn every_leaf_works(&self) -> Outcome {
        for leaf in PROCESSES.into_iter().chain(ACTORS) {
            // Its last killer's message may still be on its way to it.
            while let (_, addr) = self.leaf(leaf).await?
                && addr.ask(Job { number: PROBE }).await.ok() != Some(proof_of(PROBE))
            {
                yield_now().await;
            }
        }
        Ok(())
    }
}

fn patient(supervisor: Supervisor) -> Supervisor {
    supervisor
        .intensity(u32::MAX, secs(60))
        .backoff(ms(1)..ms(4))
}

fn branch(name: &'static str, ledger: &Recipient<Done>) -> Supervisor {
    let twigs: [(&str, Strategy); 2] = match name {
        "left" => [("a", Strategy::OneForAll), ("b", Strategy::RestForOne)],
        _ => [("c", Strategy::OneForOne), ("d", Strategy::OneForOne)],
    };
    let twigs = twigs.into_iter().map(|(twig, strategy)| {
        let ledger = ledger.clone();
        Child::supervisor(twig, move || leaves(name, twig, strategy, &ledger))
    });
    twigs.fold(patient(Supervisor::one_for_one()), Supervisor::child)
}

fn leaves(
    branch: &'static str,
    twig: &'static str,
    strategy: Strategy,
    ledger: &Recipient<Done>,
) -> Supervisor {
    let of = |all: &[[&'static str; 3]]| {
        let here = all.iter().filter(|leaf| leaf[..2] == [branch, twig]);
        here.map(|leaf| leaf[2]).collect::<Vec<_>>()
    };
    let setup = || Setup {
        ledger: ledger.clone(),
    };
    let processes = of(&PROCESSES).into_iter();
    let tree = processes.fold(patient(Supervisor::with(strategy)), |tree, leaf| {
        tree.child(Child::process::<Worker>(ROLE).id(leaf).args(setup()))
    });
    of(&ACTORS).into_iter().fold(tree, |tree, leaf| {
        let setup = setup();
        let make = move || {
            let made = ringway::FromArgs::from_args(setup.clone());
            made.unwrap_or_else(|_: BoxError| unreachable!("it has no needs"))
        };
        tree.child(Child::actor::<Worker, _>(leaf, make))
    })
}

pub(crate) async fn yield_now() {
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
