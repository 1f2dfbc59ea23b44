//! Finding the life of a child that runs now.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::error::SuperviseError;
use super::overseer::Overseen;
use crate::actor::cell::Cell;
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
    cell: Arc<Cell<Overseen>>,
    board: Arc<Board>,
    id: String,
    wanted: &'static str,
    within: Duration,
    of: PhantomData<fn() -> T>,
}

impl<T: Any + Clone + Send> FindChild<T> {
    pub(super) fn new(
        cell: Arc<Cell<Overseen>>,
        board: Arc<Board>,
        id: String,
        wanted: &'static str,
    ) -> Self {
        Self {
            cell,
            board,
            id,
            wanted,
            within: WITHIN,
            of: PhantomData,
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
        let shared = Arc::clone(self.cell.core().shared());
        crate::node::block_on(Some(shared), self.into_future())
    }

    async fn find(self) -> Result<T, SuperviseError> {
        let deadline = Deadline::new(self.cell.core().shared(), self.within);
        let found = deadline.until(&self.board.changes, || self.look()).await;
        found.unwrap_or_else(|| {
            Err(SuperviseError::NotRunning {
                child: self.id.clone(),
                waited: self.within,
            })
        })
    }

    fn look(&self) -> Option<Result<T, SuperviseError>> {
        if let Some(reason) = self.cell.core().outcome() {
            return Some(Err(SuperviseError::Ended(reason.clone())));
        }
        let found = {
            let picture = self.board.look();
            let children = &mut picture.children.iter();
            let child = children.find(|it| it.info.id == self.id);
            child.map(|child| (child.address.clone(), child.reached_as))
        };
        let Some((address, found)) = found else {
            // Before the first picture nothing is known.
            let is_drawn = self.cell.core().start_result().is_some();
            let child = self.id.clone();
            return is_drawn.then_some(Err(SuperviseError::NoSuchChild { child }));
        };
        // Who has heard of an end before the supervisor has is not given what has ended.
        let address = address.filter(|it| !it.is_over())?;
        let address: &dyn Any = &*address;
        Some(match address.downcast_ref::<T>() {
            Some(address) => Ok(address.clone()),
            None => Err(SuperviseError::OtherType {
                child: self.id.clone(),
                found,
                wanted: self.wanted,
            }),
        })
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
            .field("id", &self.id)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}
