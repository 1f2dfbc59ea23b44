//! The turns of messages of high priority, in the mailbox and in urings.
//!
//! Asked only by an actor to which something of high priority was sent once. They come before those of normal priority; but after
//! [`HIGH_IN_ROW`] in a row those have a look first. Letters and entries take turns among them, by a memory of their own: the
//! turns of normal ones must not depend on how many of these come between.

use std::sync::Arc;

use super::{Next, Remote};
use crate::inbox::Inbox;
use crate::mailbox::Mailbox;
use crate::priority::HIGH_IN_ROW;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct HighTurns {
    /// Messages of high priority since one of normal priority.
    in_row: u8,
    entry_first: bool,
}

impl HighTurns {
    /// The next message of high priority, unless it is the others' turn.
    #[cold] // apart from what all actors do before each message
    #[inline(never)]
    pub(super) fn next<L>(
        &mut self,
        mailbox: &Mailbox<L>,
        inbox: Option<&Arc<Inbox>>,
        remote: &mut Option<Box<Remote>>,
    ) -> Option<Next> {
        let next = match self.in_row < HIGH_IN_ROW {
            true => self.look(mailbox, inbox, remote),
            false => None,
        };
        if next.is_none()
            && let (Some(inbox), Some(remote)) = (inbox, remote)
        {
            // Those of normal priority are looked for in a lane of theirs.
            inbox.leave_high(&mut remote.serving);
        }
        next
    }

    /// What was found is about to be handled; where nothing was, also not of normal priority, one of high priority is looked
    /// for once more if it had to wait.
    #[cold]
    #[inline(never)]
    pub(super) fn passed<L>(
        &mut self,
        next: Option<Next>,
        mailbox: &Mailbox<L>,
        inbox: Option<&Arc<Inbox>>,
        remote: &mut Option<Box<Remote>>,
    ) -> Option<Next> {
        let next = match next {
            None if self.in_row >= HIGH_IN_ROW => self.look(mailbox, inbox, remote),
            next => next,
        };
        let is_high = match next {
            None | Some(Next::Own) => return next,
            Some(Next::Letter) => false,
            Some(Next::HighLetter) => true,
            Some(Next::Entry) => remote.as_ref().is_some_and(|it| it.serving.has_high()),
        };
        self.in_row = match is_high {
            true => HIGH_IN_ROW.min(self.in_row + 1),
            false => 0,
        };
        if is_high {
            self.entry_first = next == Some(Next::HighLetter);
        }
        next
    }

    fn look<L>(
        &self,
        mailbox: &Mailbox<L>,
        inbox: Option<&Arc<Inbox>>,
        remote: &mut Option<Box<Remote>>,
    ) -> Option<Next> {
        for is_entry in [self.entry_first, !self.entry_first] {
            if !is_entry {
                if mailbox.has_high() {
                    return Some(Next::HighLetter);
                }
            } else if let Some(inbox) = inbox
                && inbox.pop_high(&mut remote.get_or_insert_default().serving)
            {
                return Some(Next::Entry);
            }
        }
        None
    }
}
