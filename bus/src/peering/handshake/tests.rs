use std::collections::{HashSet, VecDeque};

use super::*;

fn id(bits: u64) -> NodeId {
    NodeId::from_bits(bits).unwrap()
}

#[test]
fn transitions() {
    // Goal: every stage, side and order of ids against every frame. Method: the table of what is allowed; all else is not.
    use {Heard as H, Reply as R, Side as Si, Stage as St};
    let (small, large) = (id(1), id(2));
    let allowed = [
        (
            small,
            Si::Connector,
            St::Hello,
            H::Hello(large),
            St::Done,
            R::Settle,
        ),
        (
            large,
            Si::Connector,
            St::Hello,
            H::Hello(small),
            St::Settled,
            R::Agree,
        ),
        (
            small,
            Si::Acceptor,
            St::Hello,
            H::Hello(large),
            St::Agreed,
            R::Greet,
        ),
        (
            large,
            Si::Acceptor,
            St::Hello,
            H::Hello(small),
            St::Settled,
            R::Greet,
        ),
        (
            small,
            Si::Acceptor,
            St::Agreed,
            H::Agreed,
            St::Done,
            R::Settle,
        ),
        (
            large,
            Si::Acceptor,
            St::Settled,
            H::Settled,
            St::Done,
            R::Adopt,
        ),
        (
            large,
            Si::Connector,
            St::Settled,
            H::Settled,
            St::Done,
            R::Adopt,
        ),
    ];
    for (own, other) in [(small, large), (large, small)] {
        for side in [Si::Connector, Si::Acceptor] {
            for stage in [St::Hello, St::Agreed, St::Settled, St::Done] {
                for heard in [H::Hello(other), H::Agreed, H::Settled] {
                    // A stage that this end cannot reach is judged like any other; those are the same for both sides.
                    let reached = allowed
                        .iter()
                        .any(|row| (row.0, row.1, row.2) == (own, side, stage));
                    let row = allowed
                        .iter()
                        .find(|row| (row.0, row.1, row.2, row.3) == (own, side, stage, heard));
                    let mut handshake = Handshake { own, side, stage };
                    let reply = handshake.hear(heard);
                    if reached || stage == St::Done {
                        assert_eq!(
                            reply,
                            row.map(|row| row.5),
                            "{own} {side:?} {stage:?} {heard:?}"
                        );
                        assert_eq!(handshake.stage(), row.map_or(stage, |row| row.4));
                    }
                }
            }
        }
    }
}

/// One end of one connection in the model: what it has heard, what is on its way to it, and whether it is open.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct End {
    side: Side,
    stage: Stage,
    inbox: VecDeque<Message>,
    open: bool,
}

impl std::hash::Hash for Side {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

impl std::hash::Hash for Stage {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Message {
    Hello,
    Agreed,
    Settled,
    Duplicate,
    End,
}

/// Two nodes and all connections between them: `ends[connection][node]`, and each node's peering.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    ends: Vec<[End; 2]>,
    peering: [Option<usize>; 2],
    retries: u32,
}

impl World {
    /// Both nodes have connected to each other, and sent their hellos.
    fn glare() -> Self {
        let mut world = Self {
            ends: Vec::new(),
            peering: [None, None],
            retries: 2,
        };
        world.connect(0);
        world.connect(1);
        world
    }

    fn connect(&mut self, connector: usize) {
        let end = |side, inbox| End {
            side,
            stage: Stage::Hello,
            inbox,
            open: true,
        };
        let mut pair = [
            end(Side::Connector, VecDeque::new()),
            end(Side::Acceptor, [Message::Hello].into()),
        ];
        if connector == 1 {
            pair.swap(0, 1);
        }
        self.ends.push(pair);
    }

    fn send(&mut self, connection: usize, from: usize, message: Message) {
        self.ends[connection][1 - from].inbox.push_back(message);
    }

    fn close(&mut self, connection: usize, node: usize) {
        self.ends[connection][node].open = false;
        self.send(connection, node, Message::End);
    }

    /// Lets `node` read one message of `connection`, as the control thread does.
    fn read(&mut self, connection: usize, node: usize) {
        let end = &mut self.ends[connection][node];
        let Some(message) = end.inbox.pop_front() else {
            return;
        };
        if !end.open {
            return;
        }
        let (own, peer) = (id(node as u64 + 1), id(2 - node as u64));
        let mut handshake = Handshake {
            own,
            side: end.side,
            stage: end.stage,
        };
        let heard = match message {
            Message::Hello => Heard::Hello(peer),
            Message::Agreed => Heard::Agreed,
            Message::Settled => Heard::Settled,
            Message::Duplicate | Message::End => {
                let (side, was_peering) = (end.side, self.peering[node] == Some(connection));
                assert!(
                    !was_peering,
                    "the peering was closed by nobody's fault: {self:?}"
                );
                end.open = false;
                // A connector tries again while it has no peering.
                if side == Side::Connector && self.peering[node].is_none() && self.retries > 0 {
                    self.retries -= 1;
                    self.connect(node);
                }
                return;
            }
        };
        let reply = handshake
            .hear(heard)
            .expect("a correct node says nothing unexpected");
        end.stage = handshake.stage();
        match reply {
            Reply::Greet => self.send(connection, node, Message::Hello),
            Reply::Agree => self.send(connection, node, Message::Agreed),
            Reply::Settle if self.peering[node].is_some() => {
                self.send(connection, node, Message::Duplicate);
                self.close(connection, node);
            }
            Reply::Settle => {
                self.peering[node] = Some(connection);
                self.send(connection, node, Message::Settled);
            }
            Reply::Adopt => {
                assert_eq!(self.peering[node], None, "settled twice: {self:?}");
                self.peering[node] = Some(connection);
                for other in (0..self.ends.len()).filter(|&other| other != connection) {
                    if self.ends[other][node].open {
                        self.close(other, node);
                    }
                }
            }
        }
    }
}

#[test]
fn glare_ends_with_one_peering_in_every_order() {
    // Goal: two nodes that connect to each other agree on one connection, whatever arrives first, also when a
    // duplicate's end makes a connector try again. Method: all interleavings of the model, each state once.
    let mut seen = HashSet::new();
    let mut open = vec![World::glare()];
    let mut ends = 0;
    while let Some(world) = open.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        let places: Vec<_> = (0..world.ends.len())
            .flat_map(|connection| [(connection, 0), (connection, 1)])
            .collect();
        let ready = places
            .into_iter()
            .filter(|&(connection, node)| !world.ends[connection][node].inbox.is_empty());
        let before = open.len();
        for (connection, node) in ready {
            let mut next = world.clone();
            next.read(connection, node);
            open.push(next);
        }
        if open.len() == before {
            ends += 1;
            assert!(world.peering[0].is_some(), "no peering: {world:?}");
            assert_eq!(
                world.peering[0], world.peering[1],
                "not the same peering: {world:?}"
            );
        }
    }
    assert!(
        ends > 0 && seen.len() > 20,
        "{ends} ends in {} states",
        seen.len()
    );
}
