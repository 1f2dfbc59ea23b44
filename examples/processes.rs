//! A process with conditions, listened to, and stopped step by step: what a child may have, what it writes, how it ends.
//!
//! ```sh
//! cargo run --example processes
//! ```
#![forbid(unsafe_code)]

use std::sync::mpsc::channel;

use ringway::StopStep;
use ringway::prelude::*;

/// Asks the worker to think about a number, aloud.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Think {
    about: u64,
}

#[derive(Actor, Default)]
#[actor(handles(Think))]
struct Worker;

impl Handler<Think> for Worker {
    async fn handle(&mut self, think: Think, _cx: &mut Context<Self>) -> u64 {
        eprintln!("thinking about {}", think.about);
        if think.about == 13 {
            std::process::abort(); // no unwinding, no destructors: the process is dead
        }
        think.about * 2
    }
}

fn main() -> ringway::ExitCode {
    let directory = std::env::temp_dir().join(format!("ringway-processes-{}", std::process::id()));
    let config = NodeConfig::on("demo").directory(&directory);
    let code = Roles::with(config)
        .actor::<Worker>("worker")
        .stop_on_signals(StopLadder::new()) // ctrl-C ends this program in order
        .run(|node| async move {
            let (says, said) = channel();
            let worker = node
                .spawn_process::<Worker>("worker")
                .current_dir("/")
                .nice(5)
                .open_files_max(256)
                .stderr(Output::lines(move |line| {
                    says.send(line.text.to_owned()).ok();
                }))
                .await?;
            assert_eq!(worker.addr().ask(Think { about: 21 }).await?, 42);
            assert_eq!(said.recv()?, "thinking about 21");

            // What kills a process is told, with its last words.
            let dead = worker.addr().ask(Think { about: 13 }).await;
            println!("the worker: {}; it said:", dead.expect_err("it died"));
            worker.exited().await;
            println!("{}", worker.stderr_tail());
            assert!(worker.stderr_tail().ends_with("thinking about 13\n"));

            // An orderly one: what it has, then the end of its actor; SIGTERM and SIGKILL were not needed.
            let worker = node.spawn_process::<Worker>("worker").await?;
            let ladder = StopLadder::new().drain(secs(2)).stop(secs(2));
            let stopped = worker.stop_by(ladder).await;
            println!("stopped at the step {:?}: {}", stopped.step, stopped.reason);
            assert_eq!(stopped.step, StopStep::Drain);
            Ok(())
        });
    let _ = std::fs::remove_dir_all(directory);
    code
}
