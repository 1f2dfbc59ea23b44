//! Medians over the rounds, a row for each cell and unit, with the ratio to the bare ring's row where there is one.

use std::fmt::Write as _;

use super::{Cell, Value};
use crate::figures::{NAMES, median};
use crate::place;

/// What stands for the floor of a workload.
pub(crate) const FLOOR: &str = "bare-ring";

/// By which figure rows are compared: a rate, else the median, or the minimum of a few times.
const MAIN: [Option<&str>; 3] = [None, Some("p50"), Some("min")];

struct Row<'a> {
    cell: &'a Cell,
    unit: &'a str,
    values: Vec<&'a Value>,
}

impl Row<'_> {
    /// Median and spread of one figure.
    fn figure(&self, stat: Option<&str>) -> Option<(f64, f64)> {
        let of_stat = self.values.iter().filter(|value| value.stat == stat);
        let values: Vec<f64> = of_stat.map(|value| value.value).collect();
        (!values.is_empty()).then(|| median(values))
    }

    /// The figure by which rows are compared.
    fn main(&self) -> Option<(f64, f64)> {
        MAIN.into_iter().find_map(|stat| self.figure(stat))
    }

    /// The best round's, which other load on the machine has disturbed least.
    fn best(&self) -> Option<f64> {
        let stat = MAIN.into_iter().find(|stat| self.figure(*stat).is_some())?;
        let of_stat = self.values.iter().filter(|value| value.stat == stat);
        let better = if self.unit.ends_with("/s") {
            f64::max
        } else {
            f64::min
        };
        of_stat.map(|value| value.value).reduce(better)
    }
}

/// The table as text.
pub(super) fn of(values: &[Value]) -> String {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for value in values {
        match rows
            .iter_mut()
            .find(|row| *row.cell == value.cell && row.unit == value.unit)
        {
            Some(row) => row.values.push(value),
            None => rows.push(Row {
                cell: &value.cell,
                unit: value.unit,
                values: vec![value],
            }),
        }
    }
    let mut text = format!("{:<58}", "workload, system, parameters");
    for stat in NAMES {
        let _ = write!(text, " {stat:>9}");
    }
    let _ = writeln!(
        text,
        " {:>8} {:>8} {:>7} {:>7} {:>9}",
        "/floor", "best", "/floor", "spread", "n"
    );
    rows.iter().for_each(|row| line(&mut text, row, &rows));
    text
}

fn line(text: &mut String, row: &Row<'_>, rows: &[Row<'_>]) {
    let Cell {
        system,
        workload,
        params,
    } = row.cell;
    let params: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let name = format!("{workload} {system} {}", params.join(" "));
    let _ = write!(text, "{name:<58}");
    match row.figure(None) {
        Some((value, _)) => {
            let _ = write!(text, " {:>49}", format!("{} {}", count(value), row.unit));
        }
        None => NAMES.iter().for_each(|stat| {
            let figure = row
                .figure(Some(stat))
                .map_or("-".to_owned(), |(ns, _)| time(ns));
            let _ = write!(text, " {figure:>9}");
        }),
    }
    let floor = rows.iter().find(|other| {
        let (own, its) = (row.cell, other.cell);
        its.system == FLOOR
            && own.workload == its.workload
            && own.params == its.params
            && row.unit == other.unit
    });
    let main = row.main();
    let times = |floor: Option<f64>, own: Option<f64>| {
        let ratio = floor.zip(own).map(|(floor, own)| own / floor);
        ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"))
    };
    let ratio = times(
        floor.and_then(Row::main).map(|it| it.0),
        main.map(|it| it.0),
    );
    let ratio_best = times(floor.and_then(Row::best), row.best());
    let best = match (row.best(), row.figure(None)) {
        (Some(value), Some(_)) => count(value),
        (Some(nanos), None) => time(nanos),
        (None, _) => "-".to_owned(),
    };
    let spread = main.map_or(0.0, |main| main.1 * 100.0);
    let n: u64 = row
        .values
        .iter()
        .filter(|value| value.stat.is_none_or(|stat| stat == "min"))
        .map(|it| it.n)
        .sum();
    let astray = row
        .values
        .iter()
        .any(|value| !place::held(value.lay.line_ns));
    let mark = if astray { " (misplaced)" } else { "" };
    let _ = writeln!(
        text,
        " {ratio:>8} {best:>8} {ratio_best:>7} {spread:>6.0}% {n:>9}{mark}"
    );
}

/// Nanoseconds in three digits, with a unit.
fn time(nanos: f64) -> String {
    match nanos {
        1e8.. => format!("{:.2} s", nanos / 1e9),
        1e6.. => format!("{:.1} ms", nanos / 1e6),
        1e5.. => format!("{:.0} us", nanos / 1e3),
        1e3.. => format!("{:.1} us", nanos / 1e3),
        _ => format!("{nanos:.0} ns"),
    }
}

/// A number in three digits.
fn count(value: f64) -> String {
    match value {
        1e6.. => format!("{:.2}M", value / 1e6),
        1e4.. => format!("{:.1}k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}
