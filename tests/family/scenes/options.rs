//! What is asked of a child: conditions, limits, and what becomes of what it writes.

use std::path::Path;
use std::thread;

use ringway::prelude::*;
use ringway::{ExitReason, SpawnProcessError};
use rustix::process::getpriority_process;

use super::has_children;
use crate::Outcome;
use crate::actors::{Counter, End, Start};
use crate::prober::{Deed, Probe, Probed, Prober, Run};

/// An address space that is enough for a node of its own and a peer.
const ADDRESS_SPACE: u64 = 1 << 40;

/// A spawned child and a supervised one have the same that was asked for the same way.
pub(super) async fn conditions(node: Node) -> Outcome {
    macro_rules! asked {
        ($child:expr) => {
            $child
                .command_line(["conditions", "of a child"])
                .env("RINGWAY_TEST_COLOUR", "green")
                .env_remove("PATH")
                .current_dir("/")
                .cpus([0])
                .nice(3)
                .open_files_max(300)
                .address_space_max(ADDRESS_SPACE)
        };
    }
    let spawned = asked!(node.spawn_process::<Prober>("prober")).await?;
    let first = spawned.addr().ask(Probe).await?;
    let tree = Supervisor::one_for_one()
        .child(asked!(Child::process::<Prober>("prober")))
        .start(&node)
        .await?;
    let supervised: Addr<Prober> = tree.addr("prober").await?;
    let second = supervised.ask(Probe).await?;

    for probed in [&first, &second] {
        assert_eq!(probed.directory, "/");
        assert_eq!(probed.arguments, ["conditions", "of a child"]);
        assert!(probed.variables.contains(&"RINGWAY_TEST_COLOUR".to_owned()));
        assert!(!probed.variables.contains(&"PATH".to_owned()));
        assert_eq!((probed.cpus.as_slice(), probed.nice), (&[0][..], 3));
        assert_eq!(probed.open_files, Some(300));
        assert_eq!(probed.address_space, Some(ADDRESS_SPACE));
    }
    assert_eq!(first.group, i32::try_from(spawned.pid())?, "its own");

    let bare = node
        .spawn_process::<Prober>("prober")
        .env_clear()
        .env("RINGWAY_TEST_ONLY", "1");
    let bare = bare.await?.addr().ask(Probe).await?;
    assert_eq!(bare.variables, ["RINGWAY_TEST_ONLY"]);
    let usual: Probed = node
        .spawn_process::<Prober>("prober")
        .await?
        .addr()
        .ask(Probe)
        .await?;
    assert_eq!(
        usual.directory,
        std::env::current_dir()?.display().to_string()
    );
    assert_eq!(usual.nice, getpriority_process(None)?, "its parent's");
    Ok(())
}

pub(super) async fn refused(node: Node) -> Outcome {
    let spawn = || node.spawn_process::<Prober>("prober");
    for (refused, option, reason) in [
        (
            spawn().current_dir("/nowhere/at/all"),
            "current_dir",
            "/nowhere/at/all: No such file or directory",
        ),
        (
            spawn().nice(20),
            "nice",
            "setpriority failed: Invalid argument",
        ),
        (
            spawn().cpus([]),
            "cpus",
            "sched_setaffinity failed: Invalid argument",
        ),
        (
            spawn().cpus([4000]),
            "cpus",
            "sched_setaffinity failed: Invalid argument",
        ),
        (
            spawn().open_files_max(u64::MAX - 1),
            "open_files_max",
            "setrlimit(RLIMIT_NOFILE) failed: Operation not permitted",
        ),
    ] {
        let error = refused.await.expect_err(option);
        let SpawnProcessError::Option {
            option: named,
            reason: told,
            ..
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(named, option);
        assert!(told.starts_with(reason), "{error}");
        assert!(!has_children());
    }
    let supervised = Supervisor::one_for_one()
        .child(Child::process::<Prober>("prober").nice(20))
        .start(&node);
    let error = supervised.await.expect_err("it cannot start");
    assert!(error.to_string().contains("`nice`"), "{error}");
    Ok(())
}

/// Limits of a cgroup hold for a child and its programs; it goes when the child is dead. The second argument, if there is one,
/// is the directory below which it is made.
pub(super) async fn limits(node: Node) -> Outcome {
    let below = std::env::args().nth(2);
    macro_rules! limited {
        ($spawn:expr) => {
            match &below {
                Some(below) => $spawn.cgroup(below),
                None => $spawn,
            }
        };
    }
    let spawn = limited!(node.spawn_process::<Prober>("prober"));
    let child = match spawn.memory_max(256 << 20).cpu_max(0.5).pids_max(24).await {
        Ok(child) => child,
        Err(error) => {
            println!("not run: {error}");
            return Ok(());
        }
    };
    let prober = child.addr();
    let probed = prober.ask(Probe).await?;
    let name = format!("/ringway-{}-", std::process::id());
    let own: Vec<_> = probed
        .cgroups
        .iter()
        .filter(|it| it.contains(&name))
        .collect();
    println!("{own:?}");
    assert!(!own.is_empty(), "{:?}", probed.cgroups);
    let program = prober.ask(Run).await?;
    let refused = prober.ask(Deed::Multiply).await.expect_err("too many");
    assert!(
        refused
            .to_string()
            .contains("Resource temporarily unavailable"),
        "{refused}"
    );
    child.kill();
    child.exited().await;
    let directories = own.iter().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        Some(format!("/sys/fs/cgroup/{controllers}{path}"))
    });
    let mut left: Vec<_> = directories.collect();
    left.push(format!("/proc/{program}"));
    while left.iter().any(|path| Path::new(path).exists()) {
        thread::yield_now();
    }

    let hungry = limited!(node.spawn_process::<Counter>("counter"));
    let hungry = hungry.args(Start::default()).memory_max(64 << 20).await?;
    hungry.addr().tell(End::ByHunger).await?;
    assert_eq!(hungry.exited().await, ExitReason::OutOfMemory);

    let nowhere = node
        .spawn_process::<Prober>("prober")
        .cgroup("/proc/self")
        .pids_max(24);
    let error = nowhere.await.expect_err("no cgroup");
    let text = error.to_string();
    assert!(
        text.contains("`pids_max`") && text.contains("/proc/self/ringway-"),
        "{text}"
    );
    Ok(())
}
