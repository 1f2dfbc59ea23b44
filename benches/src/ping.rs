//! `ping`: the round trip of an `ask` with eight bytes, beside that of a bare cache line, between two pinned processes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway::prelude::*;

use crate::Result;
use crate::clock::ticks;
use crate::figures::{Figures, text};
use crate::pair::Pair;
use crate::place::{Patience, Place};

/// Measurements dropped for the placement before one is taken, and marked.
const DROPS_MAX: u32 = 5;
/// Round trips before those that count: caches, branch predictors, memory that is touched first.
const WARM_UP: u64 = 1_000;
/// Longer than a driver looks around before it sleeps.
const PAUSE: Duration = Duration::from_micros(300);
/// The actor's name.
const NAME: &str = "pong";

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Options {
    rounds: usize,
    /// The only mode to measure, if not all.
    mode: Option<Mode>,
    /// Round trips of a round that spins.
    spins: u64,
    /// Round trips of a round that enters the kernel, some hundred times as slow.
    sleeps: u64,
    patience: Patience,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            rounds: 5,
            mode: None,
            spins: 200_000,
            sleeps: 2_000,
            patience: Patience::Some,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--brief" => {
                    options = Self {
                        rounds: 1,
                        spins: 5_000,
                        sleeps: 200,
                        patience: Patience::None,
                        ..options
                    };
                }
                "--rounds" => {
                    let rounds: usize = words.next().ok_or("--rounds N")?.parse()?;
                    options.rounds = rounds.max(1);
                }
                "--mode" => {
                    let name = words.next().ok_or("--mode NAME")?;
                    options.mode = Some(Mode::named(name).ok_or("--mode spin, own or sleep")?);
                }
                other => return Err(format!("ping has no option {other:?}").into()),
            }
        }
        Ok(options)
    }

    fn measures(&self, mode: Mode) -> bool {
        self.mode.is_none_or(|only| only == mode)
    }
}

/// How both sides wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The asking and the answering thread drive their nodes and never sleep meanwhile.
    Spin,
    /// Nodes with a thread of their own, as they come, asked back to back: they hardly ever sleep.
    Own,
    /// The same, asked when both have long been asleep.
    Sleep,
}

impl Mode {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Spin, "spin"),
        (Self::Own, "own"),
        (Self::Sleep, "sleep"),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, its)| *its == name);
        found.map(|(mode, _)| *mode)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(mode, _)| *mode == self);
        found.map_or("", |(_, name)| *name)
    }
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Ping {
    number: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Totals {
    count: u64,
    sum: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Totals)]
#[repr(C)]
struct Report {
    of: u64,
}

/// Counts and sums what it is asked.
#[derive(Actor, Default)]
#[actor(handles(Ping, Report))]
struct Pong {
    count: u64,
    sum: u64,
}

impl Handler<Ping> for Pong {
    async fn handle(&mut self, ping: Ping, _cx: &mut Context<Self>) -> u64 {
        self.count += 1;
        self.sum += ping.number;
        self.sum
    }
}

impl Handler<Report> for Pong {
    async fn handle(&mut self, _report: Report, _cx: &mut Context<Self>) -> Totals {
        Totals {
            count: self.count,
            sum: self.sum,
        }
    }
}

/// One row: what was measured, and its rounds.
struct Row {
    name: &'static str,
    rounds: Vec<Figures>,
    /// Rounds that were taken although the processors lay elsewhere.
    misplaced: usize,
}

/// Measures every row once a round, in turn, and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bus = Bus::new();
    let mut rows = [
        Row::new("cache line"),
        Row::new("ask 8 B, spinning"),
        Row::new("ask 8 B, own threads"),
        Row::new("pipe 8 B"),
        Row::new("ask 8 B, asleep"),
    ];
    let mut pair = Pair::start()?;
    let mut line_ns = Vec::new();
    for _ in 0..options.rounds {
        let [line, spin, own, pipe, asleep] = &mut rows;
        placed(&mut pair, options.patience, line, &mut line_ns, |pair| {
            Ok(measure_line(pair, options.spins))
        })?;
        if options.measures(Mode::Spin) {
            placed(&mut pair, options.patience, spin, &mut line_ns, |pair| {
                measure_ask(pair, Mode::Spin, &bus.directory, options.spins)
            })?;
        }
        if options.measures(Mode::Own) {
            let figures = measure_ask(&mut pair, Mode::Own, &bus.directory, options.sleeps)?;
            own.rounds.push(figures);
        }
        if options.measures(Mode::Sleep) {
            pipe.rounds.push(measure_pipe(&mut pair, options.sleeps)?);
            let figures = measure_ask(&mut pair, Mode::Sleep, &bus.directory, options.sleeps)?;
            asleep.rounds.push(figures);
        }
    }
    print(&rows, &line_ns);
    Ok(())
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            rounds: Vec::new(),
            misplaced: 0,
        }
    }
}

/// Measures between two looks at the placement, again if it changed meanwhile.
fn placed(
    pair: &mut Pair,
    patience: Patience,
    row: &mut Row,
    line_ns: &mut Vec<u32>,
    mut measure: impl FnMut(&mut Pair) -> Result<Figures>,
) -> Result<()> {
    for drops in 0..=DROPS_MAX {
        pair.tell("place")?;
        let mut place = Place::new(&pair.line);
        let before = place.settle(patience);
        place.end();
        let figures = measure(pair)?;
        pair.tell("place")?;
        let mut place = Place::new(&pair.line);
        let holds = place.still_holds();
        place.end();
        let is_last = drops == DROPS_MAX || patience == Patience::None;
        if holds || is_last {
            row.rounds.push(figures);
            row.misplaced += usize::from(!holds);
            line_ns.push(before);
            return Ok(());
        }
    }
    Ok(())
}

