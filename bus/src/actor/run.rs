//! An actor's life: started, one message at a time, stopping; and what a panic or a kill makes of it.
//!
//! ```text
//! started --Ok--> [ control? ] -> local letter | entry of a uring -> handler ended --+
//!    |                 |  ^                                                          |
//!    | Err             |  +----------------------------------------------------------+
//!    v                 v stop
//!  StartFailed      stopping -> end            panic: `panicked`; kill; both: end without `stopping`
//! ```

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use pin_project_lite::pin_project;

use super::cell::{Cell, Told};
use super::{Actor, Context};
use crate::exit::ExitReason;

/// Runs an actor to its end; the future of its task.
pub(crate) fn run<A: Actor>(
    cell: Arc<Cell<A>>,
    actor: A,
) -> impl Future<Output = ()> + Send + 'static {
    let life = live(Context::new(&cell), actor);
    Run {
        cell,
        life: Some(life),
    }
}

pin_project! {
    /// A life that a kill ends between two polls, and a panic in one.
    ///
    /// Not an `async fn`: that would hold the life's arguments beside the life.
    struct Run<A: Actor, F> {
        cell: Arc<Cell<A>>,
        #[pin]
        life: Option<F>,
    }
}

impl<A: Actor, F: Future<Output = ExitReason>> Future for Run<A, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let mut this = self.project();
        let reason = match (this.cell.core().told(), this.life.as_mut().as_pin_mut()) {
            (_, None) => match this.cell.core().poll_alone() {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(reason)) => reason,
            },
            (Told::Die(reason), _) => reason,
            (_, Some(life)) => match catch_unwind(AssertUnwindSafe(|| life.poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(reason)) => reason,
                Err(panic) => ExitReason::Panicked(panic_text(&*panic)),
            },
        };
        // Here a killed handler is dropped, and with it its leases and its port: before the end is published.
        this.life.set(None);
        // What ran beside it was told to end as its context was dropped, and wakes this task when it has.
        let Poll::Ready(reason) = this.cell.core().leave_alone(reason) else {
            return Poll::Pending;
        };
        #[cfg(feature = "test")]
        this.cell.core().note_handling(false);
        this.cell.publish_end(reason);
        Poll::Ready(())
    }
}

#[expect(
    clippy::manual_async_fn,
    reason = "an async fn holds its arguments twice"
)]
fn live<A: Actor>(mut cx: Context<A>, mut actor: A) -> impl Future<Output = ExitReason> + Send {
    async move {
        // What is named first is dropped first: the context, which answers who waits, before the user's actor.
        debug_assert!(cx.ends().is_none());
        #[cfg(feature = "test")]
        cx.cell().note_handling(true);
        if let Err(error) = actor.on_started(&mut cx).await {
            return ExitReason::StartFailed(error.to_string());
        }
        if let Some(last) = cx.cell().last_exit().cloned()
            && let Err(error) = actor.on_restarted(&last, &mut cx).await
        {
            return ExitReason::StartFailed(error.to_string());
        }
        cx.cell().publish_start();
        let reason = loop {
            if let Some(reason) = cx.ends() {
                break reason.clone();
            }
            if cx.is_turn_over() {
                yield_once().await;
            }
            let next = poll_fn(|task| {
                let next = cx.poll_next(task);
                #[cfg(feature = "test")]
                cx.cell().note_handling(next.is_ready());
                next
            });
            if let Some(reason) = next.await {
                break reason;
            }
            if A::HAS_HOOKS {
                let handled = AssertUnwindSafe(actor.deliver(&mut cx)).catch_unwind();
                if let Err(panic) = handled.await {
                    actor.on_panicked(&panic_text(&*panic));
                    resume_unwind(panic);
                }
            } else {
                actor.deliver(&mut cx).await;
            }
        };
        cx.finish();
        actor.on_stopping(&reason, &mut cx).await;
        reason
    }
}

/// Lets whatever else is ready run first.
pub(crate) async fn yield_once() {
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

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Overflow;
    use crate::prelude::*;
    use crate::testing::TempDir;

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial)]
    struct Ball {
        hops_left: u64,
        back: Addr<Player>,
    }

    #[derive(Actor)]
    #[actor(handles(u64, Ball))]
    struct Player;

    impl Handler<u64> for Player {
        async fn handle(&mut self, _: u64, _: &mut crate::Context<Self>) {}
    }

    impl Handler<Ball> for Player {
        async fn handle(&mut self, ball: Ball, cx: &mut crate::Context<Self>) {
            let (to, back) = (ball.back, cx.addr());
            let hops_left = ball.hops_left;
            let _ = to.tell(Ball { hops_left, back }).await;
        }
    }

    // Goal: what an idle actor holds is a few lines, as there may be a million of them. Method: the sizes of its cell and of the
    // future of its life, for one that tells an address in a handler.
    #[test]
    fn an_idle_actor_is_small() {
        let temp = TempDir::new();
        let node = Node::attach(temp.config("home")).unwrap();
        let cell = Cell::<Player>::new(node.shared(), None, (64, Overflow::Wait), 0);
        let life = run(Arc::clone(&cell), Player);
        // The test kit has its own word in each.
        let kit = 8 * usize::from(cfg!(feature = "test"));
        assert!(size_of::<Cell<Player>>() <= 152 + kit);
        assert!(size_of_val(&life) <= 248);
    }
}
