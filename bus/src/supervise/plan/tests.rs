//! The plan against tables. Children are called a, b, c... in order; `+a` is a start of a, `-a` a stop.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Carries a plan out, at once and with success unless told otherwise, and writes down what it did.
struct Stage {
    plan: Plan,
    keys: BTreeMap<char, ChildKey>,
    now: Nanos,
    /// Those whose starts fail.
    broken: Vec<char>,
}

fn failure() -> ExitReason {
    ExitReason::Panicked("boom".to_owned())
}

fn rules(strategy: Strategy) -> Rules {
    Rules {
        strategy,
        intensity: Intensity {
            restarts: 3,
            within: Duration::from_secs(10),
        },
        backoff: Backoff(Duration::from_secs(1)..Duration::from_secs(4)),
    }
}

impl Stage {
    /// Sets a stage with a child of each kind: `p`ermanent, `t`ransient, `x` for temporary.
    fn set(strategy: Strategy, kinds: &str) -> Self {
        let mut plan = Plan::new(rules(strategy));
        let keys = ('a'..).zip(kinds.chars()).map(|(name, kind)| {
            let restart = match kind {
                'p' => Restart::Permanent,
                't' => Restart::Transient,
                'x' => Restart::Temporary,
                other => panic!("{other}"),
            };
            (name, plan.add(restart))
        });
        let keys = keys.collect();
        Self {
            plan,
            keys,
            now: Nanos(SECOND),
            broken: Vec::new(),
        }
    }

    fn name(&self, key: ChildKey) -> char {
        let found = self.keys.iter().find(|(_, other)| **other == key);
        *found.expect("a child of this stage").0
    }

    /// The least chance: delays are four fifths of the middle.
    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            chance: 0,
        }
    }

    /// Does what is to be done now; what is waited for is in milliseconds from now.
    fn play(&mut self) -> String {
        let mut done = Vec::new();
        loop {
            match self.plan.next(self.now) {
                Step::Start(key) => {
                    let name = self.name(key);
                    if self.broken.contains(&name) {
                        done.push(format!("!{name}"));
                        self.plan.start_failed(key, failure(), self.moment());
                    } else {
                        done.push(format!("+{name}"));
                        self.plan.started(key, self.now);
                    }
                }
                Step::Stop(key) => {
                    done.push(format!("-{}", self.name(key)));
                    self.plan.ended(key, ExitReason::Shutdown, self.moment());
                }
                Step::Wait(None) => break,
                Step::Wait(Some(at)) => {
                    done.push(format!("~{}", at.since(self.now).as_millis()));
                    break;
                }
                Step::Over(Ending::Told(_)) => {
                    done.push("over".to_owned());
                    break;
                }
                Step::Over(Ending::GaveUp(key, _)) => {
                    done.push(format!("gave up {}", self.name(key)));
                    break;
                }
                Step::Over(Ending::StartFailed(key, _)) => {
                    done.push(format!("no start of {}", self.name(key)));
                    break;
                }
            }
        }
        done.join(" ")
    }

    fn fails(&mut self, name: char) -> String {
        self.ends(name, failure())
    }

    fn ends(&mut self, name: char, reason: ExitReason) -> String {
        self.plan.ended(self.keys[&name], reason, self.moment());
        self.play()
    }

    fn later(&mut self, by: Duration) -> String {
        self.now = self.now.plus(by);
        self.play()
    }
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

// Goal: what each strategy does about a failure of each child, for each kind of the others.
#[test]
fn strategies() {
    use Strategy::{OneForAll, OneForOne, RestForOne};
    for (strategy, kinds, fails, at_once, later) in [
        (OneForOne, "ppp", 'b', "~1000", "+b"),
        (OneForOne, "ppp", 'a', "~1000", "+a"),
        (OneForAll, "ppp", 'b', "-c -a ~1000", "+a +b +c"),
        (OneForAll, "ppp", 'a', "-c -b ~1000", "+a +b +c"),
        (OneForAll, "ppp", 'c', "-b -a ~1000", "+a +b +c"),
        (RestForOne, "ppp", 'b', "-c ~1000", "+b +c"),
        (RestForOne, "ppp", 'a', "-c -b ~1000", "+a +b +c"),
        (RestForOne, "ppp", 'c', "~1000", "+c"),
        // Another's failure starts transient children again, and is the end of temporary ones.
        (OneForAll, "ptx", 'a', "-c -b ~1000", "+a +b"),
        (RestForOne, "xpt", 'b', "-c ~1000", "+b +c"),
        (OneForAll, "p", 'a', "~1000", "+a"),
    ] {
        let mut stage = Stage::set(strategy, kinds);
        stage.play();
        let case = format!("{strategy:?} {kinds} {fails}");
        assert_eq!(stage.fails(fails), at_once, "{case}");
        assert_eq!(stage.later(ms(1_000)), later, "{case}");
        assert_eq!(stage.later(ms(60_000)), "", "{case}");
    }
}

