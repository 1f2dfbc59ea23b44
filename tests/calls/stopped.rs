//! Stopped at each of its calls, then killed, or let go on.

use rustix::process::Signal;

use super::acts::{Others, Outcome, each_act};
use super::listener::{Blow, name};

// Goal: a process that is stopped anywhere delays nobody: who comes while it stands still attaches and is served. Then it
// goes on as if nothing had been, or is killed as it stands.
fn stopped_at_every_call(act: &'static str) {
    let others = Others::new(&format!("stopped-{act}"));
    let Some(calls) = others.calls_of(act) else {
        return;
    };
    let mut struck = Vec::new();
    for at in 0..calls.len() {
        let mut watched = others.begin(act, Some((at, Blow::Stop))).unwrap();
        let Some(call) = watched.struck(&others) else {
            let _ = watched.kill();
            continue;
        };
        struck.push(call);
        others.serve_a_newcomer();
        if at.is_multiple_of(2) {
            watched.helper().signal(Signal::CONT);
            assert_eq!(
                watched.outcome(&others),
                Outcome::Done,
                "{act}, {at}: {}",
                name(call)
            );
            let _ = watched.end();
        } else {
            let _ = watched.kill();
        }
        others.are_well();
    }
    println!("{act}: {} calls, stopped at {}", calls.len(), struck.len());
    // What is told over a uring that is open needs no call.
    assert!(!struck.is_empty() || act == "tell", "{act}: {calls:?}");
}

each_act!(stopped_at_every_call);
