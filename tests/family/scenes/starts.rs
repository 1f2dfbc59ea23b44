//! How children start, and fail to.

use std::error::Error;
use std::fs;
use std::future::IntoFuture;
use std::path::Path;

use ringway::prelude::*;
use ringway::{ExitReason, SpawnProcessError, Stage};

use super::{assert_works, await_no_children, begin, child, has_children};
use crate::Outcome;
use crate::actors::{Add, Counter, Fail, Failing, Fill, Parent, Start, Variable};

pub(super) async fn hello(node: Node) -> Outcome {
    let start = Start {
        from: 1,
        ..Start::default()
    };

    let child = node.spawn_process::<Counter>("counter").args(start).await?;
    let counter = child.addr();

    assert_eq!(counter.ask(Add { amount: 41 }).await?, 42);
    counter.tell(Add { amount: 1 }).await?;
    assert_eq!(counter.ask(Add { amount: 0 }).await?, 43);
    assert_ne!(child.pid(), std::process::id());
    assert_eq!(child.role(), "counter");
    Ok(())
}

/// Arguments and a reply that no socket and no entry has room for.
pub(super) async fn large(node: Node) -> Outcome {
    let start = Start {
        from: 0,
        ballast: vec![1; 3 << 20],
        mourner: None,
    };
    let child = node.spawn_process::<Counter>("counter").args(start).await?;
    let counter = child.addr();
    assert_eq!(counter.ask(Add { amount: 7 }).await?, (3 << 20) + 7);

    let filled = counter.ask(Fill { len: 5 << 20 }).await?;

    assert_eq!(filled.len(), 5 << 20);
    assert!(filled.iter().all(|byte| *byte == 7));
    Ok(())
}

pub(super) async fn named(node: Node) -> Outcome {
    let spawn = || {
        node.spawn_process::<Counter>("counter")
            .args(Start::default())
            .name("till")
    };
    let child = spawn().await?;
    let till: Recipient<Add> = node.lookup("till").await?;
    assert_eq!(till.ask(Add { amount: 5 }).await?, 5);
    assert_eq!(child.addr().ask(Add { amount: 0 }).await?, 5);

    let second = spawn().await.expect_err("the name is taken");

    assert!(matches!(second, SpawnProcessError::StartFailed { .. }));
    assert!(
        second.to_string().contains("name \"till\" is taken"),
        "{second}"
    );
    Ok(())
}

/// A child has this process's arguments, its environment with what was added, and no word of its role.
pub(super) async fn environment(node: Node) -> Outcome {
    let spawn = node
        .spawn_process::<Counter>("counter")
        .args(Start::default());
    let child = spawn.env("RINGWAY_TEST_COLOUR", "green").await?;
    let variable = |name: &str| Variable {
        name: name.to_owned(),
    };
    let counter = child.addr();

    assert_eq!(
        counter
            .ask(variable("RINGWAY_TEST_COLOUR"))
            .await?
            .as_deref(),
        Some("green")
    );
    assert_eq!(
        counter.ask(variable("PATH")).await?,
        std::env::var("PATH").ok()
    );
    assert_eq!(counter.ask(variable("RINGWAY_ROLE")).await?, None);
    assert_eq!(counter.ask(variable("RINGWAY_LIFELINE")).await?, None);
    let arguments = |pid: u32| fs::read(format!("/proc/{pid}/cmdline"));
    assert_eq!(arguments(child.pid())?, arguments(std::process::id())?);
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm"));
    assert_eq!(name(child.pid())?, name(std::process::id())?);
    Ok(())
}

