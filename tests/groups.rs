//! Groups: members of any nodes under one name. Those of other processes, ended by SIGKILL: see `tests/process.rs`.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::collections::HashSet;

use futures::poll;
use ringway::prelude::*;
use ringway::test::{Journal, Pen};

use support::{Bus, watch};

/// Notes its name for each number.
#[derive(Actor)]
#[actor(handles(u64))]
struct Worker {
    name: usize,
    log: Pen<(usize, u64)>,
}

impl Handler<u64> for Worker {
    async fn handle(&mut self, number: u64, _cx: &mut Context<Self>) {
        self.log.write((self.name, number));
    }
}

struct Scene {
    nodes: Vec<Node>,
    groups: Vec<Group<u64>>,
    log: Pen<(usize, u64)>,
    seen: Journal<(usize, u64)>,
    _bus: Bus,
}

impl Scene {
    /// So many nodes, each with a handle of the same group.
    fn set(name: &str, nodes: usize) -> Self {
        let bus = Bus::new(&format!("groups-{name}"));
        let nodes: Vec<_> = (0..nodes)
            .map(|at| bus.attach(&format!("node-{at}")))
            .collect();
        let groups = nodes.iter().map(|node| node.group("workers").unwrap());
        let groups = groups.collect();
        let (seen, log) = Journal::new();
        Self {
            nodes,
            groups,
            log,
            seen,
            _bus: bus,
        }
    }

    fn worker(&self, node: usize, name: usize) -> Addr<Worker> {
        let log = self.log.clone();
        self.nodes[node].spawn(Worker { name, log }).unwrap()
    }

    fn join(&self, node: usize, name: usize) -> Addr<Worker> {
        let worker = self.worker(node, name);
        assert!(self.groups[node].join(&worker).unwrap());
        worker
    }

    /// Waits until every node sees exactly these.
    fn settle(&self, members: &[&Addr<Worker>]) {
        let expected: HashSet<_> = members.iter().map(|it| it.id()).collect();
        for group in &self.groups {
            loop {
                let seen: HashSet<_> = group.members().iter().map(Recipient::id).collect();
                if seen == expected {
                    break;
                }
                std::thread::yield_now();
            }
        }
    }

    fn hears(&self, count: usize) -> Vec<(usize, u64)> {
        let mut heard: Vec<_> = (0..count).map(|_| self.seen.next().wait()).collect();
        heard.sort_unstable();
        heard
    }
}

// Goal: members of several nodes are seen by all, each once; a message to all reaches each, and says how many; those who leave or
// end are gone.
#[test]
fn members_of_all_nodes_are_reached() {
    let _dog = watch();
    let scene = Scene::set("reach", 3);
    let workers: Vec<_> = (0..6).map(|name| scene.join(name % 3, name)).collect();
    assert!(!scene.groups[0].join(&workers[0]).unwrap(), "it is one");
    scene.settle(&workers.iter().collect::<Vec<_>>());
    for (number, group) in scene.groups.iter().enumerate() {
        let number = number as u64;
        assert_eq!(block_on(group.tell_all(number)), 6);
        assert_eq!(
            scene.hears(6),
            (0..6).map(|name| (name, number)).collect::<Vec<_>>()
        );
        assert_eq!(group.try_tell_all(&number), 6);
        assert_eq!(scene.hears(6).len(), 6);
    }
    assert!(scene.groups[0].leave(&workers[0]));
    assert!(!scene.groups[0].leave(&workers[0]));
    workers[1].kill();
    block_on(workers[1].closed());
    workers[2].stop();
    scene.settle(&[&workers[3], &workers[4], &workers[5]]);
    assert_eq!(block_on(scene.groups[1].tell_all(9)), 3);
    assert_eq!(scene.hears(3), [(3, 9), (4, 9), (5, 9)]);
    workers[0].ask(7).wait().unwrap(); // it lives on
}

