//! Copies of a process that are members of a group, ended by SIGKILL.

use ringway::prelude::*;
use rustix::process::{Signal, kill_process};

use super::has_children;
use super::supervised::{pid_of, quick};
use crate::Outcome;
use crate::actors::Add;

/// Joins the crew when it starts, in each of its lives.
#[derive(Actor, Default)]
#[actor(handles(Add), hooks)]
pub(crate) struct Sailor;

impl Hooks for Sailor {
    async fn started(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        let crew = cx
            .node()
            .group::<Add>("crew")
            .map_err(|error| error.to_string())?;
        crew.join(cx.addr()).map_err(|error| error.to_string())?;
        Ok(())
    }
}

impl Handler<Add> for Sailor {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        add.amount + u64::from(std::process::id())
    }
}

/// Three copies of a process, killed again and again: the group has each life that runs and none that does not, sends to it reach
/// those, and the copies are found by their numbers.
pub(super) async fn grouped(node: Node) -> Outcome {
    const COPIES: usize = 3;
    let crew = node.group::<Add>("crew")?;
    let tree = quick(Supervisor::one_for_one())
        .intensity(10_000, secs(60))
        .child(
            Child::process::<Sailor>("sailor")
                .name("at sea")
                .copies(COPIES),
        )
        .start(&node)
        .await?;
    let own = node.spawn(Sailor)?; // joins as well
    let mut watch = crew.watch();
    for round in 0..12 {
        while crew.members().len() < COPIES + 1 {
            watch.next().await;
        }
        let sailors = tree.copies::<Sailor>("sailor").await?;
        assert_eq!(sailors.len(), COPIES);
        let victim = round % COPIES;
        assert_eq!(
            tree.copy::<Sailor>("sailor", victim).await?,
            sailors[victim]
        );
        let found: Addr<Sailor> = node.lookup(format!("at sea/{victim}")).await?;
        assert_eq!(found, sailors[victim], "both follow the name");
        let told = crew.tell_all(Add { amount: 1 }).await;
        assert_eq!(told, COPIES + 1, "{round}");

        let before = found.pinned();
        kill_process(pid_of(&tree, &format!("sailor/{victim}")), Signal::KILL)?;
        let mut answers = 0;
        while answers < 20 {
            match crew.ask(Add { amount: 0 }).await {
                Ok(_) => answers += 1,
                // It had been sent before the end was known here.
                Err(AskError::Died { .. }) => {}
                Err(error) => return Err(error.to_string().into()),
            }
        }
        before.closed().await;
        assert!(crew.members().iter().all(|it| it.id() != before.id()));
        found.ask(Add { amount: 0 }).deadline(secs(100)).await?;
    }
    own.stop();
    own.closed().await;
    tree.stop();
    tree.closed().await;
    assert!(!has_children());
    while !crew.members().is_empty() {
        watch.next().await;
    }
    Ok(())
}
