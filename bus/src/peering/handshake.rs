//! How two nodes agree on one connection: the order of frames as a table of transitions, without any I/O.
//!
//! Whoever starts later connects to all nodes that it finds, so two that start together connect to each other. Both
//! connections run the same exchange, and the node with the smaller id settles one of them, whichever is ready first:
//!
//! ```text
//! connector                acceptor
//!    | --- Hello ----------> |  checks it, maps what came along
//!    | <---------- Hello --- |
//!    |    connector smaller: |
//!    | --- Settled --------> |
//!    |    acceptor smaller:  |
//!    | --- Agreed ---------> |  the connector has checked the hello, too
//!    | <-------- Settled --- |
//! ```
//!
//! # Invariants
//! - **checked-first**: a connection is settled only after each side has accepted the other's hello.
//! - **one-settler**: of two nodes only the smaller id settles, at most one connection; so both count the same one as
//!   their peering, and close the others.

use crate::peering::NodeId;

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Connector,
    Acceptor,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Hello,
    Agreed,
    Settled,
    /// The connection is the peering.
    Done,
}

/// What arrived, already checked as far as it can be without knowing the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An acceptable hello of this node.
    Hello(NodeId),
    Agreed,
    Settled,
}

/// What the connection owes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Reply {
    /// Send the own hello and wait.
    Greet,
    /// Send `Agreed` and wait.
    Agree,
    /// Make it the peering and send `Settled`, unless another connection to the node is it already.
    Settle,
    /// The other side has made it the peering.
    Adopt,
}

/// The exchange on one connection, seen from one end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handshake {
    own: NodeId,
    side: Side,
    stage: Stage,
}

impl Handshake {
    /// Starts; a connector has sent its hello.
    pub(crate) const fn new(own: NodeId, side: Side) -> Self {
        Self {
            own,
            side,
            stage: Stage::Hello,
        }
    }

    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes the next step, or `None`, with nothing changed, when a correct node would not have said this now.
    pub(crate) fn hear(&mut self, heard: Heard) -> Option<Reply> {
        let (stage, reply) = match (self.stage, self.side, heard) {
            (Stage::Hello, Side::Connector, Heard::Hello(peer)) if self.own < peer => {
                (Stage::Done, Reply::Settle)
            }
            (Stage::Hello, Side::Connector, Heard::Hello(_)) => (Stage::Settled, Reply::Agree),
            (Stage::Hello, Side::Acceptor, Heard::Hello(peer)) if self.own < peer => {
                (Stage::Agreed, Reply::Greet)
            }
            (Stage::Hello, Side::Acceptor, Heard::Hello(_)) => (Stage::Settled, Reply::Greet),
            (Stage::Agreed, _, Heard::Agreed) => (Stage::Done, Reply::Settle),
            (Stage::Settled, _, Heard::Settled) => (Stage::Done, Reply::Adopt),
            _ => return None,
        };
        self.stage = stage;
        Some(reply)
    }
}

#[cfg(test)]
mod tests;
