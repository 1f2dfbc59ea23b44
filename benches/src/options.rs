//! What a command line asks for: the options are the same for all subcommands, which take what concerns them.

use std::path::PathBuf;
use std::time::Duration;

use crate::payload::Touch;
use crate::place::Patience;
use crate::{Result, topics};

/// Sending processes that one receiver tells apart.
pub(crate) const SENDERS_MAX: usize = 16;
/// Bytes of the largest payload.
pub(crate) const BYTES_MAX: usize = 64 << 20;
/// Bytes of the largest payload in brief.
const BRIEF_MAX: usize = 64 << 10;

pub(crate) const TEXT: &str = "options, where they make sense:
  --mode spin|block|sleep   only this mode
  --bytes N                 only payloads of N bytes (8, 32, or a multiple of 8 from 64 up)
  --touch ends|fill|sum     only so much of them written and read
  --senders N               only with N sending processes, 1 to 16
  --slots N                 a bare ring of N slots, a power of two, which are used in turn
  --burden WHAT             a bare ring that does more for each message: fences|locks|heads|all
  --batch N                 tell: only with N messages handed over at a time; 1 for one by one
  --topics N,N,...          topics: beside so many, each compared with the first; default 1,100,10000
  --seconds S               how long a measurement lasts; default 0.2
  --rounds N                how often each is made, in turn with the others; default 3
  --brief                   a moment each: checks what arrives, says nothing of speed
  --against FILE            count: show the difference to the baseline in FILE
  --keep FILE               count: make these counts the baseline in FILE
  --table                   medians in a table, not a line of JSON for each value";

/// How both sides wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The measuring threads drive their nodes and never sleep meanwhile.
    Spin,
    /// Nodes with a thread of their own, as they come, kept busy; they sleep if they find it right.
    Block,
    /// The same, after a pause in which both sides fell asleep.
    Sleep,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Spin, Self::Block, Self::Sleep];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Block => "block",
            Self::Sleep => "sleep",
        }
    }
}

/// What a bare ring does beside the least for each message, of what Ringway's promises take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Burden {
    /// The sender fences after the turn, and looks whether the reader sleeps.
    pub(crate) fences: bool,
    /// Both take a lock that other threads might want.
    pub(crate) locks: bool,
    /// The reader copies the slot out and says that it is taken, and after that that it was handled.
    pub(crate) heads: bool,
}

impl Burden {
    const ALL: [(&'static str, Self); 5] = [
        ("none", Self::of(false, false, false)),
        ("fences", Self::of(true, false, false)),
        ("locks", Self::of(false, true, false)),
        ("heads", Self::of(false, false, true)),
        ("all", Self::of(true, true, true)),
    ];

    const fn of(fences: bool, locks: bool, heads: bool) -> Self {
        Self {
            fences,
            locks,
            heads,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.0 == name)
            .map(|known| known.1)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|known| known.1 == self)
            .map_or("", |known| known.0)
    }
}

/// The options, with their defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) mode: Option<Mode>,
    pub(crate) bytes: Option<usize>,
    pub(crate) touch: Option<Touch>,
    pub(crate) senders: Option<usize>,
    pub(crate) batch: Option<usize>,
    pub(crate) slots: Option<usize>,
    pub(crate) burden: Burden,
    pub(crate) topics: Vec<usize>,
    /// How long a measurement lasts.
    pub(crate) budget: Duration,
    pub(crate) rounds: usize,
    pub(crate) brief: bool,
    pub(crate) table: bool,
    pub(crate) against: Option<PathBuf>,
    pub(crate) keep: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            mode: None,
            bytes: None,
            touch: None,
            senders: None,
            batch: None,
            slots: None,
            burden: Burden::default(),
            topics: topics::TOPICS.to_vec(),
            budget: Duration::from_millis(200),
            rounds: 3,
            brief: words.contains(&"--brief"),
            table: false,
            against: None,
            keep: None,
        };
        if options.brief {
            options.budget = Duration::from_millis(2);
            options.rounds = 1;
        }
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match *word {
                "--brief" => {}
                "--against" => options.against = Some(value()?.into()),
                "--keep" => options.keep = Some(value()?.into()),
                "--table" => options.table = true,
                "--mode" => options.mode = Some(known(Mode::named, value()?)?),
                "--touch" => options.touch = Some(known(Touch::named, value()?)?),
                "--bytes" => options.bytes = Some(payload_bytes(value()?.parse()?)?),
                "--senders" => options.senders = Some(value()?.parse()?),
                "--slots" => options.slots = Some(value()?.parse::<usize>()?.clamp(1, 1 << 16)),
                "--burden" => options.burden = known(Burden::named, value()?)?,
                "--topics" => {
                    let counts = value()?.split(',').map(str::parse);
                    options.topics = counts.collect::<std::result::Result<_, _>>()?;
                }
                "--batch" => options.batch = Some(value()?.parse::<usize>()?.max(1)),
                "--seconds" => options.budget = Duration::try_from_secs_f64(value()?.parse()?)?,
                "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
                other => return Err(format!("no option {other:?}\n{TEXT}").into()),
            }
        }
        match options.senders {
            Some(senders) if !(1..=SENDERS_MAX).contains(&senders) => {
                Err(format!("--senders {senders} is not 1 to {SENDERS_MAX}").into())
            }
            _ => Ok(options),
        }
    }

    pub(crate) fn patience(&self) -> Patience {
        if self.brief {
            Patience::Glance
        } else {
            Patience::Some
        }
    }

    /// The modes asked for.
    pub(crate) fn modes(&self) -> impl Iterator<Item = Mode> {
        let only = self.mode;
        Mode::ALL
            .into_iter()
            .filter(move |mode| only.is_none_or(|only| only == *mode))
    }

    /// The payloads asked for, of those that a workload has; or the one asked for, even if it is not among them.
    pub(crate) fn payloads(&self, all: &[(usize, &[Touch])]) -> Vec<(usize, Touch)> {
        let mut payloads = Vec::new();
        for &(bytes, touches) in all {
            let touches = touches.iter().map(|touch| (bytes, *touch));
            match touches.clone().next_back() {
                // Briefly: what is checked most, and quickly.
                Some(last) if self.brief => payloads.extend((bytes <= BRIEF_MAX).then_some(last)),
                _ => payloads.extend(touches),
            }
        }
        if let Some(bytes) = self.bytes {
            payloads.retain(|payload| payload.0 == bytes);
            if payloads.is_empty() {
                payloads.push((bytes, Touch::Fill));
            }
        }
        if let Some(touch) = self.touch {
            payloads.iter_mut().for_each(|payload| payload.1 = touch);
            payloads.dedup();
        }
        payloads
    }
}

fn known<T>(named: impl Fn(&str) -> Option<T>, name: &str) -> Result<T> {
    named(name).ok_or_else(|| format!("no {name:?} here\n{TEXT}").into())
}

fn payload_bytes(bytes: usize) -> Result<usize> {
    if bytes == 8 || bytes == 32 || (bytes.is_multiple_of(8) && (64..=BYTES_MAX).contains(&bytes)) {
        return Ok(bytes);
    }
    Err(
        format!("--bytes {bytes} is neither 8, nor 32, nor a multiple of 8 from 64 to {BYTES_MAX}")
            .into(),
    )
}
