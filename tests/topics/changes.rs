//! Who comes to a topic and who goes.

use ringway::TopicChange::{PublisherCame, PublisherWent, SubscriberCame, SubscriberWent};
use ringway::prelude::*;

use super::basic::Position;
use crate::helper::Helper;
use crate::peer::{Chunk, TOPIC};
use crate::support::{Bus, watch};

// Goal: who is there is told first, then who comes and goes, on this node and on another, until the node leaves.
#[test]
fn who_comes_and_goes_is_told() {
    let _dog = watch();
    let bus = Bus::new("topics-changes");
    let nodes = ["watches", "other"].map(|name| bus.attach(name));
    let topics = [0, 1].map(|at| nodes[at].topic::<Position>("changes").unwrap());
    let there = topics[1].publisher().wait().unwrap();
    let mut changes = topics[0].changes();
    block_on(async {
        topics[0].wait_for_publishers(1).await;
        assert_eq!(changes.next().await, Some(PublisherCame(there.id())));
        assert_eq!(changes.try_next(), None);
        for topic in &topics {
            let subscriber = topic.subscriber().await.unwrap();
            let id = subscriber.id();
            assert_eq!(changes.next().await, Some(SubscriberCame(id)));
            topics[1].wait_for_subscribers(1).await;
            drop(subscriber);
            assert_eq!(changes.next().await, Some(SubscriberWent(id)));
        }
        let id = there.id();
        drop(there);
        assert_eq!(changes.next().await, Some(PublisherWent(id)));
    });
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| block_on(changes.next()));
        nodes[0].detach();
        assert_eq!(waits.join().unwrap(), None);
    });
}

// Goal: who is killed goes.
#[test]
fn who_is_killed_goes() {
    let _dog = watch();
    let bus = Bus::new("topics-changes-killed");
    let node = bus.attach("watches");
    let topic = node.topic::<Chunk>(TOPIC).unwrap();
    let mut changes = topic.changes();
    let mut helper = Helper::start(&bus, &["topics", "publisher", "24"]);
    assert_eq!(helper.read_line(), "ready");
    let Some(PublisherCame(id)) = block_on(changes.next()) else {
        panic!("nobody came");
    };
    assert_eq!(topic.publishers(), [id]);
    helper.kill();
    assert_eq!(block_on(changes.next()), Some(PublisherWent(id)));
}
