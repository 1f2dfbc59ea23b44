//! What a supervisor is to start: child specifications, as programs write them.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::copies::{Copied, Copies};
use super::kind::{self, Kind};
use super::rules::Restart;
use super::supervisor::Supervisor;
use crate::actor::{Actor, are_kept};
use crate::mailbox::Overflow;
use crate::process::{ArgsOf, Given, NoArgs, Options, option_methods};
use crate::stop::StopLadder;

/// How long a child may take until it has started, unless told otherwise.
const START_WITHIN: Duration = Duration::from_secs(10);

/// A child of a supervisor: what it is, and when it is started again.
///
/// ```
/// use ringway::prelude::*;
/// # #[derive(Actor, Default)]
/// # #[actor(handles(u32))]
/// # struct Cache;
/// # impl Handler<u32> for Cache {
/// #     async fn handle(&mut self, _: u32, _cx: &mut Context<Self>) {}
/// # }
///
/// let cache = Child::actor("cache", Cache::default).name("shop/cache").mailbox(64);
/// let worker = Child::process::<Cache>("worker").transient().stop_within(secs(1));
/// let logs = Child::supervisor("logs", || Supervisor::one_for_all());
/// # let _ = (cache, worker, logs);
/// ```
#[must_use = "a child is started by its supervisor"]
pub struct Child<K = ()> {
    pub(super) id: String,
    pub(super) restart: Restart,
    pub(super) start_within: Duration,
    /// Waits for ever, for a supervisor: its own children are what takes time.
    pub(super) ladder: Option<StopLadder>,
    pub(super) kind: K,
    pub(super) copies: Option<Copies<K>>,
}

/// A child that is an actor of this process.
pub struct OfActor<A, F> {
    make: F,
    pub(super) name: Option<String>,
    mailbox: Option<usize>,
    overflow: Overflow,
    has_thread: bool,
    redeliver: Option<u32>,
    of: PhantomData<fn() -> A>,
}

/// A child that is a process with an actor.
pub struct OfProcess<A: Actor, G> {
    role: String,
    pub(super) name: Option<String>,
    args: G,
    options: Options,
    redeliver: Option<u32>,
    of: PhantomData<fn() -> A>,
}

macro_rules! clone_fields {
    ($([$($generics:tt)*] $type:ty: $($field:ident)+;)+) => {$(
        /// By its fields alone: the actor's type need not be `Clone`.
        impl<$($generics)*> Clone for $type {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone()),+ }
            }
        }
    )+};
}

clone_fields! {
    [A, F: Clone] OfActor<A, F>: make name mailbox overflow has_thread redeliver of;
    [A: Actor, G: Clone] OfProcess<A, G>: role name args options redeliver of;
}

/// A child that is a supervisor.
pub struct OfSupervisor<F> {
    make: F,
}

impl Child {
    /// An actor of this process, which `make` makes anew for each start; a panic of `make` is a failed start.
    pub fn actor<A, F>(id: impl Into<String>, make: F) -> Child<OfActor<A, F>>
    where
        A: Actor,
        F: FnMut() -> A + Send + 'static,
    {
        Child::of(
            id,
            OfActor {
                make,
                name: None,
                mailbox: None,
                overflow: Overflow::default(),
                has_thread: false,
                redeliver: None,
                of: PhantomData,
            },
        )
    }

    /// A process that plays the role of that name: see [`Node::spawn_process`](crate::Node::spawn_process).
    pub fn process<A: Actor>(role: impl Into<String>) -> Child<OfProcess<A, NoArgs>> {
        let role = role.into();
        Child::of(
            role.clone(),
            OfProcess {
                role,
                name: None,
                args: NoArgs,
                options: Options::default(),
                redeliver: None,
                of: PhantomData,
            },
        )
    }

    /// A supervisor with children of its own, which `make` describes anew for each start. It may take as long as it needs
    /// to stop, unless told otherwise.
    pub fn supervisor<F>(id: impl Into<String>, make: F) -> Child<OfSupervisor<F>>
    where
        F: FnMut() -> Supervisor + Send + 'static,
    {
        let mut child = Child::of(id, OfSupervisor { make });
        child.ladder = None;
        child
    }
}

impl<K> Child<K> {
    fn of(id: impl Into<String>, kind: K) -> Self {
        Self {
            id: id.into(),
            restart: Restart::default(),
            start_within: START_WITHIN,
            ladder: Some(StopLadder::new()),
            kind,
            copies: None,
        }
    }

    fn map<L: Copied>(self, change: impl FnOnce(K) -> L) -> Child<L> {
        Child {
            id: self.id,
            restart: self.restart,
            start_within: self.start_within,
            ladder: self.ladder,
            kind: change(self.kind),
            copies: self.copies.map(|copies| Copies::new(copies.count)),
        }
    }

    /// Names the child among its siblings; the name of a process is its role unless told otherwise.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Has it started again always; the default.
    pub fn permanent(mut self) -> Self {
        self.restart = Restart::Permanent;
        self
    }

    /// Has it started again after a failure only.
    pub fn transient(mut self) -> Self {
        self.restart = Restart::Transient;
        self
    }

    /// Has it never started again.
    pub fn temporary(mut self) -> Self {
        self.restart = Restart::Temporary;
        self
    }

    /// Bounds each start, after which the child is killed and the start has failed; the default is 10 s. The start of a
    /// supervisor is bounded by those of its children alone.
    pub fn start_within(mut self, within: Duration) -> Self {
        self.start_within = within;
        self
    }

    /// Bounds each stop, after which the child is killed, a process after a SIGTERM and one second more; the default is 5 s.
    pub fn stop_within(mut self, within: Duration) -> Self {
        self.ladder = Some(self.ladder.unwrap_or_default().stop(within));
        self
    }

