//! Pools, and questions to many: who gets what, and what becomes of it when members end.
//!
//! Method: workers say who handled what, on the sender's node and on another. Deaths of processes are played by the example
//! `pool` and by the family.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::collections::HashMap;

use futures::future::join_all;
use futures::{StreamExt, poll};
use ringway::prelude::*;
use ringway::test::{Journal, Pen, Probe, ProbeActor};

use support::probe::Note;
use support::stage::{Stage, both};
use support::{Bus, watch};

type Member = Addr<ProbeActor<Note>>;

/// Starts a probe of that name, which answers each note with its number.
fn member(stage: &Stage, name: &str) -> (Member, Probe<Note>) {
    let (addr, probe) = stage.stand_in(name);
    probe.replies(number);
    (addr, probe)
}

fn number(note: &Note) -> u64 {
    note.number
}

fn members(stage: &Stage, count: usize) -> (Vec<Member>, Vec<Probe<Note>>) {
    (0..count)
        .map(|at| member(stage, &format!("member-{at}")))
        .unzip()
}

// Goal: turns go round the members, whoever asks; one that has ended is passed over, one that is added has its turns.
#[test]
fn turns_go_round_the_living() {
    both("pool-turns", |stage| {
        let (addrs, mut probes) = members(stage, 3);
        let pool = Pool::round_robin(stage.sender(), addrs.clone());
        assert!(!pool.add(addrs[0].clone()), "it is one already");
        block_on(async {
            for number in 0..6 {
                let to = usize::try_from(number % 3).unwrap();
                assert_eq!(pool.clone().ask(Note { number }).await.unwrap(), number);
                probes[to].expect(Note { number }).await;
            }
            addrs[1].stop();
            addrs[1].closed().await;
            for number in 6..10 {
                pool.tell(Note { number }).await.unwrap();
            }
            assert_eq!(pool.members().len(), 2);
            let (late, mut lates) = member(stage, "late");
            assert!(pool.add(late.clone()));
            let asks = (20..26).map(|number| pool.ask(Note { number }));
            assert!(join_all(asks).await.into_iter().all(|reply| reply.is_ok()));
            assert!(matches!(*lates.next().await, Note { number: 20..26 }));
            assert!(pool.remove(&addrs[0]) && pool.remove(&addrs[2]));
            assert!(!pool.remove(&addrs[0]));
            assert_eq!(pool.members(), [late]);
        });
    });
}

// Goal: the member with the fewest messages under way gets the next one.
#[test]
fn the_idle_get_the_work() {
    both("pool-load", |stage| {
        let (addrs, mut probes) = members(stage, 3);
        let pool = Pool::least_loaded(stage.sender(), addrs.clone());
        block_on(async {
            probes.iter().for_each(Probe::hold);
            let mut asked = pool.ask(Note { number: 1 });
            assert!(poll!(&mut asked).is_pending());
            let busy = addrs.iter().position(|it| pool.in_flight(it) == Some(1));
            let busy = busy.unwrap();
            let held = probes[busy].next().await;
            probes.iter().for_each(Probe::hold_no_more);
            for number in 10..30 {
                assert_eq!(pool.ask(Note { number }).await.unwrap(), number);
            }
            assert!(probes[busy].try_next().is_none());
            drop(held);
            assert_eq!(asked.await.unwrap(), 1);
            assert_eq!(pool.in_flight(&addrs[busy]), Some(0));
            let stranger = Probe::<Note>::spawn(stage.sender()).unwrap();
            assert_eq!(pool.in_flight(stranger.addr()), None);
        });
    });
}

