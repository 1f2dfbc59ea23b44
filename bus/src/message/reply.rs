//! What a handler returns: the reply, or a `Result` of it.

use core::{error, fmt};

use super::Message;
use crate::actor::Deferred;

/// Any error that a handler may return.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// A message that can be a reply: one that is sent by value. `#[derive(Message)]` implements it for all that are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a reply",
    label = "not a message that is sent by value",
    note = "derive `Message` for it; put a type of another crate into a struct of yours; a slice message is lent, not sent by value"
)]
pub trait Answer: Message<Value = Self> + Sized {}

/// What a handler of `M` may return: `M::Reply`, or `Result<M::Reply, E>` with any error; or [`Deferred`], or a `Result` of
/// it, when the reply comes later.
///
/// `#[derive(Message)]` implements it for the first two, per message: that is what lets `Result<T, E>` itself be a reply.
#[diagnostic::on_unimplemented(
    message = "a handler of `{M}` cannot return `{Self}`",
    label = "not the reply of `{M}`",
    note = "return the type named in `#[message(reply = ..)]` (default `()`), or `Result` of it with any error, or `Deferred` of it"
)]
pub trait IntoReply<M: Message + ?Sized>: Send + 'static {
    /// The reply, or why there is none.
    ///
    /// # Errors
    ///
    /// What the handler returned as its error, as text; or, where it [comes later](Self::COMES_LATER), that it does.
    fn into_reply(self) -> Result<M::Reply, HandlerError>;

    /// Whether it may be that the reply comes later.
    #[doc(hidden)]
    const COMES_LATER: bool = false;

    /// The same as a reply that may come later.
    #[doc(hidden)]
    fn into_deferred(self) -> Result<Deferred<M::Reply>, HandlerError>
    where
        Self: Sized,
    {
        self.into_reply().map(Deferred::now)
    }
}

const COMES_LATER: &str = "the reply comes later";

impl<M: Message + ?Sized> IntoReply<M> for Deferred<M::Reply> {
    fn into_reply(self) -> Result<M::Reply, HandlerError> {
        Err(HandlerError::new(COMES_LATER))
    }

    const COMES_LATER: bool = true;

    fn into_deferred(self) -> Result<Self, HandlerError> {
        Ok(self)
    }
}

impl<M, E> IntoReply<M> for Result<Deferred<M::Reply>, E>
where
    M: Message + ?Sized,
    E: Into<BoxError> + Send + 'static,
{
    fn into_reply(self) -> Result<M::Reply, HandlerError> {
        match self {
            Ok(_) => Err(HandlerError::new(COMES_LATER)),
            Err(error) => Err(HandlerError::from_error(error)),
        }
    }

    const COMES_LATER: bool = true;

    fn into_deferred(self) -> Result<Deferred<M::Reply>, HandlerError> {
        self.map_err(HandlerError::from_error)
    }
}

/// The longest text of a [`HandlerError`] that reaches the asker, in bytes.
const TEXT_MAX: usize = 4096;

/// A handler returned an error; only its text crosses to the asker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError {
    text: String,
}

impl HandlerError {
    /// An error with this text, cut at 4096 bytes.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        Self { text }
    }

    /// The text of `error` and of its sources, as it reaches the asker.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            if text.len() > TEXT_MAX {
                break; // sources may be a circle
            }
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(text)
    }

    /// What the handler's error said.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl error::Error for HandlerError {}

#[cfg(test)]
mod tests {
    // Goal: an error's text crosses with its causes, and no further than the limit.
    use super::*;

    #[test]
    fn causes_are_told() {
        let error = std::io::Error::other(HandlerError::new("disk is on fire"));
        assert_eq!(HandlerError::from_error(error).text(), "disk is on fire");
        assert_eq!(HandlerError::from_error("plain").to_string(), "plain");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(HandlerError::new("é".repeat(3000)).text().len(), TEXT_MAX);
        assert_eq!(
            HandlerError::new(format!("a{}", "é".repeat(3000)))
                .text()
                .len(),
            TEXT_MAX - 1
        );
    }
}
