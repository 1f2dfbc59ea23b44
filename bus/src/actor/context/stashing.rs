//! Putting the message in hand aside, and having it handled again.

use ringway_shm::card::Counter;

use super::super::port::Ports as _;
use super::super::stash::{Along, Stash, StashError};
use super::{Context, Next};
use crate::actor::later::Deferred;
use crate::actor::{Accepts, Actor};
use crate::inbox::Orphan;
use crate::message::{Message, Sendable};

type ReplyOf<S> = <<S as Sendable>::Message as Message>::Reply;

impl<A: Actor> Context<A> {
    /// Puts the message in hand aside, to have it handled again [later](Self::unstash_all): for a message that comes before the
    /// actor is ready for it. The handler returns the [`Deferred`]; what one returns that has another type is dropped, as the
    /// answer is that of the later handling.
    ///
    /// An asker goes on waiting, here and in other processes, up to its deadline; an ask that is given up or overdue is not
    /// handled again. Any message of the type in hand may be put aside in its place, and most often it is the one that came, a
    /// [`Lease`](crate::lease::Lease) too, which stays lent meanwhile. Its [id](Self::message_id) stays, and its
    /// [attempt](Self::attempt).
    ///
    /// There is room for 64 unless [told otherwise](Self::stash_capacity); messages put aside take none in the mailbox.
    ///
    /// Its handler has begun. So if the actor ends, by a [`stop`](Self::stop) too, its asker gets
    /// [`AskError::Died`](crate::AskError::Died) with `taken`, what is to be [redelivered](crate::Ask::redeliver) goes to the next
    /// life, and a tell of this process comes back as taken, with the message. For the sender of a tell in another process it was
    /// handled when it was put aside, unless it lies in a block (more than 528 bytes) or is to be redelivered: when the actor ends
    /// it is a dead letter of this node, and when this process dies nobody is told.
    ///
    /// # Errors
    ///
    /// Every [`StashError`] gives the message back, which is in hand as before: a handler may return the error, which its asker
    /// gets as text.
    ///
    /// # Examples
    ///
    /// A store that takes requests before it has its index. [`StateMachine`](crate::StateMachine) has another.
    ///
    /// ```
    /// use ringway::prelude::*;
    ///
    /// #[derive(Message, Clone, Copy, Pod, Zeroable)]
    /// #[message(move, reply = u64)]
    /// #[repr(C)]
    /// struct Get(u64);
    ///
    /// #[derive(Message, Serialize, Deserialize)]
    /// #[message(serial)]
    /// #[serde(crate = "ringway::serde")]
    /// struct Index(Vec<u64>);
    ///
    /// #[derive(Actor, Default)]
    /// #[actor(handles(Get, Index))]
    /// struct Store(Option<Vec<u64>>);
    ///
    /// impl Handler<Get, Result<Deferred<u64>, BoxError>> for Store {
    ///     async fn handle(&mut self, get: Get, cx: &mut Context<Self>) -> Result<Deferred<u64>, BoxError> {
    ///         let Some(index) = &self.0 else {
    ///             return Ok(cx.stash(get)?);
    ///         };
    ///         let at = usize::try_from(get.0)?;
    ///         Ok(Deferred::now(*index.get(at).ok_or("no such entry")?))
    ///     }
    /// }
    ///
    /// impl Handler<Index> for Store {
    ///     async fn handle(&mut self, index: Index, cx: &mut Context<Self>) {
    ///         self.0 = Some(index.0);
    ///         cx.unstash_all();
    ///     }
    /// }
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-stash-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// # let store = node.spawn(Store::default())?;
    /// # block_on(async {
    /// let (answer, told) = futures_util::future::join(store.ask(Get(1)), store.tell(Index(vec![5, 7]))).await;
    /// told?;
    /// assert_eq!(answer?, 7);
    /// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
    /// # drop(node);
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn stash<S>(&mut self, message: S) -> Result<Deferred<ReplyOf<S>>, StashError<S>>
    where
        S: Sendable,
        A: Accepts<S::Message>,
    {
        let (interest, deadline) = self.interest();
        let port = match A::port_of(self.take_port()) {
            Ok(port) => port,
            Err(other) => {
                self.keep_port(other);
                return Err(StashError::NotInHand { message });
            }
        };
        let entry = self.sender().map(|sender| Orphan {
            type_id: Some(<S::Message as Message>::TYPE_ID),
            sender,
        });
        let own = self.own.get_or_insert_default();
        let stash = own.stash.get_or_insert_with(Box::<Stash<_>>::default);
        if !stash.has_room(self.cell.core()) {
            let capacity = stash.capacity();
            self.port = A::port_in_hand(port);
            return Err(StashError::Full { message, capacity });
        }
        let letter = A::letter(message.into_parcel().into(), port);
        let remote = self.remote.as_mut().and_then(|it| it.port.take());
        let mark = match (&remote, &self.remote) {
            (None, Some(held)) => held.serving.put_aside(<S::Message as Message>::TYPE_ID),
            _ => None,
        };
        let along = Along {
            remote,
            mark,
            about: self.seldom.as_mut().and_then(|it| it.about.take()),
            entry,
            interest,
            deadline,
        };
        stash.put(letter, along);
        Ok(Deferred::put_aside())
    }

