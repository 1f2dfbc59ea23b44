//! What the parent of the family can play.

pub(crate) mod addresses;
mod answers;
pub(crate) mod delegating;
mod ends;
pub(crate) mod following;
pub(crate) mod grouped;
pub(crate) mod linked;
mod options;
mod outputs;
mod programs;
mod starts;
mod stopping;
mod supervised;
mod watching;

use std::io::Write;
use std::pin::Pin;
use std::task::{Context as TaskContext, Waker};

use ringway::prelude::*;
use ringway::{AttachError, ChildProcess, ExitCode, SpawnProcessError};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::Outcome;
use crate::actors::{Add, Counter, Start};

pub(crate) async fn play(scene: &str, node: Node) -> Outcome {
    match scene {
        "hello" => starts::hello(node).await,
        "addresses" => addresses::addresses(node).await,
        "large" => starts::large(node).await,
        "named" => starts::named(node).await,
        "environment" => starts::environment(node).await,
        "wrong roles" => starts::wrong_roles(node).await,
        "failures" => starts::failures(node).await,
        "deadline" => starts::deadline(node).await,
        "given up" => starts::given_up(node).await,
        "missing program" => starts::missing_program(node).await,
        "other program" => starts::other_program(node).await,
        "replaced" => starts::replaced(node).await,
        "killed" => ends::killed(node).await,
        "stopped" => ends::stopped(node).await,
        "codes" => ends::codes(node).await,
        "detached" => ends::detached(node).await,
        "hungry" => ends::hungry(node).await,
        "conditions" => options::conditions(node).await,
        "limits" => options::limits(node).await,
        "refused options" => options::refused(node).await,
        "lines" => outputs::lines(node).await,
        "tails" => outputs::tails(node).await,
        "inherited errors" => outputs::inherited(node).await,
        "ladder" => stopping::ladder(node).await,
        "told of restarts" => stopping::told_of_restarts(node).await,
        "asked to end" => stopping::asked_to_end(node).await,
        "hangs" => stopping::hangs(node).await,
        "programs" => programs::end_with_their_child(node).await,
        "programs of orphans" => programs::orphans(node).await,
        "detached child" => programs::detached(node).await,
        "find detached" => programs::find_detached(node).await,
        "strangers" => programs::strangers(node).await,
        "forwarded" => delegating::forwarded(node).await,
        "answers" => answers::play(node).await,
        "delegated" => delegating::delegated(node).await,
        "last words" => watching::last_words(node).await,
        "told of kills" => watching::told_of_kills(node).await,
        "supervised" => supervised::strategies(node).await,
        "supervised stops" => supervised::stops(node).await,
        "supervised detached" => supervised::detached(node).await,
        "followed" => following::followed(node).await,
        "linked" => linked::linked(node).await,
        "grouped" => grouped::grouped(node).await,
        "gives up" => supervised::gives_up(node).await,
        "gives up below" => supervised::gives_up_below(node).await,
        "contained" => supervised::contained(node).await,
        "storm" => supervised::storm(node).await,
        "zombies" => ends::zombies(node).await,
        "orphans" => ends::orphans(node).await,
        "error" => Err(Outer(Cause).into()),
        other => Err(format!("no scene {other:?}").into()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the parent")]
struct Outer(#[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("the cause")]
struct Cause;

/// A program that does not know of roles. It tells how often it was run: a line each in the file that its second
/// argument names.
pub(crate) fn naive() -> ExitCode {
    let runs = std::env::args().nth(2).expect("the file of runs");
    let node = Node::attach("test");
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(runs);
    let mut file = file.expect("the file of runs");
    match node {
        Ok(node) => {
            writeln!(file, "attached").expect("written");
            let spawned = node
                .spawn_process::<Counter>("counter")
                .args(Start::default())
                .wait();
            let Err(error @ SpawnProcessError::Ended { .. }) = spawned else {
                panic!("{spawned:?}");
            };
            println!("{error}");
            ExitCode::SUCCESS
        }
        Err(error @ AttachError::RoleNotTaken { .. }) => {
            writeln!(file, "{error}").expect("written");
            ExitCode::from(3)
        }
        Err(error) => panic!("{error}"),
    }
}

/// A counter in a child, with nothing special about it.
async fn child(node: &Node) -> Result<ChildProcess<Counter>, SpawnProcessError> {
    node.spawn_process::<Counter>("counter")
        .args(Start::default())
        .await
}

async fn assert_works(counter: &Addr<Counter>) -> Outcome {
    let before = counter.ask(Add { amount: 0 }).await?;
    assert_eq!(counter.ask(Add { amount: 2 }).await?, before + 2);
    Ok(())
}

/// Waits until this process has no child any more, not even a dead one. A watchdog ends it if it must.
fn await_no_children() {
    while has_children() {
        std::thread::yield_now();
    }
}

/// Whether this process has children, running or dead. Waits for none of them.
fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // The only error is that there are none.
    waitid(WaitId::All, look).is_ok()
}

/// Polls a future once, here and now, which sends the message of an ask; it is awaited later.
fn begin<F: Future + Unpin>(future: &mut F) {
    let mut cx = TaskContext::from_waker(Waker::noop());
    assert!(Pin::new(future).poll(&mut cx).is_pending());
}
