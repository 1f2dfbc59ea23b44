//! Bells and notes.

use ringway_shm::doorbell::{Asleep, AsleepLine, Bell};
use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::{NotesLayout, Pow2};
use ringway_shm::ready::{NoteReader, NoteWriter};
use ringway_shm::region::Buffer;
use ringway_shm::sync::{AtomicU64, Ordering::Relaxed};

#[test]
fn a_bell_rings_once_per_sleep() {
    let line = Buffer::region(64);
    let mut asleep = Asleep::new(line.hold::<AsleepLine>(0).unwrap());
    let bell = Bell::new(line.read_only().hold(0).unwrap());
    assert_eq!(bell.should_ring(), None, "awake");
    let first = asleep.arm();
    assert_eq!(bell.should_ring(), Some(first));
    assert_eq!(bell.should_ring(), None, "rang already");
    asleep.disarm();
    assert_eq!(bell.should_ring(), None);
    let second = asleep.arm();
    assert_ne!(first, second);
    assert_eq!(bell.should_ring(), Some(second));
    let other = Bell::new(line.read_only().hold(0).unwrap());
    assert_eq!(
        other.should_ring(),
        Some(second),
        "each sender remembers for itself"
    );

    asleep.arm();
    asleep.disarm();
    assert_eq!(bell.should_ring(), None, "awake again");
}

#[test]
fn notes_arrive_in_order() {
    let layout = NotesLayout::for_urings(Pow2::of::<2>()).unwrap();
    let (written, read) = (
        Buffer::region(layout.writer_len()),
        Buffer::region(NotesLayout::reader_len()),
    );
    let mut writer = NoteWriter::open(&written, &read.read_only(), layout).unwrap();
    let mut reader = NoteReader::open(&read, &written.read_only(), layout).unwrap();
    for lap in 1..9 {
        assert!(!reader.has_note());
        assert_eq!(reader.next(), Ok(None));
        writer.note(Key::new(3, lap)).unwrap();
        writer.note(Key::new(1, lap)).unwrap();
        assert!(reader.has_note());
        assert_eq!(reader.next(), Ok(Some(Key::new(3, lap))));
        assert_eq!(reader.next(), Ok(Some(Key::new(1, lap))));
    }

    for _ in 0..4 {
        writer.note(Key::first(1)).unwrap();
    }
    let violation = Violation::Notes { capacity: 4 };
    assert_eq!(
        writer.note(Key::first(1)),
        Err(violation),
        "only made-up epochs lead here"
    );

    for _ in 0..4 {
        reader.next().unwrap().unwrap();
    }
    writer.note(Key::first(1)).unwrap();
    let note: &AtomicU64 = written.record(8).unwrap();
    note.store(7, Relaxed);
    assert_eq!(reader.next(), Err(Violation::Note { found: 7 }));
    assert_eq!(reader.next(), Ok(None), "and it goes on");
}