    /// Has all messages that were put aside handled again, in the order in which they were first put aside, before whatever else
    /// waits for this actor; returns how many they are. One that is [put aside](Self::stash) once more waits for the next such
    /// call, in its old place.
    ///
    /// The message in hand is handled to its end first.
    pub fn unstash_all(&mut self) -> usize {
        self.stash_if_any().map_or(0, Stash::take_up)
    }

    /// The same of the oldest of them; `false` if there is none.
    pub fn unstash_one(&mut self) -> bool {
        self.stash_if_any().is_some_and(Stash::take_up_one)
    }

    /// Returns how many messages are put aside; those about to be handled again do not count.
    pub fn stashed(&self) -> usize {
        let stash = self.own.as_ref().and_then(|own| own.stash.as_ref());
        stash.map_or(0, |stash| stash.len())
    }

    /// Bounds how many messages may be put aside; those that are already stay.
    ///
    /// An ask of another process keeps its credit while it waits: of the 128 that may be under way from one process to one
    /// actor, and one of more than 528 bytes counts twice. A larger stash may be filled by one such sender so that nothing more
    /// comes from there, until it gives up.
    pub fn stash_capacity(&mut self, capacity: usize) {
        let own = self.own.get_or_insert_default();
        own.stash
            .get_or_insert_with(Box::<Stash<_>>::default)
            .bound(capacity);
    }

    fn stash_if_any(&mut self) -> Option<&mut Stash<A::Letters>> {
        Some(&mut **self.own.as_mut()?.stash.as_mut()?)
    }

    /// The handler of the message in hand has put it aside: its entry, if it came by one, is over, and the message is counted when
    /// it is handled.
    #[cold]
    pub(crate) fn count_put_aside(&self) {
        let entries = u64::from(self.has_entry());
        let shared = self.cell.core().shared();
        shared.count(Counter::EntriesHandled, entries);
    }

    /// Whether the message in hand is an entry that was taken for it.
    pub(crate) fn has_entry(&self) -> bool {
        self.next == Next::Entry
    }

    /// Takes a message of its own: if it was put aside, with what belongs to it.
    pub(super) fn take_own(&mut self) -> Option<A::Letters> {
        let own = self.own.as_mut()?;
        let letter = own.take_due();
        if let Some(along) = own.stash.as_mut().and_then(|it| it.along()) {
            match along.about {
                Some(about) => self.begin_again(about),
                None => drop(self.end_again()),
            }
            if along.remote.is_some() {
                self.remote.get_or_insert_default().port = along.remote;
            }
        }
        letter
    }

    /// The entry that the message in hand came by, if it had been put aside.
    pub(super) fn stashed_entry(&self) -> Option<Orphan> {
        let own = self.own.as_ref().filter(|_| self.next == Next::Own)?;
        own.stash.as_ref()?.entry_in_hand()
    }

    /// The actor ends: what is put aside goes where it goes.
    pub(super) fn lose_stash(&mut self) {
        let Some(mut stash) = self.own.as_mut().and_then(|own| own.stash.take()) else {
            return;
        };
        let core = self.cell.core();
        let way_back = self.remote.as_ref().and_then(|it| it.port.as_ref());
        let is_heard = way_back.is_some_and(|it| !it.is_of_the_dead());
        if self.port.in_hand().is_some()
            && !(is_heard | stash.abandon_hand())
            && let Some(orphan) = stash.entry_in_hand()
        {
            core.abandon(orphan);
        }
        stash.lose::<A>(core);
    }
}
