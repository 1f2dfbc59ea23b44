//! Asks whose answer is left to others: the helper `family` plays the scene, each of those who take part a process of its own.

use std::process::Command;

use super::table::answer_cell;
use crate::support::{Bus, watch};

/// Plays a cell of the table, and holds what became of each ask against the document.
pub(crate) fn play_answer(name: &str, row: &str, column: &str) {
    let _dog = watch();
    let bus = Bus::new(&format!("fate-{name}"));
    let output = Command::new(env!("CARGO_BIN_EXE_family"))
        .args(["answers", row, column])
        .env("RINGWAY_DIR", bus.directory().join("buses"))
        // Each panic is one of a new process, which would read its symbols first.
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}{complaints}");
    let (times, found) = said.trim().split_once(' ').unwrap();
    assert!(
        times.parse::<u64>().unwrap() >= 100,
        "{name}: {times} times"
    );
    let document = answer_cell(row, column);
    assert_eq!(
        found, document,
        "{name}: what was found, and what the document says"
    );
}
