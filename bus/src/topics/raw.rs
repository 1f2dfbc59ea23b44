//! Topics whose message this program does not have as a type: their samples as bytes, from and to lanes like any others.
//!
//! What such a topic is, its publishers tell who asks: the message's name, id, schema and semantics, and what the slots of its lanes
//! have room for. It is what is checked of typed subscribers too, so a sample is judged by those who read it as a value.

use std::sync::Arc;

use super::error::TopicError;
use super::label::{Label, TopicEndId};
use super::topic::Meeting;
use crate::shared::Shared;

mod kind;
mod publisher;
mod subscriber;

pub(super) use self::kind::{Asked, KindOf, tell, told};
pub(crate) use self::kind::{ShownPublisher, TopicKind};
pub(crate) use self::publisher::{RawPublisher, Unplayed};
pub(crate) use self::subscriber::{RawSample, RawSubscriber};

/// Waits until all nodes on the bus are met, and `look` finds nobody missing, all cards being read.
pub(crate) async fn meet(
    shared: &Arc<Shared>,
    of: Option<&Label>,
    look: impl FnMut() -> (Vec<TopicEndId>, bool),
) -> Result<(), TopicError> {
    let topic = of.map_or("**", Label::topic);
    Meeting::default().wait(shared, topic, look).await
}

/// How a sample lies in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    Inline,
    Behind,
    InBlock,
}
