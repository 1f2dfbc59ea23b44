//! One scene for two places: an actor of the sender's own node, and one of another node.

use std::fmt;

use ringway::prelude::*;
use ringway::test::{Probe as KitProbe, ProbeActor, TestClock};
use ringway::{ActorBuilder, Node};

use super::probe::{Event, Probe, Watcher, probe};
use super::{Bus, watch};

/// Where the actor is, seen from its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Local,
    Remote,
}

/// A sender's node and an actor's, which are one or two.
pub(crate) struct Stage {
    place: Place,
    sender: Node,
    home: Node,
    bus: Bus,
}

/// Plays a scene twice: with its actors on the sender's node, then on another.
pub(crate) fn both(name: &str, scene: impl Fn(&Stage)) {
    for place in [Place::Local, Place::Remote] {
        let _dog = watch();
        println!("-- {place:?}");
        scene(&Stage::new(name, place, |config| config));
    }
}

/// As [`both`], with nodes that go by a clock of the scene's: a deadline passes when the scene lets it.
pub(crate) fn both_by_clock(name: &str, scene: impl Fn(&Stage, &TestClock)) {
    for place in [Place::Local, Place::Remote] {
        let _dog = watch();
        println!("-- {place:?}");
        let clock = TestClock::new();
        let stage = Stage::new(name, place, |config| config.clock(&clock));
        scene(&stage, &clock);
    }
}

impl Stage {
    pub(crate) fn new(
        name: &str,
        place: Place,
        configure: impl Fn(NodeConfig) -> NodeConfig,
    ) -> Self {
        let bus = Bus::new(&format!("{name}-{place:?}"));
        let attach = |node: &str| Node::attach(configure(bus.config(node))).unwrap();
        let home = attach("home");
        let sender = match place {
            Place::Local => home.clone(),
            Place::Remote => attach("sender"),
        };
        Self {
            place,
            sender,
            home,
            bus,
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.place == Place::Remote
    }

    /// Where further nodes may attach.
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The node of those who send.
    pub(crate) fn sender(&self) -> &Node {
        &self.sender
    }

    /// The node of the actors.
    pub(crate) fn home(&self) -> &Node {
        &self.home
    }

    /// Starts an actor; the address of its life as the sender has it.
    pub(crate) fn spawn<A: Actor>(&self, actor: A) -> Addr<A> {
        self.spawn_as("actor", actor, |builder| builder)
    }

    /// Starts a probe, and waits until it has.
    pub(crate) fn probe(&self) -> (Addr<Probe>, Watcher) {
        let (probe, watcher) = probe();
        let probe = self.spawn(probe);
        watcher.expect(Event::Started);
        (probe, watcher)
    }

    /// Starts a probe of the kit; the address of its life as the sender has it, and the test's side.
    pub(crate) fn stand_in<M: Message>(&self, name: &str) -> (Addr<ProbeActor<M>>, KitProbe<M>) {
        let probe = KitProbe::named(&self.home, name).unwrap();
        let found: Addr<ProbeActor<M>> = self.sender.lookup(name).wait().unwrap();
        (found.pinned(), probe)
    }

    pub(crate) fn spawn_as<A: Actor>(
        &self,
        name: &str,
        actor: A,
        build: impl FnOnce(ActorBuilder<A>) -> ActorBuilder<A>,
    ) -> Addr<A> {
        let own = build(self.home.actor(actor).name(name)).spawn().unwrap();
        match self.place {
            Place::Local => own,
            Place::Remote => {
                let found: Addr<A> = self.sender.lookup(name).wait().unwrap();
                found.pinned()
            }
        }
    }
}

/// An actor that is only looked up.
#[derive(Actor)]
#[actor(handles(()))]
struct Mark;

impl Handler<()> for Mark {
    async fn handle(&mut self, (): (), _cx: &mut Context<Self>) {}
}

impl Stage {
    /// Returns once the actors' node has heard all that the sender's has said so far on their socket, such as an order
    /// to stop: what is said later, here the request for one more uring, is heard later.
    pub(crate) async fn settle(&self) {
        let mark = self.home.actor(Mark).name("mark").spawn().unwrap();
        let _: Addr<Mark> = self.sender.lookup("mark").await.unwrap();
        mark.stop();
        mark.closed().await;
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({:?})", self.place)
    }
}
