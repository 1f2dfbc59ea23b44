//! Names: one actor each on the whole bus, found from everywhere, free when their actor ends.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::IntoFuture;
use std::os::unix::net::UnixListener;
use std::thread;

use futures::poll;
use ringway::prelude::*;
use ringway::{LookupError, NameError, SpawnError};

use support::probe::{Event, Halt, Note, Probe, probe};
use support::stage::both;
use support::{Bus, watch};

fn name_error(error: SpawnError) -> NameError {
    match error {
        SpawnError::Name(error) => error,
        other => panic!("{other}"),
    }
}

// Goal: a name is had once, on one node and on the bus, by actors and queues alike; the error says by whom.
#[test]
fn names_are_unique() {
    let _dog = watch();
    let bus = Bus::new("names-unique");
    let (first, second) = (bus.attach("first"), bus.attach("second"));
    let (owner, _watcher) = probe();
    first.actor(owner).name("arm").spawn().unwrap();
    let _: Addr<Probe> = second.lookup("arm").wait().unwrap(); // so that it knows who has it

    let error = first.actor(probe().0).name("arm").spawn().unwrap_err();
    assert_eq!(error.to_string(), "name \"arm\" is taken by this node");
    let error = second.actor(probe().0).name("arm").spawn().unwrap_err();
    let expected = format!("name \"arm\" is taken by node \"first\" ({})", first.id());
    assert_eq!(error.to_string(), expected);
    assert!(matches!(name_error(error), NameError::Taken { name, .. } if name == "arm"));
    for node in [&first, &second] {
        let error = MessageQueue::<Plain>::bind(node, "arm").unwrap_err();
        assert!(matches!(error, NameError::Taken { .. }), "{error}");
    }
    let _sink = MessageQueue::<Plain>::bind(&first, "sink").unwrap();
    for node in [&first, &second] {
        let error = node.actor(probe().0).name("sink").spawn().unwrap_err();
        assert!(matches!(name_error(error), NameError::Taken { .. }));
    }
}

// Goal: what cannot be a name is refused with the reason, by those who spawn and those who look up.
#[test]
fn bad_names_are_refused() {
    let _dog = watch();
    let bus = Bus::new("names-bad");
    let node = bus.attach("node");
    let long = "n".repeat(121);
    for (name, expected) in [
        (long.as_str(), "a name of 121 bytes, the longest has 120"),
        ("", "name \"\" is not usable: it is empty"),
        (
            "arm//left",
            "name \"arm//left\" is not usable: it has an empty part",
        ),
        ("/arm", "name \"/arm\" is not usable: it has an empty part"),
        (
            "arm\nleft",
            "name \"arm\\nleft\" is not usable: it contains a control character",
        ),
    ] {
        let error = node.actor(probe().0).name(name).spawn().unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = node.lookup::<Addr<Probe>>(name).wait().unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = MessageQueue::<Plain>::bind(&node, name).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = MessageQueue::<Plain>::connect(&node, name).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

// Goal: everything else is a name.
#[test]
fn good_names_are_found() {
    both("names-good", |stage| {
        let long = "n".repeat(120);
        for name in [
            long.as_str(),
            "arm",
            "arm/left",
            "größe",
            "with space",
            "arm/left/finger",
        ] {
            let (probe, _watcher) = probe();
            let probe = stage.spawn_as(name, probe, |builder| builder);
            assert_eq!(probe.ask(Note { number: 1 }).wait().unwrap(), 1);
        }
    });
}

// Goal: a lookup waits for a name that comes later, on a node that is there or that comes later.
#[test]
fn a_lookup_waits() {
    both("names-wait", |stage| {
        block_on(async {
            let lookup = stage
                .sender()
                .lookup::<Addr<Probe>>("late")
                .within(secs(100));
            let mut lookup = Box::pin(lookup.into_future());
            assert!(poll!(&mut lookup).is_pending());
            let (probe, _watcher) = probe();
            stage.home().actor(probe).name("late").spawn().unwrap();
            assert_eq!(
                lookup.await.unwrap().ask(Note { number: 3 }).await.unwrap(),
                3
            );
        });
    });
    let _dog = watch();
    let bus = Bus::new("names-wait-node");
    let first = bus.attach("first");
    block_on(async {
        let lookup = first.lookup::<Recipient<Note>>("late").within(secs(100));
        let mut lookup = Box::pin(lookup.into_future());
        assert!(poll!(&mut lookup).is_pending());
        let second = bus.attach("second");
        let (probe, _watcher) = probe();
        second.actor(probe).name("late").spawn().unwrap();
        assert_eq!(
            lookup.await.unwrap().ask(Note { number: 3 }).await.unwrap(),
            3
        );
    });
}

// Goal: who looks up in the moment in which two nodes meet gets a uring that works. Method: a node that comes while eight
// threads of another look for its actor, as its own type, as a recipient, and as what it is not.
#[test]
fn lookups_in_the_moment_of_meeting() {
    let _dog = watch();
    let bus = Bus::new("names-meeting");
    let sender = bus.attach("sender");
    for round in 0..40 {
        let name = format!("late/{round}");
        let home = thread::scope(|scope| {
            for asker in 0..8 {
                let (sender, name) = (&sender, &name);
                scope.spawn(move || {
                    let note = Note { number: asker };
                    let within = secs(100);
                    match asker % 3 {
                        0 => {
                            let late: Addr<Probe> =
                                sender.lookup(name).within(within).wait().unwrap();
                            assert_eq!(late.ask(note).wait().unwrap(), asker);
                        }
                        1 => {
                            let late: Recipient<Note> =
                                sender.lookup(name).within(within).wait().unwrap();
                            assert_eq!(late.ask(note).wait().unwrap(), asker);
                        }
                        _ => {
                            let late = sender.lookup::<Recipient<u64>>(name).within(within);
                            let error = late.wait().unwrap_err();
                            assert!(matches!(error, LookupError::Refused { .. }), "{error}");
                        }
                    }
                });
            }
            let home = bus.attach("home");
            home.actor(probe().0).name(&name).spawn().unwrap();
            home
        });
        drop(home); // all have been answered
    }
}

// Goal: a name that nobody has is told with the bus and the time; zero looks once.
#[test]
fn unknown_names_are_told() {
    let _dog = watch();
    let bus = Bus::new("names-unknown");
    let node = bus.attach("node");
    let lookup = || node.lookup::<Addr<Probe>>("nobody");
    let error = lookup().within(ms(20)).wait().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no actor named \"nobody\" on bus \"test\" within 20ms"
    );
    let error = lookup().within(ms(0)).wait().unwrap_err();
    let LookupError::NotFound {
        name,
        bus,
        waited,
        silent,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (name.as_str(), bus.as_str(), waited),
        ("nobody", "test", ms(0))
    );
    assert!(silent.is_empty(), "{silent:?}");
}

// Goal: nodes that are there and do not answer are named: the name may be theirs. Method: a socket in the bus directory
// that nobody accepts from.
#[test]
fn silent_nodes_are_named() {
    let _dog = watch();
    let bus = Bus::new("names-silent");
    drop(bus.attach("makes the directory"));
    let socket = bus.directory().join("test").join("00000000000000cc");
    let _listener = UnixListener::bind(socket).unwrap();
    let node = bus.attach("node");
    let error = node
        .lookup::<Addr<Probe>>("nobody")
        .within(ms(20))
        .wait()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("no actor named \"nobody\" on bus \"test\" within 20ms (node "),
        "{text}"
    );
    assert!(text.contains("00000000000000cc has not answered"), "{text}");
}

