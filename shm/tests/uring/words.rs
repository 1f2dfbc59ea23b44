//! What the two sides of a uring say to each other beside its queues.

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::uring::Forward;

use super::{LAYOUT, Uring, entry, uring};

#[test]
fn op_words_speak_of_one_generation() {
    let Uring {
        submitter,
        completer,
        ..
    } = uring(LAYOUT);
    let key = Key::new(15, 7);
    let read = |key| completer.take.op_word(key).unwrap();
    assert!(!read(key).is_cancelled());
    submitter.ops.cancel(key);
    assert!(read(key).is_cancelled() && !read(key).is_reply_released());
    assert!(
        !read(key.next()).is_cancelled(),
        "the next op at that index is another"
    );
    submitter.ops.release_reply(key);
    assert!(read(key).is_cancelled() && read(key).is_reply_released());

    let next = key.next();
    submitter.ops.forwarding(next);
    assert_eq!(read(next).forward(), Forward::Forwarding);
    submitter.ops.forwarded(next);
    assert_eq!(read(next).forward(), Forward::Forwarded);
    assert_eq!(submitter.ops.op_word(next), read(next));
    submitter.ops.cancel(key);
    assert_eq!(
        read(next).forward(),
        Forward::Forwarded,
        "a late word of an older op is not said"
    );
}

#[test]
fn a_key_beyond_the_op_words_is_a_violation() {
    let Uring { completer, .. } = uring(LAYOUT);
    assert!(completer.take.op_word(Key::first(15)).is_ok());
    let beyond = Key::first(16);
    let found = beyond.to_bits();
    let violation = Violation::Meaningless {
        name: "an entry's user_data",
        found,
    };
    assert_eq!(completer.take.op_word(beyond), Err(violation));
}

#[test]
fn idle_asks_for_one_note() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    submitter.submit.submit(&entry(1)).unwrap();
    assert_eq!(submitter.submit.idle_epoch(), None, "watched");
    assert!(!completer.take.go_idle(), "an entry came before");
    assert!(!completer.take.is_idle());
    completer.take.take().unwrap().unwrap();

    assert!(completer.take.go_idle() && completer.take.is_idle());
    submitter.submit.submit(&entry(2)).unwrap();
    let first = submitter.submit.idle_epoch();
    assert!(first.is_some());
    assert_eq!(submitter.submit.idle_epoch(), None, "noted already");

    completer.take.go_hot();
    assert_eq!(submitter.submit.idle_epoch(), None, "watched again");
    completer.take.take().unwrap().unwrap();
    assert!(completer.take.go_idle());
    let second = submitter.submit.idle_epoch();
    assert!(
        second.is_some() && second != first,
        "a new number each time"
    );

    completer.take.go_hot();
    assert!(completer.take.go_idle());
    completer.take.go_hot();
    let never_seen = submitter.submit.idle_epoch();
    assert_eq!(never_seen, None, "that number is no more");
}

#[test]
fn wants_are_answered_once() {
    let Uring {
        mut submitter,
        mut completer,
        ..
    } = uring(LAYOUT);
    for number in 0..3 {
        submitter.submit.submit(&entry(number)).unwrap();
    }
    completer.take.take().unwrap().unwrap();
    assert_eq!(completer.take.submitter_wants(), None);
    assert_eq!(submitter.submit.taken(), Ok(1));
    let first = submitter.submit.ask_for_room();
    let before = completer.take.submitter_wants();
    assert_eq!(
        before, None,
        "nothing was taken since: it is still to be answered"
    );
    completer.take.take().unwrap().unwrap();
    assert_eq!(completer.take.submitter_wants_by_now(), Some(first));
    assert_eq!(completer.take.submitter_wants(), None);
    assert_eq!(submitter.submit.taken(), Ok(2));
    let second = submitter.submit.ask_for_room();
    assert_ne!(first, second);
    completer.take.take().unwrap().unwrap();
    submitter.submit.stop_asking();
    assert_eq!(completer.take.submitter_wants(), None);
}
