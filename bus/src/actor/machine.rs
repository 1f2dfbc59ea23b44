//! An actor that is in one of several states, each with what belongs to it: a value that is replaced by what is made of it.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The state of an actor that behaves differently in each: `become`, by types.
///
/// The states are the variants of an enum, each with what only it has. A handler matches on the state by value and says which is
/// the next, so that what a state owned goes with it, is moved into the next, or is lost for good; what one has only in another
/// state cannot be named. Reads as the state that it is in.
///
/// ```
/// use ringway::prelude::*;
///
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move, reply = bool)]
/// #[repr(C)]
/// struct Coin {
///     cents: u64,
/// }
///
/// #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// #[message(move, reply = bool)]
/// struct Push;
///
/// enum Gate {
///     Locked { paid: u64 },
///     Open,
/// }
///
/// #[derive(Actor)]
/// #[actor(handles(Coin, Push))]
/// struct Turnstile {
///     gate: StateMachine<Gate>,
/// }
///
/// impl Handler<Coin> for Turnstile {
///     async fn handle(&mut self, coin: Coin, _cx: &mut Context<Self>) -> bool {
///         self.gate.step(|gate| match gate {
///             Gate::Locked { paid } if paid + coin.cents >= 150 => Gate::Open,
///             Gate::Locked { paid } => Gate::Locked { paid: paid + coin.cents },
///             Gate::Open => Gate::Open,
///         });
///         matches!(*self.gate, Gate::Open)
///     }
/// }
///
/// impl Handler<Push> for Turnstile {
///     async fn handle(&mut self, _: Push, _cx: &mut Context<Self>) -> bool {
///         self.gate.react(|gate| match gate {
///             Gate::Open => (Gate::Locked { paid: 0 }, true),
///             locked @ Gate::Locked { .. } => (locked, false),
///         })
///     }
/// }
/// # let bus = std::env::temp_dir().join(format!("ringway-doc-machine-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&bus))?;
///
/// let turnstile = node.spawn(Turnstile { gate: StateMachine::new(Gate::Locked { paid: 0 }) })?;
/// assert!(!turnstile.ask(Push).wait()?);
/// assert!(!turnstile.ask(Coin { cents: 100 }).wait()?);
/// assert!(turnstile.ask(Coin { cents: 50 }).wait()?);
/// assert!(turnstile.ask(Push).wait()?);
/// assert!(!turnstile.ask(Push).wait()?);
/// # drop(node);
/// # std::fs::remove_dir_all(bus)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// With [`Context::stash`](crate::Context::stash), what comes too early waits for the state in which it can be handled:
///
/// ```
/// use ringway::prelude::*;
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[message(serial, reply = String)]
/// #[serde(crate = "ringway::serde")]
/// struct Query(String);
///
/// #[derive(Message, Serialize, Deserialize)]
/// #[message(serial)]
/// #[serde(crate = "ringway::serde")]
/// struct Connected {
///     greeting: String,
/// }
///
/// enum Link {
///     Connecting,
///     Up { greeting: String },
/// }
///
/// #[derive(Actor)]
/// #[actor(handles(Query, Connected))]
/// struct Client {
///     link: StateMachine<Link>,
/// }
///
/// impl Handler<Query, Result<Deferred<String>, StashError<Query>>> for Client {
///     async fn handle(&mut self, query: Query, cx: &mut Context<Self>) -> Result<Deferred<String>, StashError<Query>> {
///         match &*self.link {
///             Link::Connecting => cx.stash(query),
///             Link::Up { greeting } => Ok(Deferred::now(format!("{greeting}, {}", query.0))),
///         }
///     }
/// }
///
/// impl Handler<Connected> for Client {
///     async fn handle(&mut self, connected: Connected, cx: &mut Context<Self>) {
///         self.link.goto(Link::Up { greeting: connected.greeting });
///         cx.unstash_all(); // before whatever else has come
///     }
/// }
/// # let bus = std::env::temp_dir().join(format!("ringway-doc-machine-stash-{}", std::process::id()));
/// # let node = Node::attach(NodeConfig::on("demo").directory(&bus))?;
///
/// let client = node.spawn(Client { link: StateMachine::new(Link::Connecting) })?;
/// let connected = Connected { greeting: "hello".to_owned() };
/// # block_on(async {
/// let (answer, told) = futures_util::future::join(client.ask(Query("world".to_owned())), client.tell(connected)).await;
/// told?;
/// assert_eq!(answer?, "hello, world");
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # drop(node);
/// # std::fs::remove_dir_all(bus)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct StateMachine<S>(Slot<S>);

