//! Sending to the next life of what an address follows, when the one that it reached has ended.
//!
//! Only what was not sent is sent again: a message that a life had accepted is its business, and that of its end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::ask::Arrival;
use super::way::To;
use super::{Ask, AskError, SendError, Tell};
use crate::addr::follow::Successors;
use crate::addr::{ActorId, Recipient};
use crate::clock::{Clock, Nanos};
use crate::exit::ExitReason;
use crate::message::Sendable;
use crate::node::LookupError;
use crate::node::lookup::Deadline;
use crate::priority::Priority;
use crate::urings::wire::OpenRefusal;

/// How long a tell without a deadline waits for the next life.
const WITHIN: Duration = Duration::from_secs(5);

/// How often a send that does not wait looks for another life, if one after the other ends meanwhile.
const TRIES: usize = 3;

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the next life is found; what an address that follows hands to its sends.
pub(crate) type Follow<'a, M> = Option<&'a dyn Successors<M>>;

/// No life of what an address follows has taken the place of the one that has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoSuccessor {
    /// There was none in time; one may come.
    #[error("{followed:?} has ended ({reason}), and nothing took its place{}", after(.waited))]
    NotYet {
        /// The name, or the child.
        followed: String,
        /// How the life before ended.
        reason: ExitReason,
        /// How long the send had waited.
        waited: Duration,
    },
    /// The child is not to be started again.
    #[error("{followed:?} has ended, and is not started again")]
    Never {
        /// The child.
        followed: String,
    },
    /// Something took its place that is not what the address is of.
    #[error("what took its place is not the same: {cause}")]
    Unfit {
        /// How it differs: both types are named.
        #[source]
        cause: Box<LookupError>,
    },
}

fn after(waited: &Duration) -> String {
    if waited.is_zero() {
        return String::new();
    }
    format!(" within {waited:?}")
}

/// A message that met the end of a life.
pub(super) struct Lost<S> {
    pub(super) message: S,
    pub(super) reason: ExitReason,
    pub(super) ended: ActorId,
    pub(super) priority: Priority,
}

impl<S> Lost<S> {
    /// What a send to a life that had ended comes back with; any other error stays one.
    pub(super) fn of(
        error: SendError<S>,
        ended: ActorId,
        priority: Priority,
    ) -> Result<Self, SendError<S>> {
        let (message, reason) = match error {
            SendError::Ended { message, reason } => (message, reason),
            SendError::Refused {
                message,
                refusal: OpenRefusal::NoSuchActor,
            } => (message, ExitReason::NoSuchActor),
            other => return Err(other),
        };
        Ok(Self {
            message,
            reason,
            ended,
            priority,
        })
    }
}

/// The same, of a life that was found for it: what that refuses is told with its name.
fn lost_again<S: Sendable>(
    error: SendError<S>,
    to: &Recipient<S::Message>,
    priority: Priority,
    follow: &dyn Successors<S::Message>,
) -> Result<Lost<S>, SendError<S>> {
    match Lost::of(error, to.id(), priority) {
        Err(SendError::Refused { message, refusal }) => {
            let name = follow.followed().to_owned();
            let cause = Box::new(LookupError::Refused { name, refusal });
            let cause = Box::new(NoSuccessor::Unfit { cause });
            Err(SendError::NoSuccessor { message, cause })
        }
        lost => lost,
    }
}

/// The life that an address reaches; if that has ended, the next one, once there is one.
pub(crate) async fn next_life<S: Sendable>(
    to: &Recipient<S::Message>,
    message: S,
    began: Nanos,
    until: Nanos,
) -> Result<(Recipient<S::Message>, S), SendError<S>> {
    match to.follow() {
        Some(follow) if to.is_closed() => {
            let lost = Lost {
                message,
                reason: ExitReason::NoSuchActor,
                ended: to.id(),
                priority: Priority::Normal, // nothing is sent here
            };
            next(follow, lost, began, until).await
        }
        _ => Ok((to.pinned(), message)),
    }
}

