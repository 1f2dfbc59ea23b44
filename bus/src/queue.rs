//! The bus without actors: tokens of any type from many nodes to one queue.
//!
//! A queue has a name on the bus. Whoever binds it receives; every other node connects and sends. There are no handlers
//! and no replies: a received token is tried as each of the types that may come.
//!
//! ```no_run
//! # use ringway::prelude::*;
//! # #[derive(Message, Clone, Copy, Pod, Zeroable)] #[message(move)] #[repr(C)] struct Position { x: f64, y: f64 }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::attach("demo")?;
//! let sink = MessageQueue::<Plain>::bind(&node, "sink")?;
//! while let Some(token) = sink.receive()? {
//!     if let Ok(position) = Move::detokenize::<Position>(&token) {
//!         println!("at {} {}", position.x, position.y);
//!     }
//! }
//! # Ok(()) }
//! ```

mod bound;

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ringway_shm::registry::Kind;

pub use self::bound::{BoundQueue, ReceiveError};
use crate::actor::Undone;
use crate::entry::{EntryHeader, EntryKind, EntryToken};
use crate::envelope::Envelope;
use crate::error::NameError;
use crate::exit::ExitReason;
use crate::node::lookup::{Deadline, find_kind};
use crate::node::{LookupError, Node, block_on};
use crate::remote::ops::OpKind;
use crate::remote::{Obstacle, Outgoing, RemoteEnd};
use crate::shared::Shared;
use crate::token::{OwnedToken, TokenizeCause};
use crate::urings::wire::{OpenRefusal, TargetKind};
use crate::wait_list::WaitKey;

/// How long `connect` waits for the name.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The sending side of a queue on another node; `H` is the envelope that goes with every token.
#[derive(Debug, Clone)]
pub struct MessageQueue<H: Envelope> {
    shared: Arc<Shared>,
    end: Arc<RemoteEnd>,
    envelope: PhantomData<fn() -> H>,
}

/// A token that was not sent; it comes back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue has no room now.
    #[error("the queue is full")]
    Full(OwnedToken),
    /// Whoever bound the queue has ended.
    #[error("the queue is closed: {1}")]
    Closed(OwnedToken, ExitReason),
    /// Its node would not open it.
    #[error("the queue's node refused: {1}")]
    Refused(OwnedToken, OpenRefusal),
    /// The envelope needs a block that the heap does not have.
    #[error("no room for the envelope")]
    Envelope(OwnedToken, #[source] TokenizeCause),
}

/// A token that was sent and did not reach a receiver's hands, or left them unread.
#[derive(Debug)]
#[non_exhaustive]
pub struct UndeliveredToken {
    /// The token; `None` when its block is still lent.
    pub token: Option<OwnedToken>,
    /// Whether it had been received.
    pub taken: bool,
    /// Why it came back.
    pub why: Undone,
}

impl QueueError {
    /// Returns the token.
    pub fn into_inner(self) -> OwnedToken {
        match self {
            Self::Full(token)
            | Self::Closed(token, _)
            | Self::Refused(token, _)
            | Self::Envelope(token, _) => token,
        }
    }
}

impl<H: Envelope> MessageQueue<H> {
    /// Binds `name`: tokens sent to it are received here until the queue is dropped.
    ///
    /// # Errors
    ///
    /// The name is taken, or cannot be one.
    pub fn bind(node: &Node, name: &str) -> Result<BoundQueue<H>, NameError> {
        BoundQueue::bind(node.shared(), name)
    }

    /// Connects to the queue bound to `name`; waits up to 5 s for the name. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// The name is not found, or not a queue's.
    pub fn connect(node: &Node, name: &str) -> Result<Self, LookupError> {
        let shared = Arc::clone(node.shared());
        let kind = TargetKind::Queue(H::KIND);
        let end = block_on(Some(Arc::clone(&shared)), find(&shared, name, kind))?;
        Ok(Self {
            shared,
            end,
            envelope: PhantomData,
        })
    }

    /// Sends a token, in an envelope of default values; waits for room while the queue is full, on the calling thread.
    ///
    /// # Errors
    ///
    /// Every [`QueueError`] gives the token back.
    pub fn send(&self, token: impl Into<OwnedToken>) -> Result<(), QueueError> {
        block_on(
            Some(Arc::clone(&self.shared)),
            self.send_async(token, H::default()),
        )
    }

    /// Sends a token if there is room.
    ///
    /// # Errors
    ///
    /// Every [`QueueError`] gives the token back.
    pub fn try_send(&self, token: impl Into<OwnedToken>) -> Result<(), QueueError> {
        let mut outgoing = self.seal(token.into(), H::default())?;
        self.offer(&mut outgoing)
            .map_err(|obstacle| refuse(outgoing, obstacle))
    }