// Goal: a key goes to the same member, from every process, and when that one ends only its keys go elsewhere.
#[test]
fn keys_stay_where_they_are() {
    both("pool-keys", |stage| {
        let (addrs, mut probes) = members(stage, 4);
        let pools = [
            Pool::round_robin(stage.sender(), addrs.clone()),
            // Other addresses of the same actors, in another order.
            Pool::least_loaded(
                stage.home(),
                (0..4).rev().map(|at| {
                    let name = format!("member-{at}");
                    stage.home().lookup::<Member>(name).wait().unwrap().pinned()
                }),
            ),
        ];
        let mut whose = |number: u64| {
            let got = probes.iter_mut().map(Probe::try_next);
            let got: Vec<_> = got.map(|it| it.map(|note| note.number)).collect();
            assert_eq!(got.iter().flatten().count(), 1);
            got.iter().position(|it| *it == Some(number)).unwrap()
        };
        block_on(async {
            let mut homes = HashMap::new();
            for number in 0..40 {
                for pool in &pools {
                    pool.ask(Note { number }).key(number).await.unwrap();
                    let home = whose(number);
                    assert_eq!(*homes.entry(number).or_insert(home), home);
                }
            }
            addrs[2].stop();
            addrs[2].closed().await;
            for number in 0..40 {
                pools[0].ask(Note { number }).key(number).await.unwrap();
                let home = whose(number);
                let before = homes[&number];
                assert!(home != 2 && (before == 2 || before == home));
            }
        });
    });
}

// Goal: what a member had not taken when it ended is done by another one; what it had begun is the asker's to judge.
#[test]
fn what_was_not_taken_goes_to_another() {
    both("pool-deaths", |stage| {
        let (addrs, mut probes) = members(stage, 2);
        let pool = Pool::round_robin(stage.sender(), addrs.clone());
        block_on(async {
            probes[0].hold();
            let mut taken = pool.ask(Note { number: 1 });
            assert!(poll!(&mut taken).is_pending());
            let _held = probes[0].expect(Note { number: 1 }).await;
            // Every other one waits behind that.
            let mut asks = join_all((2..10).map(|number| pool.ask(Note { number })));
            assert!(poll!(&mut asks).is_pending());
            addrs[0].kill();
            let error = taken.await.unwrap_err();
            assert!(
                matches!(error, AskError::Died { taken: true, .. }),
                "{error}"
            );
            for (reply, number) in asks.await.into_iter().zip(2..) {
                assert_eq!(reply.unwrap(), number);
            }
            addrs[1].kill();
            addrs[1].closed().await;
            let nobody = pool.ask(Note { number: 11 }).deadline(ms(20)).await;
            let Err(AskError::Unsent(SendError::Deadline { message, .. })) = nobody else {
                panic!("{nobody:?}")
            };
            let nobody = pool.tell(message).deadline(ms(20)).await;
            assert!(
                matches!(nobody, Err(SendError::Deadline { .. })),
                "{nobody:?}"
            );
            // Who waits for a member gets the one that comes.
            let mut waits = pool.ask(Note { number: 12 });
            assert!(poll!(&mut waits).is_pending());
            let (late, _lates) = member(stage, "late");
            pool.add(late);
            assert_eq!(waits.await.unwrap(), 12);
        });
    });
}

