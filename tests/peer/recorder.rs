//! A process that records until it is killed.

use std::io::Write as _;

use ringway::prelude::*;

pub(crate) fn play(path: &str, name: &str) {
    let node = Node::attach("test").expect("attached");
    let recorder = node.record(path).named(name).wait().expect("made");
    println!("records {:?}", recorder.topics());
    std::io::stdout().flush().expect("the test reads");
    recorder.wait().expect("written");
}
