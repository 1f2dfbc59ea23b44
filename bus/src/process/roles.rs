//! What a program's processes can be: the parent, which runs a closure, or a child, which plays one of the roles.

use std::fmt;
use std::future::{Future, pending};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::{Either, select};
use ringway_shm::sys::inherit;

use super::error::with_causes;
use super::lifeline;
use super::play;
use super::role::Role;
use crate::actor::{Actor, FromArgs};
use crate::config::NodeConfig;
use crate::control::ROLE_VARIABLE;
use crate::message::BoxError;
use crate::node::Node;
use crate::node::lookup::Deadline;
use crate::signals::Signals;
use crate::stop::StopLadder;

/// What a program's processes can be; [`run`](Self::run) or [`take`](Self::take) is the first thing in its `main`.
///
/// A child process that [`Node::spawn_process`] starts runs the same program from the start, with [the same
/// arguments](crate::SpawnProcess::executable). Here it learns that it is a child, and what it is to be.
///
/// ```no_run
/// use ringway::prelude::*;
/// # #[derive(Message, Serialize, Deserialize)]
/// # #[message(serial)]
/// # struct Start { from: u64 }
/// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// # #[message(move, reply = u64)]
/// # #[repr(C)]
/// # struct Add { amount: u64 }
/// # #[derive(Actor)]
/// # #[actor(handles(Add), args = Start)]
/// # struct Counter { total: u64 }
/// # impl FromArgs<Start> for Counter {
/// #     fn from_args(start: Start) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
/// #         Ok(Self { total: start.from })
/// #     }
/// # }
/// # impl Handler<Add> for Counter {
/// #     async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
/// #         self.total += add.amount;
/// #         self.total
/// #     }
/// # }
///
/// fn main() -> ringway::ExitCode {
///     Roles::on("demo")
///         .actor::<Counter>("counter")
///         .run(|node| async move {
///             let child = node.spawn_process::<Counter>("counter").args(Start { from: 1 }).await?;
///             let counter = child.addr();
///             println!("{}", counter.ask(Add { amount: 41 }).await?);
///             Ok(())
///         })
/// }
/// ```
///
/// A program that attaches by itself, under a runtime of its own or with errors of its own, takes its role and goes on:
///
/// ```no_run
/// # use ringway::prelude::*;
/// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// # #[message(move, reply = u64)]
/// # #[repr(C)]
/// # struct Add { amount: u64 }
/// # #[derive(Actor, Default)]
/// # #[actor(handles(Add))]
/// # struct Counter { total: u64 }
/// # impl Handler<Add> for Counter {
/// #     async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
/// #         self.total += add.amount;
/// #         self.total
/// #     }
/// # }
/// fn main() -> ringway::ExitCode {
///     if let Some(code) = Roles::on("demo").actor::<Counter>("counter").take() {
///         return code; // this was a child; the rest is for the parent
///     }
///     match Node::attach("demo") {
///         Ok(node) => count(&node),
///         Err(error) => { eprintln!("{error}"); ringway::ExitCode::from(2) }
///     }
/// }
/// # fn count(_node: &Node) -> ringway::ExitCode { ringway::ExitCode::SUCCESS }
/// ```
///
/// Whatever stands before it in `main` runs in every child too. A program that starts threads there cannot take the
/// role's variables out of its environment, and passes them on to programs that it starts by other means.
#[must_use = "roles do nothing until they are run"]
pub struct Roles {
    config: NodeConfig,
    roles: Vec<Role>,
    /// How the first signal that asks for it stops a process.
    on_signals: Option<StopLadder>,
}

impl Roles {
    /// Starts with no roles, on the bus of that name.
    pub fn on(bus: impl Into<String>) -> Self {
        Self::with(NodeConfig::on(bus))
    }

    /// As [`on`](Self::on), with a configuration for every process of the program. Children join the bus of the node that
    /// starts them, whatever is configured here, and are named by role and process id.
    pub fn with(config: NodeConfig) -> Self {
        Self {
            config,
            roles: Vec::new(),
            on_signals: None,
        }
    }

    /// Adds a role: what `spawn_process::<A>(name)` starts.
    ///
    /// # Panics
    ///
    /// When `name` is empty, has a zero byte inside, or is another role's.
    pub fn actor<A: Actor + FromArgs<A::Args>>(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(
            !name.is_empty() && !name.contains('\0'),
            "role {name:?} is not usable"
        );
        assert!(self.find(&name).is_none(), "role {name:?} is there already");
        self.roles.push(Role::of::<A>(name));
        self
    }

