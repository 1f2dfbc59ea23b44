//! One question to many: all their answers, a quorum of them, or the first.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream, StreamExt as _};

use super::AskError;
use crate::addr::{ActorId, Recipient};
use crate::message::Message;

type Arrival<M> = <<M as Message>::Reply as Message>::Arrival;

/// What one of many answered.
pub struct MemberAnswer<M: Message<Value = M>> {
    /// Its place among those who were asked.
    pub place: usize,
    /// Who it is.
    pub who: ActorId,
    /// Its answer.
    pub answer: Result<Arrival<M>, AskError<M>>,
}

impl<M: Message<Value = M>> fmt::Debug for MemberAnswer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberAnswer")
            .field("place", &self.place)
            .field("who", &self.who)
            .field("error", &self.answer.as_ref().err())
            .finish_non_exhaustive()
    }
}

/// Too few of those who were asked have replied.
pub struct NoQuorum<M: Message<Value = M>> {
    /// How many replies were wanted.
    pub wanted: usize,
    /// What those answered who have, replies and errors, in the order in which they came.
    pub answers: Vec<MemberAnswer<M>>,
}

impl<M: Message<Value = M>> fmt::Display for NoQuorum<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replies = self.answers.iter().filter(|it| it.answer.is_ok()).count();
        write!(f, "{replies} replied of {} that were wanted", self.wanted)?;
        match self.answers.iter().find_map(|it| it.answer.as_ref().err()) {
            Some(first) => write!(f, "; the first error: {first}"),
            None => Ok(()),
        }
    }
}

impl<M: Message<Value = M>> fmt::Debug for NoQuorum<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoQuorum")
            .field("wanted", &self.wanted)
            .field("answers", &self.answers)
            .finish()
    }
}

impl<M: Message<Value = M>> std::error::Error for NoQuorum<M> {}

/// A question to many receivers, about to be asked: await it for the answers of all, or refine it first.
///
/// # Cancel safety
///
/// Dropping what is awaited gives up all asks that are under way.
#[must_use = "nothing is asked until it is awaited"]
pub struct AskAll<M: Message<Value = M>> {
    members: Vec<Recipient<M>>,
    message: M,
    deadline: Option<Duration>,
}

/// Asks many receivers the same, each with a clone of the message.
///
/// Awaited as it is, it gives what each of them answered, in their order. [`quorum`](AskAll::quorum) and
/// [`first`](AskAll::first) are ready as soon as so many have replied, and give up the other asks: their handlers do not begin
/// if they have not yet, and can notice it if they have. [`answers`](AskAll::answers) is the stream of answers as they come.
///
/// # Examples
///
/// ```
/// # use ringway::prelude::*;
/// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// # #[message(move, reply = u64)]
/// # #[repr(C)]
/// # struct Read { key: u64 }
/// # async fn read(replicas: &[Recipient<Read>]) -> Result<(), Box<dyn std::error::Error>> {
/// let two = ask_all(replicas, Read { key: 7 }).deadline(ms(50)).quorum(2).await?; // the first two replies
/// let fastest = ask_all(replicas, Read { key: 7 }).first().await?;
/// let all = ask_all(replicas, Read { key: 7 }).await; // one `Result` for each, in order
/// # let _: (Vec<u64>, u64, Vec<Result<u64, AskError<Read>>>) = (two, fastest, all);
/// # Ok(()) }
/// ```
pub fn ask_all<M, I>(members: I, message: M) -> AskAll<M>
where
    M: Message<Value = M> + Clone,
    I: IntoIterator,
    I::Item: Into<Recipient<M>>,
{
    AskAll {
        members: members.into_iter().map(Into::into).collect(),
        message,
        deadline: None,
    }
}

impl<M: Message<Value = M> + Clone> AskAll<M> {
    /// Waits for each answer no longer than `deadline`; the default is 5 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Asks, and gives the answers as they come. Nothing is sent before it is polled.
    pub fn answers(self) -> Answers<M> {
        let Self {
            members,
            message,
            deadline,
        } = self;
        let ask = |(place, member): (usize, Recipient<M>)| {
            let message = message.clone();
            let asking = async move {
                let ask = member.ask(message);
                let answer = match deadline {
                    Some(deadline) => ask.deadline(deadline).await,
                    None => ask.await,
                };
                let who = member.id();
                MemberAnswer { place, who, answer }
            };
            Box::pin(asking) as BoxFuture<'static, _>
        };
        Answers(members.into_iter().enumerate().map(ask).collect())
    }

    /// Waits until `count` have replied, and gives up the others; gives those replies in the order in which they came.
    ///
    /// # Errors
    ///
    /// So many others have failed that there cannot be `count` replies any more: what each of them answered, and those who
    /// have replied.
    pub async fn quorum(self, count: usize) -> Result<Vec<Arrival<M>>, NoQuorum<M>> {
        let mut answers = self.answers();
        let (mut came, mut replies) = (Vec::new(), 0);
        // Who is still to answer could make up for what is missing.
        while replies < count && replies + answers.0.len() >= count {
            let Some(answer) = answers.next().await else {
                break;
            };
            replies += usize::from(answer.answer.is_ok());
            came.push(answer);
        }
        if replies < count {
            return Err(NoQuorum {
                wanted: count,
                answers: came,
            });
        }
        Ok(came.into_iter().filter_map(|it| it.answer.ok()).collect())
    }

    /// Waits for the first reply, and gives up the others.
    ///
    /// # Errors
    ///
    /// All have failed, or there was nobody to ask: what each of them answered.
    pub async fn first(self) -> Result<Arrival<M>, NoQuorum<M>> {
        let mut replies = self.quorum(1).await?;
        Ok(replies.swap_remove(0))
    }
}

impl<M: Message<Value = M> + Clone + Sync> IntoFuture for AskAll<M>
where
    Arrival<M>: Send,
{
    type Output = Vec<Result<Arrival<M>, AskError<M>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut answers: Vec<_> = self.answers().collect().await;
            answers.sort_by_key(|it| it.place);
            answers.into_iter().map(|it| it.answer).collect()
        })
    }
}

impl<M: Message<Value = M>> fmt::Debug for AskAll<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskAll")
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// The answers of many as they come, a [`Stream`]; ends when all have. Dropping it gives up the asks under way.
pub struct Answers<M: Message<Value = M>>(FuturesUnordered<BoxFuture<'static, MemberAnswer<M>>>);

impl<M: Message<Value = M>> Unpin for Answers<M> {}

impl<M: Message<Value = M>> Stream for Answers<M> {
    type Item = MemberAnswer<M>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_next_unpin(cx)
    }
}

impl<M: Message<Value = M>> fmt::Debug for Answers<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answers({} to come)", self.0.len())
    }
}
