//! Ways back in great numbers, and an answer whose reading panics.

use std::ops::Range;

use futures::future::join_all;
use ringway::prelude::*;
use ringway::serde::Deserializer;

use crate::support::{Bus, watch};

/// Asks for its number.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = Brittle)]
#[serde(crate = "ringway::serde")]
struct Number(u64);

/// A number that is read from another process, but for one of them.
#[derive(Message, Serialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Brittle(u64);

const UNLUCKY: u64 = 13;

impl<'de> Deserialize<'de> for Brittle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert_ne!(number, UNLUCKY, "as it must");
        Ok(Self(number))
    }
}

#[derive(Serialize, Deserialize, Schema)]
#[serde(crate = "ringway::serde")]
struct One {
    number: u64,
    way: ReplyTo<Brittle>,
}

/// Many ways back at once.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct All(Vec<One>);

/// Has the gate pass on what it keeps, once that is so much.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Open {
    at: usize,
}

#[derive(Actor)]
#[actor(handles(Number, Open))]
struct Gate {
    kept: Vec<One>,
    at: usize,
    clerk: Addr<Clerk>,
}

impl Handler<Number, Deferred<Brittle>> for Gate {
    async fn handle(
        &mut self,
        Number(number): Number,
        cx: &mut Context<Self>,
    ) -> Deferred<Brittle> {
        let (way, deferred) = cx.defer();
        self.kept.push(One { number, way });
        if self.kept.len() == self.at {
            let all = std::mem::take(&mut self.kept);
            self.clerk.tell(All(all)).await.unwrap();
        }
        deferred
    }
}

impl Handler<Open> for Gate {
    async fn handle(&mut self, Open { at }: Open, _cx: &mut Context<Self>) {
        self.at = at;
    }
}

#[derive(Actor)]
#[actor(handles(All))]
struct Clerk;

impl Handler<All> for Clerk {
    async fn handle(&mut self, All(all): All, _cx: &mut Context<Self>) {
        for One { number, way } in all {
            way.send(Brittle(number));
        }
    }
}

struct Scene {
    gate: Addr<Gate>,
    _nodes: [Node; 2],
    _bus: Bus,
}

impl Scene {
    fn set(name: &str) -> Self {
        let bus = Bus::new(name);
        let nodes = [bus.attach("home"), bus.attach("other")];
        nodes[1].actor(Clerk).name("clerk").spawn().unwrap();
        let clerk = nodes[0].lookup("clerk").wait().unwrap();
        let kept = Vec::new();
        let at = 0;
        let gate = nodes[0].spawn(Gate { kept, at, clerk }).unwrap();
        Self {
            gate,
            _nodes: nodes,
            _bus: bus,
        }
    }

    /// Asks for each of the numbers, which are answered from the other node in one go.
    fn ask(&self, numbers: Range<u64>) -> Vec<Result<Brittle, AskError<Number>>> {
        let at = numbers.clone().count();
        self.gate.tell(Open { at }).wait().unwrap();
        let asks = numbers.map(|number| self.gate.ask(Number(number)).deadline(secs(100)));
        block_on(join_all(asks))
    }
}

// Goal: as many ways back in one message as may be: each answers, although each has a word to be said on the socket of the two
// nodes.
#[test]
fn ten_thousand_ways_back_travel_at_once() {
    let _dog = watch();
    let scene = Scene::set("later-crowd");
    let numbers = || 1 << 32..(1 << 32) + 10_000;
    for (answer, number) in scene.ask(numbers()).into_iter().zip(numbers()) {
        assert_eq!(answer.unwrap().0, number);
    }
}

// Goal: an answer whose reading panics is told to its asker, and harms no other answer.
#[test]
fn an_answer_that_cannot_be_read_harms_no_other() {
    let _dog = watch();
    let scene = Scene::set("later-brittle");
    for _ in 0..2 {
        for (answer, number) in scene.ask(11..16).into_iter().zip(11..) {
            match answer {
                Ok(Brittle(found)) => assert!(found == number && number != UNLUCKY),
                Err(AskError::Handler(error)) => {
                    assert_eq!(number, UNLUCKY);
                    let text = "its reply cannot be passed on: reading it panicked: ";
                    assert!(error.text().starts_with(text), "{}", error.text());
                }
                Err(error) => panic!("{number}: {error}"),
            }
        }
    }
}
