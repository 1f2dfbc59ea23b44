//! Readers of a table that another process owns: whole copies while it writes, and garbage that is blamed.

use std::thread;

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::registry::{Kind, PeerRegistry, Registry};
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use super::{OverBuffer, Random, publish, registry};

/// Set while it lives: what another thread loops by ends even when this one panics.
struct Running(AtomicU64);

impl Running {
    fn new() -> Self {
        Self(AtomicU64::new(1))
    }

    fn is_on(&self) -> bool {
        self.0.load(Relaxed) == 1
    }
}

/// Ends a [`Running`] when dropped.
struct End<'a>(&'a Running);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Relaxed);
    }
}

// Goal: a copy is of one life of an entry. Method: the owner publishes and ends names as fast as it
// can, each with its own hash; a reader must never see a name with another's hash.
#[test]
fn copies_are_whole_while_the_owner_writes() {
    const NAMES: [&str; 2] = [
        "a",
        "quite a long name, so that there are words to be torn apart",
    ];
    let registry = registry(1);
    let view = registry.view().clone();
    let (reader, owner) = (Running::new(), Running::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let _end = End(&owner);
            let names = NAMES.iter().cycle().take_while(|_| reader.is_on());
            for name in names {
                let key = registry
                    .allocate(Kind::Actor, name, name.len() as u64)
                    .unwrap();
                registry.activate(key).unwrap();
                registry.mark_for_deletion(key).unwrap();
            }
        });
        let _end = End(&reader);
        let mut seen = 0;
        while seen < 60_000 && owner.is_on() {
            for entry in view.entries() {
                let entry = entry.expect("the owner is honest");
                assert_eq!(entry.type_hash, entry.name.len() as u64);
                assert!(NAMES.contains(&entry.name.as_str()));
                seen += 1;
            }
        }
    });
}

fn words(region: &OwnRegion<Buffer>) -> &[AtomicU64] {
    region.records(0, region.len() / 8).unwrap()
}

fn look_at_everything(view: &PeerRegistry<Buffer>) -> usize {
    let _ = (
        view.version(),
        view.epoch(),
        view.find("a"),
        view.get(Key::first(1)),
    );
    let looked = view.entries().count();
    assert!(looked <= 4, "at most the table's entries");
    for published in view.entries().flatten() {
        assert!(published.name.len() <= 120 && published.key.index() < 4);
    }
    view.names().filter(Result::is_err).count()
}

// Goal: whatever an owner writes, a reader returns values or violations, in bounded time.
// Method: random words, and words one step from good ones, in every place of a good table.
#[test]
fn garbage_is_blamed_and_never_panics() {
    let region = Buffer::region(OverBuffer::len_of(4));
    let registry = Registry::create(&region, 4).unwrap();
    for name in ["a", "b", "c"] {
        publish(&registry, Kind::Actor, name);
    }
    let good: Vec<u64> = words(&region)
        .iter()
        .map(|word| word.load(Relaxed))
        .collect();
    let view = PeerRegistry::open(&region.read_only(), 4).unwrap();
    assert_eq!(look_at_everything(&view), 0);

    let mut random = Random(7);
    let mut blamed = 0;
    for (word, good) in words(&region).iter().zip(good) {
        let near = [
            good.wrapping_add(1),
            good.wrapping_sub(1),
            !good,
            good << 1,
            0,
            u64::MAX,
        ];
        for bad in near.into_iter().chain((0..4).map(|_| random.next())) {
            word.store(bad, Relaxed);
            blamed += look_at_everything(&view);
        }
        word.store(good, Relaxed);
    }
    assert!(blamed > 50, "{blamed} violations");
    assert_eq!(look_at_everything(&view), 0);
    for _ in 0..2000 {
        words(&region)
            .iter()
            .for_each(|word| word.store(random.next(), Relaxed));
        look_at_everything(&view);
    }
}

#[test]
fn a_table_longer_than_it_is_is_blamed_once() {
    let region = Buffer::region(OverBuffer::len_of(4));
    let registry = Registry::create(&region, 4).unwrap();
    publish(&registry, Kind::Actor, "a");
    for used in [5, 1 << 20, u64::from(u32::MAX), u64::MAX] {
        words(&region)[2].store(used, Relaxed);
        let seen: Vec<_> = registry.view().entries().collect();
        assert!(matches!(seen[..], [Err(Violation::Meaningless { found, .. })] if found == used));
    }
}

// Goal: as above, with the words changing between the reader's loads. Method: a thread that writes
// small and large garbage all the time, while the reader looks until it was changed often enough.
#[test]
fn garbage_in_motion_never_panics() {
    let region = Buffer::region(OverBuffer::len_of(4));
    let view = PeerRegistry::open(&region.read_only(), 4).unwrap();
    let running = Running::new();
    let writes = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(11);
            while running.is_on() {
                let all = words(&region);
                let bad = random.next() >> random.below(64);
                all[random.below(all.len())].store(bad, Relaxed);
                writes.fetch_add(1, Relaxed);
            }
        });
        let _end = End(&running);
        let mut looks = 0;
        while looks < 5_000 || writes.load(Relaxed) < 200_000 {
            look_at_everything(&view);
            looks += 1;
        }
    });
}
