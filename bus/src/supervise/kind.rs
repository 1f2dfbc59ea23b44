//! What a child can be, as its supervisor treats it: something that begins lives, one after the other.

pub(super) mod actor;
pub(super) mod process;
pub(super) mod supervisor;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use super::board::{ChildType, Face};
use crate::actor::run::panic_text;
use crate::exit::ExitReason;
use crate::shared::Shared;

/// A future that owns what it needs.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One kind of child: begins a life of it whenever it is told to, which is when the last one is dead.
pub(super) trait Kind: Send {
    /// Begins a life; `last` is how the one before ended.
    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        last: Option<&ExitReason>,
    ) -> Result<Begun, ExitReason>;
    fn child_type(&self) -> ChildType;
    /// The name on the bus that each life has.
    fn bus_name(&self) -> Option<&str> {
        None
    }
    /// What its address is of.
    fn reached_as(&self) -> &'static str;
}

/// A life that has begun.
pub(super) struct Begun {
    pub(super) life: Arc<dyn Life>,
    /// Ready when it has started. After an error nothing of it is left. It may be dropped before.
    pub(super) ready: Boxed<Result<Face, ExitReason>>,
}

/// One life of a child: from its beginning to the proof of its end.
pub(super) trait Life: Send + Sync {
    /// Asks for an orderly end when there is nothing left to do. Does not wait.
    fn drain(&self);
    /// Asks for an orderly end. Does not wait.
    fn stop(&self);
    /// Asks its process for an end, if it is one. Does not wait.
    fn terminate(&self) {}
    /// Ends it at once, as far as that can be done. Does not wait.
    fn kill(&self, reason: ExitReason);
    /// The last that it wrote to a standard error of its own.
    fn stderr_tail(&self) -> String {
        String::new()
    }
    /// Waits until nothing of it runs any more.
    fn ended(self: Arc<Self>) -> Boxed<ExitReason>;
}

/// Runs what a program has given to make a child of.
fn make<T>(make: impl FnOnce() -> T) -> Result<T, ExitReason> {
    // What a panic leaves half-way is the program's own; its next call may find it so.
    catch_unwind(AssertUnwindSafe(make))
        .map_err(|panic| ExitReason::Panicked(panic_text(&*panic as &(dyn Any + Send))))
}
