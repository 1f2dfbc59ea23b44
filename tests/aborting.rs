//! Where a panic aborts the process, it is the death of that process: told like any other, and the supervisor starts it again.
//!
//! Method: a program of its own, `aborting/main.rs`, is built with `-C panic=abort` when the test runs. Only the program itself
//! is compiled so: it decides for all that it is linked of, and the rest is there already. It is built once; cargo finds out
//! whether again.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::support::{Bus, watch};

/// Builds the program; `None` where there is no cargo.
fn build() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    // Beside the other helpers of this build.
    let beside = Path::new(env!("CARGO_BIN_EXE_peer")).parent().unwrap();
    let profile = match beside.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let built = Command::new(cargo)
        .args(["rustc", "--quiet", "--offline", "--profile", profile])
        .args([
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ])
        .args([
            "--bin",
            "aborting",
            "--features",
            "aborting",
            "--target-dir",
        ])
        .arg(beside.parent().unwrap())
        .args(["--", "-C", "panic=abort"])
        .status();
    match built {
        Ok(status) => assert!(status.success(), "it does not compile"),
        Err(error) => {
            println!("not run: no cargo to build the program with: {error}");
            return None;
        }
    }
    Some(beside.join("aborting"))
}

// Goal: see above; and a panic of an actor in the process itself ends that, with the signal of an abort.
#[test]
fn a_panic_is_the_death_of_its_process() {
    let Some(program) = build() else { return };
    let _dog = watch();
    for (scene, signal) in [("elsewhere", None), ("here", Some(6))] {
        let bus = Bus::new(&format!("aborting-{scene}"));
        let output = Command::new(&program)
            .arg(scene)
            .env("RINGWAY_DIR", bus.directory())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let ended = output.status;
        assert_eq!(ended.signal(), signal, "{scene}: {ended}: {said}");
        assert!(
            signal.is_some() || ended.success(),
            "{scene}: {ended}: {said}"
        );
        assert!(said.contains("as asked"), "{scene}: {said}");
    }
}