    /// Sets the steps by which the child is stopped. [`ChildInfo::last_stop`](crate::ChildInfo::last_stop) tells how far they went.
    pub fn stop_by(mut self, ladder: StopLadder) -> Self {
        self.ladder = Some(ladder);
        self
    }
}

impl<A: Actor, F> Child<OfActor<A, F>> {
    /// Gives the actor a name on the bus, which every life of it has: see [`ActorBuilder::name`](crate::ActorBuilder::name).
    /// Who looks it up after a restart finds the new one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.kind.name = Some(name.into());
        self
    }

    /// Bounds the mailbox; see [`ActorBuilder::mailbox`](crate::ActorBuilder::mailbox).
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.kind.mailbox = Some(capacity);
        self
    }

    /// Sets what happens to a message that meets a full mailbox.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.kind.overflow = overflow;
        self
    }
}

impl<A: Actor, F> Child<OfActor<A, F>> {
    /// Gives each life of the actor a thread of its own; see [`ActorBuilder::own_thread`](crate::ActorBuilder::own_thread).
    pub fn own_thread(mut self) -> Self {
        self.kind.has_thread = true;
        self
    }

    /// Has every message to it redelivered to its next life, up to `times` more often than once, unless a call says otherwise;
    /// see [`ActorBuilder::redeliver`](crate::ActorBuilder::redeliver).
    pub fn redeliver(mut self, times: u32) -> Self {
        const {
            assert!(
                are_kept(A::ACCEPTED),
                "a message that is to be redelivered must be Clone"
            )
        };
        self.kind.redeliver = Some(times);
        self
    }
}

impl<A: Actor, G> Child<OfProcess<A, G>> {
    /// Gives what each process builds its actor from; see [`SpawnProcess::args`](crate::SpawnProcess::args).
    pub fn args(self, args: A::Args) -> Child<OfProcess<A, Given<A::Args>>>
    where
        A::Args: Clone,
    {
        self.map(|kind| OfProcess {
            role: kind.role,
            name: kind.name,
            args: Given::new(args),
            options: kind.options,
            redeliver: kind.redeliver,
            of: PhantomData,
        })
    }

    /// Gives the actor a name on the bus, which every life of it has. Who looks it up after a restart finds the new one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.kind.name = Some(name.into());
        self
    }

    /// Has every message to its actor redelivered to the next life, up to `times` more often than once, unless a call says
    /// otherwise; see [`ActorBuilder::redeliver`](crate::ActorBuilder::redeliver).
    pub fn redeliver(mut self, times: u32) -> Self {
        const {
            assert!(
                are_kept(A::ACCEPTED),
                "a message that is to be redelivered must be Clone"
            )
        };
        self.kind.redeliver = Some(times);
        self
    }

    fn options(&mut self) -> &mut Options {
        &mut self.kind.options
    }

    option_methods!();
}

/// A child without its type, as its supervisor keeps it.
pub(super) struct Spec {
    pub(super) id: String,
    pub(super) restart: Restart,
    pub(super) ladder: Option<StopLadder>,
    pub(super) kind: Box<dyn Kind>,
}

/// What a child can be: an actor, a process with one, a supervisor.
pub trait ChildKind: sealed::IntoKind {}

impl<K: sealed::IntoKind> ChildKind for K {}

pub(super) mod sealed {
    use std::time::Duration;

    use super::Kind;

    /// What begins a child's lives.
    #[expect(unnameable_types, reason = "sealed: there are three kinds")]
    pub trait IntoKind: Sized {
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "sealed")]
        fn into_kind(self, start_within: Duration) -> Box<dyn Kind>;
    }
}

impl<K: ChildKind> From<Child<K>> for Spec {
    fn from(child: Child<K>) -> Self {
        Self {
            id: child.id,
            restart: child.restart,
            ladder: child.ladder,
            kind: child.kind.into_kind(child.start_within),
        }
    }
}

impl<A, F> sealed::IntoKind for OfActor<A, F>
where
    A: Actor,
    F: FnMut() -> A + Send + 'static,
{
    #[expect(private_interfaces, reason = "sealed")]
    fn into_kind(self, start_within: Duration) -> Box<dyn Kind> {
        Box::new(kind::actor::Actors {
            make: self.make,
            name: self.name,
            mailbox: self.mailbox,
            overflow: self.overflow,
            has_thread: self.has_thread,
            redeliver: self.redeliver,
            start_within,
        })
    }
}

impl<A: Actor, G: ArgsOf<A> + Clone> sealed::IntoKind for OfProcess<A, G> {
    #[expect(private_interfaces, reason = "sealed")]
    fn into_kind(self, start_within: Duration) -> Box<dyn Kind> {
        Box::new(kind::process::Processes::<A, G> {
            role: self.role,
            name: self.name,
            args: self.args,
            options: self.options,
            redeliver: self.redeliver,
            start_within,
            of: PhantomData,
        })
    }
}

impl<F: FnMut() -> Supervisor + Send + 'static> sealed::IntoKind for OfSupervisor<F> {
    #[expect(private_interfaces, reason = "sealed")]
    fn into_kind(self, _start_within: Duration) -> Box<dyn Kind> {
        Box::new(kind::supervisor::Supervisors { make: self.make })
    }
}

impl<K> fmt::Debug for Child<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}

macro_rules! debug_by_name {
    ($($name:literal: [$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($name)
            }
        }
    )*};
}

debug_by_name! {
    "OfActor": [A, F] OfActor<A, F>;
    "OfProcess": [A: Actor, G] OfProcess<A, G>;
    "OfSupervisor": [F] OfSupervisor<F>;
}
