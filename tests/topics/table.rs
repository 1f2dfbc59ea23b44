//! Samples of all sizes, to few and many subscribers, in one process and several, that wait and that drop the oldest.

use crate::helper::Helper;
use crate::peer::{chunk, subscribe, take_all};
use crate::support::{Bus, watch};

/// Bytes of a sample, and how many are published.
const SIZES: [(usize, u64); 4] = [(64, 1000), (4 << 10, 300), (256 << 10, 50), (4 << 20, 8)];

/// Plays all rounds with so many processes of so many subscribers each, and so many in the publisher's own.
fn play(name: &str, helpers: usize, each: usize, here: usize) {
    let _dog = watch();
    let bus = Bus::new(&format!("topics-table-{name}"));
    let node = bus.attach("publisher");
    let each = each.to_string();
    let helpers = (0..helpers).map(|_| Helper::start(&bus, &["topics", "rounds", &each]));
    let mut helpers: Vec<_> = helpers.collect();
    for (len, last) in SIZES {
        for policy in ["waits", "drops"] {
            let topic = format!("table/{len}/{policy}");
            for helper in &mut helpers {
                assert_eq!(helper.ask(&format!("{topic} {policy} {last}")), "ready");
            }
            let waits = policy == "waits";
            let subscribers = subscribe(&node, &topic, waits, here);
            let publisher = node.topic(&topic).unwrap().publisher().samples(8);
            let publisher = publisher.wait().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 1..=last {
                        let chunk = chunk(&publisher, number, len);
                        assert_eq!(publisher.publish(chunk).wait().unwrap(), number);
                    }
                });
                take_all(subscribers, last, waits);
            });
            for helper in &mut helpers {
                assert_eq!(helper.read_line(), "done");
            }
        }
    }
    helpers.into_iter().for_each(Helper::end);
}

#[test]
fn one_subscriber_in_the_publishers_process() {
    play("1", 0, 0, 1);
}

#[test]
fn two_subscribers_in_another_process() {
    play("2", 1, 2, 0);
}

#[test]
fn four_subscribers_in_two_processes() {
    play("4", 1, 2, 2);
}

#[test]
fn eight_subscribers_in_four_processes() {
    play("8", 3, 2, 2);
}

#[test]
fn thirty_two_subscribers_in_four_processes() {
    play("32", 3, 8, 8);
}
