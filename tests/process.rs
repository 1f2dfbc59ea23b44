//! Child processes: they start, work, fail, end and are reaped as the documentation says.
//!
//! Method: the helper `family` plays one scene a test, on a bus of its own, and asserts the outcome inside; the test runs it,
//! kills what must be killed from outside, and looks at what is left.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "process/cgroups.rs"]
mod cgroups;
#[path = "process/stage.rs"]
mod stage;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use ringway_shm::sys::process::Signal;

use self::cgroups::Cgroup;
use self::stage::{Killed, Stage, applaud, await_end};
use self::support::watch;

macro_rules! scenes {
    ($($name:ident: $scene:literal),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let _dog = watch();
            Stage::set().play($scene, &[]);
        }
    )+};
}

scenes! {
    a_child_answers: "hello",
    large_arguments_and_replies_arrive: "large",
    a_named_child_is_found_once: "named",
    a_child_gets_arguments_and_environment_but_not_its_role: "environment",
    a_wrong_role_is_named_with_the_right_ones: "wrong roles",
    a_failed_start_is_told: "failures",
    a_child_that_never_starts_is_killed: "deadline",
    a_spawn_that_is_given_up_leaves_nothing: "given up",
    a_missing_program_is_an_error: "missing program",
    addresses_of_one_actor_are_equal_in_every_process: "addresses",
    a_killed_child_is_reported_with_its_signal: "killed",
    a_stopped_child_ends_in_order: "stopped",
    exit_codes_tell_how_the_actor_ended: "codes",
    a_detaching_node_ends_its_children: "detached",
    no_child_stays_a_zombie: "zombies",
    a_child_has_what_was_asked_for: "conditions",
    an_option_that_cannot_be_had_is_named: "refused options",
    what_a_child_writes_comes_in_lines: "lines",
    the_last_words_of_the_dead_are_kept: "tails",
    children_are_stopped_step_by_step: "ladder",
    a_restarted_actor_knows_why: "told of restarts",
    programs_end_with_the_child_that_started_them: "programs",
    children_and_strangers_do_not_disturb_each_other: "strangers",
    deaths_on_the_way_of_a_forward_are_told: "forwarded",
    deaths_on_the_way_of_an_answer_are_told: "delegated",
    words_of_the_dead_come_before_their_death: "last words",
    kills_are_told_to_all_who_monitor: "told of kills",
    supervised_processes_come_back: "supervised",
    names_are_followed_from_kill_to_kill: "followed",
    links_end_actors_of_other_processes: "linked",
    groups_of_copies_outlive_kills: "grouped",
    supervised_processes_stop_in_their_turn: "supervised stops",
    a_detaching_node_stops_what_is_supervised: "supervised detached",
    a_child_whose_supervisor_gives_up_has_failed: "gives up below",
    a_contained_supervisor_ends_nothing_else: "contained",
    a_storm_of_kills_and_panics_leaves_nothing: "storm",
}

#[test]
fn another_program_with_the_role_can_be_the_child() {
    let _dog = watch();
    let stage = Stage::set();
    let copy = stage.copy_of_family();
    stage.play("other program", &[copy.to_str().unwrap()]);
}

/// Goal: parents and children that drive their nodes themselves do the same.
#[test]
fn nodes_without_workers_have_children_too() {
    let _dog = watch();
    let stage = Stage::set();
    for scene in [
        "hello",
        "large",
        "addresses",
        "killed",
        "stopped",
        "zombies",
        "last words",
        "supervised",
        "supervised stops",
    ] {
        let mut command = stage.command(scene, &[]);
        command.env("RINGWAY_TEST_NO_WORKERS", "1");
        applaud(command);
    }
}

/// Goal: the child is what the parent is, whatever became of its file.
#[test]
fn a_replaced_executable_does_not_matter() {
    let _dog = watch();
    let stage = Stage::set();
    let copy = stage.copy_of_family();
    applaud(stage.command_of(&copy, "replaced", &[]));
}

