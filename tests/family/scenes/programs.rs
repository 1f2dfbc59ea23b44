//! Programs that children start, children that outlive their parents, and processes that are none of Ringway's business.

use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use futures::channel::mpsc::unbounded;
use ringway::ExitReason;
use ringway::prelude::*;
use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::process::{Pid, Pidfd, Signal};
use rustix::process::{WaitOptions, wait};

use super::{await_no_children, begin};
use crate::Outcome;
use crate::actors::{Fail, Failing, Witness};
use crate::prober::{Deed, Probe, Prober, Run};

/// Opens a process that runs.
fn open(pid: u32) -> Pidfd {
    let pid = Pid::from_raw(pid.cast_signed()).expect("not 0");
    Pidfd::open(pid).expect("it runs")
}

fn await_end(process: &Pidfd) {
    let set = Epoll::create().expect("a descriptor");
    set.add(process, 0, Interest::Read).expect("once");
    set.wait(&mut Vec::new(), None).expect("a watchdog ends it");
}

/// Whatever ends a child ends its programs.
pub(super) async fn end_with_their_child(node: Node) -> Outcome {
    for deed in [
        None,
        Some(Deed::Stop),
        Some(Deed::Abort),
        Some(Deed::PanicAndAbort),
    ] {
        let child = node.spawn_process::<Prober>("prober").await?;
        let programs = [child.addr().ask(Run).await?, child.addr().ask(Run).await?].map(open);
        assert!(
            programs
                .iter()
                .all(|it| !it.is_dead().expect("it is a pidfd"))
        );

        match deed {
            None => child.kill(),
            Some(deed) => child.addr().tell(deed).await?,
        }

        programs.iter().for_each(await_end);
        child.exited().await;
    }
    await_no_children();
    Ok(())
}

/// Prints the numbers of three children and their programs, and waits to be killed.
pub(super) async fn orphans(node: Node) -> Outcome {
    let (began, mut begins) = unbounded();
    let witness = node.spawn(Witness(began))?.recipient();
    let mut pids = Vec::new();
    let mut children = Vec::new();
    for is_blocked in [false, true, false] {
        let child = node.spawn_process::<Prober>("prober").await?;
        pids.extend([child.pid(), child.addr().ask(Run).await?]);
        if is_blocked {
            child.addr().tell(Deed::Block(witness.clone())).await?;
            begins.next().await;
        }
        children.push(child);
    }
    open(children[2].pid()).signal(Signal::STOP)?;
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    println!("{}", pids.join(" "));
    thread::park();
    Ok(())
}

/// Prints the numbers of a detached child, and of one that does not get ready, and waits for the end of its input.
pub(super) async fn detached(node: Node) -> Outcome {
    let child = node
        .spawn_process::<Prober>("prober")
        .name("lasting")
        .detached()
        .await?;
    let mut starting = node
        .spawn_process::<Failing>("failing")
        .args(Fail::Never)
        .within(secs(60))
        .detached()
        .into_future();
    begin(&mut starting);
    let own = std::process::id();
    let other = loop {
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
        let all = format!("/proc/{own}/task");
        let mut pids = Vec::new();
        if children.is_ok() {
            for thread in std::fs::read_dir(&all)? {
                let children = std::fs::read_to_string(thread?.path().join("children"));
                pids.extend(
                    children
                        .unwrap_or_default()
                        .split_whitespace()
                        .map(str::to_owned),
                );
            }
        }
        pids.retain(|pid| *pid != child.pid().to_string());
        if let Some(pid) = pids.pop() {
            break pid;
        }
        thread::yield_now();
    };
    println!("{} {other}", child.pid());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(starting);
    Ok(())
}

/// Finds the child that another program has left behind, and ends it.
pub(super) async fn find_detached(node: Node) -> Outcome {
    let lasting: Addr<Prober> = node.lookup("lasting").await?;
    let probed = lasting.ask(Probe).await?;
    assert_ne!(
        probed.group,
        rustix::process::getpgrp().as_raw_nonzero().get()
    );
    lasting.stop();
    assert_eq!(lasting.closed().await, ExitReason::Stopped);
    Ok(())
}

/// Kills the supervised process, and waits until its supervisor knows how it ended.
async fn kill_supervised(tree: &Tree, prober: &Addr<Prober>) {
    let info = |of: &Tree| of.which_children().remove(0);
    let before = info(tree);
    if let Some(pid) = before.pid {
        open(pid).signal(Signal::KILL).expect("it is ours");
    }
    let reason = prober.closed().await;
    assert_eq!(reason, ExitReason::ProcessSignaled(9));
    while info(tree).starts == before.starts {
        thread::yield_now();
    }
    assert_eq!(info(tree).last_exit, Some(ExitReason::ProcessSignaled(9)));
}

/// Children that the program starts by itself are its own; and if it waits for whatever child ends, its supervisors hear
/// how theirs ended all the same.
pub(super) async fn strangers(node: Node) -> Outcome {
    let tree = Supervisor::one_for_one()
        .intensity(100, secs(60))
        .backoff(ms(1)..ms(2))
        .child(Child::process::<Prober>("prober"))
        .start(&node)
        .await?;
    // While nobody waits for all, the program's own children come to no harm by ours.
    for code in 0..20 {
        let mut own = Command::new("sh")
            .args(["-c", &format!("exit {code}")])
            .spawn()?;
        let prober: Addr<Prober> = tree.addr("prober").await?;
        kill_supervised(&tree, &prober).await;
        assert_eq!(own.wait()?.code(), Some(code));
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_over);
    let thief = thread::spawn(move || {
        let mut taken = Vec::new();
        while !theirs.load(Ordering::Relaxed) {
            if let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                taken.push((pid, status));
            }
        }
        taken
    });
    for _ in 0..20 {
        let prober: Addr<Prober> = tree.addr("prober").await?;
        kill_supervised(&tree, &prober).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let taken = thief.join().expect("it does not panic");
    println!("{} statuses of 20 were taken by another", taken.len());
    Ok(())
}
