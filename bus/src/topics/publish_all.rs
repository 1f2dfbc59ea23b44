//! `publish_all`: publishes many samples, at the price of one where there is room for all.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::error::PublishError;
use super::outlet::PublisherEnd;
use super::publish::{Held, Stuck, deadline, message_of, sealed, wait};
use crate::entry::{Beside, Sealed};
use crate::message::Sendable;
use crate::node::block_on;
use crate::send::Unsent;
use crate::shared::Shared;

/// Samples that are drawn and published together, at most.
const BURST_MAX: usize = 64;
/// Bytes of blocks in a burst after which it is published: subscribers need not wait for the filling of all the others.
const BLOCKS_MAX: usize = 32 << 10;
/// Bursts after which others have their turn; also of an iterator without end.
const TURN: usize = 16;

/// Samples on their way into their topic, one after the other: await it as it is, or refine it first.
///
/// Nothing happens until then. Then up to 64 messages at a time are drawn from the iterator and published together: in their order,
/// with one lock, and one look at each subscriber. Where there is no room it waits, as [`Publishing`](crate::Publishing) does. It
/// answers with how many there were.
///
/// # Cancel safety
///
/// Dropping it keeps what was published, and drops the rest.
#[must_use = "nothing is published until it is awaited"]
pub struct PublishAll<'a, I: Iterator> {
    shared: &'a Arc<Shared>,
    end: &'a Arc<PublisherEnd>,
    messages: I,
    within: Option<Duration>,
}

impl<'a, I: Iterator> PublishAll<'a, I> {
    pub(super) fn new(shared: &'a Arc<Shared>, end: &'a Arc<PublisherEnd>, messages: I) -> Self {
        Self {
            shared,
            end,
            messages,
            within: None,
        }
    }

    /// Waits no longer than this in all, from when it is awaited.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }
}

impl<'a, I> PublishAll<'a, I>
where
    I: Iterator + Send + 'a,
    I::Item: Sendable,
{
    /// Blocks the calling thread until all are published.
    ///
    /// # Errors
    ///
    /// See [`PublishAllError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<u64, PublishAllError<I>> {
        let shared = Arc::clone(self.shared);
        block_on(Some(shared), self.into_future())
    }

    async fn run(self) -> Result<u64, PublishAllError<I>> {
        let Self {
            shared,
            end,
            mut messages,
            within,
        } = self;
        let until = deadline(shared, within);
        let mut burst = VecDeque::new();
        let (mut count, mut turns, mut is_drawn) = (0, 0_usize, false);
        while !is_drawn {
            let mut odd;
            (odd, is_drawn) = draw(shared, end, &mut messages, &mut burst);
            // What is drawn, from the first that meets an obstacle on: that one waits alone.
            while !burst.is_empty() || odd.is_some() {
                let (published, obstacle) = end.publish_burst(&mut burst);
                count += published;
                let (held, stuck) = match burst.pop_front().zip(obstacle) {
                    Some((first, obstacle)) => (Held::Sealed(first), obstacle.into()),
                    None => match odd.take() {
                        Some(odd) => odd,
                        None => break,
                    },
                };
                if let Err(cause) = wait(shared, end, held, stuck, &until, within).await {
                    let drawn = burst.into_iter().map(Held::Sealed);
                    let drawn = drawn.chain(odd.map(|(held, _)| held));
                    let drawn = drawn.map(|held| message_of(shared, held)).collect();
                    return Err(PublishAllError {
                        published: count,
                        cause,
                        rest: Unsent::new(drawn, (!is_drawn).then_some(messages)),
                    });
                }
                count += 1;
            }
            turns += 1;
            if turns.is_multiple_of(TURN) {
                give_way().await;
            }
        }
        Ok(count)
    }
}

/// A message that could not be encoded, and why.
type Odd<S> = (Held<S>, Stuck);

/// Draws and encodes messages until the burst is full, or there are no more, or one cannot be encoded; tells whether there are no more.
fn draw<S: Sendable>(
    shared: &Arc<Shared>,
    end: &PublisherEnd,
    messages: &mut impl Iterator<Item = S>,
    burst: &mut VecDeque<Sealed>,
) -> (Option<Odd<S>>, bool) {
    let mut bytes = 0;
    while burst.len() < BURST_MAX && bytes < BLOCKS_MAX {
        let Some(message) = messages.next() else {
            return (None, true);
        };
        match sealed(shared, end, message) {
            Ok(sealed) => {
                if let Beside::Block(block) = &sealed.beside {
                    bytes += block.len();
                }
                burst.push_back(sealed);
            }
            Err(odd) => return (Some(odd), false),
        }
    }
    (None, false)
}

/// Is pending once.
async fn give_way() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<'a, I> IntoFuture for PublishAll<'a, I>
where
    I: Iterator + Send + 'a,
    I::Item: Sendable,
{
    type Output = Result<u64, PublishAllError<I>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<I: Iterator> fmt::Debug for PublishAll<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishAll")
            .field("topic", &self.end.label.topic())
            .finish_non_exhaustive()
    }
}

/// Messages of which one was not published; it and those behind it come back.
pub struct PublishAllError<I: Iterator> {
    published: u64,
    cause: PublishError<I::Item>,
    rest: Unsent<I>,
}

impl<I: Iterator> PublishAllError<I> {
    /// Messages that were published before that.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Why the first of the others was not, with that message.
    pub fn cause(&self) -> &PublishError<I::Item> {
        &self.cause
    }

    /// Returns the messages that were not published, in their order.
    pub fn into_inner(self) -> Unsent<I> {
        self.rest.behind(self.cause.into_inner())
    }
}

impl<I: Iterator> fmt::Display for PublishAllError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            published, cause, ..
        } = self;
        write!(f, "not all were published, only {published}: {cause}")
    }
}

impl<I: Iterator> fmt::Debug for PublishAllError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishAllError")
            .field("published", &self.published)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl<I: Iterator> std::error::Error for PublishAllError<I> {}