/// Goal: what the kernel kills for want of memory is told so. Method: a memory cgroup of version 1 or 2 with a limit, made
/// where this process may make one.
#[test]
fn a_child_killed_for_want_of_memory_is_told_from_others() {
    const ROOTS: [(&str, &str); 2] = [
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ];
    // Not made where the kernel has not: that is no cgroup then, and nothing would ever end the child's hunger.
    let write = |file: PathBuf, text: &str| {
        let mut file = fs::File::options().write(true).open(file)?;
        file.write_all(text.as_bytes())
    };
    const LIMIT: &str = "134217728"; // what the scene itself needs, and room for a few seconds of eating
    let _dog = watch();
    let stage = Stage::set();
    let limited = ROOTS.into_iter().find_map(|(root, limit)| {
        let cgroup = Cgroup(Path::new(root).join(format!("ringway-test-{}", std::process::id())));
        fs::create_dir(&cgroup.0).ok()?;
        write(cgroup.0.join(limit), LIMIT).ok()?;
        // Without this, and with swap, it takes long.
        let _ = write(cgroup.0.join("memory.swap.max"), "0");
        Some(cgroup)
    });
    let Some(cgroup) = limited else {
        println!("not run: this process may not limit the memory of a cgroup");
        return;
    };
    stage.play("hungry", &[cgroup.0.to_str().unwrap()]);
}

/// Goal: nobody outlives a parent that was killed, idle, busy or stopped, children of children included.
#[test]
fn children_die_with_their_parent() {
    let _dog = watch();
    let stage = Stage::set();
    let (mut parent, family) = stage.start("orphans");
    assert_eq!(family.len(), 4);
    assert!(family.iter().all(|pidfd| !pidfd.is_dead().unwrap()));
    // A stopped process does something about its parent's death, too.
    family[0].signal(Signal::STOP).unwrap();

    parent.0.kill().unwrap();

    family.iter().for_each(await_end);
}

/// Goal: errors of a child come out at its parent's, and a reader that does not read holds up neither of them. Method: the
/// child writes much more than pipes hold, and the scene goes on; only then is it read.
#[test]
fn errors_are_passed_on_without_waiting() {
    let _dog = watch();
    let stage = Stage::set();
    let mut command = stage.command("inherited errors", &[]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut scene = Killed(command.spawn().unwrap());
    let mut line = String::new();
    let mut said = BufReader::new(scene.0.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "written\n");

    let mut errors = BufReader::new(scene.0.stderr.take().unwrap());
    let mut first = String::new();
    errors.read_line(&mut first).unwrap();
    assert_eq!(first, "the first words\n");
    let mut rest = vec![0; 32 * 1024];
    errors.read_exact(&mut rest).unwrap();
    // There is room again: what comes now is passed on, behind a note on what was not.
    drop(scene.0.stdin.take());
    errors.read_to_end(&mut rest).unwrap();
    assert!(scene.0.wait().unwrap().success());
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains(" bytes of \"prober\" were left out here]\n"),
        "{rest:.200}"
    );
    assert!(rest.ends_with("the last words\n"));
}

/// Goal: the programs that children have started go with them when the parent is killed, soon. Method: one child is idle, one
/// blocked in a handler, one stopped; each has a program. How long it took is printed.
#[test]
fn programs_of_children_die_with_the_parent() {
    let _dog = watch();
    let stage = Stage::set();
    let (mut parent, family) = stage.start("programs of orphans");
    assert_eq!(family.len(), 6);
    assert!(family.iter().all(|pidfd| !pidfd.is_dead().unwrap()));

    let killed = Instant::now();
    parent.0.kill().unwrap();

    family.iter().for_each(await_end);
    println!(
        "3 children and 3 programs of theirs were gone {:?} after their parent was killed",
        killed.elapsed()
    );
}

/// Goal: a detached child outlives its parent, however that ends, with its name; and is nobody's zombie.
#[test]
fn a_detached_child_lives_on() {
    let _dog = watch();
    for is_killed in [true, false] {
        let stage = Stage::set();
        let (mut parent, family) = stage.start("detached child");
        if is_killed {
            parent.0.kill().unwrap();
        } else {
            drop(parent.0.stdin.take()); // it ends in order
        }
        parent.0.wait().unwrap();
        assert_eq!(family.len(), 2, "one is ready, one never will be");
        await_end(&family[1]);
        assert!(!family[0].is_dead().unwrap());

        stage.play("find detached", &[]);

        await_end(&family[0]);
    }
}

