//! One thread that starts the children of this process, hears what they say, reads what they write, and reaps them.
//!
//! It starts with the first child and lives as long as the process. It waits for each child by its own pidfd, so it needs
//! no SIGCHLD handler and touches no process that the program started otherwise. No zombie is left: a child is waited for
//! as soon as it has ended, whether anybody holds its handle or not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringway_shm::sys::SysError;
use ringway_shm::sys::epoll::{Epoll, Interest};
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::launch::Command;

use super::cgroup::Cgroup;
use super::ward::Ward;
use crate::trace::warning;

/// The bell's token; children have several each, from `TOKENS` on.
const BELL: u64 = 0;
/// Tokens of one child.
const TOKENS: u64 = 4;
/// Of a child's tokens: its pidfd, its lifeline, and from there on its streams.
const PIDFD: u64 = 0;
const LIFELINE: u64 = 1;
const STREAMS: [u64; 2] = [2, 3];

/// Between two looks at cgroups that are to be removed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Looks at such a one: two seconds and more.
const LOOKS_MAX: u32 = 400;

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

/// A cgroup whose child is dead. The kernel may need a moment until it sees that it is empty.
struct Grave {
    cgroup: Cgroup,
    looks: u32,
}

impl Grave {
    fn new(cgroup: Cgroup) -> Self {
        Self { cgroup, looks: 0 }
    }

    /// Whether it is removed, or will not be.
    fn is_gone(&mut self) -> bool {
        self.looks += 1;
        if self.cgroup.remove() {
            return true;
        }
        let is_given_up = self.looks == LOOKS_MAX;
        if is_given_up {
            warning!(cgroup = ?self.cgroup, "a child's cgroup cannot be removed");
        }
        is_given_up
    }
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
        let mut graves: Vec<Grave> = Vec::new();
        loop {
            let again = (!graves.is_empty()).then_some(LOOK_AGAIN);
            if let Err(error) = self.epoll.wait(&mut events, again) {
                // Only a descriptor that somebody closed behind our back does that.
                warning!(%error, "children are no longer waited for");
                return;
            }
            for event in &events {
                if event.token == BELL {
                    last = self.start_all(&mut wards, last);
                    continue;
                }
                let number = event.token / TOKENS;
                let Some(ward) = wards.get(&number) else {
                    continue;
                };
                match event.token % TOKENS {
                    PIDFD => {
                        if self.bury(ward) {
                            graves.extend(ward.take_cgroup().map(Grave::new));
                            wards.remove(&number);
                        }
                    }
                    LIFELINE => self.hear(ward),
                    token => self.read(ward, usize::from(token == STREAMS[1])),
                }
            }
            graves.retain_mut(|grave| !grave.is_gone());
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
            let token = number * TOKENS;
            self.epoll
                .add(child.pidfd(), token + PIDFD, Interest::Read)?;
            if let Some(lifeline) = lifeline {
                self.epoll.add(lifeline, token + LIFELINE, Interest::Read)?;
            }
            ward.with_outlets(|outlets| {
                for (outlet, stream) in outlets.iter().zip(STREAMS) {
                    if let Some(outlet) = outlet {
                        self.epoll
                            .add(outlet.from(), token + stream, Interest::Read)?;
                    }
                }
                Ok(true)
            })
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

    fn read(&self, ward: &Ward, stream: usize) {
        if !ward.read(stream) {
            ward.with_outlets(|outlets| {
                let outlet = outlets.get(stream).and_then(Option::as_ref);
                outlet.map(|outlet| self.epoll.remove(outlet.from()))
            });
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
        ward.with_outlets(|outlets| {
            for outlet in outlets.iter().flatten() {
                let _ = self.epoll.remove(outlet.from());
            }
        });
        ward.over();
        true
    }
}