// Goal: messages to one go around, here as far away; who has ended is passed over; without members the message comes back.
#[test]
fn one_after_the_other() {
    let _dog = watch();
    let scene = Scene::set("turns", 2);
    let workers: Vec<_> = (0..4).map(|name| scene.join(name % 2, name)).collect();
    scene.settle(&workers.iter().collect::<Vec<_>>());
    let group = &scene.groups[0];
    block_on(async {
        for number in 0..8 {
            group.ask(number).await.unwrap();
        }
        let names: Vec<_> = scene.hears(8).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [0, 0, 1, 1, 2, 2, 3, 3]);
        // Its node is told of the end a moment later.
        workers[0].kill();
        workers[1].kill();
        for number in 0..20 {
            // It may be on its way to one that is ending.
            while group.ask(number).await.is_err() {}
        }
        assert!(
            scene
                .hears(20)
                .iter()
                .all(|(name, _)| *name > 1 || !workers[*name].is_closed())
        );
        workers[2].kill();
        workers[3].kill();
        for worker in &workers {
            worker.closed().await;
        }
    });
    scene.settle(&[]);
    let error = block_on(group.tell(5)).unwrap_err();
    assert_eq!(error.to_string(), "group \"workers\" has no member");
    assert_eq!(error.into_inner(), 5);
    assert!(group.one().is_none());
    assert_eq!(block_on(group.tell_all(1)), 0);
}

// Goal: changes are told as they come, of members of all nodes; a watch that waits is woken by them.
#[test]
fn changes_are_told() {
    let _dog = watch();
    let scene = Scene::set("changes", 2);
    let first = scene.join(0, 0);
    scene.settle(&[&first]);
    let mut watch = scene.groups[0].watch();
    block_on(async {
        for node in [0, 1] {
            let joined = {
                let mut next = Box::pin(watch.next());
                assert!(poll!(&mut next).is_pending());
                let worker = scene.join(node, 1);
                assert_eq!(next.await, [GroupChange::Joined(worker.id())]);
                worker
            };
            joined.kill();
            assert_eq!(watch.next().await, [GroupChange::Left(joined.id())]);
        }
        scene.nodes[0].detach();
        assert_eq!(watch.next().await, [], "the node has left");
    });
}

// Goal: a group is one of receivers of one message, and who comes with another is refused, with both named; actors join on their
// own node, while they live.
#[test]
fn what_cannot_join_is_refused() {
    let _dog = watch();
    let scene = Scene::set("refused", 2);
    let worker = scene.join(0, 0);
    scene.settle(&[&worker]);
    for node in &scene.nodes {
        let error = node.group::<String>("workers").unwrap_err().to_string();
        let expected = format!(
            "group \"workers\" is of \"u64\" on node \"node-0\", not of {:?}",
            <String as Message>::NAME
        );
        assert_eq!(error, expected);
    }
    let early = scene.nodes[1].group::<String>("others").unwrap();
    let far = scene.groups[1].members().remove(0);
    assert!(matches!(
        scene.groups[1].join(far),
        Err(GroupError::Elsewhere)
    ));
    let ended = scene.worker(0, 1);
    ended.stop();
    block_on(ended.closed());
    assert!(matches!(
        scene.groups[0].join(&ended),
        Err(GroupError::Ended)
    ));
    let long = "x".repeat(118);
    let error = scene.nodes[0].group::<u64>(&long).unwrap_err().to_string();
    assert!(error.starts_with("a name of 12"), "{error}");
    assert!(matches!(
        scene.nodes[0].group::<u64>("a//b"),
        Err(GroupError::Name(_))
    ));
    assert_eq!(early.name(), "others");
    drop(early);
}

// Goal: memberships come and go without leaving anything: as many as a registry has places, over and over, on nodes whose actors
// end while they join.
#[test]
fn memberships_leave_nothing() {
    let _dog = watch();
    let bus = Bus::new("groups-nothing");
    let node = Node::attach(bus.config("node").registry_capacity(64)).unwrap();
    let other = bus.attach("other");
    let (_seen, log) = Journal::new();
    let (group, far) = (
        node.group::<u64>("workers").unwrap(),
        other.group::<u64>("workers").unwrap(),
    );
    for round in 0..40 {
        let workers: Vec<_> = (0..20)
            .map(|name| {
                node.spawn(Worker {
                    name,
                    log: log.clone(),
                })
                .unwrap()
            })
            .collect();
        std::thread::scope(|scope| {
            scope.spawn(|| workers.iter().for_each(Addr::kill));
            for worker in &workers {
                match group.join(worker) {
                    Ok(_) | Err(GroupError::Ended) => {}
                    Err(error) => panic!("{round}: {error}"),
                }
            }
        });
        workers
            .iter()
            .for_each(|worker| drop(block_on(worker.closed())));
        assert_eq!(group.members().len(), 0);
    }
    while !far.members().is_empty() {
        std::thread::yield_now();
    }
}
