//! A peer whose process has ended, and whose socket others still hold.

use super::*;

/// A layer above that has a peer say everything once more, by a copy of its socket.
#[derive(Default)]
struct Parrot {
    notices: Notices,
    sockets: Mutex<Vec<SeqPacket>>,
}

impl Upper for Parrot {
    fn connected(&self, peer: &Arc<Peer>) {
        self.notices.connected(peer);
    }

    fn frame(&self, _peer: &Arc<Peer>, frame: UringFrame) {
        let bytes = Frame::Uring(frame).encode().unwrap();
        for socket in &*self.sockets.lock().unwrap() {
            let _ = socket.send(&bytes, &[]); // fails at the last
        }
    }

    fn closed(&self, _peer: &Arc<Peer>, _reason: &Closure) {}

    fn dead(&self, peer: &Arc<Peer>, how: Death) {
        self.notices.dead(peer, how);
    }

    fn names_changed(&self, _peer: &Arc<Peer>) {}

    fn heap_acknowledged(&self, _peer: &Arc<Peer>, _segment: Key) {}
}

#[test]
fn a_dead_peer_says_nothing_more_though_its_socket_is_held() {
    // Goal: what a dead process has said is read, and no more: else one that holds its socket could speak for ever, and
    // its death would not be told. Method: this process takes the socket of a child, kills it, and adds a frame for each
    // that is read.
    let temp = TempDir::new();
    let upper = Arc::new(Parrot::default());
    let core = Core::attach(temp.config("node"), upper.clone(), |_| {}).unwrap();
    let (mut scene, id) = Scene::attach(&temp);
    upper.notices.wait_for(&Notice::Connected(id));
    let _hush = Hush(&upper, &core);
    let frame = Frame::Uring(UringFrame::encode(&0).unwrap());
    let frame = frame.encode().unwrap();
    {
        let mut sockets = upper.sockets.lock().unwrap();
        *sockets = sockets_of(&scene);
        assert!(sockets.iter().any(|it| it.send(&frame, &[]).is_ok()));
    }
    scene.signal(Signal::KILL);
    scene.wait();
    upper.notices.wait_for(&Notice::Dead(id, Death::Process));
}

/// Ends the talk, also when the test fails, and with it the node.
struct Hush<'a>(&'a Parrot, &'a Core);

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.0.sockets.lock().unwrap().clear();
        self.1.detach();
    }
}

/// Copies of a child's connections.
fn sockets_of(scene: &Scene) -> Vec<SeqPacket> {
    let pid = scene.pid();
    let process = Pidfd::open(pid).unwrap();
    let listing = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let is_socket = |path: &std::path::Path| {
        std::fs::read_link(path).is_ok_and(|link| link.to_string_lossy().starts_with("socket:"))
    };
    let paths = std::fs::read_dir(listing).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let sockets: Vec<_> = paths
        .filter(|path| is_socket(path))
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .map(|fd| pidfd_getfd(&process, fd, PidfdGetfdFlags::empty()).unwrap())
        .map(SeqPacket::from)
        .collect();
    assert!(!sockets.is_empty());
    sockets
}
