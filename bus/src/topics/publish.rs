//! `publish`: puts a sample into the publisher's lane, and waits for room if it must.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::error::PublishError;
use super::outlet::{Obstacle, PublisherEnd};
use super::slot::{WORDS_MAX, seal, unseal, write_plain};
use crate::completion::is_full;
use crate::entry::Sealed;
use crate::message::Sendable;
use crate::node::block_on;
use crate::node::lookup::Deadline;
use crate::shared::Shared;
use crate::token::TokenizeCause;

/// A sample on its way into its topic: a future, which may be refined before it is first polled.
///
/// Nothing happens until then, and then it is published, or waits as long as subscribers that are waited for have no room, or those
/// that read samples of this publisher leave no block for another, unless told otherwise. It answers with the sample's sequence:
/// its number among those of this publisher, from 1.
///
/// # Panics
///
/// When polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it before it is ready drops the message unpublished; there is no state in between.
#[must_use = "nothing is published until it is awaited"]
pub struct Publishing<'a, S: Sendable> {
    shared: &'a Arc<Shared>,
    end: &'a Arc<PublisherEnd>,
    stage: Stage<'a, S>,
}

enum Stage<'a, S: Sendable> {
    /// Not polled yet; `None` when it is over.
    Fresh(Option<S>, Option<Duration>),
    /// It has to wait. Rare, and large.
    Waiting(Pin<Box<dyn Future<Output = Result<u64, PublishError<S>>> + Send + 'a>>),
}

/// A message as far as it has come.
pub(super) enum Held<S> {
    Message(S),
    Sealed(Sealed),
}

/// Why it was not published.
pub(super) enum Stuck {
    Room,
    Over,
    Unpacked(TokenizeCause, Memory),
}

impl From<Obstacle> for Stuck {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Full => Self::Room,
            Obstacle::Over => Self::Over,
        }
    }
}

/// Whether more memory would help.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    Full,
    OfNoUse,
}

impl<'a, S: Sendable> Publishing<'a, S> {
    pub(super) fn new(shared: &'a Arc<Shared>, end: &'a Arc<PublisherEnd>, message: S) -> Self {
        Self {
            shared,
            end,
            stage: Stage::Fresh(Some(message), None),
        }
    }

    /// Waits no longer than this. Without effect once it was polled.
    pub fn within(mut self, within: Duration) -> Self {
        if let Stage::Fresh(_, wait) = &mut self.stage {
            *wait = Some(within);
        }
        self
    }

    /// Blocks the calling thread until it is published.
    ///
    /// # Errors
    ///
    /// See [`PublishError`].
    ///
    /// # Panics
    ///
    /// In a handler of this node, or in a future that the node drives.
    pub fn wait(self) -> Result<u64, PublishError<S>> {
        block_on(Some(Arc::clone(self.shared)), self)
    }
}

/// One look, without waiting.
///
/// # Errors
///
/// The message comes back.
#[inline]
pub(super) fn publish_now<S: Sendable>(
    shared: &Arc<Shared>,
    end: &PublisherEnd,
    message: S,
) -> Result<u64, PublishError<S>> {
    attempt(shared, end, Held::Message(message)).map_err(|(held, stuck)| {
        let message = message_of(shared, held);
        failed(message, stuck)
    })
}

#[inline]
fn attempt<S: Sendable>(
    shared: &Arc<Shared>,
    end: &PublisherEnd,
    held: Held<S>,
) -> Result<u64, (Held<S>, Stuck)> {
    let sealed = match held {
        Held::Sealed(sealed) => sealed,
        Held::Message(message) => {
            let parcel = message.into_parcel();
            let mut words = [0; WORDS_MAX];
            if let Some(count) = write_plain(&parcel, end.terms.format, &mut words) {
                return end
                    .publish_words(&mut words, count)
                    .map_err(|obstacle| (Held::Message(S::from_parcel(parcel)), obstacle.into()));
            }
            sealed(shared, end, S::from_parcel(parcel))?
        }
    };
    let published = end.publish(sealed);
    published.map_err(|(sealed, obstacle)| (Held::Sealed(sealed), obstacle.into()))
}