fn measure_line(pair: &mut Pair, n: u64) -> Figures {
    let told = pair.tell("place");
    debug_assert!(told.is_ok(), "the child reads its orders");
    let mut place = Place::new(&pair.line);
    (0..WARM_UP).for_each(|_| place.ask(0));
    let mut times = Vec::with_capacity(to_usize(n));
    let mut from = ticks();
    for _ in 0..n {
        place.ask(0);
        let now = ticks();
        times.push(now - from);
        from = now;
    }
    place.end();
    Figures::of(times)
}

fn measure_pipe(pair: &mut Pair, n: u64) -> Result<Figures> {
    pair.tell(&format!("pipe {n}"))?;
    let mut times = Vec::with_capacity(to_usize(n));
    for word in 0..n {
        pause();
        let from = ticks();
        let back = pair.exchange(word)?;
        times.push(ticks() - from);
        if back != word {
            return Err(format!("the pipe said {back}, not {word}").into());
        }
    }
    Ok(Figures::of(times))
}

/// Asks `n` times; every reply must be the sum so far, and the other side must have counted the same.
fn measure_ask(pair: &mut Pair, mode: Mode, directory: &Path, n: u64) -> Result<Figures> {
    pair.tell(&format!("{} {}", mode.name(), directory.display()))?;
    let ready = pair.hear()?;
    if ready != "ready" {
        return Err(format!("the answering node said {ready:?}").into());
    }
    let node = attach(mode, directory, "ping")?;
    let figures = node.run_until(async {
        let pong: Addr<Pong> = node.lookup(NAME).await?;
        let warm_up = ask_many(&pong, mode, 0, WARM_UP.min(n)).await?;
        let times = ask_many(&pong, mode, warm_up.len() as u64, n).await?;
        let asked = (warm_up.len() + times.len()) as u64;
        let totals = pong.ask(Report { of: asked }).await?;
        if (totals.count, totals.sum) != (asked, sum_below(asked)) {
            let Totals { count, sum } = totals;
            return Err(format!("asked {asked}, it counted {count}, summed {sum}").into());
        }
        pong.stop();
        pong.closed().await;
        Result::Ok(Figures::of(times))
    })?;
    drop(node);
    pair.hear()?;
    Ok(figures)
}

async fn ask_many(pong: &Addr<Pong>, mode: Mode, first: u64, n: u64) -> Result<Vec<u64>> {
    let mut times = Vec::with_capacity(to_usize(n));
    let mut from = ticks();
    for number in first..first + n {
        if mode == Mode::Sleep {
            pause();
            from = ticks();
        }
        let sum = pong.ask(Ping { number }).await?;
        let now = ticks();
        times.push(now - from);
        from = now;
        if sum != sum_below(number + 1) {
            return Err(format!("ask {number} was answered with {sum}").into());
        }
    }
    Ok(times)
}

/// The answering side of one measurement.
pub(crate) fn answer(mode: Mode, directory: &Path, output: &mut impl Write) -> Result<()> {
    let node = attach(mode, directory, NAME)?;
    let pong = node.actor(Pong::default()).name(NAME).spawn()?;
    writeln!(output, "ready")?;
    let reason = node.run_until(pong.closed());
    drop(node);
    writeln!(output, "{reason:?}")?;
    Ok(())
}

fn attach(mode: Mode, directory: &Path, name: &str) -> Result<Node> {
    let config = NodeConfig::on("bench").named(name).directory(directory);
    let config = match mode {
        Mode::Spin => config.workers(Workers::Caller),
        Mode::Own | Mode::Sleep => config,
    };
    Ok(Node::attach(config)?)
}

fn print(rows: &[Row], line_ns: &[u32]) {
    let limit = Figures::median(&rows[0].rounds).0.p50;
    let (least, most) = (line_ns.iter().min(), line_ns.iter().max());
    println!(
        "two processes on processors 0 and 1, {} rounds in turn; the line's round trip before each was {}..{} ns",
        rows[0].rounds.len(),
        least.copied().unwrap_or(0),
        most.copied().unwrap_or(0),
    );
    println!(
        "{:<21} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8} {:>9}",
        "round trip", "min", "p50", "p99", "p99.9", "p50/line", "spread", "n"
    );
    for row in rows.iter().filter(|row| !row.rounds.is_empty()) {
        let (figures, spread) = Figures::median(&row.rounds);
        let mark = if row.misplaced > 0 {
            " (misplaced)"
        } else {
            ""
        };
        println!(
            "{:<21} {:>9} {:>9} {:>9} {:>9} {:>7.2}x {:>7.0}% {:>9}{mark}",
            row.name,
            text(figures.min),
            text(figures.p50),
            text(figures.p99),
            text(figures.p999),
            figures.p50 / limit,
            spread * 100.0,
            figures.n,
        );
    }
}

/// The bus of this run; its directory goes with it.
struct Bus {
    directory: PathBuf,
}

impl Bus {
    fn new() -> Self {
        let name = format!("ringway-bench-{}", std::process::id());
        Self {
            directory: std::env::temp_dir().join(name),
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // A run that failed early has none.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "idling is the purpose: both sides are to fall asleep"
)]
fn pause() {
    std::thread::sleep(PAUSE);
}

fn sum_below(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
