//! Publishes samples that are bytes already.

use std::fmt;
use std::sync::Arc;

use ringway_shm::heap::HeapError;
use ringway_shm::layout::{BroadcastLayout, Pow2};

use super::{KindOf, Lies, TopicKind, meet};
use crate::entry::Sealed;
use crate::node::lookup::Deadline;
use crate::shared::Shared;
use crate::token::TokenizeCause;
use crate::topics::error::TopicError;
use crate::topics::join::seek_for;
use crate::topics::label::{Label, Role, TopicEndId};
use crate::topics::outlet::{Obstacle, OutletTerms, PublisherEnd};
use crate::topics::presence::Cards;
use crate::topics::slot::seal_any;

/// Samples that its lane has room for.
const SAMPLES: u64 = 256;
/// The part of its node's heap that its old samples may take.
const HEAP_SHARE: u64 = 4;

/// A publisher of a topic whose message is known by its description alone.
pub(crate) struct RawPublisher {
    shared: Arc<Shared>,
    end: Arc<PublisherEnd>,
    kind: Arc<TopicKind>,
}

/// Why a sample was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unplayed {
    #[error("the node is detached")]
    Detached,
    #[error(transparent)]
    Unpacked(#[from] TokenizeCause),
}

impl RawPublisher {
    /// Makes a publisher; waits for the subscribers that there are.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        label: &Label,
        kind: &Arc<TopicKind>,
    ) -> Result<Self, TopicError> {
        if shared.is_detaching() {
            return Err(TopicError::Detached);
        }
        let slots = Pow2::new(SAMPLES).unwrap_or(Pow2::MAX);
        let layout = BroadcastLayout::new(slots, kind.format.words())
            .expect("in-range: no format has more words than a slot can have");
        let span = shared.ring_span(layout.publisher_len())?;
        let terms = OutletTerms {
            layout,
            format: kind.format,
            history: 0,
            bytes: shared.core().heap().stats().limit / HEAP_SHARE,
            is_timed: false,
        };
        let id = TopicEndId::new(shared.core().id(), shared.numbers.next());
        let told = KindOf::Known(Arc::clone(kind));
        let end = PublisherEnd::new(shared, id, label.clone(), kind.carried(), terms, span, told);
        shared.topics.add_publisher(&end);
        let publisher = Self {
            shared: Arc::clone(shared),
            end,
            kind: Arc::clone(kind),
        };
        shared.show_end(label, id, Role::Publisher)?;
        let look = || {
            // Those of this node join at once; the others see this one on the card.
            seek_for(shared, label);
            let (subscribers, cards) = shared.ends_of(label, Role::Subscriber);
            let missing = publisher.end.missing_of(subscribers);
            (missing, cards == Cards::Whole)
        };
        meet(shared, Some(label), look).await?;
        Ok(publisher)
    }

    pub(crate) fn topic(&self) -> &str {
        self.end.label.topic()
    }

    /// Publishes a sample; waits as long as subscribers that are waited for have no room.
    pub(crate) async fn publish(&self, lies: Lies, payload: &[u8]) -> Result<u64, Unplayed> {
        let deadline = Deadline::never(&self.shared);
        let mut sealed = Some(self.seal(lies, payload).await?);
        let look = || {
            match self.end.publish(sealed.take()?) {
                Ok(sequence) => return Some(Ok(sequence)),
                Err((_, Obstacle::Over)) => return Some(Err(Unplayed::Detached)),
                Err((back, Obstacle::Full)) => sealed = Some(back),
            }
            // From here on who takes rings: before the next look.
            self.end.wait_for_room();
            match self.end.publish(sealed.take()?) {
                Ok(sequence) => Some(Ok(sequence)),
                Err((_, Obstacle::Over)) => Some(Err(Unplayed::Detached)),
                Err((back, Obstacle::Full)) => {
                    sealed = Some(back);
                    None
                }
            }
        };
        let published = deadline.until(&self.end.room, look).await;
        published.unwrap_or(Err(Unplayed::Detached))
    }

    /// Packs a sample; waits for a block that somebody reads.
    async fn seal(&self, lies: Lies, payload: &[u8]) -> Result<Sealed, TokenizeCause> {
        let (shared, end) = (&self.shared, &self.end);
        let heap = shared.core().heap();
        let seal = || seal_any(self.kind.signature(), lies, payload, self.kind.format, heap);
        let look = || match seal() {
            Err(cause) if is_full(&cause) => {
                end.wait_for_room();
                end.make_room();
                shared.sweep_replies();
                match seal() {
                    Err(cause) if is_full(&cause) && end.has_lent() => None,
                    sealed => Some(sealed),
                }
            }
            sealed => Some(sealed),
        };
        let deadline = Deadline::never(shared);
        let sealed = deadline.until(&end.blocks, look).await;
        sealed.unwrap_or_else(seal)
    }
}

/// Whether more memory would help.
fn is_full(cause: &TokenizeCause) -> bool {
    matches!(cause, TokenizeCause::Heap(HeapError::Full { .. }))
}

impl Drop for RawPublisher {
    fn drop(&mut self) {
        self.shared.hide_end(&self.end.label, self.end.id);
        self.end.end();
    }
}

impl fmt::Debug for RawPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPublisher")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
