//! An actor's life: started, one message at a time, stopping; and what a panic or a kill makes of it.
//!
//! ```text
//! started --Ok--> [ control? ] -> local letter | entry of a uring -> handler ended --+
//!    |                 |  ^                                                          |
//!    | Err             |  +----------------------------------------------------------+
//!    v                 v stop
//!  StartFailed      stopping -> end            panic, kill: end without `stopping`
//! ```

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;

use super::cell::{Cell, Told};
use super::incoming::Incoming;
use super::monitor::MaybeMonitors;
use super::{Actor, Context};
use crate::exit::ExitReason;
use crate::inbox::Serving;
use crate::mailbox::Batch;

/// Messages handled before the task lets others run.
const TURN_MAX: u32 = 64;

/// What an actor does next.
enum Next<L> {
    Letter(L),
    /// In the owner's hands.
    Entry,
    End(ExitReason),
}

/// Runs an actor to its end; the future of its task.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice"
)]
pub(crate) fn run<A: Actor>(
    cell: Arc<Cell<A>>,
    actor: A,
) -> impl Future<Output = ()> + Send + 'static {
    async move {
        let mut batch = Batch::default();
        let reason = {
            let life = pin!(live(&cell, actor, &mut batch));
            match AssertUnwindSafe(Killable { cell: &cell, life })
                .catch_unwind()
                .await
            {
                Ok(reason) => reason,
                Err(panic) => ExitReason::Panicked(panic_text(&*panic)),
            }
            // Here a killed handler is dropped, and with it its leases and its port: before the end is published.
        };
        cell.publish_end(batch, reason);
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice"
)]
fn live<A: Actor>(
    cell: &Arc<Cell<A>>,
    mut actor: A,
    batch: &mut Batch<A::Letters>,
) -> impl Future<Output = ExitReason> + Send {
    async move {
        let mut cx = Context::new(cell);
        let mut serving = Serving::default();
        if let Err(error) = actor.on_started(&mut cx).await {
            return ExitReason::StartFailed(error.to_string());
        }
        cell.core().publish_start();
        let mut turn = 0;
        let mut local_first = true;
        let reason = loop {
            if let Some(reason) = cx.ends() {
                break reason.clone();
            }
            turn += 1;
            if turn == TURN_MAX {
                turn = 0;
                serving.finish();
                yield_once().await;
            }
            local_first = !local_first;
            let letter = match next(cell, batch, &mut serving, cx.monitors(), local_first).await {
                Next::End(reason) => break reason,
                Next::Letter(letter) => letter,
                Next::Entry => match open::<A>(&serving, &mut cx) {
                    Some(letter) => letter,
                    None => continue,
                },
            };
            actor.deliver(letter, &mut cx).await;
        };
        serving.finish();
        actor.on_stopping(&reason, &mut cx).await;
        reason
    }
}

/// Makes a letter of an entry, or refuses it.
#[inline]
fn open<A: Actor>(serving: &Serving, cx: &mut Context<A>) -> Option<A::Letters> {
    let (lane, taken) = serving.in_hand()?;
    let mut incoming = Incoming::new(lane, taken);
    let letter = A::open(&mut incoming);
    if letter.is_some() {
        cx.keep_remote(incoming.into_port());
    } else {
        incoming.refuse();
    }
    letter
}

/// Waits for the next thing to do: what the control lane says comes before any message; local and remote messages
/// take turns. The handler of the entry in hand has ended, which its lane is told before anything else begins.
fn next<A: Actor>(
    cell: &Cell<A>,
    batch: &mut Batch<A::Letters>,
    serving: &mut Serving,
    monitors: &mut MaybeMonitors<A::Letters>,
    local_first: bool,
) -> impl Future<Output = Next<A::Letters>> {
    poll_fn(move |cx| {
        loop {
            match cell.core().told() {
                Told::Nothing => {}
                Told::Stop(reason) => return Poll::Ready(Next::End(reason)),
                // Told a moment ago, and about to wake the task: `Killable` ends it.
                Told::Die(_) => {
                    serving.finish();
                    return Poll::Pending;
                }
            }
            let inbox = cell.core().inbox_if_any();
            if let Some(letter) = monitors.as_mut().and_then(|it| it.take(cell, batch)) {
                inbox.into_iter().for_each(|inbox| inbox.rest(serving));
                return Poll::Ready(Next::Letter(letter));
            }
            // Each is handed on from where it is found: a letter that is moved once more is waited for once more.
            for is_local in [local_first, !local_first] {
                if is_local {
                    if let Some(letter) = cell.mailbox().take(batch) {
                        monitors.iter_mut().for_each(|it| it.passed_letter());
                        inbox.into_iter().for_each(|inbox| inbox.rest(serving));
                        return Poll::Ready(Next::Letter(letter));
                    }
                } else if inbox.is_some_and(|inbox| inbox.pop(serving)) {
                    return Poll::Ready(Next::Entry);
                }
            }
            // Letters and the control lane wake the task whether it waits or not.
            if inbox.is_none_or(|inbox| inbox.poll_ready(cx).is_pending()) {
                return Poll::Pending;
            }
        }
    })
}

async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A life that a kill ends between two polls.
struct Killable<'a, A: Actor, F> {
    cell: &'a Arc<Cell<A>>,
    life: Pin<&'a mut F>,
}

impl<A: Actor, F: Future<Output = ExitReason>> Future for Killable<'_, A, F> {
    type Output = ExitReason;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<ExitReason> {
        let this = self.get_mut();
        if let Told::Die(reason) = this.cell.core().told() {
            return Poll::Ready(reason);
        }
        this.life.as_mut().poll(cx)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned())
}
