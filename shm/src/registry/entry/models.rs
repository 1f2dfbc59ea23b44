//! Models of the edges in the head, for the model checker.

use super::*;
use crate::mutant;
use crate::region::Buffer;
use crate::sync::thread;

/// A life of the entry, but for its name, whose words go the same way and would take hours.
///
/// The owner does not load the state here: after a thread's load of a word, loom 0.7 leaves out
/// interleavings of its later stores to it.
fn live(entry: &Entry, generation: u64, kind: Kind) {
    entry.reopen(StateWord::new(generation, State::Allocating));
    entry.kind.store(kind as u64, Relaxed);
    entry.type_hash.store(generation, Relaxed);
    entry.show(StateWord::new(generation, State::Active));
}

// Goal: a copy is of one generation. Method: the owner ends a life and starts another while a
// reader copies; kind and type differ from life to life, and must never be mixed.
fn copies() {
    let region = Buffer::region(192);
    let entry = region.hold::<Entry>(0).unwrap();
    let view = region.read_only();
    live(&entry, 1, Kind::Actor);
    let owner = thread::spawn(move || {
        entry.show(StateWord::new(1, State::Free));
        live(&entry, 2, Kind::Queue);
    });
    let seen = copy(0, view.record(0).unwrap()).unwrap();
    if let Some(seen) = seen {
        let lives = [(1, Kind::Actor, 1), (2, Kind::Queue, 2)];
        assert!(lives.contains(&(seen.key.generation(), seen.kind, seen.type_hash)));
    }
    owner.join().unwrap();
}

#[test]
fn a_copy_is_of_one_generation() {
    let check = |wrong: Option<Mutant>| {
        mutant::set(wrong);
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        let outcome = std::panic::catch_unwind(|| model.check(copies));
        mutant::set(None);
        outcome.is_ok()
    };
    assert!(check(None));
    for wrong in [
        Mutant::EntryRelaxed,
        Mutant::NoFenceAfterReopening,
        Mutant::NoFenceBeforeSecondLook,
        Mutant::NoSecondLook,
    ] {
        assert!(!check(Some(wrong)), "the model does not notice {wrong:?}");
    }
}
