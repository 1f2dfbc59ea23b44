//! How a node introduces itself, and which introductions it accepts. Values only: the descriptors that come along are
//! judged in `evidence`.

use ringway_shm::layout::layout_hash;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::access::{Access, Principal, Trust};
use crate::config::NODE_NAME_MAX;
use crate::frame::WireKey;
use crate::peering::NodeId;
use crate::peering::refusal::Refusal;

/// What a node says of itself. Everything in it is an allegation until checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    /// In the sender's pid namespace: for texts only.
    pub(crate) pid: u32,
    pub(crate) host: Host,
    pub(crate) clock: Clock,
    pub(crate) card_len: u64,
    pub(crate) ring: WireKey,
    pub(crate) ring_len: u64,
}

/// What all nodes of a bus must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) boot_id: u128,
    pub(crate) page_size: u32,
    pub(crate) layout_hash: u64,
}

impl Host {
    pub(crate) fn of_process() -> Self {
        let page_size = u32::try_from(rustix::param::page_size()).unwrap_or(0);
        Self {
            boot_id: boot_id().unwrap_or(0),
            page_size,
            layout_hash: layout_hash(),
        }
    }
}

/// Reads the kernel's id of this boot; `None` where /proc is not mounted, or no descriptor is to be had. Then it is not
/// compared: sockets of another boot do not answer.
fn boot_id() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    u128::from_str_radix(&text.trim().replace('-', ""), 16).ok()
}

/// Where a process's monotonic clock stands. Time namespaces shift it; the wall clock is the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clock {
    /// The time namespace's inode: equal means the very same clock.
    pub(crate) namespace: u64,
    /// The monotonic clock minus the wall clock, in nanoseconds.
    pub(crate) shift_ns: i64,
}

impl Clock {
    pub(crate) fn of_process() -> Self {
        let namespace = rustix::fs::stat("/proc/self/ns/time").map_or(0, |stat| stat.st_ino);
        let (monotonic, wall) = (
            clock_gettime(ClockId::Monotonic),
            clock_gettime(ClockId::Realtime),
        );
        let nanoseconds = |time: rustix::time::Timespec| {
            time.tv_sec
                .saturating_mul(1_000_000_000)
                .saturating_add(time.tv_nsec)
        };
        Self {
            namespace,
            shift_ns: nanoseconds(monotonic).saturating_sub(nanoseconds(wall)),
        }
    }

    /// What to add to a time of the peer's clock to have it on ours: zero in the same namespace.
    pub(crate) fn offset_from(self, peer: Self) -> i64 {
        if self.namespace == peer.namespace {
            0
        } else {
            self.shift_ns.saturating_sub(peer.shift_ns)
        }
    }
}

/// What an introduction is checked against.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) own: NodeId,
    pub(crate) own_uid: u32,
    pub(crate) host: Host,
    pub(crate) access: &'a Access,
    /// The node whose socket was connected to; an accepted connection can be anybody's.
    pub(crate) called: Option<NodeId>,
}

/// The other end of a socket, by the kernel's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// Zero when the process is invisible from this process's pid namespace.
    pub(crate) pid: u32,
}

