//! The lifeline: a socket between a child process and its parent, from before the child's first instruction to the death
//! of either. Its closing is the news; besides that, each side sends one thing.
//!
//! ```text
//! parent                                     child
//!   | the start, in a memory file              |  queued before the child exists
//!   |----------------------------------------->|  takes its role, attaches, builds its actor
//!   |<-----------------------------------------|  the answer: ready, or why not
//!   |               ... a life ...             |
//!   | closes its end: detached, or dead        |  stops its actor and ends, unless it is detached itself
//! ```
//!
//! The child finds its end by the number in [`VARIABLE`]. Arguments go as bytes in a file that only these two can open, so
//! they may be of any size and need no bus.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ringway_shm::sys::inherit;
use ringway_shm::sys::memfd;
use ringway_shm::sys::socket::{RecvError, SeqPacket};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::error::{ParentLost, StartRefusal};
use crate::exit::ExitReason;
use crate::number::Number;
use crate::peering::NodeId;
use crate::urings::wire::CarriedType;

/// Names the child's end of the lifeline in its environment.
pub(super) const VARIABLE: &str = "RINGWAY_LIFELINE";

/// What both sides must agree on before they understand each other: the form of [`Start`] and [`Answer`].
const VERSION: u32 = 4;
/// Bytes of the largest answer; a socket takes several times as many at once.
const ANSWER_MAX: usize = 32 * 1024;
/// Bytes of an error's text in an answer; what is longer is cut.
const TEXT_MAX: usize = 16 * 1024;
/// Goes along with the file; the bytes of the start are inside it.
const START: &[u8] = b"start";

/// What a child is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) bus: String,
    /// The directory of all buses, absolute.
    pub(super) root: Vec<u8>,
    /// The parent's number, where the child is in the same pid namespace.
    pub(super) parent: i32,
    pub(super) role: String,
    /// The name on the bus that the actor is to have.
    pub(super) name: Option<String>,
    /// Rust's name of the actor's type, which means something between two processes of one program.
    pub(super) actor: String,
    pub(super) is_same_program: bool,
    pub(super) accepts: Vec<CarriedType>,
    pub(super) args_type: CarriedType,
    pub(super) args: Vec<u8>,
    /// What the child does to itself first.
    pub(super) conditions: Conditions,
    /// It lives on when its parent's node goes, and when its parent dies.
    pub(super) is_detached: bool,
    /// How often messages to it are sent again, if its actor's type is not to say so.
    pub(super) redeliver: Option<u32>,
    /// How the child's last life ended, if it is started again.
    pub(super) last_exit: Option<ExitReason>,
}

impl Start {
    pub(super) fn root(&self) -> PathBuf {
        OsString::from_vec(self.root.clone()).into()
    }

    pub(super) fn bytes_of(root: &Path) -> Vec<u8> {
        root.as_os_str().as_bytes().to_vec()
    }
}

/// What a child says once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Its actor has started and can be reached.
    Ready { node: NodeId, number: Number },
    /// It will not be what it was to be, and ends.
    Refused(StartRefusal),
}

fn encode(word: &impl Serialize) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_extend(word, VERSION.to_le_bytes().to_vec())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let (version, word) = bytes.split_first_chunk().ok_or("it is cut short")?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(format!(
            "it is of version {version}, and this program speaks {VERSION}"
        ));
    }
    postcard::from_bytes(word).map_err(|error| error.to_string())
}

/// The parent's end.
#[derive(Debug)]
pub(super) struct ParentEnd(SeqPacket);

/// What the parent hears.
#[derive(Debug)]
pub(super) enum Heard {
    Answer(Answer),
    /// Something that is no answer.
    Nonsense(String),
    /// The child closed its end, or is dead.
    Closed,
    /// Nothing for now.
    Nothing,
}

impl ParentEnd {
    /// Makes a lifeline with the start queued; the second is the child's end.
    pub(super) fn create(start: &Start) -> std::io::Result<(Self, SeqPacket)> {
        let start = encode(start).map_err(std::io::Error::other)?;
        let file =
            memfd::create("ringway start", start.len() as u64).map_err(std::io::Error::other)?;
        let file = File::from(file);
        file.write_all_at(&start, 0)?;
        let (ours, theirs) = SeqPacket::pair()?;
        // The first message finds an empty queue.
        ours.send(START, &[file.as_fd()])
            .map_err(std::io::Error::other)?;
        Ok((Self(ours), theirs))
    }

    pub(super) fn hear(&self) -> Heard {
        let mut buffer = vec![0; ANSWER_MAX];
        match self.0.recv(&mut buffer) {
            Ok(received) if received.truncated => Heard::Nonsense("it is too long".to_owned()),
            Ok(received) => match decode(&buffer[..received.len]) {
                Ok(answer) => Heard::Answer(answer),
                Err(what) => Heard::Nonsense(what),
            },
            Err(RecvError::WouldBlock) => Heard::Nothing,
            Err(_) => Heard::Closed,
        }
    }
}

