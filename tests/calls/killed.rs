//! Killed before each of its calls.

use super::acts::{Others, each_act};
use super::listener::{Blow, name};

// Goal: whatever a process was about to ask of the kernel when it was killed, the others lose nothing and wait for nothing:
// nothing of it is left, their accounts balance, its names are free, and who comes next is served.
fn killed_at_every_call(act: &'static str) {
    let others = Others::new(&format!("killed-{act}"));
    let Some(calls) = others.calls_of(act) else {
        return;
    };
    let mut struck = Vec::new();
    for at in 0..calls.len() {
        let mut watched = others.begin(act, Some((at, Blow::Kill))).unwrap();
        struck.extend(watched.struck(&others));
        let _ = watched.kill();
        others.are_well();
    }
    let names: Vec<String> = struck.iter().map(|call| name(*call)).collect();
    println!(
        "{act}: {} calls, killed at {}: {names:?}",
        calls.len(),
        struck.len()
    );
    // What is told over a uring that is open needs no call.
    assert!(!struck.is_empty() || act == "tell", "{act}: {calls:?}");
}

each_act!(killed_at_every_call);
