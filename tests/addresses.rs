//! Addresses as fields of messages: the same actor in every process that reads them.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::collections::{HashMap, HashSet};

use ringway::prelude::*;

use support::probe::{Halt, Note, Probe, probe};
use support::{Bus, watch};

/// A message with addresses of both kinds.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Introduce {
    probe: Addr<Probe>,
    notes: Recipient<Note>,
    more: Vec<Option<Recipient<Note>>>,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = (Addr<Probe>, Recipient<Note>))]
struct Recall;

/// An address that nobody uses.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Forget {
    who: Addr<Book>,
}

/// Places of a node's registry.
const PLACES: usize = 4096;

/// Keeps the addresses that it is told, and gives them to who asks.
#[derive(Actor, Default)]
#[actor(handles(Introduce, Recall, Forget))]
struct Book {
    known: Option<(Addr<Probe>, Recipient<Note>)>,
}

impl Handler<Introduce> for Book {
    async fn handle(&mut self, introduce: Introduce, _cx: &mut Context<Self>) {
        let Introduce { probe, notes, more } = introduce;
        assert_eq!(probe.ask(Note { number: 1 }).await.unwrap(), 1);
        assert_eq!(notes.ask(Note { number: 2 }).await.unwrap(), 2);
        for recipient in more.into_iter().flatten() {
            recipient.tell(Note { number: 3 }).await.unwrap();
            assert_eq!(recipient, notes);
        }
        self.known = Some((probe, notes));
    }
}

impl Handler<Recall> for Book {
    async fn handle(
        &mut self,
        _recall: Recall,
        _cx: &mut Context<Self>,
    ) -> (Addr<Probe>, Recipient<Note>) {
        self.known.clone().expect("introduced before")
    }
}

impl Handler<Forget> for Book {
    async fn handle(&mut self, forget: Forget, _cx: &mut Context<Self>) {
        drop(forget.who);
    }
}

fn introduce(probe: &Addr<Probe>) -> Introduce {
    let notes = probe.recipient::<Note>();
    let more = vec![Some(notes.clone()), None, Some(notes.clone())];
    Introduce {
        probe: probe.clone(),
        notes,
        more,
    }
}

// Goal: an address travels from its own node to a second and on to a third, is used in each, and comes home as what it was.
#[test]
fn addresses_travel() {
    let _dog = watch();
    let bus = Bus::new("addresses-travel");
    let (home, second, third) = (
        bus.attach("home"),
        bus.attach("second"),
        bus.attach("third"),
    );
    second.actor(Book::default()).name("book").spawn().unwrap();
    third
        .actor(Book::default())
        .name("book/third")
        .spawn()
        .unwrap();
    let (actor, _watcher) = probe();
    // Without a name: nobody could look it up.
    let own = home.spawn(actor).unwrap();

    let book: Addr<Book> = home.lookup("book").wait().unwrap();
    book.ask(introduce(&own)).wait().unwrap();
    let (probe, notes) = book.ask(Recall).wait().unwrap();
    assert_eq!(probe, own);
    assert_eq!(notes, own.recipient());
    assert_eq!(probe.ask(Note { number: 4 }).wait().unwrap(), 4);

    // From the second to the third, which has never heard of the first.
    let book: Addr<Book> = second.lookup("book").wait().unwrap();
    let (of_second, _) = book.ask(Recall).wait().unwrap();
    let other: Addr<Book> = second.lookup("book/third").wait().unwrap();
    other.ask(introduce(&of_second)).wait().unwrap();
    let other: Addr<Book> = third.lookup("book/third").wait().unwrap();
    let (of_third, notes) = other.ask(Recall).wait().unwrap();
    assert_eq!(of_third.ask(Note { number: 5 }).wait().unwrap(), 5);
    assert_eq!(notes.ask(Note { number: 6 }).wait().unwrap(), 6);
    for far in [&of_second, &of_third] {
        assert_eq!(far, &own, "the same actor for all");
    }

    // And home from the third.
    let other: Addr<Book> = home.lookup("book/third").wait().unwrap();
    let (came_home, _) = other.ask(Recall).wait().unwrap();
    assert_eq!(came_home, own);
    own.ask(Halt).wait().unwrap();
    for far in [&of_second, &of_third] {
        assert_eq!(block_on(far.closed()), ExitReason::Normal);
    }
}

