//! The scenes in which the receiver's process lives on: played in this process, and with workers of another.

use std::collections::HashMap;
use std::future::Future;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use futures::{StreamExt, poll};
use ringway::prelude::*;
use ringway::private::bytemuck;

use super::table::{Column, Fate, Found, Place, Row};
use crate::helper::Helper;
use crate::support::{Bus, watch};
use crate::worker::{FAIL, HOLD, Job, PANIC, PASS, Record, Worker, Yard};

/// How often a scene is played, in each mode.
const TIMES: usize = 100;

/// Where the workers are.
pub(crate) enum Home {
    Here(Yard),
    There(Process),
}

/// A process with workers, whose records go to a log of this one.
pub(crate) struct Process {
    helper: Helper,
    input: std::process::ChildStdin,
    reader: std::thread::JoinHandle<()>,
}

impl Process {
    pub(crate) fn start(bus: &Bus, log: &Sender<Record>) -> Self {
        let mut helper = Helper::start(bus, &["yard"]);
        let (input, mut output) = (helper.take_input(), helper.take_output());
        let log = log.clone();
        let reader = std::thread::spawn(move || {
            let mut record = [0; Record::LEN];
            while output.read_exact(&mut record).is_ok() {
                let _ = log.send(bytemuck::pod_read_unaligned(&record));
            }
        });
        Self {
            helper,
            input,
            reader,
        }
    }

    pub(crate) fn obey(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Kills it; all that it logged is in the log when this returns.
    pub(crate) fn kill(self) {
        self.helper.kill();
        self.reader.join().unwrap();
    }
}

impl Home {
    fn obey(&mut self, line: &str) {
        match self {
            // On a thread of its own: it may wait, as this one does already.
            Self::Here(yard) => std::thread::scope(|scope| {
                scope.spawn(|| yard.obey(line)).join().unwrap();
            }),
            Self::There(process) => process.obey(line),
        }
    }
}

/// What workers have done so far, by message.
pub(crate) struct Effects {
    records: Receiver<Record>,
    seen: HashMap<u64, Vec<Record>>,
    /// How often handlers of messages had begun and ended when that was judged.
    judged: Vec<(u64, usize, usize)>,
}

impl Effects {
    pub(crate) fn new(records: Receiver<Record>) -> Self {
        Self {
            records,
            seen: HashMap::new(),
            judged: Vec::new(),
        }
    }

    pub(crate) fn wait_for(&mut self, number: u64, ended: u64) {
        let is_it = |record: &Record| record.number == number && record.ended == ended;
        while !self
            .seen
            .get(&number)
            .is_some_and(|all| all.iter().any(is_it))
        {
            let record = self.records.recv().unwrap();
            self.seen.entry(record.number).or_default().push(record);
        }
    }

    /// Nothing has happened to a message since its fate was judged; to be called when nothing more can.
    pub(crate) fn settled(&mut self) {
        for (number, began, ended) in std::mem::take(&mut self.judged) {
            let now = self.of(number);
            assert_eq!((now.0, now.1), (began, ended), "message {number}");
        }
    }

    /// How often its handler began, and ended, and the last life in which it did.
    pub(crate) fn of(&mut self, number: u64) -> (usize, usize, u32) {
        for record in self.records.try_iter() {
            self.seen.entry(record.number).or_default().push(record);
        }
        let none = Vec::new();
        let all = self.seen.get(&number).unwrap_or(&none);
        let ended = all.iter().filter(|it| it.ended == 1).count();
        let life = all.iter().map(|it| it.life).max().unwrap_or(0);
        (all.len() - ended, ended, life)
    }
}

/// What a sender is told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing against it: a tell's `Ok`, a reply, or a handler's error.
    Well,
    /// It comes back, never taken.
    Back,
    /// It was taken, and its end is not known.
    Taken,
}

pub(crate) type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), SendError<Job>>> + 'a>>;
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Result<u64, AskError<Job>>> + 'a>>;

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Once,
    Redelivered,
    /// The same, with high priority: their fate is the same.
    High,
    RedeliveredHigh,
}

impl Mode {
    fn priority(self) -> Priority {
        match self {
            Self::Once | Self::Redelivered => Priority::Normal,
            Self::High | Self::RedeliveredHigh => Priority::High,
        }
    }

    fn is_redelivered(self) -> bool {
        matches!(self, Self::Redelivered | Self::RedeliveredHigh)
    }
}

pub(crate) fn tell(worker: &Addr<Worker>, job: Job, mode: Mode) -> Telling<'_> {
    let tell = worker.tell(job).priority(mode.priority());
    match mode.is_redelivered() {
        false => Box::pin(tell),
        true => Box::pin(tell.redeliver(3)),
    }
}

pub(crate) fn ask(worker: &Addr<Worker>, job: Job, mode: Mode) -> Asking<'_> {
    let ask = worker.ask(job).priority(mode.priority());
    match mode.is_redelivered() {
        false => Box::pin(ask.deadline(secs(1000))),
        true => Box::pin(ask.redeliver(3).deadline(secs(1000))),
    }
}

