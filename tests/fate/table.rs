//! The table in the document, and what a scene must have found to agree with it.

use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../docs/fate.md");

/// What a cell says that cannot occur.
const IMPOSSIBLE: &str = "cannot occur";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    QueuedAtSender,
    QueuedAtReceiver,
    BeingHandled,
    RepliedNotRead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    GracefulStop,
    HandlerError,
    Panic,
    ProcessKilled,
    SenderKilled,
    Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Local,
    Remote,
}

const ROWS: [&str; 4] = [
    "queued at the sender",
    "queued at the receiver",
    "being handled",
    "replied, reply not read",
];
const ROW_NAMES: [&str; 4] = [
    "queued_at_sender",
    "queued_at_receiver",
    "being_handled",
    "replied_not_read",
];
const COLUMNS: [&str; 6] = [
    "graceful stop",
    "handler error",
    "panic",
    "process killed",
    "sender killed",
    "restart",
];

/// Asks whose answer is left to others: who has the way back.
const ANSWER_ROWS: [&str; 3] = ["deferred", "delegated", "forwarded"];
/// Who ends then.
const ANSWER_COLUMNS: [&str; 6] = [
    "graceful stop",
    "panic",
    "process killed",
    "last one killed",
    "sender killed",
    "restart",
];
const ANSWERS: &str = "## An answer that is left to others";

/// The cells of the table under this heading, by row, which has these rows and columns.
fn table(heading: &str, columns: &[&str], named: &[&str]) -> Vec<Vec<String>> {
    let after = DOCUMENT
        .split(heading)
        .nth(1)
        .expect("the heading is there");
    let lines = after.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|'));
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let mut rows: Vec<_> = lines.map(cells).collect();
    assert_eq!(rows[0][1..], *columns, "the columns");
    rows.drain(..2);
    let names: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(names, named, "the rows");
    rows
}

fn messages(place: Place) -> Vec<Vec<String>> {
    table(heading(place), &COLUMNS, &ROWS)
}

fn answers() -> Vec<Vec<String>> {
    table(ANSWERS, &ANSWER_COLUMNS, &ANSWER_ROWS)
}

/// What the document says of an answer in this cell.
pub(crate) fn answer_cell(row: &str, column: &str) -> String {
    let place = |all: &[&str], it| {
        all.iter()
            .position(|name| *name == it)
            .expect("it is there")
    };
    let (row, column) = (place(&ANSWER_ROWS, row), place(&ANSWER_COLUMNS, column));
    answers()[row][1 + column].clone()
}

fn heading(place: Place) -> &'static str {
    match place {
        Place::Local => "## A receiver in the sender's process",
        Place::Remote => "## A receiver in another process",
    }
}

/// What the document says in this cell.
pub(crate) fn cell(row: Row, column: Column, place: Place) -> String {
    messages(place)[row as usize][1 + column as usize].clone()
}

/// The names of the tests that there must be.
pub(crate) fn cells_to_test() -> Vec<String> {
    let mut names = Vec::new();
    for (place, suffix) in [(Place::Local, "local"), (Place::Remote, "remote")] {
        for (row, name) in messages(place).iter().zip(ROW_NAMES) {
            for (cell, column) in row[1..].iter().zip(COLUMNS) {
                if cell != IMPOSSIBLE {
                    names.push(format!("{name}__{}__{suffix}", column.replace(' ', "_")));
                }
            }
        }
    }
    for row in answers() {
        for (cell, column) in row[1..].iter().zip(ANSWER_COLUMNS) {
            if cell != IMPOSSIBLE {
                names.push(format!("{}__{}__answer", row[0], column.replace(' ', "_")));
            }
        }
    }
    names
}

/// How many cells are said to be impossible.
pub(crate) fn impossible() -> usize {
    let tables = [messages(Place::Local), messages(Place::Remote), answers()];
    let cells = tables.iter().flatten().flatten();
    cells.filter(|cell| *cell == IMPOSSIBLE).count()
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// Its handler came to its end, once; whoever waits for the answer has it.
    Delivered,
    /// The same, in a later life than the one that had accepted it.
    Redelivered,
    /// It had no effect, and its sender has it back.
    Returned,
    /// Its handler had begun and did not come to its end: its sender is told.
    ReturnedAsTaken,
    /// It had no effect: nobody had accepted it, and its sender is dead.
    Lost,
}

impl Fate {
    fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Redelivered => "redelivered",
            Self::Returned => "returned",
            Self::ReturnedAsTaken => "returned as taken",
            Self::Lost => "lost by policy",
        }
    }
}

/// What became of all messages of a scene, over all times that it was played.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tells: BTreeSet<Fate>,
    pub(crate) asks: BTreeSet<Fate>,
    /// The same where they were to be redelivered.
    pub(crate) tells_again: BTreeSet<Fate>,
    pub(crate) asks_again: BTreeSet<Fate>,
    pub(crate) times: usize,
}

/// The words for tells and asks, one where they agree or there is only one.
fn words(tells: &BTreeSet<Fate>, asks: &BTreeSet<Fate>) -> String {
    let word = |fates: &BTreeSet<Fate>| {
        assert!(fates.len() <= 1, "not always the same: {fates:?}");
        fates.first().map(|fate| fate.word())
    };
    match (word(tells), word(asks)) {
        (Some(tell), Some(ask)) if tell != ask => format!("tell {tell}, ask {ask}"),
        (_, Some(ask)) => ask.to_owned(),
        (Some(tell), None) => tell.to_owned(),
        (None, None) => panic!("nothing was found"),
    }
}

/// Holds what was found against the document.
pub(crate) fn check(name: &str, found: &Found, said: &str) {
    assert!(found.times >= 100, "{name}: {} times", found.times);
    let mut words_found = words(&found.tells, &found.asks);
    if !found.asks_again.is_empty() {
        let again = words(&found.tells_again, &found.asks_again);
        if again != words_found {
            words_found = format!("{words_found}; with `redeliver`: {again}");
        }
    }
    assert_eq!(
        words_found, said,
        "{name}: what was found, and what the document says"
    );
}
