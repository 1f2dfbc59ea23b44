//! One thread that starts the children of this process, hears what they say, and reaps them.
//!
//! It starts with the first child and lives as long as the process. It waits for each child by its own pidfd, so it needs
//! no SIGCHLD handler and touches no process that the program started otherwise. No zombie is left: a child is waited for
//! as soon as it has ended, whether anybody holds its handle or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ringway_shm::sys::SysError;
use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::launch::Command;

use super::ward::Ward;
use crate::trace::warning;

/// The bell's token; children have two each, from 2 on.
const BELL: u64 = 0;

/// A child to be started.
struct Launch {
    command: Command,
    ward: Arc<Ward>,
}

/// The way to the thread.
struct Reaper {
    epoll: Epoll,
    bell: Eventfd,
    launches: Mutex<Vec<Launch>>,
}

/// Has the reaper start a child; `ward` hears how that went.
pub(super) fn launch(command: Command, ward: Arc<Ward>) -> Result<(), std::io::Error> {
    let reaper = reaper()?;
    reaper
        .launches
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Launch { command, ward });
    Ok(reaper.bell.ring()?)
}

fn reaper() -> Result<Arc<Reaper>, std::io::Error> {
    static REAPER: Mutex<Option<Arc<Reaper>>> = Mutex::new(None);
    let mut reaper = REAPER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reaper) = &*reaper {
        return Ok(Arc::clone(reaper));
    }
    let new = Reaper::create()?;
    let theirs = Arc::clone(&new);
    let thread = std::thread::Builder::new().name("ringway-reaper".to_owned());
    thread.spawn(move || theirs.run())?;
    Ok(Arc::clone(reaper.insert(new)))
}

impl Reaper {
    fn create() -> Result<Arc<Self>, SysError> {
        let (epoll, bell) = (Epoll::create()?, Eventfd::create()?);
        epoll.add(&bell, BELL, Interest::Read)?;
        Ok(Arc::new(Self {
            epoll,
            bell,
            launches: Mutex::default(),
        }))
    }

    fn run(&self) {
        let mut wards = HashMap::new();
        let mut last = 0;
        let mut events = Vec::new();
        loop {
            if let Err(error) = self.epoll.wait(&mut events, None) {
                // Only a descriptor that somebody closed behind our back does that.
                warning!(%error, "children are no longer waited for");
                return;
            }
            for event in &events {
                if event.token == BELL {
                    last = self.start_all(&mut wards, last);
                } else if let Some(ward) = wards.get(&(event.token / 2)) {
                    if event.token % 2 == 1 {
                        self.hear(ward);
                    } else if self.bury(ward) {
                        wards.remove(&(event.token / 2));
                    }
                }
            }
        }
    }

    /// Starts the children that are asked for, numbered from `last + 1` on; returns the last number given.
    fn start_all(&self, wards: &mut HashMap<u64, Arc<Ward>>, last: u64) -> u64 {
        // Cleared before the look: who comes later rings again.
        let _ = self.bell.clear();
        let launches =
            std::mem::take(&mut *self.launches.lock().unwrap_or_else(PoisonError::into_inner));
        let mut number = last;
        for Launch { command, ward } in launches {
            number += 1;
            if self.start(command, &ward, number) {
                wards.insert(number, ward);
            }
        }
        number
    }

    /// Starts a child and waits for it from now on; `false` if there is none.
    fn start(&self, command: Command, ward: &Arc<Ward>, number: u64) -> bool {
        ward.about_to_launch();
        ward.launched(command.spawn());
        let watched = ward.with_fds(|child, lifeline| {
            let Some(child) = child else { return Ok(false) };
            self.epoll.add(child.pidfd(), number * 2, Interest::Read)?;
            if let Some(lifeline) = lifeline {
                self.epoll.add(lifeline, number * 2 + 1, Interest::Read)?;
            }
            Ok(true)
        });
        match watched {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => Self::end(ward, error),
        }
        ward.over();
        false
    }

    /// A child that cannot be watched is not kept.
    fn end(ward: &Ward, error: SysError) {
        warning!(role = ward.role, %error, "a child cannot be watched and is killed");
        ward.kill();
        ward.reap_at_last();
    }

    fn hear(&self, ward: &Arc<Ward>) {
        if !ward.hear() {
            // It is dead, or will say nothing more: only its pidfd is of interest now.
            ward.with_fds(|_, lifeline| lifeline.map(|lifeline| self.epoll.remove(lifeline)));
        }
    }

    /// Reaps a child that has ended, after its last words.
    fn bury(&self, ward: &Arc<Ward>) -> bool {
        ward.hear();
        if ward.reap().is_none() {
            return false;
        }
        ward.with_fds(|child, lifeline| {
            // Out of the set before they are closed; what is not in it any more does no harm.
            let _ = child.map(|child| self.epoll.remove(child.pidfd()));
            let _ = lifeline.map(|lifeline| self.epoll.remove(lifeline));
        });
        ward.over();
        true
    }
}
