//! The control thread's loop: what became ready, what is due, what was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ringway_shm::sys::SysError;
use ringway_shm::sys::epoll::{Event, Interest};
use ringway_shm::sys::socket::{Listener, RecvError};

use super::calls::Call;
use super::core::Core;
use super::meetings::Meeting;
use super::timers::{Due, Timers};
use super::{Command, Upper};
use crate::directory::SocketName;
use crate::frame::FRAME_MAX;
use crate::peering::link::Flushed;
use crate::peering::{NodeId, Peer};
use crate::trace;

const LISTENER: u64 = 0;
const COMMANDS: u64 = 1;
const FIRST_TOKEN: u64 = 2;

/// Connections accepted, and frames read of one socket, before others get their turn. Tests end turns often.
pub(super) const TURN: usize = if cfg!(test) { 4 } else { 64 };
/// The pause before accepting again when there are no descriptors.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// What an event's token stands for. Tokens are never used again, so an event that comes late finds nothing.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// The socket of a stranger.
    Meeting,
    /// The process of the stranger whose socket has that token.
    Caller(u64),
    /// The socket of a peer.
    Peer(Arc<Peer>),
    /// The process of a peer.
    Process(Arc<Peer>),
}

/// A peer as the control thread watches it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) link_token: u64,
    pub(super) pidfd_token: u64,
    /// The version of its card of which the layer above was told.
    pub(super) version_told: u64,
    /// A look at retired segments is due.
    pub(super) is_unmapping: bool,
    /// A further look at its names is due.
    pub(super) is_reading: bool,
}

/// All that the control thread knows.
pub(super) struct Control {
    pub(super) core: Arc<Core>,
    pub(super) upper: Arc<dyn Upper>,
    pub(super) sources: HashMap<u64, Source>,
    pub(super) watches: HashMap<NodeId, Watch>,
    pub(super) meetings: HashMap<u64, Meeting>,
    /// Accepted connections that have not introduced themselves, the oldest first.
    pub(super) unknown: VecDeque<u64>,
    pub(super) calls: HashMap<NodeId, Call>,
    pub(super) timers: Timers,
    /// Nodes that said goodbye lately: a connection of theirs that is still queued is refused.
    pub(super) gone: VecDeque<NodeId>,
    /// A look for memory to be given back is due.
    pub(super) is_trimming: bool,
    pub(super) buffer: Box<[u8; FRAME_MAX]>,
    listener: Listener,
    first: Vec<SocketName>,
    next_token: u64,
    is_over: bool,
    /// Who waits until nothing comes, and what has come so far.
    #[cfg(feature = "test")]
    quiet: (Vec<crate::actor::reply::Answerer<u64>>, u64),
}

impl Control {
    pub(super) fn new(
        core: Arc<Core>,
        upper: Arc<dyn Upper>,
        listener: Listener,
        others: Vec<SocketName>,
    ) -> Result<Self, SysError> {
        core.epoll.add(&listener, LISTENER, Interest::Read)?;
        core.epoll
            .add(&core.commands.bell, COMMANDS, Interest::Read)?;
        Ok(Self {
            core,
            upper,
            sources: HashMap::new(),
            watches: HashMap::new(),
            meetings: HashMap::new(),
            unknown: VecDeque::new(),
            calls: HashMap::new(),
            timers: Timers::default(),
            gone: VecDeque::new(),
            is_trimming: false,
            buffer: Box::new([0; FRAME_MAX]),
            listener,
            first: others,
            next_token: FIRST_TOKEN,
            is_over: false,
            #[cfg(feature = "test")]
            quiet: (Vec::new(), 0),
        })
    }

    /// Works until the node detaches.
    pub(super) fn run(&mut self) {
        for name in std::mem::take(&mut self.first) {
            self.meet(name);
        }
        let mut events = Vec::new();
        while !self.is_over {
            if let Err(error) = self.core.epoll.wait(&mut events, self.timers.pause()) {
                trace::warning!(%error, "the control thread cannot wait");
                break;
            }
            for event in &events {
                self.handle(event);
            }
            #[cfg(feature = "test")]
            self.say_when_quiet(&mut events);
            while let Some(due) = self.timers.take() {
                self.handle_due(due);
            }
        }
        self.leave();
    }

