//! A child's life: from its role in the environment to the code that it exits with.
//!
//! # If the parent dies
//! | when | the child |
//! |---|---|
//! | before the child asks the kernel for a signal | sees that it has another parent, and ends |
//! | later | is woken, sees it, and kills its process group, itself included: see [`watch`](super::watch) |
//! | not at all, but its node detaches | finds its lifeline closed, stops its actor, and ends |
//! | at any time after a detached child was ready | lives on |
//!
//! At an orderly end it kills what is left in its group, too, as its parent may have died a moment before.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::{Either, select};
use ringway_shm::sync::AtomicBool;
use ringway_shm::sync::Ordering::Relaxed;

use super::error::{ParentLost, StartRefusal, with_causes};
use super::lifeline::{Answer, ChildEnd, Start};
use super::role::Role;
use super::roles::{self, Roles};
use super::watch::{Parent, Watch};
use crate::exit::ExitReason;
use crate::node::Node;
use crate::node::lookup::Deadline;
use crate::wait_list::WaitKey;

/// The code after a panic, as Rust programs have it.
const PANICKED: u8 = 101;

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether this process has taken the role that its environment names.
pub(crate) fn is_role_taken() -> bool {
    // Relaxed: set by the thread that attaches first.
    IS_TAKEN.load(Relaxed)
}

/// Plays a role to its end.
pub(super) fn play(roles: &Roles, role: &str) -> Result<ExitCode, ParentLost> {
    let lifeline = Arc::new(ChildEnd::inherited()?);
    roles::forget_variables();
    // Relaxed: see above.
    IS_TAKEN.store(true, Relaxed);
    let start = lifeline.start()?;
    let parent = Parent::of_this(start.parent)?;
    take_programs_name();
    let watch = Watch::begin(&lifeline, &parent).map_err(ParentLost::Watch)?;
    let reason = match find(roles, role, &start) {
        Ok(role) => perform(roles, role, &start, &lifeline, &watch),
        Err(refusal) => Err(refusal),
    };
    let code = match reason {
        Ok(reason) => code_of(&reason),
        Err(refusal) => {
            lifeline.answer(&Answer::Refused(refusal));
            ExitCode::FAILURE
        }
    };
    parent.end_group();
    Ok(code)
}

/// Gives a child of `/proc/self/exe`, which the kernel calls `exe`, its program's name: what `ps`, `top` and `pkill` show.
fn take_programs_name() {
    const COMM: &str = "/proc/self/comm";
    let program = std::env::args_os().next().map(PathBuf::from);
    let Some(name) = program.as_deref().and_then(Path::file_name) else {
        return;
    };
    // Only for those who look on: a child that cannot be renamed plays its role all the same.
    if std::fs::read(COMM).is_ok_and(|comm| comm == b"exe\n") {
        let _ = std::fs::write(COMM, name.as_encoded_bytes());
    }
}

fn find<'a>(roles: &'a Roles, role: &str, start: &Start) -> Result<&'a Role, StartRefusal> {
    let found = roles.find(role).ok_or_else(|| StartRefusal::NoSuchRole {
        roles: roles.names(),
    })?;
    found.check(start)?;
    start.conditions.apply()?;
    Ok(found)
}

/// Attaches, starts the actor, and waits for its end. On a refusal the node has left the bus again.
fn perform(
    roles: &Roles,
    role: &Role,
    start: &Start,
    lifeline: &ChildEnd,
    watch: &Watch,
) -> Result<ExitReason, StartRefusal> {
    let signals = roles::signals(roles.on_signals())
        .map_err(|error| StartRefusal::Attach(with_causes(&*error)))?;
    let name = format!("{}-{}", role.name, std::process::id());
    let config = roles
        .config()
        .clone()
        .in_role(&start.bus, start.root(), name);
    let node = Node::attach(config).map_err(|error| StartRefusal::Attach(with_causes(&error)))?;
    let begun = role.begin(&node, start)?;
    watch.plays(&begun);
    let outcome = node.run_until(async {
        let mut waiting = WaitKey::default();
        poll_fn(|cx| begun.core().poll_started(&mut waiting, cx))
            .await
            .map_err(refusal_of)?;
        if start.is_detached {
            watch.let_go();
        }
        lifeline.answer(&Answer::Ready {
            node: node.id(),
            number: begun.core().number(),
        });
        let ended = pin!(poll_fn(|cx| begun.core().poll_ended(&mut waiting, cx)));
        let tops = &node.shared().tops;
        let forever = Deadline::never(node.shared());
        let gave_up = pin!(forever.until(&tops.changes, || tops.gave_up().cloned()));
        let asked = pin!(roles::asked_to_end(&node, signals.as_deref()));
        let over = match select(select(ended, gave_up), asked).await {
            Either::Left((over, _)) => over,
            Either::Right((_, over)) => {
                begun.core().stop(ExitReason::Shutdown);
                over.await
            }
        };
        Ok(match over {
            Either::Left((reason, _)) => reason,
            // What the actor has started has no hope: its process ends, and not as a success.
            Either::Right((reason, _)) => reason.expect("no deadline: the wait ends with a reason"),
        })
    });
    node.detach();
    outcome
}

/// Why an actor did not start.
fn refusal_of(reason: ExitReason) -> StartRefusal {
    StartRefusal::Failed(match reason {
        ExitReason::StartFailed(text) => text,
        other => other.to_string(),
    })
}

fn code_of(reason: &ExitReason) -> ExitCode {
    match reason {
        reason if reason.is_normal() => ExitCode::SUCCESS,
        ExitReason::Panicked(_) => ExitCode::from(PANICKED),
        _ => ExitCode::FAILURE,
    }
}
