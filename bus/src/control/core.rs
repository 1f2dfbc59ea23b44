//! A node's place on its bus: what it owns, whom it knows, and how it comes and goes.
//!
//! `attach` returns once the node can be found by all who come later, and has listed all who came before. It waits for
//! none of them, so a stopped node delays nobody: those that have not answered yet are [`Core::silent_nodes`].
//!
//! # If a side dies
//! | after… | the others find | repaired by |
//! |---|---|---|
//! | binding, before the rename | a temporary name that refuses | whoever meets it unlinks it |
//! | the rename | a socket that refuses | whoever meets it unlinks it |
//! | connecting, before a connection is settled | the end of a connection | nobody: nothing was promised |

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use ringway_shm::card::{Card, CardConfig, Counter};
use ringway_shm::heap::{Heap, HeapConfig};
use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::epoll::Epoll;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::fork;
use ringway_shm::sys::limit::raise_nofile_limit;
use ringway_shm::sys::process::Pidfd;
use ringway_shm::sys::socket::Listener;
use rustix::io::Errno;

use super::run::Control;
use super::{Command, Commands};
use crate::config::NodeConfig;
use crate::directory::{BusDirectory, SocketName, Surroundings};
use crate::error::AttachError;
use crate::frame::{Frame, WireKey};
use crate::names::Names;
use crate::peering::hello::{Clock, Expected, Hello, Host};
use crate::peering::link::Passed;
use crate::peering::roster::{Roster, Stranger};
use crate::peering::slot::Slots;
use crate::peering::{NodeId, Peer, Upper};
use crate::rings::Rings;
use crate::trace;

/// The environment's word for the role of a child process.
pub(crate) const ROLE_VARIABLE: &str = "RINGWAY_ROLE";
/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;
/// Times that a starter starts over: each takes another node that meets its socket within a few microseconds.
const STARTS_MAX: u32 = 100;
/// Descriptors below which a bus with many nodes runs short: some ten a peer.
const FILES_LOW: u64 = 4096;