pub(crate) fn told_of_ask(number: u64, answer: Result<u64, AskError<Job>>) -> Told {
    match answer {
        Ok(reply) => {
            assert_eq!(reply, number);
            Told::Well
        }
        Err(AskError::Handler(_)) => Told::Well,
        Err(AskError::Died { taken: true, .. }) => Told::Taken,
        Err(error) => {
            let text = format!("{error:?}");
            let message = error.into_inner().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(message.number, number);
            Told::Back
        }
    }
}

/// Judges by what was told and what was done.
pub(crate) fn fate(told: Told, accepted: bool, number: u64, effects: &mut Effects) -> Fate {
    if told == Told::Well {
        effects.wait_for(number, 1); // the log may be on its way
    }
    let (began, ended, life) = effects.of(number);
    effects.judged.push((number, began, ended));
    match told {
        Told::Well if ended == 1 && accepted && life > 1 => Fate::Redelivered,
        Told::Well if ended == 1 && began == 1 => Fate::Delivered,
        Told::Back if began == 0 => Fate::Returned,
        Told::Taken if began == 1 && ended == 0 => Fate::ReturnedAsTaken,
        told => panic!("{told:?}, and began {began} times, ended {ended} times"),
    }
}

/// Messages in the state of a row, and how they were sent.
pub(crate) struct Brought<'a> {
    pub(crate) tell: Option<(u64, Option<Telling<'a>>)>,
    pub(crate) ask: Option<(u64, Asking<'a>)>,
    /// A handler waits at the gate.
    pub(crate) is_held: bool,
}

/// Brings messages into the state of the row; `which` is that of the two workers that a row may need.
pub(crate) async fn bring<'a>(
    row: Row,
    which: usize,
    worker: &'a Addr<Worker>,
    first: u64,
    mode: Mode,
    effects: &mut Effects,
) -> Brought<'a> {
    let job = |at: u64, what| Job {
        number: first + at,
        what,
    };
    let mut brought = Brought {
        tell: None,
        ask: None,
        is_held: true,
    };
    if mode.priority() == Priority::High {
        // The first of these opens a uring: those that follow are sent when they are first polled.
        let opens = worker.ask(job(5, PASS)).priority(High).await;
        assert_eq!(opens.unwrap(), first + 5);
    }
    match (row, which) {
        (Row::QueuedAtSender | Row::QueuedAtReceiver, _) => {
            worker.tell(job(0, HOLD)).await.unwrap();
            effects.wait_for(first, 0);
        }
        (Row::BeingHandled, 0) => tell(worker, job(1, HOLD), mode).await.unwrap(),
        _ => {}
    }
    match (row, which) {
        (Row::QueuedAtSender, _) => {
            // The mailbox has room for one.
            let fills = worker.tell(job(9, PASS)).priority(mode.priority());
            fills.await.unwrap();
            let mut telling = tell(worker, job(1, PASS), mode);
            let mut asking = ask(worker, job(2, PASS), mode);
            assert!(poll!(&mut telling).is_pending());
            assert!(poll!(&mut asking).is_pending());
            brought.tell = Some((first + 1, Some(telling)));
            brought.ask = Some((first + 2, asking));
        }
        (Row::QueuedAtReceiver, _) => {
            tell(worker, job(1, PASS), mode).await.unwrap();
            let mut asking = ask(worker, job(2, PASS), mode);
            assert!(poll!(&mut asking).is_pending());
            // Behind it: a tell that is there says that the ask is.
            tell(worker, job(3, PASS), mode).await.unwrap();
            brought.tell = Some((first + 1, None));
            brought.ask = Some((first + 2, asking));
        }
        (Row::BeingHandled, 0) => {
            effects.wait_for(first + 1, 0);
            brought.tell = Some((first + 1, None));
        }
        (Row::BeingHandled, _) => {
            let mut asking = ask(worker, job(2, HOLD), mode);
            assert!(poll!(&mut asking).is_pending());
            effects.wait_for(first + 2, 0);
            brought.ask = Some((first + 2, asking));
        }
        (Row::RepliedNotRead, _) => {
            let mut asking = ask(worker, job(2, PASS), mode);
            // One whose reply is there at the first look has been read.
            let mut number = first + 2;
            while poll!(&mut asking).is_ready() {
                number += 100_000_000;
                asking = ask(worker, Job { number, what: PASS }, mode);
            }
            effects.wait_for(number, 1);
            ask(worker, job(3, PASS), mode).await.unwrap();
            brought.ask = Some((number, asking));
            brought.is_held = false;
        }
    }
    brought
}