    /// Has the first SIGINT or SIGTERM stop a process of the program in order: in the parent the closure of [`run`](Self::run) is
    /// dropped at its next `await`, and the node [stops](Node::stop) by that ladder; in a child the actor of the role is stopped.
    /// The process exits with success if that is how all ended. A second signal ends it at once.
    ///
    /// This sets what the processes do about both signals. Without it they do what the program says, or end at once. What a
    /// terminal sends comes to the parent alone, which then stops its children.
    pub fn stop_on_signals(mut self, ladder: StopLadder) -> Self {
        self.on_signals = Some(ladder);
        self
    }

    /// In a child: plays its role to the end. Elsewhere: attaches, runs `main`, and detaches, which ends the children.
    ///
    /// A root [`Supervisor`](crate::Supervisor) that gives up its children ends `main` as an error would: `main` is dropped at
    /// its next `await`, and the node detaches in order.
    ///
    /// Returns what the process is to exit with: success, or code 1 after an error, which is printed with its causes as
    /// `error: ...`. What a child returns: see [`ChildProcess::exited`](crate::ChildProcess::exited).
    pub fn run<F, R>(self, main: F) -> ExitCode
    where
        F: FnOnce(Node) -> R,
        R: Future<Output = Result<(), BoxError>>,
    {
        let (config, on_signals) = (self.config.clone(), self.on_signals);
        if let Some(code) = self.take() {
            return code;
        }
        let outcome = signals(on_signals).and_then(|signals| {
            let node = Node::attach(config)?;
            let main = unless_given_up(&node, main(node.clone()));
            let outcome = node.run_until(unless_asked_to_end(&node, signals.as_deref(), main));
            match on_signals {
                Some(ladder) => drop(node.stop().by(ladder).wait()),
                None => node.detach(),
            }
            outcome
        });
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {}", with_causes(&*error));
                ExitCode::FAILURE
            }
        }
    }

    /// In a child: plays its role to the end and returns what the process is to exit with. Elsewhere: returns `None` at
    /// once. For programs that attach by themselves, such as under a runtime of their own.
    #[must_use = "a child must end with this code"]
    pub fn take(self) -> Option<ExitCode> {
        let role = std::env::var(ROLE_VARIABLE)
            .ok()
            .filter(|role| !role.is_empty())?;
        let played = play::play(&self, &role);
        Some(played.unwrap_or_else(|error| {
            eprintln!(
                "error: this process cannot play role {role:?}: {}",
                with_causes(&error)
            );
            ExitCode::FAILURE
        }))
    }

    pub(super) fn on_signals(&self) -> Option<StopLadder> {
        self.on_signals
    }

    pub(super) fn config(&self) -> &NodeConfig {
        &self.config
    }

    pub(super) fn find(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.roles.iter().map(|role| role.name.clone()).collect()
    }
}

/// Runs the program, and no longer than all of its root supervisors have hope.
async fn unless_given_up(
    node: &Node,
    main: impl Future<Output = Result<(), BoxError>>,
) -> Result<(), BoxError> {
    let tops = &node.shared().tops;
    let forever = Deadline::never(node.shared());
    let gave_up = forever.until(&tops.changes, || tops.gave_up().cloned());
    let outcome = match select(pin!(main), pin!(gave_up)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Ok(()),
    };
    // A program that looked on, and called that a success, does not know better.
    outcome?;
    tops.gave_up().map_or(Ok(()), |reason| {
        Err(format!("a supervisor gave up: {reason}").into())
    })
}

/// The signals that stop this process, if it is to be stopped by any.
pub(super) fn signals(wanted: Option<StopLadder>) -> Result<Option<Arc<Signals>>, BoxError> {
    let signals = wanted.map(|_| Signals::get()).transpose();
    Ok(signals?)
}

/// Waits for a signal, if there is to be one.
pub(super) async fn asked_to_end(node: &Node, signals: Option<&Signals>) {
    match signals {
        Some(signals) => {
            let forever = Deadline::never(node.shared());
            forever.until(&signals.changes, || signals.came()).await;
        }
        None => pending().await,
    }
}

/// Runs the program until a signal asks it to end.
async fn unless_asked_to_end(
    node: &Node,
    signals: Option<&Signals>,
    main: impl Future<Output = Result<(), BoxError>>,
) -> Result<(), BoxError> {
    match select(pin!(main), pin!(asked_to_end(node, signals))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Ok(()),
    }
}

/// Hides from this process's own children what it was told to be.
pub(super) fn forget_variables() {
    inherit::remove_variables(&[ROLE_VARIABLE, lifeline::VARIABLE]);
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roles")
            .field("config", &self.config)
            .field("roles", &self.names())
            .finish()
    }
}