/// One attached node.
#[derive(Debug)]
pub(crate) struct Core {
    pub(super) id: NodeId,
    config: NodeConfig,
    name: String,
    uid: u32,
    host: Host,
    pub(super) directory: BusDirectory,
    pub(super) card: Arc<Card>,
    card_segment: OwnSegment,
    pub(super) heap: Heap,
    pub(super) rings: Arc<Rings>,
    pub(super) names: Names,
    pub(super) roster: Roster,
    pub(super) slots: Arc<Slots>,
    pub(super) commands: Arc<Commands>,
    pub(super) epoll: Arc<Epoll>,
    pidfd: Arc<Pidfd>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Core {
    /// Joins the configured bus, or starts it. `ready` gets the node before `upper` is told anything.
    pub(crate) fn attach(
        config: NodeConfig,
        upper: Arc<dyn Upper>,
        ready: impl FnOnce(&Arc<Self>),
    ) -> Result<Arc<Self>, AttachError> {
        check_role(&config)?;
        fork::guard()?;
        config.check()?;
        raise_limits();
        let directory = BusDirectory::open(&config, &Surroundings::of_process())?;
        let core = Arc::new(Self::create(config, directory)?);
        core.announce_heap_changes();
        core.notice_empty_rings();
        let listener = core.publish()?;
        ready(&core);
        let started = core.start(listener, upper);
        if started.is_err() {
            let _ = core.directory.unlink(SocketName::Node(core.id));
        }
        started?;
        trace::debug!(node = %core.id, name = core.name, bus = core.bus(), "attached");
        Ok(core)
    }

    fn create(config: NodeConfig, directory: BusDirectory) -> Result<Self, AttachError> {
        let id = NodeId::random().map_err(AttachError::system)?;
        let name = config.node_name();
        let limits = config.limits;
        let (card, card_segment) = Card::create(&CardConfig {
            node_id: id.to_bits(),
            name: &name,
            bus: config.bus(),
            registry_capacity: limits.registry,
        })?;
        let heap = Heap::new(HeapConfig {
            limit: limits.heap,
            first_segment: limits.heap_first,
            segment_max: limits.heap_segment_max,
        });
        Ok(Self {
            id,
            name,
            uid: rustix::process::geteuid().as_raw(),
            host: Host::of_process(),
            directory,
            card: Arc::new(card),
            card_segment,
            heap,
            rings: Rings::create(limits.rings_first, limits.rings)?,
            names: Names::new(),
            roster: Roster::default(),
            slots: Arc::default(),
            commands: Arc::new(Commands::create()?),
            epoll: Arc::new(Epoll::create()?),
            pidfd: Arc::new(Pidfd::of_self()?),
            thread: Mutex::default(),
            config,
        })
    }

    /// Binds and listens under a temporary name, then takes the final one. Starts over when the temporary name vanishes:
    /// somebody met the socket before it listened, and took it for a dead one.
    fn publish(&self) -> Result<Listener, AttachError> {
        let temporary = SocketName::Starting(self.id).file_name();
        for _ in 0..STARTS_MAX {
            let listener = Listener::bind(&self.directory, &temporary, BACKLOG);
            let listener = listener.map_err(|error| match error.errno() {
                Errno::ACCESS | Errno::ROFS | Errno::NOSPC | Errno::DQUOT => {
                    self.directory.refused(error).into()
                }
                _ => AttachError::from(error),
            })?;
            if self.directory.publish(self.id)? {
                return Ok(listener);
            }
        }
        let directory = self.directory.path().display().to_string();
        Err(AttachError::Vanished {
            directory,
            times: STARTS_MAX,
        })
    }

    /// Lists those who came before, and starts the control thread, which connects to them.
    fn start(
        self: &Arc<Self>,
        listener: Listener,
        upper: Arc<dyn Upper>,
    ) -> Result<(), AttachError> {
        let others = self.directory.sockets()?;
        for other in &others {
            if let SocketName::Node(id) = other
                && *id != self.id
            {
                self.roster.note(*id, Stranger::Silent);
            }
        }
        let mut control = Control::new(Arc::clone(self), upper, listener, others)?;
        let thread = std::thread::Builder::new().name("ringway-control".to_owned());
        let thread = thread.spawn(move || control.run());
        let thread = thread.map_err(AttachError::NoThread)?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Has the control thread answer when nothing has come for it; one that has ended does not.
    #[cfg(feature = "test")]
    pub(crate) fn ask_whether_quiet(&self, answerer: crate::actor::reply::Answerer<u64>) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        // Who detaches takes the thread first: so this command comes before that, or not at all.
        let runs = thread.is_some();
        let unheard = match runs {
            true => {
                self.commands.give(Command::Quiet(answerer));
                None
            }
            false => Some(answerer),
        };
        drop(thread);
        drop(unheard); // outside the lock: who waits is woken
    }

    /// Leaves the bus: gives names back, tells every peer, and ends the control thread. Later calls do nothing.
    ///
    /// A peer whose memory is still held (an `Arc<Peer>` is) gets the goodbye when it is let go.
    pub(crate) fn detach(&self) {
        if fork::check().is_err() {
            return; // A forked child never was on the bus.
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return };
        self.names.release_all(self.card.registry());
        self.commands.give(Command::Detach);
        // A detach from within a callback cannot wait for itself; the thread ends after it.
        if thread.thread().id() != std::thread::current().id() {
            // A control thread that panicked has said so.
            let _ = thread.join();
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bus(&self) -> &str {
        self.config.bus()
    }

    /// The directory of all buses that this one's is in, wherever it was moved to.
    pub(crate) fn root(&self) -> std::io::Result<PathBuf> {
        let link = format!("/proc/self/fd/{}", self.directory.as_fd().as_raw_fd());
        let mut path = std::fs::read_link(link)?;
        path.pop();
        Ok(path)
    }

    pub(crate) fn heap(&self) -> &Heap {
        &self.heap
    }

    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    pub(crate) fn count(&self, counter: Counter, n: u64) {
        if fork::check().is_ok() {
            self.card.add(counter, n);
        }
    }

    /// What a counter of this node's card says.
    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.card.counters().get(counter)
    }

    /// The peers, connected and closed ones, until they are dead.
    pub(crate) fn peers(&self) -> Vec<Arc<Peer>> {
        self.roster.peers()
    }

    pub(crate) fn peer(&self, id: NodeId) -> Option<Arc<Peer>> {
        self.roster.peer(id)
    }

    /// What an introduction to this node is checked against.
    pub(super) fn expected(&self, called: Option<NodeId>) -> Expected<'_> {
        Expected {
            own: self.id,
            own_uid: self.uid,
            host: self.host,
            access: self.config.policy(),
            called,
        }
    }

    /// This node's introduction, with the bell that the other is to ring.
    pub(super) fn hello(&self, bell: &Arc<Eventfd>) -> (Frame, Vec<Passed>) {
        let ring = self.rings.segments().swap_remove(0);
        let hello = Hello {
            id: self.id,
            name: self.name.clone(),
            pid: std::process::id(),
            host: self.host,
            clock: Clock::of_process(),
            card_len: self.card_segment.len(),
            ring: WireKey(ring.key),
            ring_len: ring.segment.len(),
        };
        let passed = vec![
            Passed::Segment(self.card_segment.clone()),
            Passed::Segment(ring.segment),
            Passed::Bell(Arc::clone(bell)),
            Passed::Process(Arc::clone(&self.pidfd)),
        ];
        (Frame::Hello(Box::new(hello)), passed)
    }
}

/// A process that was started for a role must take it before it attaches anything.
fn check_role(config: &NodeConfig) -> Result<(), AttachError> {
    match std::env::var_os(ROLE_VARIABLE) {
        Some(role) if !config.role_taken && !role.is_empty() => Err(AttachError::RoleNotTaken {
            role: role.to_string_lossy().into_owned(),
        }),
        _ => Ok(()),
    }
}

fn raise_limits() {
    match raise_nofile_limit() {
        Ok(limit) if limit.now.is_some_and(|now| now < FILES_LOW) => {
            trace::warning!(
                limit = limit.now,
                wanted = FILES_LOW,
                "few descriptors for many nodes"
            );
        }
        Ok(_) => {}
        Err(error) => trace::warning!(%error, "the limit of descriptors stays as it is"),
    }
}