// Goal: of many, all answer in their order, or the first, or a quorum; each one's error is its own, and who is not waited for
// is given up.
#[test]
fn many_are_asked() {
    both("many", |stage| {
        let (addrs, mut probes) = members(stage, 4);
        block_on(async {
            let all = ask_all(&addrs, Note { number: 1 }).await;
            assert!(all.into_iter().all(|answer| answer.unwrap() == 1));
            // One is busy, one is dead.
            probes[0].expect(Note { number: 1 }).await;
            probes[0].hold();
            addrs[0].tell(Note { number: 2 }).await.unwrap();
            addrs[1].stop();
            addrs[1].closed().await;
            let quorum = ask_all(&addrs, Note { number: 3 }).quorum(2).await;
            assert_eq!(quorum.unwrap(), [3, 3]);
            let first = ask_all(&addrs, Note { number: 4 }).first().await;
            assert_eq!(first.unwrap(), 4);
            // Who is there answers long before.
            let answers = ask_all(&addrs, Note { number: 5 }).deadline(secs(3)).await;
            assert!(matches!(&answers[0], Err(AskError::Deadline { .. })));
            assert!(matches!(
                &answers[1],
                Err(AskError::Unsent(SendError::Ended { .. }))
            ));
            assert!(matches!(&answers[2..], [Ok(5), Ok(5)]));
            let all = ask_all(&addrs, Note { number: 6 }).quorum(4).await;
            let error = all.unwrap_err();
            assert_eq!(error.wanted, 4);
            let failed = error.answers.iter().find(|it| it.answer.is_err()).unwrap();
            assert_eq!((failed.place, failed.who), (1, addrs[1].id()));
            assert!(
                error
                    .to_string()
                    .contains("that were wanted; the first error: ")
            );
            let none = ask_all(Vec::<Member>::new(), Note { number: 7 });
            assert_eq!(none.first().await.unwrap_err().answers.len(), 0);
            let stream = Pool::round_robin(stage.sender(), addrs[2..].to_vec());
            let stream = stream.ask_all(Note { number: 8 }).answers();
            assert_eq!(stream.count().await, 2);
            // The busy one has begun none of what was given up meanwhile.
            let busy = &mut probes[0];
            let held = busy.expect(Note { number: 2 }).await;
            busy.hold_no_more();
            drop(held);
            assert_eq!(addrs[0].ask(Note { number: 9 }).await.unwrap(), 9);
            busy.expect(Note { number: 9 }).await;
        });
    });
}

// Goal: a pool of recipients of different actors, here and far, is one pool.
#[test]
fn members_may_differ() {
    let _dog = watch();
    let bus = Bus::new("pool-mixed");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    let near = Probe::<Note>::spawn(&home).unwrap();
    near.replies(number);
    let (unlike, _watcher) = support::probe::probe();
    other.actor(unlike).name("far").spawn().unwrap();
    let far: Recipient<Note> = home.lookup("far").wait().unwrap();
    let pool = Pool::round_robin(&home, [near.recipient(), far]);
    for number in 0..4 {
        assert_eq!(pool.ask(Note { number }).wait().unwrap(), number);
        pool.tell(Note { number }).wait().unwrap();
    }
    assert_eq!(pool.members().len(), 2);
}

// Goal: a pool over a group has those who are members at the moment: here and far, who joins, and not who leaves or ends; while there is
// nobody, messages wait.
#[test]
fn a_group_is_a_pool() {
    let _dog = watch();
    let bus = Bus::new("pool-group");
    let (home, other) = (bus.attach("home"), bus.attach("other"));
    let group = |node: &Node| node.group::<Note>("workers").unwrap();
    let start = |node: &Node| {
        let probe = Probe::<Note>::spawn(node).unwrap();
        probe.replies(number);
        (probe.addr().clone(), probe)
    };
    let (here, there) = (group(&home), group(&other));
    let pool = here.round_robin();
    let mut waits = pool.ask(Note { number: 1 });
    block_on(async {
        assert!(poll!(&mut waits).is_pending());
        let (far, fars) = start(&other);
        there.join(&far).unwrap();
        assert_eq!(waits.await.unwrap(), 1);
        let (near, _nears) = start(&home);
        assert!(here.join(&near).unwrap());
        assert!(!pool.add(near.recipient()) && !pool.remove(&near.recipient()));
        assert_eq!(pool.members().len(), 2);
        // Both have their turns.
        let busy = here.least_loaded();
        fars.hold();
        far.tell(Note { number: 2 }).await.unwrap();
        let asks: Vec<_> = (3..7).map(|number| busy.ask(Note { number })).collect();
        let mut asks = futures::stream::FuturesUnordered::from_iter(asks);
        // Of four two go to each; those of the busy one wait.
        assert!(asks.next().await.unwrap().is_ok());
        assert!(asks.next().await.unwrap().is_ok());
        assert!(poll!(asks.next()).is_pending());
        far.kill();
        // What it had not taken went to the other.
        while let Some(answer) = asks.next().await {
            answer.unwrap();
        }
        for number in 10..14 {
            assert_eq!(pool.ask(Note { number }).await.unwrap(), number);
        }
        assert_eq!(pool.members(), [near.recipient()]);
        assert!(here.leave(&near));
        let nobody = pool.tell(Note { number: 20 }).deadline(ms(20)).await;
        assert!(
            matches!(nobody, Err(SendError::Deadline { .. })),
            "{nobody:?}"
        );
    });
}

