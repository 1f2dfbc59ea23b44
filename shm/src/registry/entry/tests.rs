//! What a reader sees of an entry at each state.

use super::*;
use crate::region::Buffer;

#[test]
fn words_that_mean_nothing_are_violations() {
    for word in [4, 1 << 20 | 4, u64::MAX, 1, 2, 3] {
        assert_eq!(StateWord(word).state(), None, "{word:#x}");
        let region = Buffer::region(192);
        region
            .record::<Entry>(0)
            .unwrap()
            .state
            .store(word, Relaxed);
        let view = region.read_only();
        assert!(copy(0, view.record(0).unwrap()).is_err());
    }
}

#[test]
fn only_filled_entries_are_copied() {
    let region = Buffer::region(192);
    let entry = region.record::<Entry>(0).unwrap();
    let view = region.read_only();
    let seen = || copy(5, view.record(0).unwrap()).unwrap();

    assert_eq!(seen(), None);
    entry.transition_to_allocating().unwrap();
    entry.fill(Kind::Actor, &Name::new("counter").unwrap(), 9);
    assert_eq!(seen(), None);
    entry.transition_to_active().unwrap();
    let published = seen().unwrap();
    assert_eq!(
        (published.key, published.state),
        (Key::new(5, 1), State::Active)
    );
    assert_eq!(
        (published.kind, published.name.as_str()),
        (Kind::Actor, "counter")
    );
    entry.transition_to_marked().unwrap();
    assert_eq!(seen().unwrap().state, State::MarkedForDeletion);
    entry.transition_to_free().unwrap();
    assert_eq!(seen(), None);
    assert!(entry.transition_to_active().is_none());
}