    /// Handles all that has come, and then says how much that was.
    #[cfg(feature = "test")]
    fn say_when_quiet(&mut self, events: &mut Vec<Event>) {
        while !self.quiet.0.is_empty() {
            let found = self
                .core
                .epoll
                .wait(events, Some(std::time::Duration::ZERO));
            if found.is_err() || events.is_empty() {
                let (waiting, come) = &mut self.quiet;
                for answerer in waiting.drain(..) {
                    answerer.answer(*come);
                }
                return;
            }
            for event in &*events {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: &Event) {
        #[cfg(feature = "test")]
        if event.token != COMMANDS {
            self.quiet.1 += 1;
        }
        match event.token {
            LISTENER => self.accept(),
            COMMANDS => self.obey(),
            token => match self.sources.get(&token).cloned() {
                Some(Source::Meeting) => self.attend(token, event),
                Some(Source::Peer(peer)) => {
                    if event.writable {
                        self.flush(token, peer.link().flush());
                    }
                    if event.readable {
                        self.listen_to(&peer);
                    }
                }
                Some(Source::Caller(socket)) => self.end_meeting(socket, None),
                Some(Source::Process(peer)) => self.bury(&peer),
                None => {}
            },
        }
    }

    fn attend(&mut self, token: u64, event: &Event) {
        if event.writable
            && let Some(meeting) = self.meetings.get(&token)
        {
            let flushed = meeting.link.flush();
            self.flush(token, flushed);
        }
        if event.readable {
            self.read_meeting(token);
        }
    }

    /// Notes what a flush has left over.
    fn flush(&mut self, token: u64, flushed: Flushed) {
        if flushed == Flushed::TryLater {
            self.timers.after(ACCEPT_PAUSE, Due::Flush(token));
        }
    }

    fn handle_due(&mut self, due: Due) {
        match due {
            Due::Call(id) => self.call(id),
            Due::Accept => {
                if self
                    .core
                    .epoll
                    .add(&self.listener, LISTENER, Interest::Read)
                    .is_err()
                {
                    self.timers.after(ACCEPT_PAUSE, Due::Accept);
                }
            }
            Due::Flush(token) => match self.sources.get(&token).cloned() {
                Some(Source::Peer(peer)) => self.flush(token, peer.link().flush()),
                Some(Source::Meeting) => {
                    if let Some(flushed) = self
                        .meetings
                        .get(&token)
                        .map(|meeting| meeting.link.flush())
                    {
                        self.flush(token, flushed);
                    }
                }
                _ => {}
            },
            Due::Announce(id, name) => {
                if let Some(peer) = self.core.peer(id) {
                    self.core.announce_again(&peer, name);
                }
            }
            Due::Names(id) => {
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.is_reading = false;
                }
                if let Some(peer) = self.core.peer(id) {
                    self.look_at_names(&peer);
                }
            }
            Due::Unmap(id) => {
                if let Some(watch) = self.watches.get_mut(&id) {
                    watch.is_unmapping = false;
                }
                if let Some(peer) = self.core.peer(id) {
                    self.unmap(&peer);
                }
            }
            Due::Trim => self.trim(),
        }
    }

    fn obey(&mut self) {
        for command in self.core.commands.take() {
            match command {
                Command::Cut(id, closure) => {
                    if let Some(peer) = self.core.peer(id) {
                        self.close(&peer, &closure);
                    }
                }
                Command::Meet(id) => self.meet_found(id),
                Command::Retire(key) => self.retire(key),
                Command::Trim => self.trim_later(),
                #[cfg(feature = "test")]
                Command::Quiet(answerer) => self.quiet.0.push(answerer),
                Command::Detach => self.is_over = true,
            }
        }
    }

    fn accept(&mut self) {
        for _ in 0..TURN {
            match self.listener.accept() {
                Ok(Some(socket)) => self.receive_caller(socket),
                Ok(None) => return,
                Err(error) => {
                    // The listener stays readable: looking away for a while is all that can be done.
                    trace::warning!(%error, "cannot accept");
                    let _ = self.core.epoll.remove(&self.listener);
                    self.timers.after(ACCEPT_PAUSE, Due::Accept);
                    return;
                }
            }
        }
    }

    /// A token for a new source.
    pub(super) fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    /// Stops accepting, for good.
    pub(super) fn close_listener(&mut self) {
        let _ = self.core.epoll.remove(&self.listener);
    }
}

/// Whether reading a socket has come to its end. An error of the system's is one as well: nothing more will come.
pub(super) fn is_end(error: &RecvError) -> bool {
    !matches!(
        error,
        RecvError::WouldBlock | RecvError::NoMemory | RecvError::Reset
    )
}
