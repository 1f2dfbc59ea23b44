//! Cards over plain memory and over a real segment: what is written is read, and garbage is blamed.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ringway_shm::card::{Card, CardConfig, CardError, Counter, LibraryVersion, PeerCard};
use ringway_shm::error::Violation;
use ringway_shm::region::{Buffer, OwnRegion};
use ringway_shm::registry::{Kind, RegistryError};
use ringway_shm::segment::PeerSegment;
use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

const CONFIG: CardConfig<'_> = CardConfig {
    node_id: 0xfeed,
    name: "camera",
    bus: "robot",
    registry_capacity: 4,
};

fn region() -> OwnRegion<Buffer> {
    Buffer::region(Card::<Buffer>::len_of(4))
}

fn words(region: &OwnRegion<Buffer>) -> &[AtomicU64] {
    region.records(0, region.len() / 8).unwrap()
}

#[test]
fn smoke() {
    let (card, segment) = Card::create(&CONFIG).unwrap();
    let fd = segment.fd().try_clone_to_owned().unwrap();
    let peer = PeerCard::open(PeerSegment::map(fd, segment.len()).unwrap().region()).unwrap();

    let identity = peer.identity();
    assert_eq!(
        (identity.node_id, identity.pid),
        (0xfeed, std::process::id())
    );
    assert_eq!(
        (identity.name.as_str(), identity.bus.as_str()),
        ("camera", "robot")
    );
    assert_eq!(identity.library, LibraryVersion::OWN);
    assert_eq!(identity.library.to_string(), env!("CARGO_PKG_VERSION"));
    assert!(identity.start_ticks > 0 && identity.attached_ms > 1_600_000_000_000);
    assert_eq!(peer.identity(), card.identity());

    let key = card.registry().allocate(Kind::Actor, "counter", 1).unwrap();
    card.registry().activate(key).unwrap();
    assert_eq!(peer.version(), 1);
    let names: Vec<_> = peer
        .names()
        .map(|entry| entry.unwrap().name.to_string())
        .collect();
    assert_eq!(names, ["counter"]);

    card.add(Counter::Handled, 3);
    card.counters().clone().add(Counter::Handled, 2);
    assert_eq!(
        (peer.counter(Counter::Handled), peer.counter(Counter::Taken)),
        (5, 0)
    );
}

#[test]
fn a_bell_rings_once_for_each_sleep() {
    let card = Card::write(region(), &CONFIG).unwrap();
    let (mut asleep, bell) = (card.asleep(), card.view().bell());
    assert_eq!(bell.should_ring(), None);
    let epoch = asleep.arm();
    assert_eq!(bell.should_ring(), Some(epoch));
    assert_eq!(bell.should_ring(), None);
    asleep.disarm();
    assert_eq!(bell.should_ring(), None);
}

#[test]
fn the_card_outlives_its_owner() {
    let (card, segment) = Card::create(&CONFIG).unwrap();
    let fd = segment.fd().try_clone_to_owned().unwrap();
    let peer = PeerCard::open(PeerSegment::map(fd, segment.len()).unwrap().region()).unwrap();
    card.add(Counter::Sent, 9);
    drop((card, segment));
    assert_eq!(peer.counter(Counter::Sent), 9);
}

#[test]
fn what_cannot_be_is_refused() {
    let long = "x".repeat(121);
    let config = CardConfig {
        name: &long,
        ..CONFIG
    };
    assert!(matches!(Card::create(&config), Err(CardError::Name(_))));
    for registry_capacity in [0, (1 << 20) + 1, u32::MAX] {
        let refused = Card::create(&CardConfig {
            registry_capacity,
            ..CONFIG
        });
        assert!(matches!(
            refused,
            Err(CardError::Registry(RegistryError::Capacity { .. }))
        ));
    }
    for len in [0, 64, 1024, Card::<Buffer>::len_of(4) - 64] {
        let refused = Card::write(Buffer::region(len), &CONFIG);
        assert!(
            matches!(refused, Err(CardError::Registry(_))),
            "{len} bytes"
        );
    }
}

#[test]
fn other_builds_are_told_apart_from_garbage() {
    let region = region();
    let open = || PeerCard::open(region.read_only());
    let blank = open().unwrap_err();
    assert!(matches!(
        blank,
        CardError::Peer(Violation::Mismatch { found: 0, .. })
    ));
    let _card = Card::write(region.clone(), &CONFIG).unwrap();
    open().unwrap();
    let words = words(&region);
    let with = |at: usize, bad: u64| {
        let good = words[at].swap(bad, Relaxed);
        let error = open().unwrap_err();
        words[at].store(good, Relaxed);
        error
    };
    assert!(matches!(
        with(0, 1),
        CardError::Peer(Violation::Mismatch { found: 1, .. })
    ));
    assert_eq!(with(1, 2), CardError::Version { found: 2, own: 1 });
    assert!(matches!(with(2, 3), CardError::Layout { found: 3, .. }));
    assert!(
        matches!(with(3, 5), CardError::Peer(Violation::Place { .. })),
        "capacity"
    );
    assert!(matches!(
        with(3, 0),
        CardError::Peer(Violation::Meaningless { .. })
    ));
    assert!(matches!(
        with(3, u64::MAX),
        CardError::Peer(Violation::Meaningless { .. })
    ));
    assert!(
        matches!(
            with(5, 1 << 32),
            CardError::Peer(Violation::Meaningless { .. })
        ),
        "pid"
    );
    open().unwrap();
}

// Goal: no card makes its reader panic. Method: random words over all of it, before and after it
// was opened, and regions of every length.
#[test]
fn garbage_never_panics() {
    let mut random = 0x5eed_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let region = region();
    let _card = Card::write(region.clone(), &CONFIG).unwrap();
    let peer = PeerCard::open(region.read_only()).unwrap();
    let good: Vec<u64> = words(&region)
        .iter()
        .map(|word| word.load(Relaxed))
        .collect();
    for len in (0..=region.len()).step_by(8) {
        let opened = PeerCard::open(region.read_only().span(0, len).unwrap());
        assert_eq!(opened.is_ok(), len == region.len(), "{len} bytes");
    }
    for round in 0..3000 {
        for (at, word) in words(&region).iter().enumerate() {
            // The first words are kept in most rounds, so that the rest is looked at.
            let is_kept = at < 4 && round % 4 != 0;
            word.store(if is_kept { good[at] } else { next() }, Relaxed);
        }
        if let Ok(opened) = PeerCard::open(region.read_only()) {
            assert!(opened.names().count() <= 4);
        }
        assert!(peer.names().count() <= 4);
        let _ = (
            peer.version(),
            peer.counter(Counter::Sent),
            peer.bell().should_ring(),
        );
        assert_eq!(peer.identity().name, "camera", "copied when it was opened");
    }
}
