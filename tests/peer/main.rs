//! The helper of the tests: one process, playing the scene that its first argument names.
//!
//! A scene asserts its own outcome; one that fails ends its process with a code other than 0. A helper dies with the
//! thread that started it.

mod crowd;
mod deaths;
#[allow(dead_code, reason = "the tests' half of it")]
mod messages;
#[allow(dead_code, reason = "the tests' half of it")]
mod patterns;
mod quiet;
mod recorder;
mod topics;
mod visitor;
mod watched;
#[allow(dead_code, reason = "the tests' half of it")]
mod worker;
mod yard;

use ringway_shm::sys::process::{Pid, Signal, die_with_parent};

fn main() {
    if let Ok(uid) = std::env::var("RINGWAY_TEST_UID") {
        visitor::become_user(uid.parse().expect("a number")); // which forgets who is to die with whom
    }
    let parent = std::env::var("RINGWAY_TEST_PARENT").expect("started by a test");
    let parent = parent.parse().ok().and_then(Pid::from_raw);
    if die_with_parent(Signal::KILL, parent.expect("a process id")).is_err() {
        return; // it is dead already
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["crowd", count] => crowd::play(count.parse().expect("a number")),
        ["crowd", count, processor] => {
            crowd::pin(processor.parse().expect("a number"));
            crowd::play(count.parse().expect("a number"));
        }
        ["visitor"] => visitor::play(),
        ["watched", act, directory] => watched::play(act, directory.as_ref()),
        ["quiet", words @ ..] => quiet::play(words),
        ["patterns", words @ ..] => patterns::play(words),
        ["topics", words @ ..] => topics::play(words),
        ["record", path, name] => recorder::play(path, name),
        ["yard"] => yard::play(),
        ["sender-of", row, priority, names @ ..] => yard::send(row, priority, names),
        words => deaths::play(words),
    }
}
