//! The lane's edges, for long entries.

use ringway_shm::lane::{Push, Take};
use ringway_shm::mutant::Mutant;
use ringway_shm::region::Buffer;
use ringway_shm::sync::thread;

use super::check;

/// A lane of one-word entries with four slots, of which two are for rests.
fn lane() -> (Push<1, Buffer>, Take<1, Buffer>) {
    let (slots, head) = (Buffer::region(64), Buffer::region(64));
    let mut push = Push::new(
        slots.hold_all(0, 4).unwrap(),
        head.read_only().hold(0).unwrap(),
    );
    push.limit(2);
    let take = Take::new(
        slots.read_only().hold_all(0, 4).unwrap(),
        head.hold(0).unwrap(),
    );
    (push, take)
}

fn take(take: &mut Take<1, Buffer>) -> Option<Vec<u64>> {
    let taken = take.take_long(|rest| rest.map(|[word]| word).collect::<Vec<_>>());
    taken.unwrap().map(|taken| {
        let mut words = taken.words.to_vec();
        words.extend(taken.rest.unwrap_or_default());
        words
    })
}

// entry-written: the stamp of the first slot is seen after all words of the entry.
#[test]
fn entry_written() {
    fn model() {
        let (mut push, mut end) = lane();
        let writer = thread::spawn(move || {
            push.push_long(&[10], &[[11], [12]]).unwrap();
        });
        let first = take(&mut end);
        writer.join().unwrap();
        let taken = first.or_else(|| take(&mut end));
        assert_eq!(taken, Some(vec![10, 11, 12]));
    }
    check(model, &[Mutant::StampBeforeWords, Mutant::StampBeforeRest]);
}

// slot-free: the slots of a rest are written again only when its words were copied.
#[test]
fn slot_free() {
    fn model() {
        let (mut push, mut end) = lane();
        push.push_long(&[10], &[[11], [12]]).unwrap();
        let writer = thread::spawn(move || {
            push.push(&[20]).unwrap();
            push.push_long(&[21], &[[22], [23]]).is_ok()
        });
        let first = take(&mut end);
        let second = take(&mut end);
        let has_third = writer.join().unwrap();
        let second = second.or_else(|| take(&mut end));
        assert_eq!((first, second), (Some(vec![10, 11, 12]), Some(vec![20])));
        let third = has_third.then(|| vec![21, 22, 23]);
        assert_eq!(take(&mut end), third);
    }
    check(model, &[Mutant::HeadBeforeCopy]);
}