// Goal: whom an end of its own starts again, by kind and reason.
#[test]
fn kinds() {
    let restarted = State::Due(Nanos(2 * SECOND));
    for (kind, reason, state) in [
        ("p", failure(), Some(restarted)),
        ("p", ExitReason::Normal, Some(restarted)),
        ("p", ExitReason::Stopped, Some(restarted)),
        ("t", failure(), Some(restarted)),
        ("t", ExitReason::Killed, Some(restarted)),
        ("t", ExitReason::ProcessSignaled(9), Some(restarted)),
        ("t", ExitReason::Normal, Some(State::Idle)),
        ("t", ExitReason::Stopped, Some(State::Idle)),
        ("t", ExitReason::Shutdown, Some(State::Idle)),
        ("t", ExitReason::ProcessExited(0), Some(State::Idle)),
        ("x", failure(), None),
        ("x", ExitReason::Normal, None),
    ] {
        let mut stage = Stage::set(Strategy::OneForOne, kind);
        stage.play();
        stage.ends('a', reason.clone());
        assert_eq!(stage.plan.state(stage.keys[&'a']), state, "{kind} {reason}");
    }
}

// Goal: children start in order and stop in reverse, and nothing starts after the end.
#[test]
fn order_of_start_and_end() {
    let mut stage = Stage::set(Strategy::OneForOne, "ptx");
    assert!(!stage.plan.has_started());
    assert_eq!(stage.play(), "+a +b +c");
    assert!(stage.plan.has_started());
    stage.plan.end(Ending::Told(ExitReason::Shutdown));
    assert_eq!(stage.play(), "-c -b -a over");
    assert_eq!(stage.later(ms(60_000)), "over");
}

// Goal: a child that does not start with its supervisor is the end of it; those before it are stopped, those after it
// never start.
#[test]
fn a_first_start_must_succeed() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let mut stage = Stage::set(strategy, "ppp");
        stage.broken.push('c');
        assert_eq!(stage.play(), "+a +b !c -b -a no start of c");
        assert!(!stage.plan.has_started());
    }
}

// Goal: a restart that fails is a failure like any other: it counts, it waits longer, it takes the others with it.
#[test]
fn a_failed_restart_is_tried_again() {
    let mut stage = Stage::set(Strategy::OneForAll, "ppp");
    stage.play();
    stage.broken.push('b');
    assert_eq!(stage.fails('c'), "-b -a ~1000");
    assert_eq!(stage.later(ms(1_000)), "+a !b -a ~1000");
    assert_eq!(stage.later(ms(1_000)), "+a !b -a ~1600");
    stage.broken.clear();
    assert_eq!(stage.later(ms(1_600)), "+a +b +c");
    stage.broken.push('b');
    assert_eq!(stage.fails('b'), "-c -a gave up b");
}

// Goal: one restart too many ends the supervisor, in order; a restart of all counts as one; old ones do not count.
#[test]
fn intensity_is_a_limit() {
    for strategy in [
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ] {
        let mut stage = Stage::set(strategy, "pp");
        stage.play();
        for round in 0..30 {
            assert!(stage.fails('b').ends_with("~1000"), "{strategy:?} {round}");
            stage.later(ms(1_000));
            stage.later(ms(11_000));
        }
        for delay in [1_000, 1_600, 3_200] {
            let waits = format!("~{delay}");
            assert!(stage.fails('b').ends_with(&waits), "{strategy:?} {delay}");
            stage.later(ms(delay));
        }
        assert_eq!(stage.fails('b'), "-a gave up b", "{strategy:?}");
        assert!(stage.plan.is_ending());
        stage.plan.end(Ending::Told(ExitReason::Shutdown));
        assert_eq!(stage.play(), "gave up b", "who gave up did not obey");
    }
}

// Goal: the intensity is the supervisor's, not the child's; the backoff is the child's.
#[test]
fn restarts_of_all_children_add_up() {
    let mut stage = Stage::set(Strategy::OneForOne, "pppp");
    stage.play();
    assert_eq!(stage.fails('a'), "~1000");
    assert_eq!(stage.fails('b'), "~1000");
    assert_eq!(stage.fails('c'), "~1000");
    assert_eq!(stage.fails('d'), "gave up d");
}

// Goal: a child that has lived for long begins with the shortest delay again, one that has not does not.
#[test]
fn quiet_times_shorten_the_delay() {
    let mut stage = Stage::set(Strategy::OneForOne, "p");
    stage.play();
    for (lived, delay) in [
        (0, 1_000),
        (9_999, 1_600),
        (9_999, 3_200),
        (10_000, 1_000),
        (0, 1_600),
    ] {
        stage.later(ms(lived));
        assert_eq!(stage.fails('a'), format!("~{delay}"), "{lived}");
        assert_eq!(stage.later(ms(delay)), "+a");
    }
}

