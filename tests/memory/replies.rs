//! Replies that find no room.

use ringway::prelude::*;

use crate::MIB;
use crate::support::probe::Note;
use crate::support::{Bus, watch};

/// A reply of 16 KiB that is read in place.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = CopyMessage<[u8; 16_384]>)]
#[repr(C)]
struct Read {
    fill: u8,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = String)]
#[repr(C)]
struct Write {
    len: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Read, Write, Note))]
struct Library;

impl Handler<Read> for Library {
    async fn handle(&mut self, read: Read, _cx: &mut Context<Self>) -> CopyMessage<[u8; 16_384]> {
        CopyMessage([read.fill; 16_384])
    }
}

impl Handler<Write> for Library {
    async fn handle(&mut self, write: Write, _cx: &mut Context<Self>) -> String {
        "x".repeat(usize::try_from(write.len).unwrap())
    }
}

impl Handler<Note> for Library {
    async fn handle(&mut self, note: Note, _cx: &mut Context<Self>) -> u64 {
        note.number
    }
}

// Goal: a reply that finds no room in its sender's heap is an error for its asker, with the sizes, and not a hang; the actor
// goes on, and replies again when the askers have let go of what they read.
#[test]
fn replies_without_room() {
    let _dog = watch();
    let bus = Bus::new("memory-replies");
    let home = Node::attach(bus.config("home").heap_limit(256 << 10)).unwrap();
    let sender = bus.attach("sender");
    home.actor(Library).name("library").spawn().unwrap();
    let library: Addr<Library> = sender.lookup("library").wait().unwrap();
    let error = library
        .ask(Write {
            len: 2 * MIB as u64,
        })
        .wait()
        .unwrap_err();
    assert!(matches!(error, AskError::Handler(_)), "{error}");
    let said = error.to_string();
    assert!(
        said.starts_with("the handler failed: its reply cannot be sent: a block of 2097"),
        "{said}"
    );
    assert!(
        said.ends_with(" bytes is larger than the heap may grow, 262144 bytes"),
        "{said}"
    );
    let mut read = Vec::new();
    let error = loop {
        let fill = u8::try_from(read.len()).unwrap();
        match library.ask(Read { fill }).wait() {
            Ok(lease) => read.push(lease),
            Err(error) => break error,
        }
    };
    assert!(
        (8..=16).contains(&read.len()),
        "{} of 16 KiB in 256",
        read.len()
    );
    let said = error.to_string();
    assert!(
        said.starts_with("the handler failed: its reply cannot be sent: "),
        "{said}"
    );
    for (fill, lease) in (0..).zip(&read) {
        assert!(lease.iter().all(|byte| *byte == fill));
    }
    assert_eq!(library.ask(Note { number: 1 }).wait().unwrap(), 1);
    let kept = read.pop().unwrap();
    drop(read);
    for fill in 100..200 {
        let lease = library.ask(Read { fill }).wait().unwrap();
        assert!(lease.iter().all(|byte| *byte == fill));
    }
    assert!(kept.iter().all(|byte| *byte == kept[0]));
}
