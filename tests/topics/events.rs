//! Events: notices reach every listener, nobody is waited for, and what is missed is counted.

use ringway::prelude::*;

use crate::helper::{Helper, wait_until};
use crate::support::{Bus, watch};

// Goal: listeners of this node and another hear every notice of each notifier, in order, and sleep in between.
#[test]
fn all_listeners_hear_all_notifiers() {
    const COUNT: u64 = 300;
    let _dog = watch();
    let bus = Bus::new("events-all");
    let nodes = [bus.attach("near"), bus.attach("far")];
    let events = nodes
        .each_ref()
        .map(|node| node.event("door/opened").unwrap());
    let listeners = events
        .each_ref()
        .map(|event| event.listener().wait().unwrap());
    let notifiers = events
        .each_ref()
        .map(|event| event.notifier().wait().unwrap());
    assert_eq!(events[0].listeners().len(), 2);
    assert_eq!(events[0].notifiers().len(), 2);
    let acks = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for mut listener in listeners {
            let (notifiers, acks) = (&notifiers, &acks);
            scope.spawn(move || {
                // A notifier is there once it has answered; the answer may be on its way still.
                wait_until(|| listener.notifiers().len() == 2);
                for count in 1..=COUNT {
                    let mut heard = [false; 2];
                    for _ in notifiers {
                        let notice = listener.next_blocking().unwrap();
                        let from = notifiers.iter().position(|it| it.id() == notice.notifier());
                        let from = from.unwrap();
                        assert_eq!((notice.sequence(), notice.missed_before()), (count, 0));
                        assert_eq!(notice.id(), count * 2 + from as u64);
                        heard[from] = true;
                    }
                    assert_eq!(heard, [true; 2]);
                    acks.wait();
                }
                assert!(listener.try_next().is_none());
            });
        }
        for count in 1..=COUNT {
            for (number, notifier) in (0..).zip(&notifiers) {
                assert_eq!(notifier.notify(count * 2 + number).unwrap(), count);
            }
            acks.wait();
        }
    });
}

// Goal: a listener that does not listen holds nobody up, not even as a stopped process, and learns how many it missed.
#[test]
fn who_does_not_listen_misses_the_oldest() {
    const COUNT: u64 = 10_000;
    let _dog = watch();
    let bus = Bus::new("events-behind");
    let node = bus.attach("node");
    let event = node.event("tick").unwrap();
    let mut lazy = event.listener().depth(8).wait().unwrap();
    let notifier = event.notifier().wait().unwrap();
    let mut helper = Helper::start(&bus, &["patterns", "listen", "tick"]);
    assert_eq!(helper.read_line(), "listening");
    assert_eq!(notifier.listeners().len(), 2);
    helper.stop();
    for id in 1..=COUNT {
        assert_eq!(notifier.notify(id).unwrap(), id);
    }
    let mut all = 0;
    let mut heard = 0;
    while let Some(notice) = lazy.try_next() {
        all += notice.missed_before() + 1;
        heard += 1;
        assert_eq!((notice.id(), notice.sequence()), (all, all));
    }
    assert_eq!((all, heard), (COUNT, 8));
    helper.kill();
    wait_until(|| notifier.listeners().len() == 1);
    node.detach();
    assert!(matches!(notifier.notify(0), Err(TopicError::Detached)));
    assert!(lazy.next_blocking().is_none());
}

// Goal: an event's name is no topic's.
#[test]
fn an_event_is_no_topic() {
    let _dog = watch();
    let bus = Bus::new("events-topic");
    let node = bus.attach("node");
    let topic = node.topic::<u64>("name").unwrap();
    let _publisher = topic.publisher().wait().unwrap();
    let error = node.event("name").unwrap_err().to_string();
    assert!(
        error.contains("ringway::Event") && error.contains("u64"),
        "{error}"
    );
}