// Goal: alone, each child waits for its own time only; together, none before those that come before it.
#[test]
fn delays_run_side_by_side() {
    let mut stage = Stage::set(Strategy::OneForOne, "ppp");
    stage.play();
    stage.fails('a');
    stage.later(ms(1_000));
    assert_eq!(stage.fails('a'), "~1600");
    assert_eq!(stage.fails('c'), "~1000");
    assert_eq!(stage.later(ms(1_000)), "+c ~600");
    assert_eq!(stage.later(ms(600)), "+a");

    let mut stage = Stage::set(Strategy::RestForOne, "ppp");
    stage.play();
    assert_eq!(stage.fails('c'), "~1000");
    stage.later(ms(500));
    assert_eq!(stage.fails('a'), "-b ~1000");
    assert_eq!(stage.later(ms(1_000)), "+a +b +c");
}

// Goal: what ends by itself while it is to be stopped is not a failure of its own.
#[test]
fn dying_while_doomed_counts_once() {
    let mut stage = Stage::set(Strategy::OneForAll, "ppp");
    stage.play();
    let moment = stage.moment();
    stage.plan.ended(stage.keys[&'a'], failure(), moment);
    let Step::Stop(last) = stage.plan.next(stage.now) else {
        panic!()
    };
    assert_eq!(stage.name(last), 'c');
    stage.plan.ended(stage.keys[&'b'], failure(), moment);
    stage.plan.ended(last, ExitReason::StopTimeout, moment);
    assert_eq!(stage.play(), "~1000");
    assert_eq!(stage.later(ms(1_000)), "+a +b +c");
    assert_eq!(stage.fails('a'), "-c -b ~1600", "the second of three");
}

// Goal: a start under way is given up when its child is to be stopped, and whatever comes of it is not a failure.
#[test]
fn a_start_can_be_given_up() {
    for ends in [true, false] {
        let mut stage = Stage::set(Strategy::OneForAll, "pp");
        assert_eq!(stage.plan.next(stage.now), Step::Start(stage.keys[&'a']));
        assert!(!stage.plan.is_doomed(stage.keys[&'a']));
        stage.plan.end(Ending::Told(ExitReason::Stopped));
        assert!(stage.plan.is_doomed(stage.keys[&'a']));
        let (key, moment) = (stage.keys[&'a'], stage.moment());
        if ends {
            stage.plan.ended(key, ExitReason::Killed, moment);
        } else {
            stage.plan.start_failed(key, failure(), moment);
        }
        assert_eq!(stage.play(), "over");
    }
}

// Goal: children that come later: started when asked for, last in order, and forgotten if they do not start.
#[test]
fn children_are_added() {
    let mut stage = Stage::set(Strategy::RestForOne, "p");
    stage.play();
    for name in ['b', 'c'] {
        let key = stage.plan.add_asked(Restart::Permanent);
        stage.keys.insert(name, key);
    }
    stage.broken.push('c');
    assert_eq!(stage.play(), "+b !c");
    assert_eq!(stage.plan.state(stage.keys[&'c']), None);
    assert_eq!(stage.fails('a'), "-b ~1000");
    // Asked for meanwhile: after those before it.
    let key = stage.plan.add_asked(Restart::Temporary);
    stage.keys.insert('d', key);
    assert_eq!(stage.play(), "~1000");
    assert_eq!(stage.later(ms(1_000)), "+a +b +d");
}

// Goal: children that are stopped by a call stay down, whatever becomes of the others, until a call starts them.
#[test]
fn children_are_stopped_and_started_by_calls() {
    let mut stage = Stage::set(Strategy::OneForAll, "ppx");
    stage.play();
    stage.plan.stop(stage.keys[&'b'], false);
    assert_eq!(stage.play(), "-b");
    assert_eq!(stage.fails('a'), "-c ~1000");
    assert_eq!(stage.later(ms(1_000)), "+a");
    assert!(stage.plan.start(stage.keys[&'b']));
    stage.broken.push('b');
    assert_eq!(stage.play(), "!b", "told to who asked, and no failure");
    stage.broken.clear();
    assert!(stage.plan.start(stage.keys[&'b']));
    assert_eq!(stage.play(), "+b");
    assert!(!stage.plan.start(stage.keys[&'b']), "it lives");
    assert!(!stage.plan.start(stage.keys[&'c']), "it was temporary");
    stage.plan.stop(stage.keys[&'b'], true);
    assert_eq!(stage.play(), "-b");
    assert_eq!(stage.plan.state(stage.keys[&'b']), None);
    // One that waits for its restart is stopped without more ado.
    stage.fails('a');
    stage.plan.stop(stage.keys[&'a'], false);
    assert_eq!(stage.later(ms(60_000)), "");
}