/// Goal: a program that asks for it is stopped in order by a signal, and its children with it; and a child that is itself sent
/// one goes on to the next step of its ladder.
#[test]
fn signals_stop_a_program_in_order() {
    let _dog = watch();
    let stage = Stage::set();
    for signal in [Signal::INT, Signal::TERM] {
        let (mut parent, family) = stage.start_with_signals("asked to end");
        family[0].signal(signal).unwrap();
        family.iter().for_each(await_end);
        let mut said = String::new();
        parent.said.read_to_string(&mut said).unwrap();
        let mourned = "the mourner: it was shut down with its node or by its supervisor\n";
        assert_eq!(said, mourned);
        assert_eq!(parent.process.0.wait().unwrap().code(), Some(0));
    }
    let mut command = stage.command("ladder", &[]);
    command.env("RINGWAY_TEST_SIGNALS", "1");
    applaud(command);
}

/// Goal: a second signal ends at once a program that takes its time to stop.
#[test]
fn a_second_signal_ends_a_program_at_once() {
    let _dog = watch();
    let stage = Stage::set();
    let (mut parent, family) = stage.start_with_signals("hangs");
    family[0].signal(Signal::TERM).unwrap();
    // Noted: what is caught is not, from then on.
    let status = format!("/proc/{}/status", parent.process.0.id());
    let catches = || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & (1 << 14) != 0
    };
    while catches() {
        thread::yield_now();
    }
    assert!(!family[0].is_dead().unwrap());

    family[0].signal(Signal::INT).unwrap();

    family.iter().for_each(await_end);
    assert_eq!(parent.process.0.wait().unwrap().signal(), Some(2));
}

/// Goal: a program that does not take its role starts no children without end. Method: it writes down each of its runs.
#[test]
fn a_child_that_takes_no_role_starts_no_children() {
    let _dog = watch();
    let stage = Stage::set();
    let runs = stage.path("runs");

    let said = stage.play("naive", &[runs.to_str().unwrap()]);

    let text = "the child for role \"counter\" ended before it was ready: its process exited with code 3 \
                (does its main run its `Roles` first?)\n";
    assert_eq!(said, text);
    let refused = "this process was started as \"counter\", and its program has not taken that role before attaching";
    assert_eq!(
        fs::read_to_string(runs).unwrap(),
        format!("attached\n{refused}\n")
    );
}

#[test]
fn an_error_of_the_parent_is_printed_with_its_causes() {
    let _dog = watch();
    let stage = Stage::set();
    let output = stage.command("error", &[]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // Compared as one: of a process that a signal ended, what it said first is what matters.
    assert_eq!(
        (output.status.to_string().as_str(), said.as_str()),
        ("exit status: 1", "error: the parent: the cause\n")
    );
}

/// Goal: a program whose root supervisor gives up ends in order, and not as a success.
#[test]
fn a_root_that_gives_up_ends_the_program() {
    let _dog = watch();
    let stage = Stage::set();
    for has_workers in [true, false] {
        let mut command = stage.command("gives up", &[]);
        if !has_workers {
            command.env("RINGWAY_TEST_NO_WORKERS", "1");
        }
        let output = command.output().unwrap();
        let [said, complained] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(1), "{complained}");
        let reason = "more than 1 restarts within 60s; the last to end was \"counter\" (life 2): \
                      its process was ended by signal 9";
        let text = format!("error: a supervisor gave up: it gave up its children: {reason}\n");
        assert_eq!(complained, text);
        let mourned = "the mourner: it was shut down with its node or by its supervisor";
        assert_eq!(said, format!("{mourned}\nthe program was dropped\n"));
    }
}

/// Goal: variables that came by another way make nobody a child.
#[test]
fn a_role_without_a_lifeline_is_an_error() {
    let _dog = watch();
    let stage = Stage::set();
    for lifeline in ["", "2", "77", "x"] {
        let mut command = stage.command("hello", &[]);
        command
            .env("RINGWAY_ROLE", "counter")
            .env("RINGWAY_LIFELINE", lifeline);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{lifeline:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with("error: this process cannot play role \"counter\": "),
            "{said}"
        );
    }
}