impl AsFd for ParentEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The child's end.
#[derive(Debug)]
pub(super) struct ChildEnd(SeqPacket);

impl ChildEnd {
    /// Finds the end that this process inherited.
    pub(super) fn inherited() -> Result<Self, ParentLost> {
        let number = std::env::var(VARIABLE)
            .ok()
            .and_then(|number| number.parse().ok());
        let number = number.ok_or(ParentLost::NoLifeline)?;
        Ok(Self(inherit::take_socket(number)?))
    }

    /// Reads what this process is to be.
    pub(super) fn start(&self) -> Result<Start, ParentLost> {
        let mut buffer = [0; START.len()];
        let mut received = self.0.recv(&mut buffer).map_err(|error| match error {
            RecvError::WouldBlock => ParentLost::NoLifeline,
            _ => ParentLost::Dead,
        })?;
        let file = received.fds.pop().filter(|_| received.fds.is_empty());
        let file = file.ok_or(ParentLost::NoLifeline)?;
        let bytes = read_whole(file).map_err(ParentLost::Start)?;
        decode(&bytes).map_err(ParentLost::Garbled)
    }

    /// Says how the start went. A parent that is gone does not hear it, which is told otherwise.
    pub(super) fn answer(&self, answer: &Answer) {
        let bytes = encode(&answer.clone().cut(TEXT_MAX)).expect("serializable: words and text");
        // The queue is empty: this is the only thing that is ever sent here.
        let _ = self.0.send(&bytes, &[]);
    }

    /// Whether the parent has closed its end. Looks at what is there; to be called when the end is readable.
    pub(super) fn is_closed(&self) -> bool {
        !matches!(self.0.recv(&mut [0; 1]), Ok(_) | Err(RecvError::WouldBlock))
    }
}

impl AsFd for ChildEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Answer {
    fn cut(self, max: usize) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.cut(max)),
            ready => ready,
        }
    }
}

fn read_whole(file: OwnedFd) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // The writer used positions, so the file's own is still at the start.
    File::from(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(args: Vec<u8>) -> Start {
        let args_type = CarriedType {
            id: 1,
            schema: 2,
            name: "args".to_owned(),
        };
        Start {
            bus: "demo".to_owned(),
            root: Start::bytes_of(Path::new("/somewhere")),
            parent: 1,
            role: "counter".to_owned(),
            name: None,
            actor: "app::Counter".to_owned(),
            is_same_program: true,
            accepts: vec![args_type.clone()],
            args_type,
            args,
            conditions: Conditions::default(),
            is_detached: false,
            redeliver: None,
            last_exit: None,
        }
    }

    // Goal: arguments larger than any socket's buffer arrive, before anybody reads.
    #[test]
    fn a_large_start_arrives() {
        let sent = start(vec![7; 1 << 20]);
        let (_parent, theirs) = ParentEnd::create(&sent).unwrap();

        let child = ChildEnd(theirs);

        let found = child.start().unwrap();
        assert_eq!(found.root(), Path::new("/somewhere"));
        assert_eq!(found, sent);
        assert!(matches!(child.start(), Err(ParentLost::NoLifeline)), "once");
    }

    #[test]
    fn an_answer_is_heard_and_then_the_end() {
        let (parent, theirs) = ParentEnd::create(&start(Vec::new())).unwrap();
        let child = ChildEnd(theirs);
        child.start().unwrap();
        assert!(matches!(parent.hear(), Heard::Nothing));

        child.answer(&Answer::Refused(StartRefusal::Failed("é".repeat(TEXT_MAX))));
        drop(child);

        match parent.hear() {
            Heard::Answer(Answer::Refused(StartRefusal::Failed(text))) => {
                assert_eq!(text.len(), TEXT_MAX, "cut");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(parent.hear(), Heard::Closed));
    }

    #[test]
    fn the_parents_end_closes() {
        let (parent, theirs) = ParentEnd::create(&start(Vec::new())).unwrap();
        let child = ChildEnd(theirs);
        child.start().unwrap();
        assert!(!child.is_closed());
        drop(parent);
        assert!(child.is_closed());
        assert!(matches!(child.start(), Err(ParentLost::Dead)));
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = encode(&Answer::Refused(StartRefusal::Failed(String::new()))).unwrap();
        bytes[0] = 9;
        let error = decode::<Answer>(&bytes).unwrap_err();
        let expected = format!("it is of version 9, and this program speaks {VERSION}");
        assert_eq!(error, expected);
        assert!(decode::<Answer>(&bytes[..3]).is_err());
    }
}
