//! Waiting for any of many things: subscribers, events, asks and timers, by the combinators of `futures` and by a selector.

use std::future::IntoFuture as _;

use futures::future::{Either, join_all, select};
use futures::stream::{self, select_all};
use futures::{FutureExt as _, StreamExt as _};
use ringway::Selector;
use ringway::prelude::*;

use crate::basic::{Position, at, said};
use crate::helper::Helper;
use crate::support::{Bus, watch};

/// Answers when it has come to so much, by timers.
#[derive(Actor)]
#[actor(handles(u64))]
struct Later;

impl Handler<u64> for Later {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {}
}

/// What happened.
#[derive(Debug, PartialEq)]
enum Happened {
    Sample(usize, u64),
    Event(u64),
    Answered,
}

// Goal: topics of this process and another, an event and an ask are streams and futures like any: `select_all`, `map`, `once`
// take them, nothing is lost to those that were not chosen, and a timeout is a `select` with any timer.
#[test]
fn any_of_many_by_combinators() {
    let _dog = watch();
    let bus = Bus::new("multiplex-combinators");
    let (near, far) = (bus.attach("near"), bus.attach("far"));
    let later = far.actor(Later).name("later").spawn().unwrap();
    let asked: Addr<Later> = near.lookup("later").wait().unwrap();
    let names = ["a", "b", "c"];
    let topics = names.map(|name| near.topic::<Position>(name).unwrap());
    block_on(async {
        let subscribers = topics.each_ref().map(|it| it.subscriber().into_future());
        let subscribers = join_all(subscribers).await.into_iter().map(Result::unwrap);
        let samples = (0..).zip(subscribers).map(|(number, it)| {
            it.map(move |sample| Happened::Sample(number, said(&sample).2))
                .boxed()
        });
        let listener = near.event("event").unwrap().listener().await.unwrap();
        let event = listener.map(|notice| Happened::Event(notice.id())).boxed();
        let ask = stream::once(async move { asked.ask(1).await.unwrap() });
        let ask = ask.map(|()| Happened::Answered).boxed();
        let mut any = select_all(samples.chain([event, ask]));
        assert_eq!(any.next().await, Some(Happened::Answered));

        let publishers = names.map(|name| {
            far.topic::<Position>(name)
                .unwrap()
                .publisher()
                .into_future()
        });
        let publishers = join_all(publishers).await;
        let notifier = far.event("event").unwrap().notifier().await.unwrap();
        for x in 0..100 {
            let mut expected = vec![Happened::Event(x)];
            for (number, publisher) in publishers.iter().enumerate() {
                publisher.as_ref().unwrap().publish(at(x)).await.unwrap();
                expected.push(Happened::Sample(number, x));
            }
            notifier.notify(x).unwrap();
            for _ in 0..4 {
                let happened = any.next().await.unwrap();
                let place = expected.iter().position(|it| *it == happened);
                expected.swap_remove(place.unwrap());
            }
        }
        // A timer that is due wins against what does not come; and what comes then is there all the same.
        match select(any.next(), std::future::ready(())).await {
            Either::Left(_) => panic!("nothing was published"),
            Either::Right(((), _)) => {}
        }
        notifier.notify(100).unwrap();
        assert_eq!(any.next().await, Some(Happened::Event(100)));
    });
    later.kill();
}

// Goal: a selector over a thousand topics of another process gives what is published into any, and tells which. Method: the
// publisher is another process that chooses topics in an order of its own.
#[test]
fn any_of_a_thousand_by_a_selector() {
    const TOPICS: u64 = 1000;
    let _dog = watch();
    let bus = Bus::new("multiplex-selector");
    let node = bus.attach("node");
    let mut selector = Selector::new();
    for number in 0..TOPICS {
        let topic = node.topic::<Position>(format!("many/{number}")).unwrap();
        let subscriber = topic.subscriber().depth(2).wait().unwrap();
        selector.add(number, subscriber.map(|sample| said(&sample)));
    }
    let mut helper = Helper::start(&bus, &["patterns", "many", "10"]);
    assert_eq!(helper.read_line(), "published");
    block_on(async {
        let mut got = Vec::new();
        for _ in 0..10 {
            let (number, said) = selector.next().await.unwrap();
            let (sequence, missed, round) = said.unwrap();
            assert_eq!((sequence, missed, number), (1, 0, round * 97 % TOPICS));
            got.push(round);
        }
        got.sort_unstable();
        assert_eq!(got, (1..=10).collect::<Vec<_>>());
    });
    helper.kill();
    assert!(selector.next().now_or_never().is_none());
    assert_eq!(selector.len(), 1000);
    node.detach();
    let mut ended = 0;
    while !selector.is_empty() {
        let (_, end) = block_on(selector.next()).unwrap();
        assert_eq!(end, None);
        ended += 1;
    }
    assert_eq!(ended, TOPICS);
}
