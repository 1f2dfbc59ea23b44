//! The committed counts, and how far others are from them.

use std::fmt::Write as _;
use std::path::Path;

use super::Count;
use crate::Result;

/// Which compiler built this program.
pub(super) const COMPILER: &str = env!("RUSTC_VERSION");

/// Writes the counts as a baseline: the compiler, then a line for each path.
pub(super) fn keep(counts: &[Count], file: &Path) -> Result<()> {
    let mut text = format!("# {COMPILER}\n");
    for count in counts {
        let _ = writeln!(text, "{:>6} {}", count.instructions, count.path);
    }
    Ok(std::fs::write(file, text)?)
}

/// Prints each path's count beside the baseline's.
pub(super) fn compare(counts: &[Count], file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("no baseline {}: {error}", file.display()))?;
    let compiler = text.lines().next().unwrap_or("").trim_start_matches("# ");
    println!("baseline {compiler}");
    println!("     now {COMPILER}");
    println!(
        "{:<34} {:>8} {:>8} {:>7} {:>7}",
        "instructions", "baseline", "now", "diff", ""
    );
    for count in counts {
        println!("{}", line(count, find(&text, &count.path)));
    }
    Ok(())
}

fn find(text: &str, path: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (count, name) = line.trim_start().split_once(' ')?;
        (name == path).then(|| count.parse().ok())?
    })
}

fn line(count: &Count, before: Option<u64>) -> String {
    let Count {
        path,
        instructions,
        others,
        times,
    } = count;
    let mut line = match before {
        Some(before) => {
            let diff = instructions.cast_signed() - before.cast_signed();
            let share = diff as f64 / before.max(1) as f64 * 100.0;
            format!("{path:<34} {before:>8} {instructions:>8} {diff:>+7} {share:>+6.1}%")
        }
        None => format!("{path:<34} {:>8} {instructions:>8}", "-"),
    };
    if *others > 0 {
        let _ = write!(line, "  ({others} of {times} took longer ways)");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference() {
        let text = "# rustc 1\n   100 ask 8 B\n    20 tell 8 B: submit\n";
        assert_eq!(find(text, "ask 8 B"), Some(100));
        assert_eq!(find(text, "tell"), None);
        let count = Count {
            path: "ask 8 B".to_owned(),
            instructions: 90,
            others: 1,
            times: 15,
        };
        let line = line(&count, Some(100));
        assert!(
            line.contains("-10")
                && line.contains("-10.0%")
                && line.ends_with("(1 of 15 took longer ways)"),
            "{line}"
        );
    }
}
