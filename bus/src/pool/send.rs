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
use crate::message::{Message, Sendable};
use crate::node::lookup::Deadline;
use crate::send::{ASK_DEADLINE, AskError, SendError};

type Arrival<S> = <<<S as Sendable>::Message as Message>::Reply as Message>::Arrival;

/// Counts a message of a member as under way.
struct Load<T>(Arc<Member<T>>);

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
struct Fresh<T: PoolMember, S> {
    pool: Pool<T>,
    message: S,
    key: Option<u64>,
    deadline: Option<Duration>,
}

enum Stage<T: PoolMember, S, O> {
    Fresh(Fresh<T, S>),
    Sending(BoxFuture<'static, O>),
    Over,
}

impl<T: PoolMember, S> Fresh<T, S> {
    /// Waits for a member; the message comes back when there is none in time.
    async fn member(
        pool: &Pool<T>,
        key: Option<u64>,
        message: S,
        until: Until,
    ) -> Result<(Load<T>, T, S), SendError<S>> {
        let inner = &pool.inner;
        let deadline = Deadline::at(&inner.shared, until.deadline);
        match deadline.until(&inner.joined, || inner.choose(key)).await {
            Some(Chosen { member, address }) => Ok((Load::of(member), address, message)),
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
        let until = Until::new(&self.pool, self.deadline);
        let mut message = self.message;
        loop {
            let (_load, to, unsent) = Self::member(&self.pool, self.key, message, until).await?;
            let to = to.to_recipient();
            let told = to.tell(unsent).by(until.deadline).await;
            message = match told {
                // It is offered to another one.
                Err(SendError::Ended { message, .. }) => message,
                told => return told,
            };
        }
    }

    async fn ask(self) -> Result<Arrival<S>, AskError<S>>
    where
        T: Takes<S::Message>,
        S: Sendable,
    {
        let until = Until::new(&self.pool, Some(self.deadline.unwrap_or(ASK_DEADLINE)));
        let mut message = self.message;
        loop {
            let member = Self::member(&self.pool, self.key, message, until).await;
            let (_load, to, unsent) = member.map_err(AskError::Unsent)?;
            let to = to.to_recipient();
            let answer = to.ask(unsent).by(until.deadline).await;
            message = match answer {
                // Never taken: it had no effect, and goes to another one.
                Err(
                    AskError::Unsent(SendError::Ended { message, .. })
                    | AskError::Died {
                        taken: false,
                        message: Some(message),
                        ..
                    },
                ) => message,
                answer => return answer,
            };
        }
    }
}

/// When a message began, and until when it waits.
#[derive(Clone, Copy)]
struct Until {
    began: Nanos,
    deadline: Nanos,
}

impl Until {
    fn new<T: PoolMember>(pool: &Pool<T>, wait: Option<Duration>) -> Self {
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
                }))
            }

            /// Sends to the member that this key belongs to: always the same one, in every process, while the members stay;
            /// when one joins or leaves, only its own keys move. Without effect once it was polled.
            pub fn key(mut self, key: impl Hash) -> Self {
                if let Stage::Fresh(fresh) = &mut self.0 {
                    fresh.key = Some(key_of(&key));
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
