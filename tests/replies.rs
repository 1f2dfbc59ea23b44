//! Replies that lie in blocks: lent to the asker, and free again once it has read them.

use std::thread;

use ringway::prelude::*;

mod support;

/// 64 KiB: never inline.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Page {
    words: [u64; 8192],
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Page)]
#[repr(C)]
struct Read {
    number: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Count {
    of: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Read, Count))]
struct Book;

impl Handler<Read> for Book {
    async fn handle(&mut self, read: Read, _cx: &mut Context<Self>) -> Page {
        let mut words = [read.number; 8192];
        words[8191] = !read.number;
        Page { words }
    }
}

impl Handler<Count> for Book {
    async fn handle(&mut self, count: Count, _cx: &mut Context<Self>) -> u64 {
        count.of
    }
}

// Goal: however the asker's releases fall between the completer's looks, every reply's block is free in the end. Method:
// four askers, so that indices of ops come back in any order; then asks with small replies, after which the completer
// looks before it sleeps.
#[test]
fn all_blocks_come_back() {
    let _dog = support::watch();
    let bus = support::Bus::new("replies");
    let library = bus.attach("library");
    let reader = bus.attach("reader");
    let _book = library.actor(Book).name("book").spawn().unwrap();
    let book: Addr<Book> = block_on(async { reader.lookup("book").await }).unwrap();
    let read = |number| {
        let page = block_on(async { book.ask(Read { number }).await }).unwrap();
        assert_eq!((page.words[0], page.words[8191]), (number, !number));
    };
    let before = library.heap().stats().live();
    thread::scope(|scope| {
        for asker in 0..4 {
            let read = &read;
            scope.spawn(move || (0..2_500).for_each(|n| read(asker * 10_000 + n)));
        }
    });
    while library.heap().stats().live() > before {
        block_on(async { book.ask(Count { of: 1 }).await }).unwrap();
    }
}
