//! The samples of a topic as bytes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use ringway_shm::layout::CursorLayout;

use super::{Lies, TopicKind};
use crate::entry::Verified;
use crate::lease::LeaseOwner;
use crate::shared::Shared;
use crate::topics::error::TopicError;
use crate::topics::intake::{Batch, FilterTerms, IntakeTerms, Origin, SubscriberEnd, Took};
use crate::topics::join::seek;
use crate::topics::label::{Label, Role, TopicEndId};
use crate::topics::presence::Cards;
use crate::topics::slot::{Unreadable, read_any};
use crate::topics::subscriber::{OfOwn, OfPeer};
use crate::topics::wire::Behind;
use crate::wait_list::WaitKey;

/// A subscriber of a topic whose message is known by its description alone: a stream of its samples, with what it was made `as_of`.
pub(crate) struct RawSubscriber<T> {
    shared: Arc<Shared>,
    end: Arc<SubscriberEnd>,
    kind: Arc<TopicKind>,
    batch: Batch,
    key: WaitKey,
    tag: T,
}

/// A sample, with the lease of its block if it has one.
pub(crate) struct RawSample {
    pub(crate) from: TopicEndId,
    pub(crate) sequence: u64,
    /// Samples of its publisher between it and the one before.
    pub(crate) missed: u64,
    pub(crate) lies: Lies,
    verified: Verified,
}

impl RawSample {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.verified.bytes()
    }
}

impl<T: Copy> RawSubscriber<T> {
    /// Subscribes, and asks the publishers that there are; does not wait for their answers.
    pub(crate) fn open(
        shared: &Arc<Shared>,
        label: &Label,
        kind: &Arc<TopicKind>,
        depth: u32,
        behind: Behind,
        tag: T,
    ) -> Result<Self, TopicError> {
        let claims = u32::from(CursorLayout::CLAIMS_MAX).min(depth.max(1));
        let claims = u16::try_from(claims).ok().and_then(CursorLayout::new);
        let terms = IntakeTerms {
            format: kind.format,
            behind,
            depth: depth.max(1),
            claims: claims.expect("in-range: at most as many as there can be"),
            filter: FilterTerms::default(),
        };
        let id = TopicEndId::new(shared.core().id(), shared.numbers.next());
        let end = SubscriberEnd::new(shared, id, label.clone(), kind.carried(), terms, None);
        shared.topics.add_subscriber(&end);
        let subscriber = Self {
            shared: Arc::clone(shared),
            end,
            kind: Arc::clone(kind),
            batch: Batch::new(terms.format.slot_words(true)),
            key: WaitKey::default(),
            tag,
        };
        shared.show_end(label, id, Role::Subscriber)?;
        seek(shared, &subscriber.end);
        Ok(subscriber)
    }

    /// Looks for publishers; those that have not answered, and whether all cards were read.
    pub(crate) fn unanswered(&self) -> (Vec<TopicEndId>, bool) {
        let cards = seek(&self.shared, &self.end);
        (self.end.unanswered(), cards == Cards::Whole)
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        self.end.label.topic()
    }

    /// The next sample that has come already.
    pub(crate) fn try_next(&mut self) -> Option<(T, RawSample)> {
        Some((self.tag, self.look().ok()?))
    }

    fn look(&mut self) -> Result<RawSample, Took> {
        loop {
            let took = self.end.take(&mut self.batch, 1);
            let Some((arrived, words)) = self.batch.only() else {
                return Err(took);
            };
            let (from, sequence, mut before) = (arrived.from, arrived.sequence, arrived.before);
            match read(&self.shared, &self.kind, words, arrived.lent) {
                Ok((verified, lies)) => {
                    return Ok(RawSample {
                        from,
                        sequence,
                        missed: before.missed,
                        lies,
                        verified,
                    });
                }
                Err(_) => {
                    before.missed += 1;
                    self.end.lost(from, before);
                }
            }
        }
    }
}

fn read(
    shared: &Arc<Shared>,
    kind: &TopicKind,
    words: &[u64],
    lent: Option<(Origin, Arc<dyn LeaseOwner>)>,
) -> Result<(Verified, Lies), Unreadable> {
    let (format, signature) = (kind.format, kind.signature());
    let (origin, owner) = lent.unzip();
    match origin {
        Some(Origin::There(urings)) => {
            let heap = urings.segments();
            let lender = OfPeer { heap, shared };
            let read = read_any(words, format, signature, &lender, owner);
            if let Err(Unreadable::Entry(error)) = &read {
                urings.bad_entry(error);
            }
            read
        }
        Some(Origin::Here(_)) | None => {
            let heap = shared.core().heap();
            read_any(words, format, signature, &OfOwn { heap, shared }, owner)
        }
    }
}

impl<T: Copy> Stream for RawSubscriber<T> {
    type Item = (T, RawSample);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<(T, RawSample)>> {
        let this = self.get_mut();
        for is_prepared in [false, true] {
            match this.look() {
                Ok(sample) => return Poll::Ready(Some((this.tag, sample))),
                Err(Took::Over) => return Poll::Ready(None),
                Err(_) if !is_prepared => {
                    this.end.arrivals.register(&mut this.key, cx);
                    this.end.prepare_to_wait();
                }
                // Not all lanes are prepared: that is for the next poll.
                Err(Took::Changed) => cx.waker().wake_by_ref(),
                Err(_) => {}
            }
        }
        Poll::Pending
    }
}

// Nothing in it is pinned.
impl<T> Unpin for RawSubscriber<T> {}

impl<T> Drop for RawSubscriber<T> {
    fn drop(&mut self) {
        self.end.arrivals.remove(&mut self.key);
        self.shared.hide_end(&self.end.label, self.end.id);
        self.shared.topics.remove_subscriber(self.end.id.number());
        self.end.close();
    }
}

impl<T> fmt::Debug for RawSubscriber<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSubscriber")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
