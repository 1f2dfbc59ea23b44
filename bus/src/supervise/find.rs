//! Finding the life of a child that runs now.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::error::SuperviseError;
use super::sight::Sight;
use crate::node::lookup::Deadline;

/// How long a child that does not run is waited for, unless told otherwise.
const WITHIN: Duration = Duration::from_secs(5);

/// A look for a child, about to be made: await it as it is, or refine it first.
///
/// # Errors
///
/// [`SuperviseError::NoSuchChild`], [`OtherType`](SuperviseError::OtherType) and [`Ended`](SuperviseError::Ended) at once;
/// [`NotRunning`](SuperviseError::NotRunning) at the deadline.
///
/// # Cancel safety
///
/// Dropping it changes nothing.
#[must_use = "nothing is looked for until this is awaited"]
pub struct FindChild<T> {
    sight: Sight,
    wanted: &'static str,
    within: Duration,
    /// Makes what is handed out of a life that was seen, and its name on the bus.
    dress: fn(&Sight, (T, Option<String>)) -> T,
}

impl<T: Any + Clone + Send> FindChild<T> {
    pub(super) fn new(
        sight: Sight,
        wanted: &'static str,
        dress: fn(&Sight, (T, Option<String>)) -> T,
    ) -> Self {
        Self {
            sight,
            wanted,
            within: WITHIN,
            dress,
        }
    }

    /// Waits for the child to run no longer than this; zero looks once.
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Blocks the calling thread until the child runs.
    ///
    /// # Errors
    ///
    /// As for awaiting it.
    pub fn wait(self) -> Result<T, SuperviseError> {
        let shared = Arc::clone(self.sight.cell.core().shared());
        crate::node::block_on(Some(shared), self.into_future())
    }

    async fn find(self) -> Result<T, SuperviseError> {
        let sight = &self.sight;
        let deadline = Deadline::new(sight.cell.core().shared(), self.within);
        let look = || sight.look(self.wanted);
        match deadline.until(&sight.board.changes, look).await {
            Some(found) => found.map(|seen| (self.dress)(sight, seen)),
            None => Err(SuperviseError::NotRunning {
                child: sight.id.clone(),
                waited: self.within,
            }),
        }
    }
}

impl<T: Any + Clone + Send> IntoFuture for FindChild<T> {
    type Output = Result<T, SuperviseError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.find())
    }
}

impl<T> fmt::Debug for FindChild<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindChild")
            .field("id", &self.sight.id)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
