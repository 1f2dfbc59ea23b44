//! What a run prints: a line of JSON for each value as soon as it is measured, or a table of medians at the end.
//!
//! ```json
//! {"system": "ringway", "workload": "ask", "params": {"mode": "spin", "bytes": "8", "touch": "fill", "stat": "p50",
//!  "line_ns": "101 103", "dropped": "0"}, "unit": "ns", "value": 651.000, "n": 200000}
//! ```
//!
//! A latency is five such lines that differ in `stat`: `min`, `p50`, `p99`, `p999`, `mean`. Where the processors lay is told
//! among the parameters, of measurements that looked.

mod table;

use crate::figures::{self, Ticks};

/// What is measured, and under which conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) system: &'static str,
    pub(crate) workload: &'static str,
    pub(crate) params: Vec<(&'static str, String)>,
}

impl Cell {
    pub(crate) fn new(system: &'static str, workload: &'static str) -> Self {
        Self {
            system,
            workload,
            params: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.params.push((name, value.to_string()));
        self
    }
}

/// Where the processors lay around a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lay {
    /// The line's round trip before and after, in nanoseconds; zero where nobody looked.
    pub(crate) line_ns: [u32; 2],
    /// Measurements dropped before this one because the processors had moved.
    pub(crate) dropped: u32,
}

impl Lay {
    /// What is told of it, where somebody looked.
    fn params(self) -> Option<[(&'static str, String); 2]> {
        let [before, after] = self.line_ns;
        (before > 0).then(|| {
            [
                ("line_ns", format!("{before} {after}")),
                ("dropped", self.dropped.to_string()),
            ]
        })
    }
}

/// One value.
#[derive(Clone, Debug)]
struct Value {
    cell: Cell,
    stat: Option<&'static str>,
    unit: &'static str,
    value: f64,
    n: u64,
    lay: Lay,
}

/// All values of a run.
#[derive(Debug)]
pub(crate) struct Report {
    as_table: bool,
    values: Vec<Value>,
}

impl Report {
    pub(crate) fn new(as_table: bool) -> Self {
        Self {
            as_table,
            values: Vec::new(),
        }
    }

    /// One value of a cell.
    pub(crate) fn value(&mut self, cell: &Cell, unit: &'static str, value: f64, n: u64, lay: Lay) {
        self.add(Value {
            cell: cell.clone(),
            stat: None,
            unit,
            value,
            n,
            lay,
        });
    }

    /// One value of a cell that has several: min, p50 and the like.
    pub(crate) fn figure(
        &mut self,
        cell: &Cell,
        stat: &'static str,
        (unit, value): (&'static str, f64),
        n: u64,
        lay: Lay,
    ) {
        self.add(Value {
            cell: cell.clone(),
            stat: Some(stat),
            unit,
            value,
            n,
            lay,
        });
    }

    /// The figures of a series of times.
    pub(crate) fn latency(&mut self, cell: &Cell, ticks: Ticks, lay: Lay) {
        let n = ticks.len() as u64;
        for (stat, value) in figures::of(ticks) {
            self.figure(cell, stat, ("ns", value), n, lay);
        }
    }

    fn add(&mut self, value: Value) {
        if !self.as_table {
            println!("{}", json(&value));
        }
        self.values.push(value);
    }

    /// Prints the table, if that was asked for, and says how many measurements were dropped.
    pub(crate) fn end(self) {
        if self.as_table {
            print!("{}", table::of(&self.values));
        }
        let mut dropped = 0;
        let mut last = None;
        for value in &self.values {
            // A latency's values are of one measurement.
            let this = (&value.cell, value.lay, value.n);
            dropped += if last == Some(this) {
                0
            } else {
                value.lay.dropped
            };
            last = Some(this);
        }
        eprintln!("{dropped} measurements dropped: the processors had moved");
    }
}

/// Names and values here are plain ASCII without quotes, so Rust's quoting is JSON's.
fn json(value: &Value) -> String {
    let cell = &value.cell;
    let stat = value.stat.map(|stat| ("stat", stat.to_owned()));
    let lay = value.lay.params();
    let params: Vec<String> = cell
        .params
        .iter()
        .chain(&stat)
        .chain(lay.iter().flatten())
        .map(|(name, value)| format!("{name:?}: {value:?}"))
        .collect();
    format!(
        "{{\"system\": {:?}, \"workload\": {:?}, \"params\": {{{}}}, \"unit\": {:?}, \"value\": {:.3}, \"n\": {}}}",
        cell.system,
        cell.workload,
        params.join(", "),
        value.unit,
        value.value,
        value.n,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json() {
        let mut value = Value {
            cell: Cell::new("ringway", "ask").with("bytes", 8),
            stat: Some("p50"),
            unit: "ns",
            value: 1.5,
            n: 3,
            lay: Lay {
                line_ns: [100, 101],
                dropped: 2,
            },
        };
        let line = |lay: &str| {
            format!(
                "{{\"system\": \"ringway\", \"workload\": \"ask\", \"params\": {{\"bytes\": \"8\", \"stat\": \"p50\"{lay}}}, \
                 \"unit\": \"ns\", \"value\": 1.500, \"n\": 3}}"
            )
        };
        assert_eq!(
            json(&value),
            line(", \"line_ns\": \"100 101\", \"dropped\": \"2\"")
        );
        value.lay = Lay::default();
        assert_eq!(json(&value), line(""));
    }
}