/// Finds the next life, or gives the message back.
pub(super) async fn next<S: Sendable>(
    follow: &dyn Successors<S::Message>,
    lost: Lost<S>,
    began: Nanos,
    until: Nanos,
) -> Result<(Recipient<S::Message>, S), SendError<S>> {
    let Lost {
        message,
        reason,
        ended,
        priority: _,
    } = lost;
    // A node that leaves finds nobody any more.
    let shared = follow.shared().filter(|shared| !shared.is_detaching());
    let Some(shared) = shared else {
        return Err(SendError::Ended { message, reason });
    };
    let found = Deadline::at(&shared, until)
        .until(follow.changes(&shared), || {
            if shared.is_detaching() {
                return Some(Ok(None));
            }
            follow.now(ended).map(|life| life.map(Some)).transpose()
        })
        .await;
    let cause = match found {
        Some(Ok(Some(life))) => return Ok((life, message)),
        Some(Ok(None)) => return Err(SendError::Ended { message, reason }),
        Some(Err(cause)) => cause,
        None => NoSuccessor::NotYet {
            followed: follow.followed().to_owned(),
            reason,
            waited: shared.clock.now().since(began),
        },
    };
    let cause = Box::new(cause);
    Err(SendError::NoSuccessor { message, cause })
}

/// Tells the next life, within the tell's deadline; without one, it waits a while for that life, and then for room as long
/// as it goes on.
pub(super) async fn tell<S: Sendable>(
    follow: &dyn Successors<S::Message>,
    mut lost: Lost<S>,
    deadline: Nanos,
) -> Result<(), SendError<S>> {
    let clock = follow
        .shared()
        .map_or_else(Clock::default, |it| it.clock.clone());
    let began = clock.now();
    let until = match deadline {
        Nanos::NONE => began.plus(WITHIN),
        deadline => deadline,
    };
    let priority = lost.priority;
    loop {
        let (life, message) = next(follow, lost, began, until).await?;
        let tell = Tell::new(To::Life(life.way()).with(priority), message);
        let told = match deadline {
            Nanos::NONE => tell.await,
            deadline => tell.deadline(deadline.since(clock.now())).await,
        };
        match told {
            Ok(()) => {
                follow.reach(life.id());
                return Ok(());
            }
            Err(error) => lost = lost_again(error, &life, priority, follow)?,
        }
    }
}

/// Tells the next life if there is one and it has room.
pub(super) fn tell_now<S: Sendable>(
    follow: &dyn Successors<S::Message>,
    mut lost: Lost<S>,
) -> Result<(), SendError<S>> {
    for _ in 0..TRIES {
        let life = match follow.now(lost.ended) {
            Ok(Some(life)) => life,
            Ok(None) => break,
            Err(cause) => {
                let (message, cause) = (lost.message, Box::new(cause));
                return Err(SendError::NoSuccessor { message, cause });
            }
        };
        let priority = lost.priority;
        match Tell::now(To::Life(life.way()).with(priority), lost.message) {
            Ok(()) => {
                follow.reach(life.id());
                return Ok(());
            }
            Err(error) => lost = lost_again(error, &life, priority, follow)?,
        }
    }
    let cause = Box::new(NoSuccessor::NotYet {
        followed: follow.followed().to_owned(),
        reason: lost.reason,
        waited: Duration::ZERO,
    });
    let message = lost.message;
    Err(SendError::NoSuccessor { message, cause })
}

/// Asks the next life, within the ask's deadline.
pub(super) async fn ask<S: Sendable>(
    follow: &dyn Successors<S::Message>,
    mut lost: Lost<S>,
    began: Nanos,
    until: Nanos,
) -> Result<Arrival<S>, AskError<S>> {
    let priority = lost.priority;
    loop {
        let found = next(follow, lost, began, until).await;
        let (life, message) = found.map_err(AskError::Unsent)?;
        match Ask::until(life.way(), message, priority, (began, until)).await {
            Err(AskError::Unsent(error)) => {
                lost = lost_again(error, &life, priority, follow).map_err(AskError::Unsent)?;
            }
            answered => {
                follow.reach(life.id());
                return answered;
            }
        }
    }
}
