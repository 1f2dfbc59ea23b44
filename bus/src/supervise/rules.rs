//! What a supervisor and its children are told to do about failures, in the words of Erlang/OTP.

/// Whom a supervisor starts again when one of its children is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The child alone.
    #[default]
    OneForOne,
    /// All of its children: the others are stopped first, in reverse order, and then all are started in order.
    OneForAll,
    /// The child and those that were added after it: these are stopped first, in reverse order.
    RestForOne,
}

/// Whether a child is started again when it has ended without having been told to.
///
/// A child that its supervisor stopped, by a call of the program, is not started again, whatever its kind. One that is
/// stopped because of another's failure is, unless it is temporary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// After a failure: when its reason is not [`is_normal`](crate::ExitReason::is_normal).
    Transient,
    /// Never; it is forgotten when it has ended.
    Temporary,
}
