//! The thread that spawns: it starts with the first request, sleeps between them, takes no signals, and never ends.

use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rustix::io::Errno;

use super::posix::block_signals;
use super::{Child, Command, SpawnError, spawn_here};
use crate::sys::{Named, SysError};

/// Has the thread spawn `command`, and waits for the answer.
pub(super) fn spawn(command: Command) -> Result<Child, SpawnError> {
    let (reply, answer) = mpsc::channel();
    let request = Request { command, reply };
    launcher()?.send(request).map_err(|_| launcher_lost())?;
    answer.recv().map_err(|_| launcher_lost())?
}

struct Request {
    command: Command,
    reply: mpsc::Sender<Result<Child, SpawnError>>,
}

/// Returns the way to the launcher, starting it if need be.
fn launcher() -> Result<mpsc::Sender<Request>, SysError> {
    static LAUNCHER: Mutex<Option<mpsc::Sender<Request>>> = Mutex::new(None);
    let mut launcher = LAUNCHER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(requests) = &*launcher {
        return Ok(requests.clone());
    }
    let (requests, queue) = mpsc::channel();
    thread::Builder::new()
        .name("ringway-launch".into())
        .spawn(move || launch_all(&queue))
        .named("pthread_create")?;
    *launcher = Some(requests.clone());
    Ok(requests)
}

fn launcher_lost() -> SysError {
    SysError::new("posix_spawn", Errno::SRCH)
}

/// The launcher's life: as a sender is kept in a static, it ends with the process.
fn launch_all(requests: &mpsc::Receiver<Request>) {
    block_signals();
    for Request { command, reply } in requests {
        let outcome = spawn_here(&command);
        // Before the answer, so that the requester finds its copies closed.
        drop(command);
        // A requester that is gone leaves its child to run; nobody asked for that one any more, but nobody said stop.
        drop(reply.send(outcome));
    }
}
