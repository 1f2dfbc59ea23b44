//! A test harness is a program that takes no role. This file has one test, as its children run all of it. The failure
//! that is printed is the child's, and what the test is about.

use ringway::prelude::*;
use ringway::{AttachError, ExitReason, SpawnProcessError};

/// Names the file in which each run of the test leaves a line.
const RUNS: &str = "RINGWAY_TEST_RUNS";

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Nothing;

#[derive(Actor, Default)]
#[actor(handles(Nothing))]
struct Idle;

impl Handler<Nothing> for Idle {
    async fn handle(&mut self, _nothing: Nothing, _cx: &mut Context<Self>) {}
}

/// Goal: a test that spawns a process ends, and is not run by its children, and theirs. Method: each run that gets
/// further than `attach` is counted in a directory that the first one made.
#[test]
fn a_test_harness_does_not_start_itself() {
    let directory = match std::env::var(RUNS) {
        Ok(directory) => directory.into(),
        Err(_) => std::env::temp_dir().join(format!("ringway-harness-{}", std::process::id())),
    };
    let run = directory.join(format!("run-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let attached = Node::attach(NodeConfig::on("test").directory(directory.join("buses")));
    let node = match attached {
        Ok(node) => node,
        Err(error) => {
            assert!(matches!(&error, AttachError::RoleNotTaken { role } if role == "idle"));
            std::fs::write(run, error.to_string()).unwrap();
            panic!("{error}");
        }
    };

    let spawned = node
        .spawn_process::<Idle>("idle")
        .env(RUNS, &directory)
        .wait();

    match spawned {
        Err(SpawnProcessError::Ended {
            reason: ExitReason::ProcessExited(101),
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    let runs = std::fs::read_dir(&directory).unwrap();
    let runs = runs
        .filter(|entry| entry.as_ref().unwrap().file_name() != "buses")
        .count();
    assert_eq!(runs, 1, "one child, without children");
    std::fs::remove_dir_all(directory).unwrap();
}
