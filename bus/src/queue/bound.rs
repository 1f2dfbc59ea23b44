//! The receiving side of a queue.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;

use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;

use crate::entry::{EntryToken, Expected, VerifyError};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::error::NameError;
use crate::exit::ExitReason;
use crate::inbox::reply::RemotePort;
use crate::inbox::{Inbox, Taken};
use crate::names::Wanted;
use crate::shared::{Shared, Target};
use crate::token::ReceivedToken;
use crate::urings::wire::TargetKind;

/// A name to which other nodes send tokens; dropping it closes the queue and frees the name.
#[derive(Debug)]
pub struct BoundQueue<H: Envelope> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    key: Key,
    envelope: PhantomData<fn() -> H>,
}

/// An entry that is no token in the queue's envelope. It was completed as refused, and its sender is blamed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The entry does not hold together.
    #[error("node {node:?} sent an entry that is no token")]
    Entry {
        /// The sender's node.
        node: String,
        /// What is wrong with it.
        #[source]
        source: VerifyError,
    },
    /// The entry came in another envelope.
    #[error("node {node:?} sent a token that is not in envelope {expected:?}")]
    Envelope {
        /// The sender's node.
        node: String,
        /// The queue's envelope.
        expected: EnvelopeKind,
    },
}

impl<H: Envelope> BoundQueue<H> {
    pub(super) fn bind(shared: &Arc<Shared>, name: &str) -> Result<Self, NameError> {
        let inbox = Arc::<Inbox>::default();
        let target = Target {
            kind: TargetKind::Queue(H::KIND),
            inbox: Arc::clone(&inbox),
            accepted: &[],
            cell: None,
            living: None,
        };
        let wanted = Wanted {
            name,
            kind: Kind::Queue,
            type_hash: 0,
        };
        let key = shared
            .core()
            .claim(wanted, |key| shared.add_target(key, target))?;
        shared.changes.wake_all();
        Ok(Self {
            shared: Arc::clone(shared),
            inbox,
            key,
            envelope: PhantomData,
        })
    }

    /// Takes the next token; `None` when there is none now. Never waits.
    ///
    /// # Errors
    ///
    /// The next entry is no token; the one after it may be.
    pub fn receive(&self) -> Result<Option<ReceivedToken>, ReceiveError> {
        Ok(self.receive_with()?.map(|(token, _)| token))
    }

    /// Takes the next token and its envelope; `None` when there is none now.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn receive_with(&self) -> Result<Option<(ReceivedToken, H)>, ReceiveError> {
        self.inbox
            .pop()
            .map(|taken| open(&self.shared, taken))
            .transpose()
    }

    /// Waits for the next token.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes nothing.
    pub async fn next(&self) -> Result<ReceivedToken, ReceiveError> {
        poll_fn(|cx| {
            for _ in 0..2 {
                match self.receive() {
                    Ok(None) => {}
                    Ok(Some(token)) => return Poll::Ready(Ok(token)),
                    Err(error) => return Poll::Ready(Err(error)),
                }
                if self.inbox.poll_ready(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

fn open<H: Envelope>(
    shared: &Arc<Shared>,
    taken: Taken,
) -> Result<(ReceivedToken, H), ReceiveError> {
    let entry = EntryToken::from_words(taken.words);
    let lane = Arc::clone(&taken.lane);
    let port = RemotePort::of(&entry, taken);
    let node = || lane.peer.name().to_owned();
    let verified = entry.verify(Expected::Any, &lane.peer.segments(), port.lend());
    let opened = match verified {
        Ok(verified) => match H::from_received(verified.envelope()) {
            Some(envelope) => Ok((ReceivedToken::new(verified), envelope)),
            None => Err(ReceiveError::Envelope {
                node: node(),
                expected: H::KIND,
            }),
        },
        Err(source) => {
            lane.peer.bad_entry(&source);
            Err(ReceiveError::Entry {
                node: node(),
                source,
            })
        }
    };
    match &opened {
        Ok(_) => port.received(shared),
        Err(error) => port.undone(&crate::actor::Undone::Refused(error.to_string())),
    }
    lane.finish();
    opened
}

impl<H: Envelope> Drop for BoundQueue<H> {
    fn drop(&mut self) {
        self.inbox.close(&ExitReason::Normal);
        self.shared.remove_target(self.key);
        self.shared.core().unregister(self.key);
    }
}