/// The addresses are equal and hash alike, with their recipients too.
fn assert_one(addresses: &[Addr<Probe>], recipients: &[Recipient<Note>]) {
    let own = addresses.iter().map(Addr::recipient::<Note>);
    let recipients: Vec<_> = own.chain(recipients.iter().cloned()).collect();
    let ids = addresses.iter().map(Addr::id);
    let ids = ids.chain(recipients.iter().map(Recipient::id));
    assert_eq!(ids.collect::<HashSet<ActorId>>().len(), 1);
    assert!(addresses.iter().all(|it| *it == addresses[0]));
    assert!(recipients.iter().all(|it| *it == recipients[0]));
    assert_eq!(addresses.iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(recipients.iter().collect::<HashSet<_>>().len(), 1);
}

// Goal: all addresses of one actor are equal and hash alike, here and far, looked up, sent and sent back, before it was
// known to anybody and after it has ended; and none is another actor's. Method: three nodes in this process, so that
// addresses of different nodes can be compared.
#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "what can change is no part of an address's identity"
)]
fn addresses_of_one_actor_are_equal_on_all_nodes() {
    let _dog = watch();
    let bus = Bus::new("addresses-equal");
    let (home, second, third) = (
        bus.attach("home"),
        bus.attach("second"),
        bus.attach("third"),
    );
    for (name, node) in [("second", &second), ("third", &third)] {
        node.actor(Book::default()).name(name).spawn().unwrap();
    }
    let (first, unknown) = (home.spawn(probe().0), home.spawn(probe().0));
    let (first, unknown) = (first.unwrap(), unknown.unwrap());
    let named = home.actor(probe().0).name("probe").spawn().unwrap();
    for (own, name) in [(&first, None), (&named, Some("probe"))] {
        let known = HashMap::from([(own.clone(), "own")]);
        let (mut addresses, mut recipients) = (vec![own.clone()], vec![own.recipient()]);
        // From its own node to both others, and from the second, which then is far from it, to the third.
        for (from, to) in [(&home, "second"), (&home, "third"), (&second, "third")] {
            let book: Addr<Book> = from.lookup(to).wait().unwrap();
            let far = addresses.last().expect("its own at least");
            book.ask(introduce(far)).wait().unwrap();
            for reader in [&home, &third, &second] {
                let book: Addr<Book> = reader.lookup(to).wait().unwrap();
                let (addr, recipient) = book.ask(Recall).wait().unwrap();
                addresses.push(addr);
                recipients.push(recipient);
            }
        }
        for node in [&home, &second, &third] {
            let found = name.map(|name| node.lookup::<Addr<Probe>>(name).wait().unwrap());
            addresses.extend(found.map(|it| it.pinned()));
            let found = name.map(|name| node.lookup::<Recipient<Note>>(name).wait().unwrap());
            recipients.extend(found.map(|it| it.pinned()));
        }
        assert!(addresses.iter().all(|it| known.contains_key(it)));
        assert_one(&addresses, &recipients);
        assert!(addresses.iter().all(|it| *it != unknown));

        own.ask(Halt).wait().unwrap();
        addresses.iter().for_each(|it| drop(block_on(it.closed())));
        let book: Addr<Book> = home.lookup("third").wait().unwrap();
        let (addr, recipient) = book.ask(Recall).wait().unwrap();
        addresses.push(addr);
        recipients.push(recipient);
        assert!(addresses.iter().all(Addr::is_closed));
        assert!(recipients.iter().all(Recipient::is_closed));
        assert_one(&addresses, &recipients);
    }
    let successor = home.actor(probe().0).name("probe").spawn().unwrap();
    assert_ne!(successor, named, "the name is the same, the actor is not");
    let found: Addr<Probe> = second.lookup("probe").wait().unwrap();
    assert_eq!(found.pinned(), successor);
}

// Goal: an actor that has ended takes no place in the registry when its address is sent on, however many do. Method: more
// of them than a registry has places; then one that lives.
#[test]
fn addresses_of_the_ended_take_no_place() {
    let _dog = watch();
    let bus = Bus::new("addresses-no-place");
    let (home, second) = (bus.attach("home"), bus.attach("second"));
    second.actor(Book::default()).name("book").spawn().unwrap();
    let book: Addr<Book> = home.lookup("book").wait().unwrap();
    for _ in 0..PLACES + 1 {
        let gone = home.spawn(Book::default()).unwrap();
        gone.stop();
        block_on(gone.closed());
        book.ask(Forget { who: gone }).wait().unwrap();
    }
    book.ask(introduce(&home.spawn(probe().0).unwrap()))
        .wait()
        .unwrap();
}

// Goal: inside one node an address in a message is not encoded, and works all the same.
#[test]
fn addresses_stay_at_home() {
    let _dog = watch();
    let bus = Bus::new("addresses-home");
    let node = bus.attach("node");
    let own = node.spawn(probe().0).unwrap();
    let book = node.spawn(Book::default()).unwrap();
    book.ask(introduce(&own)).wait().unwrap();
    let (probe, notes) = book.ask(Recall).wait().unwrap();
    assert_eq!((probe, notes), (own.clone(), own.recipient()));
}