pub(super) async fn wrong_roles(node: Node) -> Outcome {
    let unknown = node
        .spawn_process::<Parent>("painter")
        .await
        .expect_err("no such role");
    let text = r#"the child's program has no role "painter"; it has ["counter", "failing", "parent", "nested", "keeper", "racer", "knot", "sailor", "prober", "office"]"#;
    assert_eq!(unknown.to_string(), text);
    assert!(!has_children());

    let other = node
        .spawn_process::<Parent>("counter")
        .await
        .expect_err("another actor");
    let text = "role \"counter\" of the child's program is family::actors::Counter, \
                not family::actors::Parent";
    assert_eq!(other.to_string(), text);
    assert!(!has_children());

    let own = std::env::current_exe()?;
    let other = node
        .spawn_process::<Parent>("counter")
        .executable(&own)
        .await;
    let other = other.expect_err("other arguments");
    assert!(
        matches!(other, SpawnProcessError::OtherArgs { .. }),
        "{other}"
    );
    assert!(
        other.to_string().contains("family::actors::Start"),
        "{other}"
    );

    for unusable in ["", "a\0b"] {
        let refused = node
            .spawn_process::<Parent>(unusable)
            .await
            .expect_err("unusable");
        assert!(
            matches!(refused, SpawnProcessError::RoleName { .. }),
            "{refused}"
        );
    }
    assert!(!has_children());
    Ok(())
}

pub(super) async fn failures(node: Node) -> Outcome {
    let spawn = |fail| node.spawn_process::<Failing>("failing").args(fail);
    for (fail, text) in [
        (Fail::InFromArgs, "no disk"),
        (Fail::InStarted, "no camera"),
        (Fail::ByPanicInStarted, "a handler panicked: as asked"),
    ] {
        let error = spawn(fail).await.expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("role \"failing\" could not start: {text}")
        );
        assert!(!has_children());
    }
    let error = spawn(Fail::ByPanicInFromArgs).await.expect_err("it ended");
    let SpawnProcessError::Ended { reason, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(reason, ExitReason::ProcessExited(101));
    // One that ends as soon as it has started may be met before it does.
    let reason = match spawn(Fail::AfterStarted).await {
        Ok(child) => child.exited().await,
        Err(SpawnProcessError::Ended { reason, .. }) => reason,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(reason, ExitReason::ProcessExited(0));
    assert!(!has_children());
    Ok(())
}

pub(super) async fn deadline(node: Node) -> Outcome {
    let spawn = node
        .spawn_process::<Failing>("failing")
        .args(Fail::Never)
        .within(ms(300));

    let late = spawn.await.expect_err("it never starts");

    let SpawnProcessError::Deadline { stage, .. } = late else {
        panic!("{late}")
    };
    assert_eq!(stage, Stage::Starting);
    assert!(!has_children());
    Ok(())
}

/// A spawner that loses interest leaves nothing behind, whether the child exists already or not.
pub(super) async fn given_up(node: Node) -> Outcome {
    let spawn = || {
        node.spawn_process::<Failing>("failing")
            .args(Fail::Never)
            .into_future()
    };
    for _ in 0..3 {
        begin(&mut spawn());
    }
    await_no_children();
    let mut spawning = spawn();
    begin(&mut spawning);
    while !has_children() {
        std::thread::yield_now();
    }
    drop(spawning);
    await_no_children();
    assert_works(&child(&node).await?.addr()).await
}

pub(super) async fn missing_program(node: Node) -> Outcome {
    let spawn = node
        .spawn_process::<Parent>("parent")
        .executable("/nowhere/at/all");

    let refused = spawn.await.expect_err("no such file");

    assert!(
        matches!(refused, SpawnProcessError::Launch { .. }),
        "{refused}"
    );
    assert_eq!(
        refused.to_string(),
        "cannot start a process for role \"parent\""
    );
    let mut causes = Vec::new();
    let mut cause = refused.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    assert!(
        causes.contains(&"posix_spawn failed".to_owned()),
        "{causes:?}"
    );
    Ok(())
}

/// The program to run is the second argument: a copy of this one.
pub(super) async fn other_program(node: Node) -> Outcome {
    let path = std::env::args().nth(2).ok_or("the program's path")?;
    let spawn = node
        .spawn_process::<Counter>("counter")
        .args(Start::default());

    let child = spawn.executable(&path).await?;

    assert_works(&child.addr()).await?;
    assert_eq!(
        fs::read_link(format!("/proc/{}/exe", child.pid()))?,
        Path::new(&path)
    );
    Ok(())
}

/// This program's file is replaced by something that is no program.
pub(super) async fn replaced(node: Node) -> Outcome {
    let own = std::env::current_exe()?;
    fs::remove_file(&own)?;
    fs::write(&own, "not a program")?;

    assert_works(&child(&node).await?.addr()).await
}
