//! What is printed.

use std::fmt;
use std::time::Duration;

use crate::farm::Counted;

const TOP: usize = 20;
const SHOWN_CHARS: usize = 60; // of a word
const LITTLE_BYTES: u64 = 50_000_000; // counted in a tenth of a second

/// What was counted, and how long that took.
pub(crate) struct Report {
    pub(crate) files: usize,
    pub(crate) workers: usize,
    pub(crate) starting: Duration,
    pub(crate) counting: Duration,
    pub(crate) plain: Duration,
    pub(crate) counted: Counted,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted { counts, bytes } = &self.counted;
        for (word, count) in counts.top(TOP) {
            writeln!(f, "{count:>12}  {}", Shown(word))?;
        }
        let (total, different) = (counts.total(), counts.len());
        let (files, megabytes) = (number(self.files, "file"), *bytes as f64 / 1e6);
        writeln!(
            f,
            "{total:>12}  words, {different} different, in {files}, {megabytes:.1} MB\n"
        )?;

        let speed = |took: Duration| {
            let seconds = took.as_secs_f64();
            format!("{seconds:.3} s, {:.0} MB/s", megabytes / seconds)
        };
        let (workers, starting) = (number(self.workers, "child process"), self.starting);
        writeln!(
            f,
            "{workers}: {} (and {starting:.1?} to start)",
            speed(self.counting)
        )?;
        writeln!(f, "a plain loop in one process: {}", speed(self.plain))?;
        writeln!(f, "both found the same words, each as often")?;
        if *bytes < LITTLE_BYTES {
            writeln!(
                f,
                "(of little text this measures how things begin: try 100 MB)"
            )?;
        }
        Ok(())
    }
}

fn number(number: usize, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

/// A word as a terminal may show it: what is no text, or controls a terminal, as its number.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = SHOWN_CHARS;
        for piece in self.0.utf8_chunks() {
            for char in piece.valid().chars() {
                let Some(left) = room.checked_sub(1) else {
                    return f.write_str("...");
                };
                room = left;
                if char.is_control() {
                    write!(f, "{}", char.escape_default())?
                } else {
                    write!(f, "{char}")?
                }
            }
            write!(f, "{}", piece.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: no word can control the terminal or fill it.
    #[test]
    fn words_are_shown_harmlessly() {
        assert_eq!(Shown("Grüße→".as_bytes()).to_string(), "Grüße→");
        assert_eq!(Shown(b"a\x1b[2Jb\0").to_string(), "a\\u{1b}[2Jb\\u{0}");
        assert_eq!(Shown(b"\xff\xfex").to_string(), "\\xff\\xfex");
        let long = "x".repeat(100);
        assert_eq!(
            Shown(long.as_bytes()).to_string(),
            format!("{}...", &long[..SHOWN_CHARS])
        );
    }
}
