//! What `tell_all` did not send, and why.

use std::fmt;
use std::vec;

use super::SendError;

/// Messages of which one was not sent; it and those behind it come back.
///
/// # Examples
///
/// ```
/// # use ringway::prelude::*;
/// # #[derive(Message, Clone, Copy, Pod, Zeroable)]
/// # #[message(move)]
/// # #[repr(C)]
/// # struct Add { amount: u64 }
/// # async fn send<A: Actor + ringway::Accepts<Add>>(counter: Addr<A>, mut rest: Vec<Add>) {
/// while let Err(error) = counter.tell_all(rest).deadline(ms(10)).await {
///     eprintln!("{} sent: {}", error.sent(), error.cause());
///     rest = error.into_inner().collect();
///     # break;
/// }
/// # }
/// ```
pub struct TellAllError<I: Iterator> {
    sent: usize,
    cause: SendError<I::Item>,
    rest: Unsent<I>,
}

impl<I: Iterator> TellAllError<I> {
    pub(super) fn new(sent: usize, cause: SendError<I::Item>, rest: Unsent<I>) -> Self {
        Self { sent, cause, rest }
    }

    /// Messages that were sent before that.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Why the first of the others was not, with that message.
    pub fn cause(&self) -> &SendError<I::Item> {
        &self.cause
    }

    /// Returns the messages that were not sent, in their order.
    pub fn into_inner(self) -> Unsent<I> {
        self.rest.behind(self.cause.into_inner())
    }
}

impl<I: Iterator> fmt::Display for TellAllError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not all were sent, only {}: {}", self.sent, self.cause)
    }
}

impl<I: Iterator> fmt::Debug for TellAllError<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TellAllError")
            .field("sent", &self.sent)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl<I: Iterator> std::error::Error for TellAllError<I> {}

/// The messages that a `tell_all` did not send, or a `publish_all` not publish, in their order: those that it had drawn from its iterator, then what that
/// yields. They may be told again as they are.
pub struct Unsent<I: Iterator> {
    first: Option<I::Item>,
    drawn: vec::IntoIter<I::Item>,
    rest: Option<I>,
}

impl<I: Iterator> Unsent<I> {
    pub(crate) fn new(drawn: Vec<I::Item>, rest: Option<I>) -> Self {
        Self {
            first: None,
            drawn: drawn.into_iter(),
            rest,
        }
    }

    /// The same behind another.
    pub(crate) fn behind(mut self, first: I::Item) -> Self {
        self.first = Some(first);
        self
    }
}

impl<I: Iterator> Iterator for Unsent<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let drawn = self.first.take().or_else(|| self.drawn.next());
        drawn.or_else(|| {
            let next = self.rest.as_mut()?.next();
            if next.is_none() {
                self.rest = None;
            }
            next
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let drawn = usize::from(self.first.is_some()) + self.drawn.len();
        let (least, most) = self.rest.as_ref().map_or((0, Some(0)), I::size_hint);
        let most = most.and_then(|most| most.checked_add(drawn));
        (least.saturating_add(drawn), most)
    }
}

impl<I: Iterator> std::iter::FusedIterator for Unsent<I> {}

impl<I: Iterator> fmt::Debug for Unsent<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = usize::from(self.first.is_some()) + self.drawn.len();
        f.debug_struct("Unsent")
            .field("drawn", &drawn)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: they come in their order, from all three places, and say how many there are.
    #[test]
    fn first_then_drawn_then_the_rest() {
        let mut unsent = Unsent::new(vec![2, 3], Some(4..6));
        unsent.first = Some(1);
        assert_eq!(unsent.size_hint(), (5, Some(5)));
        assert_eq!(unsent.by_ref().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!((unsent.next(), unsent.size_hint()), (None, (0, Some(0))));
        let endless = Unsent::new(vec![1], Some(std::iter::repeat(7)));
        assert_eq!(endless.size_hint(), (usize::MAX, None));
        let error = TellAllError::new(
            2,
            SendError::Full { message: 1 },
            Unsent::new(vec![2], Some(3..4)),
        );
        assert_eq!(
            error.to_string(),
            "not all were sent, only 2: the mailbox is full"
        );
        assert_eq!(error.into_inner().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
