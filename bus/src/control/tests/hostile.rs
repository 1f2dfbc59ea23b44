//! A client that speaks the protocol by hand, and wrongly: each lie is refused with its own words, and harms nobody.

mod breaches;
mod dead;
mod floods;
mod introductions;

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use ringway_shm::card::{Card, CardConfig};
use ringway_shm::generation::Key;
use ringway_shm::segment::OwnSegment;
use ringway_shm::sys::eventfd::Eventfd;
use ringway_shm::sys::process::{Pid, Pidfd, Signal};
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use crate::control::{Core, Upper};
use crate::frame::{
    Announcement, FRAME_MAX, Frame, Protocols, SPOKEN, SegmentName, UringFrame, WireKey, preamble,
};
use crate::peering::hello::{Clock, Hello, Host};
use crate::peering::link::LinkError;
use crate::peering::{Closure, Death, NodeId, Peer};
use crate::testing::scene::Scene;
use crate::testing::{Notice, Notices, TempDir, TestNode, wait_until};

/// A node that exists only as far as its hello needs it.
struct Impostor {
    socket: SeqPacket,
    hello: Hello,
    files: Vec<OwnedFd>,
}

impl Impostor {
    /// Connects to `node` with everything in order.
    fn call(temp: &TempDir, node: &TestNode, id: u64) -> Self {
        let socket =
            SeqPacket::connect(File::open(temp.bus()).unwrap(), &node.id().to_string()).unwrap();
        let (_card, card) = Card::create(&CardConfig {
            node_id: id,
            registry_capacity: 8,
            ..CardConfig::default()
        })
        .unwrap();
        let ring = OwnSegment::create("test", 4096).unwrap();
        let (bell, process) = (Eventfd::create().unwrap(), Pidfd::of_self().unwrap());
        let hello = Hello {
            id: NodeId::from_bits(id).unwrap(),
            name: "impostor".to_owned(),
            pid: std::process::id(),
            host: Host::of_process(),
            clock: Clock::of_process(),
            card_len: card.len(),
            ring: WireKey(Key::first(0)),
            ring_len: ring.len(),
        };
        let files = [card.fd(), ring.fd(), bell.as_fd(), process.as_fd()];
        let files = files.map(|fd| fd.try_clone_to_owned().unwrap()).into();
        Self {
            socket,
            hello,
            files,
        }
    }

    fn send(&self, frame: &Frame) {
        self.send_bytes(&frame.encode().unwrap(), &[]);
    }

    fn send_bytes(&self, bytes: &[u8], files: &[OwnedFd]) {
        let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        self.socket.send(bytes, &files).unwrap();
    }

    fn introduce(&self) {
        self.send_bytes(
            &Frame::Hello(Box::new(self.hello.clone())).encode().unwrap(),
            &self.files,
        );
    }

    /// The next frame, or `None` at the end.
    fn hear(&self) -> Option<Frame> {
        let mut buffer = [0; FRAME_MAX];
        let mut heard = None;
        wait_until("an answer", || {
            match self.socket.recv(&mut buffer) {
                Ok(received) => heard = Some(Frame::decode(&buffer[..received.len]).unwrap()),
                Err(RecvError::WouldBlock | RecvError::Reset) => return false,
                Err(_) => {}
            }
            true
        });
        heard
    }

    /// What the node says when it hangs up.
    fn refusal(&self) -> String {
        loop {
            match self.hear() {
                Some(Frame::Refuse(refusal)) => return refusal.to_string(),
                Some(_) => {}
                None => return "the end".to_owned(),
            }
        }
    }

    /// Goes through with it: a peering with an impostor of the smallest id, which settles.
    fn peer(temp: &TempDir, node: &TestNode, id: u64) -> Self {
        let impostor = Self::call(temp, node, id);
        impostor.introduce();
        assert!(matches!(impostor.hear(), Some(Frame::Hello(_))));
        impostor.send(&Frame::Settled);
        node.meet(impostor.hello.id);
        impostor
    }
}

fn memfd(len: u64, is_reserved: bool, seals: SealFlags) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create("test", flags).unwrap();
    rustix::fs::ftruncate(&fd, len).unwrap();
    if is_reserved {
        rustix::fs::fallocate(&fd, rustix::fs::FallocateFlags::empty(), 0, len).unwrap();
    }
    rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
    fd
}

fn all_seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL
}
