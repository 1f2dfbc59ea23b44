//! Linking an actor to others, from its handlers.

use std::sync::Arc;

use super::Context;
use crate::actor::link::{self, LinkDown};
use crate::actor::monitor::Monitored;
use crate::actor::{Accepts, Actor};
use crate::shared::Living;

impl<A: Actor> Context<A> {
    /// Links this actor and another one, in any process: when either fails, the other ends too, with
    /// [`ExitReason::LinkDied`](crate::ExitReason::LinkDied). An orderly end ([`ExitReason::is_normal`](crate::ExitReason::is_normal)) takes nobody along.
    ///
    /// It ends as by [`kill`](crate::Addr::kill), at the next `await` of its handler, and without its stop hook; one that
    /// [traps exits](Self::trap_exits) gets a message instead. If the other has ended already, that acts at once in the same
    /// way; one of whose end nothing is known any more counts as failed ([`ExitReason::NoSuchActor`](crate::ExitReason::NoSuchActor)). Two actors have one link
    /// at most, whoever makes it, and none with themselves. An actor that is started again is another one, without links.
    ///
    /// A link costs nothing to speak of while both live. An actor of another process learns of it a moment later: if this
    /// process is killed before, the other lives on as if there had been none. A node that closes its connection may live:
    /// nothing ends until its process is known to be dead.
    ///
    /// ```
    /// # use ringway::prelude::*;
    /// # #[derive(Message, Serialize, Deserialize)]
    /// # #[message(serial)]
    /// # #[serde(crate = "ringway::serde")]
    /// # struct Join(Addr<Camera>);
    /// # #[derive(Actor)]
    /// # #[actor(handles(Join))]
    /// # struct Camera;
    /// impl Handler<Join> for Camera {
    ///     async fn handle(&mut self, Join(other): Join, cx: &mut Context<Self>) {
    ///         cx.link(&other);                       // one eye is of no use
    ///     }
    /// }
    /// # let directory = std::env::temp_dir().join(format!("ringway-doc-link-{}", std::process::id()));
    /// # let node = Node::attach(NodeConfig::on("demo").directory(&directory))?;
    /// let (left, right) = (node.spawn(Camera)?, node.spawn(Camera)?);
    /// left.ask(Join(right.clone())).wait()?;
    /// right.kill();
    /// assert!(matches!(block_on(left.closed()), ExitReason::LinkDied { who, .. } if who == right.id()));
    /// # node.detach();
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn link(&mut self, other: &impl Monitored) {
        let own: Arc<dyn Living> = Arc::clone(&self.cell) as Arc<dyn Living>;
        link::link(&own, other.watched());
    }

    /// Undoes a link, at both ends: what becomes of the other from now on does not touch this actor. `false` if there was none,
    /// or it has acted already. If the other links the two at the same moment, either may come last.
    pub fn unlink(&mut self, other: &impl Monitored) -> bool {
        let own: Arc<dyn Living> = Arc::clone(&self.cell) as Arc<dyn Living>;
        link::unlink(&own, &other.watched())
    }

    /// Has the end of an actor that this one is linked to arrive as a message, a [`LinkDown`], orderly ends too; or, with
    /// `false` and by default, act on this actor.
    pub fn trap_exits(&mut self, traps: bool)
    where
        A: Accepts<LinkDown>,
    {
        let bell = traps.then(|| self.monitors().trap::<A>());
        self.cell.core().links().trap(bell);
    }
}