// Goal: a name that is a queue's is no actor's, and the other way round; nobody waits for it to change.
#[test]
fn names_of_another_kind_are_told() {
    let _dog = watch();
    let bus = Bus::new("names-kind");
    let (first, second) = (bus.attach("first"), bus.attach("second"));
    let _sink = MessageQueue::<Plain>::bind(&first, "sink").unwrap();
    first.actor(probe().0).name("arm").spawn().unwrap();
    for node in [&first, &second] {
        let error = node
            .lookup::<Addr<Probe>>("sink")
            .within(secs(100))
            .wait()
            .unwrap_err();
        assert_eq!(error.to_string(), "\"sink\" is a queue, not an actor");
        let error = MessageQueue::<Plain>::connect(node, "arm").unwrap_err();
        assert_eq!(error.to_string(), "\"arm\" is an actor, not a queue");
    }
}

// Goal: a name is free once its actor has ended, for every node that has heard of the end; the successor is found, and
// is not its predecessor.
#[test]
fn ended_actors_free_their_names() {
    both("names-free", |stage| {
        let mut last: Option<Addr<Probe>> = None;
        for round in 0..20 {
            let (probe, watcher) = probe();
            // Alternately on the node of the actors and on that of the sender, who hears of the end from afar.
            let node = if round % 2 == 0 {
                stage.home()
            } else {
                stage.sender()
            };
            node.actor(probe).name("arm").spawn().unwrap();
            watcher.expect(Event::Started);
            let probe: Addr<Probe> = stage.sender().lookup("arm").wait().unwrap();
            assert_eq!(probe.ask(Note { number: round }).wait().unwrap(), round);
            if let Some(last) = &last {
                assert_ne!(last.id(), probe.id());
                assert!(last.is_closed());
            }
            probe.ask(Halt).wait().unwrap();
            assert_eq!(block_on(probe.closed()), ExitReason::Normal);
            last = Some(probe);
        }
    });
}

// Goal: a node that detaches leaves its names to others.
#[test]
fn detached_nodes_free_their_names() {
    let _dog = watch();
    let bus = Bus::new("names-detach");
    let (first, second) = (bus.attach("first"), bus.attach("second"));
    first.actor(probe().0).name("arm").spawn().unwrap();
    let before: Addr<Probe> = second.lookup("arm").wait().unwrap();
    first.detach();
    let (probe, _watcher) = probe();
    second.actor(probe).name("arm").spawn().unwrap();
    let after: Addr<Probe> = second.lookup("arm").wait().unwrap();
    assert_eq!(after.ask(Note { number: 1 }).wait().unwrap(), 1);
    assert_eq!(block_on(before.closed()), ExitReason::Shutdown);
    let error = first
        .lookup::<Addr<Probe>>("arm")
        .within(ms(10))
        .wait()
        .unwrap_err();
    assert!(matches!(error, LookupError::NotFound { .. }), "{error}");
}

// Goal: a registry without room refuses with its size, and has room again when an actor ends.
#[test]
fn a_full_registry_says_so() {
    let _dog = watch();
    let bus = Bus::new("names-full");
    let node = Node::attach(bus.config("node").registry_capacity(8)).unwrap();
    let mut actors = Vec::new();
    let error = loop {
        let name = format!("arm/{}", actors.len());
        match node.actor(probe().0).name(name).spawn() {
            Ok(addr) => actors.push(addr),
            Err(error) => break error,
        }
        assert!(actors.len() <= 8);
    };
    assert_eq!(
        error.to_string(),
        "all 8 entries of this node's registry are in use"
    );
    let last = actors.pop().unwrap();
    last.stop();
    block_on(last.closed());
    node.actor(probe().0).name("arm/new").spawn().unwrap();
    let nameless = node.spawn(probe().0).unwrap();
    assert_eq!(
        nameless.ask(Note { number: 1 }).wait().unwrap(),
        1,
        "needs no entry"
    );
}