// Goal: an address of an actor that has ended meanwhile still can be read; it says that its actor is no more.
#[test]
fn addresses_of_the_ended() {
    let _dog = watch();
    let bus = Bus::new("addresses-ended");
    let (home, second) = (bus.attach("home"), bus.attach("second"));
    second.actor(Book::default()).name("book").spawn().unwrap();
    let own = home.spawn(probe().0).unwrap();
    let book: Addr<Book> = home.lookup("book").wait().unwrap();
    book.ask(introduce(&own)).wait().unwrap();
    own.ask(Halt).wait().unwrap();
    assert_eq!(block_on(own.closed()), ExitReason::Normal);
    let (came_home, notes) = book.ask(Recall).wait().unwrap();
    assert!(came_home.is_closed());
    assert_eq!(block_on(came_home.closed()), ExitReason::NoSuchActor);
    let error = notes.tell(Note { number: 1 }).wait().unwrap_err();
    assert!(matches!(error, SendError::Ended { .. }), "{error}");
    assert_eq!(error.into_inner(), Note { number: 1 });
}

// Goal: an address of a node that has left is an error for who uses it, not a wait without end.
#[test]
fn addresses_of_nodes_that_left() {
    let _dog = watch();
    let bus = Bus::new("addresses-left");
    let (home, second) = (bus.attach("home"), bus.attach("second"));
    second.actor(Book::default()).name("book").spawn().unwrap();
    let own = home.spawn(probe().0).unwrap();
    let book: Addr<Book> = home.lookup("book").wait().unwrap();
    book.ask(introduce(&own)).wait().unwrap();
    home.detach();
    drop(home);
    // A third node, which never met the first, is given its address.
    let third = bus.attach("third");
    let book: Addr<Book> = third.lookup("book").wait().unwrap();
    let (gone, notes) = book.ask(Recall).wait().unwrap();
    let error = gone.ask(Note { number: 1 }).wait().unwrap_err();
    assert!(
        matches!(error, AskError::Unsent(SendError::Ended { .. })),
        "{error}"
    );
    let error = notes.tell(Note { number: 1 }).wait().unwrap_err();
    assert!(matches!(error, SendError::Ended { .. }), "{error}");
    let reason = block_on(gone.closed());
    assert!(
        matches!(reason, ExitReason::Unreachable | ExitReason::Shutdown),
        "{reason}"
    );
}

/// One message for two programs, which do not agree on the actor that it names.
mod here {
    use super::*;

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "addresses::Meet")]
    #[serde(crate = "ringway::serde")]
    pub(super) struct Meet {
        pub(super) who: Addr<Probe>,
    }
}

mod there {
    use super::*;

    #[derive(Message, Serialize, Deserialize)]
    #[message(serial, name = "addresses::Meet")]
    #[serde(crate = "ringway::serde")]
    pub(super) struct Meet {
        pub(super) who: Addr<Book>,
    }
}

#[derive(Actor)]
#[actor(handles(there::Meet))]
struct Gullible;

impl Handler<there::Meet> for Gullible {
    async fn handle(&mut self, meet: there::Meet, _cx: &mut Context<Self>) {
        let error = meet.who.ask(Recall).await.unwrap_err();
        let AskError::Unsent(SendError::Refused { refusal, .. }) = error else {
            panic!("{error}")
        };
        assert!(
            refusal.to_string().starts_with("it does not handle "),
            "{refusal}"
        );
    }
}

// Goal: what an address claims of its actor is checked when it is used: at the actor's node, and by the actor's node.
#[test]
fn addresses_of_another_type() {
    let _dog = watch();
    let bus = Bus::new("addresses-type");
    let (home, second) = (bus.attach("home"), bus.attach("second"));
    second.actor(Gullible).name("gullible").spawn().unwrap();
    let own = home.spawn(probe().0).unwrap();
    let gullible: Recipient<here::Meet> = home.lookup("gullible").wait().unwrap();
    gullible
        .ask(here::Meet { who: own.clone() })
        .wait()
        .unwrap();
    home.actor(Gullible).name("gullible/home").spawn().unwrap();
    let gullible: Recipient<here::Meet> = second.lookup("gullible/home").wait().unwrap();
    let far: Addr<Probe> = {
        second.actor(Book::default()).name("book").spawn().unwrap();
        let book: Addr<Book> = home.lookup("book").wait().unwrap();
        book.ask(introduce(&own)).wait().unwrap();
        let book: Addr<Book> = second.lookup("book").wait().unwrap();
        book.ask(Recall).wait().unwrap().0
    };
    let error = gullible.ask(here::Meet { who: far }).wait().unwrap_err();
    assert!(matches!(error, AskError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("addresses::Meet"), "{error}");
    println!("{error}");
}
