//! Too many open files: when a node attaches, when it is to meet another, and when too many are under way.

use ringway::prelude::*;

use super::visitor::{directory_for_visitors, visitor};
use crate::crowd::{Echo, Mouth};
use crate::helper::{Helper, sockets};
use crate::support::{Bus, watch};

/// Time for two nodes to meet, were they able to.
const MOMENT: u64 = 300;

/// More urings than the memory that a node starts with has room for.
const URINGS: u32 = 40;

/// Goal: whatever a node lacks a descriptor for, attaching says so, with the limit and the remedy, and leaves neither a
/// descriptor nor a thread nor a socket; with enough of them it works. Method: one descriptor more in each try.
#[test]
fn attaching_without_descriptors_says_what_is_short_and_leaves_nothing() {
    let _dog = watch();
    let bus = Bus::new("descriptors-attach");
    let mut poor = Helper::start(&bus, &["visitor"]);

    let said = poor.ask("attach-with-few");

    assert!(sockets(&bus).is_empty(), "{said}");
    for call in [
        "eventfd",
        "open on bus directory",
        "memfd_create",
        "socket",
        "epoll_create1",
    ] {
        assert!(said.contains(call), "never short of {call}: {said}");
    }
    assert_eq!(poor.ask("attach"), "done");
    poor.end();
}

/// Goal: a node whose table is full meets nobody, those who look for its names are told of it, and it and they meet as
/// soon as it has room: nobody attaches again.
#[test]
fn nodes_meet_once_they_have_descriptors() {
    let _dog = watch();
    let bus = Bus::new("descriptors-meet");
    let mut poor = Helper::start(&bus, &["visitor"]);
    for line in ["attach", "serve poor", "fill"] {
        assert_eq!(poor.ask(line), "done");
    }
    let rich = bus.attach("rich");
    let _mouth = rich.actor(Mouth).name("rich").spawn().unwrap();

    let lookup = rich.lookup::<Recipient<Echo>>("poor").within(ms(MOMENT));
    let error = lookup.wait().unwrap_err().to_string();
    let expected = format!("no actor named \"poor\" on bus \"test\" within {MOMENT}ms (node ");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.ends_with(" has not answered)"), "{error}");
    assert!(rich.peers().is_empty());

    assert_eq!(poor.ask("free"), "done");
    let found: Recipient<Echo> = rich.lookup("poor").within(secs(100)).wait().unwrap();
    assert_eq!(found.ask(Echo { number: 8 }).wait().unwrap(), 8);
    assert_eq!(poor.ask("look 100000 rich"), "Ok(7)");
    poor.end();
}

/// Goal: a user who has too many descriptors under way on sockets (ETOOMANYREFS) meets others when they have arrived or
/// are gone.
#[test]
fn nodes_meet_once_their_descriptors_may_travel() {
    let _dog = watch();
    let bus = Bus::new("descriptors-travel");
    directory_for_visitors(bus.directory(), 0o700);
    let (mut rich, mut hoarder) = (visitor(&bus, |_| {}), visitor(&bus, |_| {}));
    for line in ["attach", "serve rich"] {
        assert_eq!(rich.ask(line), "done");
    }
    let hoarded = hoarder.ask("hoard");
    if hoarded != "done" {
        println!("not run: {hoarded}");
        return;
    }
    assert_eq!(hoarder.ask("attach"), "done");

    let error = hoarder.ask(&format!("look {MOMENT} rich"));
    assert!(error.ends_with(" has not answered)"), "{error}");

    assert_eq!(hoarder.ask("let-go"), "done");
    assert_eq!(hoarder.ask("look 100000 rich"), "Ok(7)");
    hoarder.end();
    rich.end();
}

/// Goal: what a node opens to another that cannot map its memory for want of descriptors is open as soon as it can: nobody
/// is blamed, nothing is refused for good. Method: more urings than the first segment has room for.
#[test]
fn urings_open_once_their_memory_can_be_mapped() {
    let _dog = watch();
    let bus = Bus::new("descriptors-urings");
    let mut poor = Helper::start(&bus, &["visitor"]);
    assert_eq!(poor.ask("attach"), "done");
    let names: Vec<String> = (0..URINGS).map(|number| format!("poor-{number}")).collect();
    for name in &names {
        assert_eq!(poor.ask(&format!("serve {name}")), "done");
    }
    let rich = bus.attach("rich");
    let look = |name: &String, within| rich.lookup::<Recipient<Echo>>(name).within(within).wait();
    let first = look(&names[0], secs(100)).unwrap();
    assert_eq!(poor.ask("fill"), "done");

    let tried: Vec<_> = names.iter().map(|name| look(name, ms(MOMENT))).collect();
    let errors: Vec<String> = tried
        .iter()
        .filter_map(|found| found.as_ref().err())
        .map(|error| format!("{error:?}"))
        .collect();
    assert!(!errors.is_empty(), "never short of anything");
    for error in errors {
        assert!(!error.contains("Refused"), "{error}");
    }
    assert_eq!(first.ask(Echo { number: 1 }).wait().unwrap(), 1);

    assert_eq!(poor.ask("free"), "done");
    for name in &names {
        let found = look(name, secs(100)).unwrap();
        assert_eq!(found.ask(Echo { number: 8 }).wait().unwrap(), 8);
    }
    poor.end();
}
