//! Where a message is to be sent as its sender says it: to one life or to whatever life there is, how often, and how urgently.

use super::Way;
use crate::addr::follow::Successors;
use crate::message::Message;
use crate::priority::Priority;
use crate::send::Follow;

/// Where a message is to be sent, and how urgent it is. Which life it is for is looked up as it is sent.
pub(crate) enum To<'a, M: Message + ?Sized> {
    Life(Way<'a, M>),
    Follows(&'a dyn Successors<M>),
    /// The same, whatever the receiver is set to: it is sent once.
    FollowsOnce(&'a dyn Successors<M>),
    /// The same three, with high priority.
    LifeHigh(Way<'a, M>),
    FollowsHigh(&'a dyn Successors<M>),
    FollowsOnceHigh(&'a dyn Successors<M>),
}

impl<'a, M: Message + ?Sized> To<'a, M> {
    /// The way to the life that there is, or was last.
    #[inline]
    pub(in crate::send) fn way(&self) -> Way<'a, M> {
        match *self {
            Self::Life(way) | Self::LifeHigh(way) => way,
            Self::Follows(follow)
            | Self::FollowsOnce(follow)
            | Self::FollowsHigh(follow)
            | Self::FollowsOnceHigh(follow) => follow.way(),
        }
    }

    #[inline]
    pub(in crate::send) fn priority(&self) -> Priority {
        match self {
            Self::Life(_) | Self::Follows(_) | Self::FollowsOnce(_) => Priority::Normal,
            Self::LifeHigh(_) | Self::FollowsHigh(_) | Self::FollowsOnceHigh(_) => Priority::High,
        }
    }

    pub(in crate::send) fn with(&self, priority: Priority) -> Self {
        match (priority, self) {
            (Priority::Normal, Self::Life(way) | Self::LifeHigh(way)) => Self::Life(*way),
            (Priority::High, Self::Life(way) | Self::LifeHigh(way)) => Self::LifeHigh(*way),
            (Priority::Normal, Self::Follows(it) | Self::FollowsHigh(it)) => Self::Follows(*it),
            (Priority::High, Self::Follows(it) | Self::FollowsHigh(it)) => Self::FollowsHigh(*it),
            (Priority::Normal, Self::FollowsOnce(it) | Self::FollowsOnceHigh(it)) => {
                Self::FollowsOnce(*it)
            }
            (Priority::High, Self::FollowsOnce(it) | Self::FollowsOnceHigh(it)) => {
                Self::FollowsOnceHigh(*it)
            }
        }
    }

    /// The same, to be sent once.
    pub(in crate::send) fn once(&self) -> Self {
        match *self {
            Self::Life(way) => Self::Life(way),
            Self::LifeHigh(way) => Self::LifeHigh(way),
            Self::Follows(it) | Self::FollowsOnce(it) => Self::FollowsOnce(it),
            Self::FollowsHigh(it) | Self::FollowsOnceHigh(it) => Self::FollowsOnceHigh(it),
        }
    }

    /// Where another life is found when that has ended.
    #[inline]
    pub(in crate::send) fn follow(&self) -> Follow<'a, M> {
        match *self {
            Self::Life(_) | Self::LifeHigh(_) => None,
            Self::Follows(follow)
            | Self::FollowsOnce(follow)
            | Self::FollowsHigh(follow)
            | Self::FollowsOnceHigh(follow) => Some(follow),
        }
    }
}