/// What the sender is told of a tell that was accepted, by what came back.
pub(crate) fn told_of_tell(number: u64, back: &[Undelivered<Job>], taken: Option<u64>) -> Told {
    let is_it = |back: &&Undelivered<Job>| match &back.message {
        Some(ringway::message::Parcel::Value(job)) => job.number == number,
        _ => taken == Some(number),
    };
    let found: Vec<_> = back.iter().filter(is_it).collect();
    match found.as_slice() {
        [] => Told::Well,
        [back] if back.taken => Told::Taken,
        [_] => Told::Back,
        _ => panic!("{number} came back twice"),
    }
}

/// Plays the scene of a cell, a hundred times.
pub(crate) fn play(row: Row, column: Column, place: Place) -> Found {
    let _dog = watch();
    let name = format!("fate-{row:?}-{column:?}-{place:?}");
    let bus = Bus::new(&name);
    let node = bus.attach("sender");
    let (log, records) = channel();
    let mut home = match place {
        Place::Local => {
            let log = Arc::new(move |record| log.send(record).unwrap_or_default());
            Home::Here(Yard::new(&node, log))
        }
        Place::Remote => Home::There(Process::start(&bus, &log)),
    };
    let mut effects = Effects::new(records);
    let mut found = Found::default();
    let modes: &[Mode] = match column {
        Column::Restart => &[
            Mode::Once,
            Mode::Redelivered,
            Mode::High,
            Mode::RedeliveredHigh,
        ],
        _ => &[Mode::Once, Mode::High],
    };
    for mode in modes {
        for time in 0..TIMES {
            for which in 0..2 {
                if which == 1 && row != Row::BeingHandled {
                    continue;
                }
                let name = format!("{mode:?}-{time}-{which}");
                let first = (time * 2 + which) as u64 * 20 + (*mode as u64) * 10_000;
                block_on(once(&mut Once {
                    row,
                    column,
                    which,
                    mode: *mode,
                    name: &name,
                    first,
                    node: &node,
                    home: &mut home,
                    effects: &mut effects,
                    found: &mut found,
                }));
            }
        }
    }
    found.times = TIMES;
    if let Home::There(process) = home {
        process.kill();
    }
    effects.settled();
    found
}

struct Once<'a> {
    row: Row,
    column: Column,
    which: usize,
    mode: Mode,
    name: &'a str,
    first: u64,
    node: &'a Node,
    home: &'a mut Home,
    effects: &'a mut Effects,
    found: &'a mut Found,
}

/// Plays it once, with one worker.
async fn once(this: &mut Once<'_>) {
    let mailbox = if this.row == Row::QueuedAtSender {
        1
    } else {
        50
    };
    let name = this.name;
    let is_restarted = this.column == Column::Restart;
    let spawn = if is_restarted { "always" } else { "once" };
    this.home.obey(&format!("{spawn} {name} {mailbox}"));
    let followed: Addr<Worker> = this.node.lookup(name).within(secs(100)).await.unwrap();
    let life = followed.pinned();
    let worker = if is_restarted { &followed } else { &life };
    let back = life.undelivered::<Job>();
    let (row, which, first, mode) = (this.row, this.which, this.first, this.mode);
    let brought = bring(row, which, worker, first, mode, this.effects).await;

    let what = match this.column {
        Column::GracefulStop => {
            this.home.obey(&format!("stop {name}"));
            PASS
        }
        Column::HandlerError => FAIL,
        _ => PANIC,
    };
    if !brought.is_held && what != PASS {
        let number = first + 8;
        life.tell(Job { number, what }).await.unwrap();
    }
    this.home.obey(&format!("open {name} {what}"));
    let ends = this.column != Column::HandlerError;
    if ends {
        life.closed().await;
    }

    let mut tells = None;
    if let Some((number, telling)) = brought.tell {
        let accepted = telling.is_none();
        let told = match telling {
            None => None,
            Some(telling) => telling.await.err().map(|error| {
                assert_eq!(error.into_inner().number, number);
                Told::Back
            }),
        };
        tells = Some((number, accepted, told));
    }
    if let Some((number, asking)) = brought.ask {
        let told = told_of_ask(number, asking.await);
        let accepted = row != Row::QueuedAtSender;
        let fate = fate(told, accepted, number, this.effects);
        let fates = match mode.is_redelivered() {
            false => &mut this.found.asks,
            true => &mut this.found.asks_again,
        };
        fates.insert(fate);
    }
    // All that goes before has been handled, or is not.
    if !ends || is_restarted {
        let number = first + 7;
        let marked = ask(worker, Job { number, what: PASS }, mode).await;
        assert_eq!(marked.unwrap(), number);
    }
    this.home.obey(&format!("end {name}"));
    let back: Vec<_> = match ends {
        true => back.collect().await,
        false => {
            life.closed().await;
            back.collect().await
        }
    };
    if let Some((number, accepted, told)) = tells {
        let in_hand = (row == Row::BeingHandled).then_some(number);
        let told = told.unwrap_or_else(|| told_of_tell(number, &back, in_hand));
        let fate = fate(told, accepted, number, this.effects);
        let fates = match mode.is_redelivered() {
            false => &mut this.found.tells,
            true => &mut this.found.tells_again,
        };
        fates.insert(fate);
    }
}
