//! The actor that is asked and told, and how a process sends to it: through the public API, as a program would.

use std::ops::Range;

use ringway::prelude::*;

use crate::Result;
use crate::options::{Mode, SENDERS_MAX};
use crate::pair::{LONG, READY, Teller};
use crate::payload::{self, Touch};

/// What a process is told to run one: `sink MODE TOUCH DIRECTORY`.
pub(crate) const SINK: &str = "sink";

/// Travels in the entry.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Word {
    bytes: [u8; 8],
}

/// The most that travels in the entry.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Words {
    bytes: [u8; 32],
}

/// Filled in lent memory and read there.
#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
pub(crate) struct Bytes([u8]);

/// Asks what has arrived of a sender.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Arrived)]
#[repr(C)]
pub(crate) struct Report {
    sender: u64,
}

/// What has arrived of one sender.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Arrived {
    count: u64,
    /// Messages of all senders that were out of order, or changed.
    wrong: u64,
}

/// Checks each message: order, content and, of the report, count.
#[derive(Actor)]
#[actor(handles(Word, Words, Bytes, Report))]
pub(crate) struct Sink {
    touch: Touch,
    next: [u64; SENDERS_MAX],
    wrong: u64,
}

impl Sink {
    pub(crate) fn new(touch: Touch) -> Self {
        Self {
            touch,
            next: [0; SENDERS_MAX],
            wrong: 0,
        }
    }

    #[inline]
    fn take(&mut self, bytes: &[u8]) -> u64 {
        let (sequence, check) = payload::read(bytes, self.touch);
        let (sender, number) = payload::parts(sequence);
        let next = usize::try_from(sender)
            .ok()
            .and_then(|it| self.next.get_mut(it));
        match next {
            Some(next)
                if *next == number
                    && check == payload::expected(bytes.len(), sequence, self.touch) =>
            {
                *next += 1;
            }
            _ => self.wrong += 1,
        }
        check
    }
}

impl Handler<Word> for Sink {
    async fn handle(&mut self, word: Word, _cx: &mut Context<Self>) -> u64 {
        self.take(&word.bytes)
    }
}

impl Handler<Words> for Sink {
    async fn handle(&mut self, words: Words, _cx: &mut Context<Self>) -> u64 {
        self.take(&words.bytes)
    }
}

impl Handler<Bytes> for Sink {
    async fn handle(&mut self, bytes: Lease<Bytes>, _cx: &mut Context<Self>) -> u64 {
        self.take(&bytes)
    }
}

impl Handler<Report> for Sink {
    async fn handle(&mut self, report: Report, _cx: &mut Context<Self>) -> Arrived {
        let sender = usize::try_from(report.sender).unwrap_or(SENDERS_MAX);
        Arrived {
            count: self.next.get(sender).copied().unwrap_or(0),
            wrong: self.wrong,
        }
    }
}

/// A sender's way to a sink.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    sink: Addr<Sink>,
    sender: usize,
    bytes: usize,
    touch: Touch,
}

impl Source {
    pub(crate) fn new(sink: Addr<Sink>, sender: usize, (bytes, touch): (usize, Touch)) -> Self {
        Self {
            sink,
            sender,
            bytes,
            touch,
        }
    }

    /// Asks, and checks the reply.
    #[inline]
    pub(crate) async fn ask(&self, number: u64) -> Result<()> {
        let sequence = payload::sequence(self.sender, number);
        let reply = match self.bytes {
            8 => self.sink.ask(self.word(sequence)).await?,
            32 => self.sink.ask(self.words(sequence)).await?,
            _ => self.sink.ask(self.loan(sequence)?).await?,
        };
        let expected = payload::expected(self.bytes, sequence, self.touch);
        if reply != expected {
            return Err(format!("ask {number} was answered with {reply}, not {expected}").into());
        }
        Ok(())
    }

