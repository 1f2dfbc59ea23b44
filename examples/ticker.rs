//! Prices from a file, to whoever wants them: a process reads any CSV file and publishes each price on its symbol's topic; this one
//! subscribes to all of them by a pattern, and to one as a display does, which misses what it cannot show.
//!
//! ```sh
//! cargo run --example ticker                # prices made up
//! cargo run --example ticker -- prices.csv  # a column of names and one of numbers; a first line may name them
//! ```
#![forbid(unsafe_code)]

mod own_bus;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use ringway::prelude::*;

use own_bus::OwnBus;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The argument of the other process, before the file.
const EXCHANGE: &str = "exchange=";

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Price {
    /// Of the file.
    line: u64,
    value: f64,
}

/// What is known of a symbol's prices.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Summary {
    count: u64,
    lowest: f64,
    highest: f64,
    last: f64,
}

impl Summary {
    fn add(summaries: &mut BTreeMap<String, Self>, symbol: &str, value: f64) {
        let first = Self {
            count: 0,
            lowest: value,
            highest: value,
            last: value,
        };
        let it = summaries.entry(symbol.to_owned()).or_insert(first);
        it.count += 1;
        it.lowest = it.lowest.min(value);
        it.highest = it.highest.max(value);
        it.last = value;
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    match words.as_slice() {
        [word] => match word.strip_prefix(EXCHANGE) {
            Some(file) => exchange(Path::new(file)),
            None => watch(Path::new(word)),
        },
        [] => {
            let path = env::temp_dir().join(format!("ringway-prices-{}.csv", std::process::id()));
            fs::write(&path, made_up())?;
            let watched = watch(&path);
            fs::remove_file(&path)?;
            watched
        }
        _ => Err("usage: ticker [FILE.csv]".into()),
    }
}

/// The other process: publishes each line's price, once somebody listens to all of them.
fn exchange(path: &Path) -> Result<()> {
    let node = Node::attach("demo")?;
    let prices = read(path)?;
    block_on(async {
        let mut publishers = BTreeMap::new();
        for (symbol, _) in &prices {
            if !publishers.contains_key(symbol) {
                let topic = node.topic::<Price>(format!("prices/{symbol}"))?;
                let publisher = topic.publisher().await?;
                publisher.wait_for_subscribers(1).await;
                publishers.insert(symbol.clone(), publisher);
            }
        }
        for (line, (symbol, value)) in (1..).zip(&prices) {
            let value = *value;
            publishers[symbol].publish(Price { line, value }).await?;
        }
        Ok(())
    })
}

fn watch(path: &Path) -> Result<()> {
    let prices = read(path)?;
    let mut expected = BTreeMap::new();
    for (symbol, value) in &prices {
        Summary::add(&mut expected, symbol, *value);
    }
    let (shown, _) = prices.first().ok_or("the file has no prices")?;

    let bus = OwnBus::new("ticker");
    let node = Node::attach(bus.config())?;
    let all = node.topics::<Price>("prices/*")?;
    let mut all = all.subscriber().topics_max(expected.len()).wait()?;
    // Shows the newest price; nobody waits for it.
    let display = node.topic::<Price>(format!("prices/{shown}"))?;
    let mut display = display.subscriber().depth(1).drop_oldest().wait()?;
    let file = path.to_str().ok_or("the file's name is no text")?;
    let mut exchange = bus.start(&format!("{EXCHANGE}{file}"))?;

    let mut seen = BTreeMap::new();
    let (mut showed, mut missed) = (0, 0);
    for _ in &prices {
        let sample = all.next_blocking().ok_or("the node has left")??;
        let symbol = sample.topic().rsplit('/').next().unwrap_or_default();
        Summary::add(&mut seen, symbol, sample.value);
        while let Some(newest) = display.try_next() {
            showed += 1;
            missed += newest.missed_before();
        }
    }
    let status = exchange.wait()?;
    assert!(status.success(), "the exchange: {status}");
    while let Some(newest) = display.try_next() {
        showed += 1;
        missed += newest.missed_before();
    }

    for (symbol, it) in &seen {
        let Summary {
            count,
            lowest,
            highest,
            last,
        } = it;
        println!("{symbol:>12}: {count:>6} prices from {lowest} to {highest}, the last {last}");
    }
    println!(
        "the display of {shown} showed {showed} of {}, and missed {missed}",
        seen[shown].count
    );
    assert_eq!(
        seen, expected,
        "each price has come, each symbol's in its order"
    );
    assert_eq!(showed + missed, seen[shown].count);
    node.detach();
    Ok(())
}

/// The symbols and prices of a file, line by line; lines without a price are passed over.
fn read(path: &Path) -> Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(path)?;
    let rows: Vec<Vec<String>> = text
        .lines()
        .map(fields)
        .filter(|row| row.len() > 1)
        .collect();
    let (head, body) = rows.split_first().ok_or("the file has no columns")?;
    let named = |names: &[&str]| {
        let is_named = |it: &String| names.contains(&it.to_lowercase().as_str());
        head.iter().position(is_named)
    };
    let sample = body.first().unwrap_or(head);
    let is_number = |it: &String| it.parse::<f64>().is_ok();
    let price =
        named(&["price", "close", "last", "value"]).or_else(|| sample.iter().rposition(is_number));
    let price = price.ok_or("the file has no column of numbers")?;
    let symbol = named(&["symbol", "ticker", "name"])
        .or_else(|| (0..sample.len()).find(|at| *at != price && !is_number(&sample[*at])))
        .ok_or("the file has no column of names")?;
    let prices = rows.iter().filter_map(|row| {
        let value: f64 = row.get(price)?.parse().ok()?;
        let symbol = topic_chunk(row.get(symbol)?);
        (value.is_finite() && !symbol.is_empty()).then_some((symbol, value))
    });
    Ok(prices.collect())
}

/// A symbol as it can stand in the name of a topic.
fn topic_chunk(symbol: &str) -> String {
    let chunk = symbol.trim().chars().take(40);
    let chunk = chunk.map(|it| match it {
        '/' | '*' | '$' | '?' | '#' => '_',
        it if it.is_control() => '_',
        it => it,
    });
    chunk.collect()
}

/// The fields of a line: between commas or semicolons, in quotes if they contain some.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    for it in line.chars() {
        match it {
            '"' => is_quoted = !is_quoted,
            ',' | ';' if !is_quoted => fields.push(std::mem::take(&mut field)),
            it => field.push(it),
        }
    }
    fields.push(field);
    fields.iter().map(|it| it.trim().to_owned()).collect()
}

/// Prices that wander, the same in every run.
fn made_up() -> String {
    let mut text = "time,symbol,price\n".to_owned();
    let mut seed = 7_u64;
    let mut prices = [("tea", 250), ("coffee", 400), ("sugar", 90)];
    for time in 0..3000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (symbol, cents) = &mut prices[usize::from(seed.to_be_bytes()[0]) % 3];
        *cents = (*cents + i32::from(seed.to_be_bytes()[1]) % 7 - 3).max(1);
        let _ = writeln!(text, "{time},{symbol},{}.{:02}", *cents / 100, *cents % 100);
    }
    text
}