impl Expected<'_> {
    /// Accepts a stranger's introduction, or says why not.
    pub(crate) fn check(&self, hello: &Hello, caller: Caller) -> Result<Trust, Refusal> {
        let trust = self.admit(caller.principal)?;
        if hello.id == self.own {
            return Err(Refusal::OwnId(hello.id));
        }
        if let Some(expected) = self.called
            && expected != hello.id
        {
            return Err(Refusal::Identity {
                stated: hello.id,
                expected,
            });
        }
        self.check_host(hello.host)?;
        if hello.name.is_empty() || hello.name.len() > NODE_NAME_MAX {
            return Err(Refusal::Name(
                u32::try_from(hello.name.len()).unwrap_or(u32::MAX),
            ));
        }
        Ok(trust)
    }

    /// Applies the access policy; needs no word from the other side.
    pub(crate) fn admit(&self, who: Principal) -> Result<Trust, Refusal> {
        self.access
            .check(self.own_uid, who)
            .map_err(|foreign| Refusal::Foreign(foreign.to_string()))
    }

    fn check_host(&self, theirs: Host) -> Result<(), Refusal> {
        let ours = self.host;
        if theirs.page_size != ours.page_size {
            return Err(Refusal::PageSize {
                theirs: theirs.page_size,
                ours: ours.page_size,
            });
        }
        if theirs.layout_hash != ours.layout_hash {
            return Err(Refusal::Layout {
                theirs: theirs.layout_hash,
                ours: ours.layout_hash,
            });
        }
        let is_known = theirs.boot_id != 0 && ours.boot_id != 0;
        if is_known && theirs.boot_id != ours.boot_id {
            return Err(Refusal::Boot {
                theirs: theirs.boot_id,
                ours: ours.boot_id,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
impl Hello {
    /// A plausible introduction of this very process.
    pub(crate) fn sample() -> Self {
        use ringway_shm::generation::Key;
        Self {
            id: NodeId::from_bits(0xabc).unwrap(),
            name: "camera".to_owned(),
            pid: std::process::id(),
            host: Host::of_process(),
            clock: Clock::of_process(),
            card_len: 4096,
            ring: WireKey(Key::first(0)),
            ring_len: 4096,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mismatch_is_its_own_refusal() {
        // Goal: each rule refuses alone, with both sides' values. Method: one thing changed in a good introduction.
        let access = Access::same_user();
        let expected = Expected {
            own: NodeId::from_bits(1).unwrap(),
            own_uid: 10,
            host: Host::of_process(),
            access: &access,
            called: NodeId::from_bits(0xabc),
        };
        let caller = Caller {
            principal: Principal { uid: 10, gid: 10 },
            pid: std::process::id(),
        };
        assert_eq!(
            expected.check(&Hello::sample(), caller),
            Ok(Trust::Cooperative)
        );

        type Change = fn(&mut Hello, &mut Caller);
        let cases: [(Change, &str); 8] = [
            (
                |_, caller| caller.principal.uid = 65534,
                "uid 65534 gid 10 is not admitted by a node of uid 10",
            ),
            (
                |hello, _| hello.id = NodeId::from_bits(1).unwrap(),
                "this node's own id 0000000000000001",
            ),
            (
                |hello, _| hello.id = NodeId::from_bits(2).unwrap(),
                "its socket is named 0000000000000abc",
            ),
            (
                |hello, _| hello.host.page_size = 65536,
                "pages of 65536 bytes, this node",
            ),
            (
                |hello, _| hello.host.layout_hash = 7,
                "layout 0000000000000007, this node",
            ),
            (
                |hello, _| hello.host.boot_id = 7,
                "booted as 00000000000000000000000000000007, this node",
            ),
            (|hello, _| hello.name.clear(), "node name of 0 bytes"),
            (
                |hello, _| hello.name = "n".repeat(121),
                "node name of 121 bytes",
            ),
        ];
        for (change, text) in cases {
            let (mut hello, mut caller) = (Hello::sample(), caller);
            change(&mut hello, &mut caller);
            let refused = expected.check(&hello, caller).expect_err(text).to_string();
            assert!(refused.contains(text), "{refused:?} should say {text:?}");
        }
    }

    #[test]
    fn clocks_are_compared_by_namespace() {
        let ours = Clock {
            namespace: 5,
            shift_ns: 1_000,
        };
        assert_eq!(
            ours.offset_from(Clock {
                namespace: 5,
                shift_ns: 999
            }),
            0
        );
        // The peer's clock is ahead by 400: its times come down by as much.
        assert_eq!(
            ours.offset_from(Clock {
                namespace: 6,
                shift_ns: 1_400
            }),
            -400
        );
    }
}
