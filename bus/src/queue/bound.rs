//! The receiving side of a queue.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use ringway_shm::card::Counter;
use ringway_shm::generation::Key;
use ringway_shm::registry::Kind;

use crate::actor::Undone;
use crate::entry::{Expected, VerifyError};
use crate::envelope::{Envelope, EnvelopeKind};
use crate::error::NameError;
use crate::exit::ExitReason;
use crate::inbox::reply::RemotePort;
use crate::inbox::{Inbox, InboxLane, Serving, Taken};
use crate::names::Wanted;
use crate::number::Number;
use crate::shared::{Shared, Target};
use crate::token::ReceivedToken;
use crate::urings::wire::TargetKind;
use crate::wait_list::WaitKey;

/// A name to which other nodes send tokens; dropping it closes the queue and frees the name.
///
/// Any number of threads and tasks may receive: each token goes to one of them, those of one sender are handed out in the
/// order of sending.
#[derive(Debug)]
pub struct BoundQueue<H: Envelope> {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    /// What the receiver has in its hands whose turn it is: an inbox has one owner at a time.
    turn: Mutex<Serving>,
    number: Number,
    /// Its place in the registry.
    key: Key,
    envelope: PhantomData<fn() -> H>,
}

/// Why there is no token. An entry that is none was completed as refused, and its sender is blamed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The node has left the bus: nothing will come any more. What had not been received went back to its senders.
    #[error("the node is detached")]
    Detached,
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
            called: "a queue",
            kind: TargetKind::Queue(H::KIND),
            inbox: Arc::clone(&inbox),
            accepted: &[],
            cell: None,
            living: None,
        };
        let wanted = Wanted {
            name,
            kind: Kind::Queue,
            number: shared.numbers.next(),
            type_hash: 0,
        };
        let number = wanted.number;
        let prepare = || shared.add_target(number, target);
        let key = shared.core().claim(wanted, prepare)?;
        let queue = Self {
            shared: Arc::clone(shared),
            inbox,
            turn: Mutex::default(),
            number,
            key,
            envelope: PhantomData,
        };
        // A node that leaves closes the queues that it finds; it has found this one, or is seen here.
        if shared.is_detaching() {
            return Err(NameError::Detached);
        }
        shared.changes.wake_all();
        Ok(queue)
    }

    /// Takes the next token; `None` when there is none now. Waits for nothing but another thread's `receive`.
    ///
    /// # Errors
    ///
    /// The next entry is no token; the one after it may be. Or the node is detached, and none will come.
    pub fn receive(&self) -> Result<Option<ReceivedToken>, ReceiveError> {
        Ok(self.receive_with()?.map(|(token, _)| token))
    }

    /// Takes the next token and its envelope; `None` when there is none now.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn receive_with(&self) -> Result<Option<(ReceivedToken, H)>, ReceiveError> {
        // To the end: what is taken first is finished first, so that `done` says what was received.
        let mut serving = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.inbox.pop(&mut serving) {
            let opened = serving
                .in_hand()
                .map(|(lane, taken)| open(&self.shared, lane, taken));
            self.inbox.rest(&mut serving);
            return opened.transpose();
        }
        if self.inbox.is_closed() {
            return Err(ReceiveError::Detached);
        }
        Ok(None)
    }

    /// Waits for the next token, or until the node is detached.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes nothing.
    pub async fn next(&self) -> Result<ReceivedToken, ReceiveError> {
        let mut waiting = Waiting {
            inbox: &self.inbox,
            key: WaitKey::default(),
        };
        poll_fn(|cx| {
            for is_registered in [false, true] {
                if let Some(received) = self.receive().transpose() {
                    return Poll::Ready(received);
                }
                if !is_registered {
                    waiting.inbox.waiting().register(&mut waiting.key, cx);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Leaves the list of those who wait, however the wait ends.
struct Waiting<'a> {
    inbox: &'a Inbox,
    key: WaitKey,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inbox.waiting().remove(&mut self.key);
    }
}

fn open<H: Envelope>(
    shared: &Arc<Shared>,
    lane: &Arc<InboxLane>,
    taken: &mut Taken,
) -> Result<(ReceivedToken, H), ReceiveError> {
    let port = RemotePort::of(lane, taken);
    let node = || lane.peer.name().to_owned();
    let owner = port.as_ref().and_then(RemotePort::lend);
    let verified = match taken.long.take() {
        Some(long) => taken.token.verify_long(Expected::Any, long),
        None => (taken.token).verify_lent(Expected::Any, &lane.peer.segments(), owner),
    };
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
        Ok(_) => lane.count_received(),
        Err(_) => shared.count(Counter::EntriesRefused, 1),
    }
    match (port, &opened) {
        (None, _) => {}
        (Some(port), Ok(_)) => port.received(shared),
        (Some(port), Err(error)) => port.undone(&Undone::Refused(error.to_string())),
    }
    opened
}

impl<H: Envelope> Drop for BoundQueue<H> {
    fn drop(&mut self) {
        self.inbox.close(&ExitReason::Normal);
        self.shared.remove_target(self.number);
        self.shared.core().unregister(self.key);
    }
}