/// Encodes a message; frees what it can of a full heap, before a second try.
#[inline]
pub(super) fn sealed<S: Sendable>(
    shared: &Arc<Shared>,
    end: &PublisherEnd,
    message: S,
) -> Result<Sealed, (Held<S>, Stuck)> {
    let heap = shared.core().heap();
    let format = end.terms.format;
    let error = match seal(message.into_parcel(), format, heap) {
        Ok(sealed) => return Ok(sealed),
        Err(error) if is_full(&error) => {
            end.make_room();
            shared.sweep_replies();
            match seal(error.into_inner(), format, heap) {
                Ok(sealed) => return Ok(sealed),
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    let memory = match is_full(&error) {
        true => Memory::Full,
        false => Memory::OfNoUse,
    };
    let (parcel, cause) = error.into_parts();
    Err((
        Held::Message(S::from_parcel(parcel)),
        Stuck::Unpacked(cause, memory),
    ))
}

pub(super) fn message_of<S: Sendable>(shared: &Arc<Shared>, held: Held<S>) -> S {
    match held {
        Held::Message(message) => message,
        Held::Sealed(sealed) => S::from_parcel(unseal(shared, sealed)),
    }
}

fn failed<S>(message: S, stuck: Stuck) -> PublishError<S> {
    match stuck {
        Stuck::Room => PublishError::Full { message },
        Stuck::Over => PublishError::Detached { message },
        Stuck::Unpacked(cause, _) => PublishError::Unpacked { message, cause },
    }
}

/// When a wait ends that may take so long.
pub(super) fn deadline(shared: &Arc<Shared>, within: Option<Duration>) -> Deadline {
    match within {
        Some(within) => Deadline::new(shared, within),
        None => Deadline::never(shared),
    }
}

/// Tries again whenever there may be room, or a block; `within` is what the deadline was made of.
pub(super) async fn wait<S: Sendable>(
    shared: &Arc<Shared>,
    end: &Arc<PublisherEnd>,
    held: Held<S>,
    mut stuck: Stuck,
    deadline: &Deadline,
    within: Option<Duration>,
) -> Result<u64, PublishError<S>> {
    let mut held = Some(held);
    loop {
        let list = match &stuck {
            Stuck::Room => &end.room,
            Stuck::Unpacked(_, Memory::Full) if end.has_lent() => &end.blocks,
            _ => break,
        };
        let waits_for_room = matches!(stuck, Stuck::Room);
        let look = || {
            // From here on who takes, or gives back, rings: before the look.
            end.wait_for_room();
            match attempt(shared, end, held.take()?) {
                Ok(sequence) => Some(Ok(sequence)),
                Err((back, still)) => {
                    held = Some(back);
                    let waits_on = match &still {
                        Stuck::Room => waits_for_room,
                        Stuck::Unpacked(_, Memory::Full) => !waits_for_room && end.has_lent(),
                        _ => false,
                    };
                    (!waits_on).then_some(Err(still))
                }
            }
        };
        match deadline.until(list, look).await {
            Some(Ok(sequence)) => return Ok(sequence),
            Some(Err(other)) => stuck = other,
            None => {
                let message = message_of(shared, held.take().expect("comes back with each look"));
                let waited = within.unwrap_or_default();
                return Err(PublishError::Deadline { message, waited });
            }
        }
    }
    let message = message_of(shared, held.take().expect("comes back with each look"));
    Err(failed(message, stuck))
}

impl<S: Sendable> Future for Publishing<'_, S> {
    type Output = Result<u64, PublishError<S>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Fresh(message, within) = &mut this.stage {
            let message = message.take().expect("not polled after it was ready");
            let within = *within;
            match attempt(this.shared, this.end, Held::Message(message)) {
                Ok(sequence) => return Poll::Ready(Ok(sequence)),
                Err((held, stuck)) => {
                    let (shared, end) = (this.shared, this.end);
                    let deadline = deadline(shared, within);
                    let waiting =
                        async move { wait(shared, end, held, stuck, &deadline, within).await };
                    this.stage = Stage::Waiting(Box::pin(waiting));
                }
            }
        }
        let Stage::Waiting(waiting) = &mut this.stage else {
            unreachable!("made above");
        };
        let polled = waiting.as_mut().poll(cx);
        if polled.is_ready() {
            this.stage = Stage::Fresh(None, None);
        }
        polled
    }
}

/// The message is moved before the first poll and in a box of its own afterwards.
impl<S: Sendable> Unpin for Publishing<'_, S> {}

impl<S: Sendable> std::fmt::Debug for Publishing<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publishing")
            .field("topic", &self.end.label.topic())
            .finish_non_exhaustive()
    }
}
