//! What came back is bounded, and counted once.

use super::*;
use crate::addr::ActorId;
use crate::dead::Types;
use crate::node::Node;
use crate::number::Number;
use crate::testing::TempDir;

fn returns_of(node: &Node) -> Arc<Returns> {
    let whom = Whom {
        actor: ActorId::new(node.id(), Number::FIRST),
        name: None,
        types: Types::Accepted(&[]),
    };
    Returns::new(node.shared(), whom, Readers::Sender)
}

fn begun(returns: &Returns, number: u64) {
    let mut words = EntryWords::default();
    words[1] = <u64 as Message>::TYPE_ID.to_bits();
    words[2] = number;
    returns.announce([returns.queue_begun(words, None)]);
}

// Goal: a receiver that answers every tell with 'began and did not end' does not make the sender keep every message:
// the oldest beyond the bound are dead letters, before its end as after. Method: some more than the bound of each.
#[test]
fn what_comes_back_is_bounded() {
    let temp = TempDir::new();
    let node = Node::attach(temp.config("node")).unwrap();
    let returns = returns_of(&node);
    let lost = || node.shared().core().counted(Counter::DeadLetters);
    let bound = RETURNS_MAX as u64;
    (0..bound + 3).for_each(|number| begun(&returns, number));
    assert_eq!(lost(), 3);
    let returned = |why| Undelivered::<u64> {
        message: None,
        taken: false,
        why,
    };
    (0..5).for_each(|_| returns.push(returned(Undone::Expired)));
    assert_eq!(lost(), 3, "a queue of their own");
    returns.end(Priority::Normal, &ExitReason::Killed);
    assert_eq!(lost(), 3 + 5, "the oldest of both");
    let first = returns.take_token().0;
    assert!(first.is_some_and(|first| first.taken));
    returns.push(returned(Undone::Expired));
    assert_eq!(lost(), 3 + 5, "there is room");
    (0..7).for_each(|_| returns.push(returned(Undone::Dropped)));
    assert_eq!(lost(), 3 + 5 + 7);
}

// Goal: what a mailbox's policy has counted as dropped is not counted once more.
#[test]
fn the_dropped_are_counted_once() {
    let temp = TempDir::new();
    let node = Node::attach(temp.config("node")).unwrap();
    let returns = returns_of(&node);
    for _ in 0..=RETURNS_MAX {
        returns.push(Undelivered::<u64> {
            message: None,
            taken: false,
            why: Undone::Dropped,
        });
    }
    assert_eq!(node.shared().core().counted(Counter::DeadLetters), 0);
}
