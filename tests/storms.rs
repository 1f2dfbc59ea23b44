//! A short storm of kills and panics under load. `just storms` makes longer ones.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::process::Command;

use self::support::Bus;

/// Goal: three levels of supervisors, eight processes: under kills and panics nothing hangs and nothing leaks, and every
/// message's fate is what its sender was told; what is redelivered is handled at least once, and its effect counted once.
#[test]
fn everything_is_accounted_for_in_a_storm() {
    let bus = Bus::new("storm");
    std::fs::create_dir(bus.directory()).unwrap();
    let seed = std::process::id().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_storm"))
        .args(["200", "2000", &seed])
        .env("RINGWAY_DIR", bus.directory().join("buses"))
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    println!("{}{complaints}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "seed {seed}: {}", output.status);
}
