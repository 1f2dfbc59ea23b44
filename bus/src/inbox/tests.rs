//! Submitters that break the bounds of their own urings, and what it costs.

mod lies;

use ringway_shm::generation::Key;
use ringway_shm::words::EntryWords;

use crate::testing::pair::Pair;

fn reply(pair: &Pair, op: Key) {
    let block = pair.home.shared().core().heap().allocate(64).unwrap();
    let mut words = EntryWords::default();
    words[0] = op.to_bits();
    pair.lane().post_with(op, words, block);
}

// Goal: an asker that takes replies and never releases them keeps no more of the completer's heap than it has places for
// ops. Method: one more is answered than that, each by an op of its own.
#[test]
fn replies_that_are_never_released_are_bounded() {
    let pair = Pair::new();
    let (lane, before) = (pair.lane(), pair.violations());
    let credit = u32::try_from(lane.credit).unwrap();
    (0..credit).for_each(|index| reply(&pair, Key::new(index, 1 << 30)));
    assert_eq!(lane.replies.count(), lane.credit);
    reply(&pair, Key::new(0, 2 << 30));
    assert_eq!(lane.replies.count(), lane.credit);
    assert!(pair.violations() > before);
}

// Goal: a reply to an op that has no word, and so can never be released, is not lent.
#[test]
fn an_op_without_a_word_gets_no_block() {
    let pair = Pair::new();
    let (lane, before) = (pair.lane(), pair.violations());
    reply(&pair, Key::new(Key::INDEX_MAX, 1));
    assert_eq!(lane.replies.count(), 0);
    assert_eq!(pair.violations(), before + 1);
}