/// Panics at the first attempts at a job, and says which attempt it was.
#[derive(Actor)]
#[actor(handles(Job))]
struct Frail(Pen<(u64, u32, u64)>);

/// A job that panics at so many attempts.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Job {
    number: u64,
    panics: u64,
}

impl Handler<Job> for Frail {
    async fn handle(&mut self, job: Job, cx: &mut Context<Self>) -> u64 {
        let id = cx.message_id().map_or(0, |id| id.number);
        self.0.write((job.number, cx.attempt(), id));
        assert!(u64::from(cx.attempt()) > job.panics, "as asked");
        job.number
    }
}

// Goal: what is redelivered goes to another member when the one that took it ends, asked or told, with the same id and the attempts
// counted, until it is handled or poison; then it is a dead letter, whole.
#[test]
fn what_was_taken_goes_to_another_if_it_is_to() {
    both("pool-again", |stage| {
        let (handled, log) = Journal::new();
        let frail = |at: usize| {
            let actor = Frail(log.clone());
            stage
                .spawn_as(&format!("frail-{at}"), actor, |builder| builder)
                .pinned()
        };
        let pool = Pool::least_loaded(stage.sender(), (0..8).map(frail));
        let mut letters = stage.sender().dead_letters();
        block_on(async {
            let job = |number, panics| Job { number, panics };
            assert_eq!(pool.ask(job(1, 2)).redeliver(2).await.unwrap(), 1);
            pool.tell(job(2, 1)).redeliver(1).await.unwrap();
            let poison = pool.ask(job(3, 9)).redeliver(1).await;
            assert!(
                matches!(poison, Err(AskError::Poisoned { attempts: 2, .. })),
                "{poison:?}"
            );
            let letter = letters.next().await.unwrap();
            assert!(matches!(
                letter.reason,
                DeadReason::Poisoned { attempts: 2, .. }
            ));
            let whole = letter.take::<Job>().unwrap().into_value().unwrap();
            assert_eq!(whole, job(3, 9));
            pool.tell(job(4, 9)).redeliver(0).await.unwrap();
            let letter = letters.next().await.unwrap();
            assert!(matches!(
                letter.reason,
                DeadReason::Poisoned { attempts: 1, .. }
            ));
            let once = pool.ask(job(5, 9)).await;
            assert!(
                matches!(once, Err(AskError::Died { taken: true, .. })),
                "{once:?}"
            );
            assert_eq!(pool.ask(job(6, 0)).redeliver(0).await.unwrap(), 6);
        });
        let mut seen: HashMap<u64, Vec<(u32, u64)>> = HashMap::new();
        for (number, attempt, id) in handled.so_far() {
            seen.entry(number).or_default().push((attempt, id));
        }
        for (number, attempts) in [(1, 3), (2, 2), (3, 2), (4, 1), (5, 1), (6, 1)] {
            let found = &seen[&number];
            let counted: Vec<_> = found.iter().map(|it| it.0).collect();
            assert_eq!(counted, (1..=attempts).collect::<Vec<_>>(), "{number}");
            assert!(found.iter().all(|it| it.1 == found[0].1));
            assert_eq!(found[0].1 > 0, number != 5);
        }
    });
}
