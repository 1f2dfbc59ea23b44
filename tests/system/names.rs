//! Names of buses and nodes that do not fit; those of actors are tried in `tests/names.rs`.

use ringway::prelude::*;

use crate::support::{Bus, watch};

/// Goal: a name that is too long is told with its length and the longest allowed, before anything is made; the longest
/// works.
#[test]
fn names_that_are_too_long_are_told_with_the_longest() {
    let _dog = watch();
    let bus = Bus::new("system-names");
    let name = |len| "x".repeat(len);
    let said = |config: NodeConfig| match Node::attach(config.directory(bus.directory())) {
        Err(AttachError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };

    let expected = format!(
        "bus name {:?} of 101 bytes is not usable: it is longer than 100 bytes",
        name(101)
    );
    assert_eq!(said(NodeConfig::on(name(101))), expected);
    let expected = format!(
        "node name {:?} has 121 bytes, allowed are 1 to 120",
        name(121)
    );
    assert_eq!(said(NodeConfig::on("test").named(name(121))), expected);
    assert!(!bus.directory().exists());

    let longest = NodeConfig::on(name(100)).named(name(120));
    let node = Node::attach(longest.directory(bus.directory())).unwrap();
    assert_eq!(node.name(), name(120));
}