    /// Sends a token in this envelope, waiting for room without blocking.
    ///
    /// # Errors
    ///
    /// Every [`QueueError`] gives the token back.
    ///
    /// # Cancel safety
    ///
    /// Dropping it before it is ready drops the token unsent.
    pub async fn send_async(
        &self,
        token: impl Into<OwnedToken>,
        envelope: H,
    ) -> Result<(), QueueError> {
        let mut outgoing = self.seal(token.into(), envelope)?;
        let mut waiting = WaitingForRoom {
            end: &self.end,
            key: WaitKey::default(),
        };
        let sent = poll_fn(|cx| {
            for is_registered in [false, true] {
                match self.offer(&mut outgoing) {
                    Err(obstacle) if obstacle.may_pass() => {}
                    sent => return Poll::Ready(sent),
                }
                if !is_registered {
                    waiting.register(cx);
                }
            }
            Poll::Pending
        });
        sent.await.map_err(|obstacle| refuse(outgoing, obstacle))
    }

    /// Takes the oldest token that had been sent and did not arrive, because the queue was closed or its node ended first;
    /// never waits. All senders of this process to one queue share what comes back.
    pub fn try_undelivered(&self) -> Option<UndeliveredToken> {
        self.end.returns.take_token().0
    }

    /// The same, waiting; `None` when the queue is closed and all that came back has been taken.
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes nothing.
    pub async fn undelivered(&self) -> Option<UndeliveredToken> {
        let look = || match self.end.returns.take_token() {
            (Some(token), _) => Some(Some(token)),
            (None, true) => Some(None),
            (None, false) => None,
        };
        let forever = Deadline::never(&self.shared);
        forever.until(self.end.returns.readers(), look).await?
    }

    fn offer(&self, outgoing: &mut Outgoing) -> Result<(), Obstacle> {
        self.end.submit(outgoing).map(drop)
    }

    fn seal(&self, token: OwnedToken, envelope: H) -> Result<Outgoing, QueueError> {
        let header = EntryHeader::new(EntryKind::Tell, None);
        let heap = self.shared.core().heap();
        match EntryToken::seal(header, envelope, token.into_tokenized(), heap) {
            Ok(sealed) => Ok(Outgoing::new(sealed, OpKind::Tell)),
            Err(unsealed) => {
                let token = OwnedToken::new(unsealed.tokenized);
                Err(QueueError::Envelope(token, unsealed.cause))
            }
        }
    }
}

/// Leaves the list of those who wait, however the wait ends.
struct WaitingForRoom<'a> {
    end: &'a Arc<RemoteEnd>,
    key: WaitKey,
}

impl WaitingForRoom<'_> {
    /// The caller tries once more after this.
    fn register(&mut self, cx: &Context<'_>) {
        self.end.room.register(&mut self.key, cx);
        self.end.wait_for_room();
    }
}

impl Drop for WaitingForRoom<'_> {
    fn drop(&mut self) {
        self.end.room.remove(&mut self.key);
    }
}

fn refuse(outgoing: Outgoing, obstacle: Obstacle) -> QueueError {
    let tokenized = EntryToken::unseal(outgoing.words, outgoing.into_beside());
    let token = OwnedToken::new(tokenized.expect("sealed: by us, a moment ago"));
    match obstacle {
        Obstacle::Ended(reason) => QueueError::Closed(token, reason),
        Obstacle::Refused(refusal) => QueueError::Refused(token, refusal),
        _ => QueueError::Full(token),
    }
}

async fn find(
    shared: &Arc<Shared>,
    name: &str,
    kind: TargetKind,
) -> Result<Arc<RemoteEnd>, LookupError> {
    let deadline = Deadline::new(shared, CONNECT_WITHIN);
    let not_found = || LookupError::NotFound {
        name: name.to_owned(),
        bus: shared.core().bus().to_owned(),
        waited: CONNECT_WITHIN,
        silent: shared.core().silent_nodes(),
    };
    crate::names::check(name)?;
    let find = || find_kind(shared, name, Kind::Queue);
    let found = deadline
        .until(&shared.changes, find)
        .await
        .ok_or_else(not_found)??;
    if found.node == shared.core().id() {
        return Err(LookupError::OwnQueue {
            name: name.to_owned(),
        });
    }
    let end = shared.end_to(found.node, found.number, kind, &[]);
    match deadline.until(&end.room, || end.open_result()).await {
        Some(Ok(())) => Ok(end),
        Some(Err(Obstacle::Refused(refusal))) => Err(LookupError::Refused {
            name: name.to_owned(),
            refusal,
        }),
        _ => Err(not_found()),
    }
}