/// The state; `Lost` when a change of it has panicked.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Slot<S> {
    In(S),
    Lost,
}

impl<S: Default> Default for Slot<S> {
    fn default() -> Self {
        Self::In(S::default())
    }
}

const LOST: &str = "a state machine whose last change has panicked is in no state";

impl<S> StateMachine<S> {
    /// A machine in its first state.
    pub const fn new(first: S) -> Self {
        Self(Slot::In(first))
    }

    /// Goes on to the state that `change` makes of this one.
    ///
    /// # Panics
    ///
    /// As `change` does; the machine is in no state then, and each later call panics, as does reading it.
    pub fn step(&mut self, change: impl FnOnce(S) -> S) {
        self.react(|state| (change(state), ()));
    }

    /// Goes on to the next state, and returns what `change` gives beside it: a reply, or what is to be done.
    ///
    /// # Panics
    ///
    /// As [`step`](Self::step).
    pub fn react<T>(&mut self, change: impl FnOnce(S) -> (S, T)) -> T {
        let Slot::In(state) = std::mem::replace(&mut self.0, Slot::Lost) else {
            panic!("{LOST}");
        };
        let (next, result) = change(state);
        self.0 = Slot::In(next);
        result
    }

    /// Goes on to this state, whichever it was in; returns that.
    ///
    /// # Panics
    ///
    /// As [`step`](Self::step), when an earlier change has panicked.
    pub fn goto(&mut self, next: S) -> S {
        self.react(|state| (next, state))
    }
}

impl<S> Deref for StateMachine<S> {
    type Target = S;

    fn deref(&self) -> &S {
        match &self.0 {
            Slot::In(state) => state,
            Slot::Lost => panic!("{LOST}"),
        }
    }
}

impl<S> DerefMut for StateMachine<S> {
    fn deref_mut(&mut self) -> &mut S {
        match &mut self.0 {
            Slot::In(state) => state,
            Slot::Lost => panic!("{LOST}"),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for StateMachine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Slot::In(state) => state.fmt(f),
            Slot::Lost => f.write_str("in no state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    // Goal: what a state owns is moved into the next, and what is given beside it is returned.
    #[test]
    fn states_are_moved() {
        let mut machine = StateMachine::new(Ok::<_, String>(Box::new(7)));
        machine.step(|state| state.map_or_else(Err, |it| Err(it.to_string())));
        assert_eq!(*machine, Err("7".to_owned()));
        let length = machine.react(|state| (state.clone(), state.unwrap_err().len()));
        assert_eq!(length, 1);
        assert_eq!(machine.goto(Ok(Box::new(8))), Err("7".to_owned()));
        assert_eq!(*machine, Ok(Box::new(8)));
    }

    // Goal: after a change that has panicked nobody takes a state for one that it is in.
    #[test]
    fn a_lost_state_is_not_read() {
        let mut machine = StateMachine::new(1);
        let change = AssertUnwindSafe(|| machine.step(|_| panic!("as asked")));
        assert!(catch_unwind(change).is_err());
        assert_eq!(format!("{machine:?}"), "in no state");
        assert!(catch_unwind(AssertUnwindSafe(|| *machine)).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| machine.step(|it| it))).is_err());
    }
}
