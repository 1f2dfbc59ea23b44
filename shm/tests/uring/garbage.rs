//! Memory that a peer has filled with anything.

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::UringLayout;
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed};
use ringway_shm::uring::{Completer, Submitter};

use super::{LAYOUT, Uring, entry, uring};

#[test]
fn parts_that_are_something_else_are_refused() {
    let completer_part = Buffer::region(LAYOUT.completer_len());
    let open = |peer: &OwnRegion<Buffer>| {
        let own = Buffer::region(LAYOUT.submitter_len());
        Submitter::create(own, LAYOUT)
            .open(&peer.read_only())
            .map(drop)
            .unwrap_err()
    };
    assert!(matches!(
        open(&completer_part),
        Violation::Mismatch { found: 0, .. }
    ));

    let other = UringLayout {
        sq: LAYOUT.cq,
        cq: LAYOUT.sq,
    };
    let _other = Completer::create(completer_part.clone(), other);
    let violation = open(&completer_part);
    assert!(
        violation.to_string().contains("version and sizes"),
        "{violation}"
    );

    let _completer = Completer::create(completer_part.clone(), LAYOUT);
    assert!(
        Submitter::create(Buffer::region(LAYOUT.submitter_len()), LAYOUT)
            .open(&completer_part.read_only())
            .is_ok()
    );
    let short = completer_part.span(0, LAYOUT.completer_len() - 8).unwrap();
    assert!(matches!(open(&short), Violation::Place { .. }));
    let askew = Buffer::region(LAYOUT.completer_len() + 8);
    let askew = askew.span(8, LAYOUT.completer_len()).unwrap();
    assert!(matches!(open(&askew), Violation::Place { .. }));
    let magic: &AtomicU64 = completer_part.record(0).unwrap();
    magic.store(1, Relaxed);
    let violation = open(&completer_part);
    assert!(matches!(violation, Violation::Mismatch { found: 1, .. }));
}

// Goal: no shared word can make either side panic, loop or leave its memory. Method: fill each side's whole part with
// garbage, then call everything that reads it.
#[test]
fn garbage_everywhere_is_survived() {
    let mut seed = 1_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // Small numbers come close to stamps and heads, marked ones to stamps of long entries; large ones overflow sums.
        match seed % 4 {
            0 => seed,
            1 => seed >> 8 & 15 | (seed >> 16 & 3) << 56,
            2 => seed >> 8 & 15 | 255 << 56,
            _ => seed >> 8 & 15,
        }
    };
    for _ in 0..2_000 {
        let Uring {
            mut submitter,
            mut completer,
            submitter_part,
            completer_part,
        } = uring(LAYOUT);
        submitter.submit.limit(1 + random() % 4);
        for number in 0..random() % 4 {
            let _ = match number {
                1 => submitter.submit.submit_long(&entry(number), &[entry(9)]),
                _ => submitter.submit.submit(&entry(number)),
            };
        }
        for (part, len) in [
            (&submitter_part, LAYOUT.submitter_len()),
            (&completer_part, LAYOUT.completer_len()),
        ] {
            for word in part.records::<AtomicU64>(0, len / 8).unwrap() {
                word.store(random(), Relaxed);
            }
        }
        let mut target = [[0; 7]; 4];
        for _ in 0..4 {
            let _ = submitter.submit.submit(&entry(1));
            let _ = submitter.submit.submit_batch(&[entry(1), entry(2)]);
            let _ = submitter.submit.submit_long(&entry(1), &[entry(2)]);
            let _ = (
                submitter.submit.untaken(),
                submitter.submit.rest_at(random()).count(),
            );
            let _ = (
                submitter.submit.taken(),
                submitter.submit.seen_taken(),
                submitter.submit.entry_at(random()),
            );
            let _ = (
                submitter.submit.room(),
                submitter.submit.done(),
                submitter.submit.idle_epoch(),
            );
            let _ = (
                submitter.reap.reap(),
                submitter.reap.reap_batch(&mut target),
            );
            let _ = (
                completer.take.has_more_than(random()),
                completer.take.peeker().has_entry(),
                submitter.reap.peeker().has_entry(),
            );
            if let Ok(Some(taken)) = completer.take.take_long(|rest| rest.count()) {
                assert_eq!(taken.rest.map_or(1, |rest| rest + 1) as u64, taken.slots);
                assert!(taken.slots <= LAYOUT.sq.get());
                completer.take.finish(taken.slots);
            }
            if let Ok(Some(_)) = completer.take.take() {
                completer.take.finish(1);
            }
            let _ = (completer.take.go_idle(), completer.take.peek());
            let _ = (
                completer.take.submitter_wants(),
                completer.take.op_word(Key::first(3)),
            );
            let _ = completer.post.complete_batch(&[entry(1); 4]);
        }
    }
}
