//! What the program was asked for.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::files::Files;

const WORKERS: usize = 2; // by default
const WORKERS_MAX: usize = 64; // a chunk each in half of the heap

const USAGE: &str = "\
usage: wordcount [--workers N] [FILES...]
  --workers N   count with N child processes, 1 to 64 (default 2)
  FILES         what to count (default: the text and source files of Ringway's repository)";

/// The processes to count with, and the files.
pub(crate) struct Arguments {
    pub(crate) workers: usize,
    pub(crate) files: Files,
}

/// Why nothing is to be counted.
#[derive(Debug)]
pub(crate) enum UsageError {
    /// An argument makes no sense.
    Mistake(String),
    /// The usage was asked for.
    Help,
}

impl Arguments {
    /// Reads the arguments of this process.
    pub(crate) fn of_process() -> crate::Result<Self> {
        Self::parse(std::env::args_os().skip(1))
    }

    fn parse(arguments: impl IntoIterator<Item = OsString>) -> crate::Result<Self> {
        let mut arguments = arguments.into_iter();
        let mut workers = WORKERS;
        let mut paths = Vec::new();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--workers") => workers = parse_workers(arguments.next())?,
                Some("--") => paths.extend(arguments.by_ref().map(PathBuf::from)),
                Some("--help" | "-h") => return Err(UsageError::Help.into()),
                Some(option) if option.starts_with("--") => {
                    return Err(UsageError::Mistake(format!("unknown option {option:?}")).into());
                }
                _ => paths.push(PathBuf::from(argument)),
            }
        }
        let files = if paths.is_empty() {
            Files::of_repository()?
        } else {
            Files::named(paths)
        };
        Ok(Self { workers, files })
    }
}

fn parse_workers(value: Option<OsString>) -> Result<usize, UsageError> {
    let text = value.as_ref().and_then(|value| value.to_str());
    let number = text.and_then(|text| text.parse().ok());
    number
        .filter(|number| (1..=WORKERS_MAX).contains(number))
        .ok_or_else(|| {
            let given = value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
            UsageError::Mistake(format!(
                "--workers takes a number from 1 to {WORKERS_MAX}, not {given}"
            ))
        })
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistake(what) => write!(f, "{what}\n{USAGE}"),
            Self::Help => f.write_str(USAGE),
        }
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> crate::Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    // Goal: options are understood anywhere, and nothing after `--` is one.
    #[test]
    fn options_and_files() {
        let given = parse("a --workers 5 b -- --c").expect("good arguments");
        assert_eq!((given.workers, given.files.len()), (5, 3));
        assert_eq!(parse("a").expect("good arguments").workers, WORKERS);
        assert!(
            parse("").expect("no arguments").files.len() > 10,
            "the repository's own files"
        );
    }

    // Goal: each mistake is told with what was given.
    #[test]
    fn mistakes_are_named() {
        for (line, part) in [
            ("--workers", "not nothing"),
            ("--workers 0 a", "not \"0\""),
            ("--workers 65 a", "1 to 64, not \"65\""),
            ("--workers two", "not \"two\""),
            ("--cores 2", "unknown option \"--cores\""),
            ("--help", "usage:"),
        ] {
            let error = parse(line).err().expect(line);
            assert!(error.is::<UsageError>(), "{line}");
            assert!(error.to_string().contains(part), "{line}: {error}");
        }
    }
}
