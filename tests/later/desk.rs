//! An actor that does with a question what the question says, and one that gets what it passes on.

use std::sync::mpsc::{Receiver, Sender, channel};

use futures::future::{Either, select};
use ringway::prelude::*;

use crate::support::stage::Stage;

/// What the desk does with a question.
#[derive(Serialize, Deserialize, Schema)]
#[serde(crate = "ringway::serde")]
pub(crate) enum Do {
    /// Answers with the number, at once after all.
    Answer,
    /// Keeps the way back.
    Keep,
    /// Answers before it ends, and then ends well, or panics.
    AnswerEarly { panics: bool },
    /// Drops the way back, and then ends.
    DropEarly,
    /// Gives the clerk the way back.
    Delegate(Recipient<Errand>),
    /// Panics.
    Panic,
    /// Fails.
    Fail,
    /// Waits until the asker has given up.
    Watch,
    /// Returns without an answer of its own, though it has sent the question on.
    ForwardAndAnswer(Recipient<Question>),
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Question {
    pub(crate) number: u64,
    /// Those that it is sent on to, the next one last: the first of them does what it says.
    pub(crate) way: Vec<Recipient<Question>>,
    pub(crate) what: Do,
}

/// What is done with the ways back that were kept.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = u64)]
#[serde(crate = "ringway::serde")]
pub(crate) enum Settle {
    Answer(u64),
    Fail(String),
    Drop,
    /// How many are kept.
    Count,
    /// How many of them nobody waits for.
    Cancelled,
}

/// A way back, in a message.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Errand {
    pub(crate) number: u64,
    pub(crate) reply_to: ReplyTo<String>,
}

#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
pub(crate) struct Bytes([u8]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Began(u64),
    GaveUp(u64),
    Ended(u64),
    /// A message of so many bytes, read in place or not.
    Read(usize, bool),
}

#[derive(Actor)]
#[actor(handles(Question, Settle, Errand, Bytes))]
pub(crate) struct Desk {
    log: Sender<Event>,
    kept: Vec<ReplyTo<String>>,
    next: Option<Recipient<Bytes>>,
}

pub(crate) fn desk(next: Option<Recipient<Bytes>>) -> (Desk, Receiver<Event>) {
    let (log, events) = channel();
    let kept = Vec::new();
    (Desk { log, kept, next }, events)
}

/// Starts a desk; its address as the asker has it.
pub(crate) fn open(stage: &Stage, name: &str) -> (Addr<Desk>, Receiver<Event>) {
    let (desk, events) = desk(None);
    let desk = stage.spawn_as(name, desk, |builder| builder);
    (desk.pinned(), events)
}

pub(crate) fn question(number: u64, what: Do) -> Question {
    let way = Vec::new();
    Question { number, way, what }
}

impl Desk {
    fn log(&self, event: Event) {
        let _ = self.log.send(event);
    }
}

impl Handler<Question, Result<Deferred<String>, BoxError>> for Desk {
    async fn handle(
        &mut self,
        mut question: Question,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<String>, BoxError> {
        if let Some(next) = question.way.pop() {
            return Ok(cx.forward(question, next).await?);
        }
        let Question { number, what, .. } = question;
        self.log(Event::Began(number));
        let (reply_to, deferred) = cx.defer::<String>();
        match what {
            Do::Answer => return Ok(Deferred::now(number.to_string())),
            Do::Keep => self.kept.push(reply_to),
            Do::AnswerEarly { panics } => {
                reply_to.send(number.to_string());
                assert!(!panics, "after the answer");
            }
            Do::DropEarly => drop(reply_to),
            Do::Delegate(clerk) => {
                clerk.tell(Errand { number, reply_to }).await?;
            }
            Do::ForwardAndAnswer(next) => {
                let forwarded = cx
                    .forward(crate::desk::question(number + 1, Do::Answer), next)
                    .await?;
                drop(forwarded);
                reply_to.send(number.to_string());
            }
            Do::Panic => panic!("as asked"),
            Do::Fail => return Err("as asked".into()),
            Do::Watch => {
                let work = futures::future::pending::<()>();
                match select(cx.cancelled(), work).await {
                    Either::Left(_) => assert!(cx.is_cancelled()),
                    Either::Right(_) => unreachable!(),
                }
                self.log(Event::GaveUp(number));
                self.kept.push(reply_to);
            }
        }
        self.log(Event::Ended(number));
        Ok(deferred)
    }
}

impl Handler<Settle> for Desk {
    async fn handle(&mut self, settle: Settle, _cx: &mut Context<Self>) -> u64 {
        match settle {
            Settle::Answer(number) => {
                let kept = self.kept.drain(..);
                kept.for_each(|reply_to| reply_to.send(number.to_string()));
            }
            Settle::Fail(text) => self
                .kept
                .drain(..)
                .for_each(|reply_to| reply_to.fail(text.clone())),
            Settle::Drop => self.kept.clear(),
            Settle::Count => {}
            Settle::Cancelled => {
                let cancelled = self.kept.iter().filter(|kept| kept.is_cancelled());
                return cancelled.count() as u64;
            }
        }
        self.kept.len() as u64
    }
}

impl Handler<Errand> for Desk {
    async fn handle(&mut self, errand: Errand, _cx: &mut Context<Self>) {
        self.log(Event::Began(errand.number));
        self.kept.push(errand.reply_to);
    }
}

impl Handler<Bytes, Result<Deferred<u64>, BoxError>> for Desk {
    async fn handle(
        &mut self,
        bytes: Lease<Bytes>,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, BoxError> {
        self.log(Event::Read(bytes.len(), bytes.is_borrowed()));
        match &self.next {
            Some(next) => Ok(cx.forward(bytes, next).await?),
            None => Ok(Deferred::now(
                bytes.iter().map(|byte| u64::from(*byte)).sum(),
            )),
        }
    }
}
