//! A message to one member of a pool: whom it goes to is decided when it is first polled.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use ringway_shm::sync::Ordering::Relaxed;

use super::{Chosen, Member, Pool, PoolMember, Takes, key_of};
use crate::clock::Nanos;
use crate::exit::ExitReason;
use crate::message::{Message, Sendable};
use crate::node::lookup::Deadline;
use crate::priority::Priority;
use crate::send::{ASK_DEADLINE, AskError, Redeliver, SendError};
use crate::urings::wire::OpenRefusal;

pub(super) type Arrival<S> = <<<S as Sendable>::Message as Message>::Reply as Message>::Arrival;

/// Counts a message of a member as under way.
pub(super) struct Load<T>(Arc<Member<T>>);

impl<T> Load<T> {
    fn of(member: Arc<Member<T>>) -> Self {
        // Relaxed: a count, which orders nothing.
        member.in_flight.fetch_add(1, Relaxed);
        Self(member)
    }
}

impl<T> Drop for Load<T> {
    fn drop(&mut self) {
        // Relaxed: as above.
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// What is sent, and how; before it is polled.
pub(super) struct Fresh<T: PoolMember, S> {
    pub(super) pool: Pool<T>,
    pub(super) message: S,
    pub(super) key: Option<u64>,
    pub(super) deadline: Option<Duration>,
    pub(super) priority: Priority,
    again: Option<Again<S>>,
}

/// How often it goes to another member if the one that took it ends, and how it is copied for that.
pub(super) struct Again<S> {
    pub(super) times: u32,
    pub(super) keep: fn(&S) -> S,
}

/// Whatever the message is.
impl<S> Clone for Again<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Again<S> {}

enum Stage<T: PoolMember, S, O> {
    Fresh(Fresh<T, S>),
    Sending(BoxFuture<'static, O>),
    Over,
}

impl<T: PoolMember, S> Fresh<T, S> {
    /// Waits for a member; the message comes back when there is none in time.
    pub(super) async fn member(
        pool: &Pool<T>,
        (key, unreached): (Option<u64>, &[T]),
        message: S,
        until: Until,
    ) -> Result<(Load<T>, T, S), SendError<S>> {
        let inner = &pool.inner;
        let deadline = Deadline::at(&inner.shared, until.deadline);
        let choose = || match inner.choose(key, unreached) {
            None if inner.shared.is_detaching() => Some(None),
            chosen => chosen.map(Some),
        };
        match deadline.until(&inner.shared.changes, choose).await {
            Some(Some(Chosen { member, address })) => Ok((Load::of(member), address, message)),
            Some(None) => Err(SendError::Ended {
                message,
                reason: ExitReason::Shutdown,
            }),
            None => Err(SendError::Deadline {
                message,
                waited: inner.shared.clock.now().since(until.began),
            }),
        }
    }

    async fn tell(self) -> Result<(), SendError<S>>
    where
        T: Takes<S::Message>,
        S: Sendable,
    {
        if let Some(again) = self.again {
            return self.tell_again(again).await;
        }
        let until = Until::new(&self.pool, self.deadline);
        let (mut message, mut unreached) = (self.message, Vec::new());
        loop {
            let whom = (self.key, unreached.as_slice());
            let (_load, to, unsent) = Self::member(&self.pool, whom, message, until).await?;
            let recipient = to.to_recipient();
            let tell = recipient.tell(unsent).priority(self.priority);
            let told = tell.by(until.deadline).await;
            message = match told {
                // It is offered to another one.
                Err(error) => not_to(to, error, &mut unreached)?,
                Ok(()) => return Ok(()),
            };
        }
    }

    async fn ask(self) -> Result<Arrival<S>, AskError<S>>
    where
        T: Takes<S::Message>,
        S: Sendable,
    {
        if let Some(again) = self.again {
            return self.ask_again(again).await;
        }
        let until = Until::new(&self.pool, Some(self.deadline.unwrap_or(ASK_DEADLINE)));
        let (mut message, mut unreached) = (self.message, Vec::new());
        loop {
            let whom = (self.key, unreached.as_slice());
            let member = Self::member(&self.pool, whom, message, until).await;
            let (_load, to, unsent) = member.map_err(AskError::Unsent)?;
            let recipient = to.to_recipient();
            let ask = recipient.ask(unsent).priority(self.priority);
            let answer = ask.by(until.deadline).await;
            message = match answer {
                // Never taken: it had no effect, and goes to another one.
                Err(AskError::Unsent(error)) => {
                    not_to(to, error, &mut unreached).map_err(AskError::Unsent)?
                }
                Err(AskError::Died {
                    taken: false,
                    message: Some(message),
                    ..
                }) => message,
                answer => return answer,
            };
        }
    }
}

/// Takes the message back from a member that has ended, or whose process cannot be reached and may live: that one is passed over
/// from then on. Any other error stays one.
pub(super) fn not_to<T: PoolMember, S: Sendable>(
    to: T,
    error: SendError<S>,
    unreached: &mut Vec<T>,
) -> Result<S, SendError<S>> {
    let message = match error {
        SendError::Ended { message, .. }
        | SendError::Refused {
            message,
            refusal: OpenRefusal::NoSuchActor,
        } => message,
        error => return Err(error),
    };
    if !to.has_ended() {
        unreached.push(to);
    }
    Ok(message)
}

/// When a message began, and until when it waits.
#[derive(Clone, Copy)]
pub(super) struct Until {
    pub(super) began: Nanos,
    pub(super) deadline: Nanos,
}

impl Until {
    pub(super) fn new<T: PoolMember>(pool: &Pool<T>, wait: Option<Duration>) -> Self {
        let began = pool.inner.shared.clock.now();
        let deadline = wait.map_or(Nanos::NONE, |wait| began.plus(wait));
        Self { began, deadline }
    }
}

macro_rules! sends {
    ($(#[$doc:meta])* $name:ident, $method:ident, $error:ident, $output:ty) => {
        $(#[$doc])*
        #[must_use = "nothing is sent until it is awaited"]
        pub struct $name<T: PoolMember, S: Sendable>(
            Stage<T, S, Result<$output, $error<S>>>,
        );

        impl<T: Takes<S::Message>, S: Sendable> $name<T, S> {
            pub(super) fn new(pool: Pool<T>, message: S) -> Self {
                Self(Stage::Fresh(Fresh {
                    pool,
                    message,
                    key: None,
                    deadline: None,
                    again: None,
                    priority: Priority::Normal,
                }))
            }

            /// Has the message go to another member, or to the next life of the same, when the one that took it ends before it
            /// has handled it to its end; at most `times` more often than once.
            ///
            /// What is promised is what [`Ask::redeliver`](crate::Ask::redeliver) promises, and what handlers are told too, but
            /// for the order: members work side by side. After the last attempt the message is a dead letter of this node.
            /// Without effect once it was polled.
            pub fn redeliver(mut self, times: u32) -> Self
            where
                S: Redeliver,
            {
                if let Stage::Fresh(fresh) = &mut self.0 {
                    let keep = <S as Redeliver>::keep;
                    fresh.again = Some(Again { times, keep });
                }
                self
            }

            /// Sends to the member that this key belongs to: always the same one, in every process, while the members stay;
            /// when one joins or leaves, only its own keys move. Without effect once it was polled.
            pub fn key(mut self, key: impl Hash) -> Self {
                if let Stage::Fresh(fresh) = &mut self.0 {
                    fresh.key = Some(key_of(&key));
                }
                self
            }

            /// Sends it with this [`Priority`], which is normal unless told otherwise; without effect once it was polled.
            pub fn priority(mut self, priority: Priority) -> Self {
                if let Stage::Fresh(fresh) = &mut self.0 {
                    fresh.priority = priority;
                }
                self
            }

            /// Waits no longer than `deadline`, from when it is first polled, for a member, for room, and for an answer.
            /// Without effect once it was polled.
            pub fn deadline(mut self, deadline: Duration) -> Self {
                if let Stage::Fresh(fresh) = &mut self.0 {
                    fresh.deadline = Some(deadline);
                }
                self
            }

            /// Blocks the calling thread until it is ready.
            ///
            /// # Errors
            ///
            /// As when awaited.
            ///
            /// # Panics
            ///
            /// In a handler, or in a future that its node's `run_until` runs: await it there.
            pub fn wait(self) -> Result<$output, $error<S>> {
                let shared = match &self.0 {
                    Stage::Fresh(fresh) => Some(Arc::clone(&fresh.pool.inner.shared)),
                    _ => None,
                };
                crate::node::block_on(shared, self)
            }
        }

        // Nothing in it is pinned.
        impl<T: PoolMember, S: Sendable> Unpin for $name<T, S> {}

        impl<T: Takes<S::Message>, S: Sendable> Future for $name<T, S> {
            type Output = Result<$output, $error<S>>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.get_mut();
                let mut sending = match std::mem::replace(&mut this.0, Stage::Over) {
                    Stage::Fresh(fresh) => Box::pin(fresh.$method()) as BoxFuture<'static, _>,
                    Stage::Sending(sending) => sending,
                    Stage::Over => panic!("a message to a pool was polled after it was ready"),
                };
                let polled = sending.as_mut().poll(cx);
                if polled.is_pending() {
                    this.0 = Stage::Sending(sending);
                }
                polled
            }
        }

        impl<T: PoolMember, S: Sendable> fmt::Debug for $name<T, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

sends! {
    /// A message on its way to one member of a [`Pool`]: a future, which may be refined before it is first polled.
    ///
    /// # Cancel safety
    ///
    /// As of [`Tell`](crate::Tell): dropped before it is ready, it drops the message unsent.
    PoolTell, tell, SendError, ()
}

sends! {
    /// A message on its way to one member of a [`Pool`], and the wait for its reply: a future, which may be refined before
    /// it is first polled.
    ///
    /// # Cancel safety
    ///
    /// As of [`Ask`](crate::Ask): dropped, it withdraws the message where its handler has not begun.
    PoolAsk, ask, AskError, Arrival<S>
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use futures_util::FutureExt as _;

    use crate::exit::ExitReason;
    use crate::prelude::*;
    use crate::testing::TempDir;

    #[derive(Actor)]
    #[actor(handles(u64))]
    struct Worker;

    impl Handler<u64> for Worker {
        async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
    }

    // Goal: a member whose process hung up and lives on refuses what is sent to it and has not ended: others get its messages,
    // and without others they wait, up to their deadlines. Method: its uring is refused as if the peering had ended; on a thread
    // of its own, as a sender that tried that member again and again would never come back.
    #[test]
    fn a_member_that_cannot_be_reached_is_passed_over() {
        let temp = TempDir::new();
        let home = Node::attach(temp.config("home")).unwrap();
        let sender = Node::attach(temp.config("sender")).unwrap();
        let far = home.actor(Worker).name("far").spawn().unwrap();
        let found: Addr<Worker> = sender.lookup("far").wait().unwrap();
        let members = [found.pinned()];
        let ends = sender.shared().peer(home.id()).unwrap().ends();
        ends.iter()
            .for_each(|end| end.refuse(&ExitReason::Unreachable));
        assert!(!members[0].is_closed() && !far.is_closed());
        let (done, over) = channel();
        thread::spawn(move || {
            let pool = Pool::round_robin(&sender, members);
            let told = pool.tell(1).deadline(ms(5)).wait();
            assert!(matches!(told, Err(SendError::Deadline { .. })), "{told:?}");
            let asked = pool.ask(2).deadline(ms(5)).wait().unwrap_err();
            let is_unsent = matches!(asked, AskError::Unsent(SendError::Deadline { .. }));
            assert!(is_unsent, "{asked}");
            pool.add(sender.spawn(Worker).unwrap());
            for number in 0..4 {
                pool.tell(number).wait().unwrap();
                pool.ask(number).wait().unwrap();
            }
            done.send(()).unwrap();
        });
        over.recv_timeout(secs(60)).unwrap();
    }

    // Goal: a node that leaves lets go of those who wait for a member. Method: there is none, and no deadline.
    #[test]
    fn a_leaving_node_keeps_nobody_waiting_for_a_member() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("node")).unwrap();
        let pool = Pool::round_robin(&node, [] as [Addr<Worker>; 0]);
        let mut tell = pool.tell(1);
        assert!((&mut tell).now_or_never().is_none());
        let (done, over) = channel();
        thread::spawn(move || done.send(block_on(tell)).unwrap());
        node.detach();
        let told = over.recv_timeout(secs(60)).unwrap();
        assert!(matches!(told, Err(SendError::Ended { .. })), "{told:?}");
    }
}