    /// Tells, and waits for room where there is none.
    #[inline]
    pub(crate) async fn tell(&self, number: u64) -> Result<()> {
        let sequence = payload::sequence(self.sender, number);
        match self.bytes {
            8 => self.sink.tell(self.word(sequence)).await?,
            32 => self.sink.tell(self.words(sequence)).await?,
            _ => self.sink.tell(self.loan(sequence)?).await?,
        }
        Ok(())
    }

    /// Tells messages of these numbers together.
    pub(crate) async fn tell_all(&self, numbers: Range<u64>) -> Result<()> {
        let sequences = numbers.map(|number| payload::sequence(self.sender, number));
        let (sent, refused) = match self.bytes {
            8 => (
                self.sink
                    .tell_all(sequences.map(|it| self.word(it)))
                    .await
                    .is_ok(),
                None,
            ),
            32 => (
                self.sink
                    .tell_all(sequences.map(|it| self.words(it)))
                    .await
                    .is_ok(),
                None,
            ),
            _ => {
                let mut refused = None;
                let loans = sequences
                    .map_while(|it| self.loan(it).map_err(|error| refused = Some(error)).ok());
                (self.sink.tell_all(loans).await.is_ok(), refused)
            }
        };
        match refused {
            Some(error) => Err(error),
            None if sent => Ok(()),
            None => Err("the sink has ended".into()),
        }
    }

    /// Waits until all that was sent has been handled; an error unless that was `sent`, in order and whole.
    pub(crate) async fn settle(&self, sent: u64) -> Result<()> {
        let sender = self.sender as u64;
        let arrived = self.sink.ask(Report { sender }).deadline(LONG).await?;
        if (arrived.count, arrived.wrong) != (sent, 0) {
            return Err(format!("of {sent} sent, {arrived:?}").into());
        }
        Ok(())
    }

    /// Ends the sink.
    pub(crate) async fn stop(&self) {
        self.sink.stop();
        self.sink.closed().await;
    }

    #[inline]
    fn word(&self, sequence: u64) -> Word {
        let mut bytes = [0; 8];
        payload::write(&mut bytes, sequence, self.touch);
        Word { bytes }
    }

    #[inline]
    fn words(&self, sequence: u64) -> Words {
        let mut bytes = [0; 32];
        payload::write(&mut bytes, sequence, self.touch);
        Words { bytes }
    }

    #[inline]
    fn loan(&self, sequence: u64) -> Result<Loan<Bytes>> {
        let mut loan = self.sink.loan::<Bytes>(self.bytes)?;
        payload::write(&mut loan, sequence, self.touch);
        Ok(loan)
    }
}

/// A node on the run's bus: driven by its caller if it spins, else as nodes come.
pub(crate) fn attach(mode: Mode, directory: &str, name: &str) -> Result<Node> {
    let config = NodeConfig::on("bench").named(name).directory(directory);
    Ok(Node::attach(match mode {
        Mode::Spin => config.workers(Workers::Caller),
        Mode::Block | Mode::Sleep => config,
    })?)
}

/// Has another process run a sink.
pub(crate) fn begin(
    other: &mut crate::pair::Other,
    mode: Mode,
    touch: Touch,
    directory: &str,
) -> Result<()> {
    let (mode, touch) = (mode.name(), touch.name());
    other.tell(&format!("{SINK} {mode} {touch} {directory}"))?;
    other.ready()
}

/// The receiving process, until its sink is stopped.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [mode, touch, directory] = words else {
        return Err(format!("{SINK} {words:?}").into());
    };
    let (mode, touch) = (Mode::named(mode), Touch::named(touch));
    let (mode, touch) = mode.zip(touch).ok_or("no such mode or touch")?;
    let node = attach(mode, directory, SINK)?;
    let sink = node.actor(Sink::new(touch)).name(SINK).spawn()?;
    teller.say(READY)?;
    let reason = node.run_until(sink.closed());
    drop(node);
    teller.say(&format!("{reason:?}"))
}
