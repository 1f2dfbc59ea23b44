//! The command line of `examples/wordcount`, run as a program: what it prints, where, and with which code it exits.
//!
//! What is counted, and that each word is, the example's own tests try.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::getuid;

use support::{Bus, watch};

/// Who is not root.
const OTHER: u32 = 65534;

const USAGE: &str = "\
usage: wordcount [--workers N] [FILES...]
  --workers N   count with N child processes, 1 to 64 (default 2)
  FILES         what to count (default: the text and source files of Ringway's repository)
";

/// What one run left.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: Option<i32>,
    printed: String,
    complained: String,
}

/// A directory for files and for buses.
struct Stage(Bus);

impl Stage {
    fn set(name: &str) -> Self {
        let bus = Bus::new(name);
        fs::create_dir(bus.directory()).unwrap();
        Self(bus)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.directory().join(name)
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wordcount"));
        command.env("RINGWAY_DIR", self.path("buses"));
        command
    }

    fn run(&self, args: &[&str], files: &[&Path]) -> Run {
        let mut command = self.command();
        finish(command.args(args).args(files))
    }
}

fn finish(command: &mut Command) -> Run {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Run {
        code: output.status.code(),
        printed: String::from_utf8(output.stdout).unwrap(),
        complained: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A run that is the caller's fault: nothing is printed, and this is said.
fn refused(said: impl Into<String>) -> Run {
    Run {
        code: Some(2),
        printed: String::new(),
        complained: said.into(),
    }
}

/// The line of the total, without the time and the place that nobody can foretell.
fn total(run: &Run) -> &str {
    assert_eq!(
        (run.code, run.complained.as_str()),
        (Some(0), ""),
        "{}",
        run.printed
    );
    let total = run.printed.lines().find(|line| line.contains("  words, "));
    total.expect("a total").trim_start()
}

// Goal: the words of two files are counted, the most frequent first, and said to be those of the plain count.
#[test]
fn words_are_counted() {
    let _dog = watch();
    let stage = Stage::set("wordcount-words");
    let one = stage.file("one", "the cat and the dog\n");
    let two = stage.file("two", "and the rest");

    let run = stage.run(&["--workers", "3"], &[&one, &two]);

    assert_eq!(total(&run), "8  words, 5 different, in 2 files, 0.0 MB");
    let first: Vec<_> = run.printed.lines().take(2).map(str::trim_start).collect();
    assert_eq!(first, ["3  the", "2  and"]);
    assert!(
        run.printed.contains("3 child processes: "),
        "{}",
        run.printed
    );
    assert!(
        run.printed
            .contains("both found the same words, each as often"),
        "{}",
        run.printed
    );
}

// Goal: a file without a byte has no words, and is no error; beside others neither.
#[test]
fn an_empty_file_has_no_words() {
    let _dog = watch();
    let stage = Stage::set("wordcount-empty");
    let (empty, word) = (stage.file("empty", ""), stage.file("word", "word"));
    let white = stage.file("white", " \n\t\r\x0b\x0c ");

    assert_eq!(
        total(&stage.run(&[], &[&empty])),
        "0  words, 0 different, in 1 file, 0.0 MB"
    );
    assert_eq!(
        total(&stage.run(&[], &[&white])),
        "0  words, 0 different, in 1 file, 0.0 MB"
    );
    let all = stage.run(&["--workers", "1"], &[&empty, &word, &empty]);
    assert_eq!(total(&all), "1  words, 1 different, in 3 files, 0.0 MB");
}

// Goal: bytes that are no text are counted as words, and printed so that no terminal suffers.
#[test]
fn words_need_not_be_text() {
    let _dog = watch();
    let stage = Stage::set("wordcount-bytes");
    let bytes = stage.file("bytes", b"\xff\xfe \x00 gr\xfc\xdfe \x1b[2J \xff\xfe");

    let run = stage.run(&[], &[&bytes]);

    assert_eq!(total(&run), "5  words, 4 different, in 1 file, 0.0 MB");
    for shown in [
        "2  \\xff\\xfe",
        "1  \\u{0}",
        "1  gr\\xfc\\xdfe",
        "1  \\u{1b}[2J",
    ] {
        let is_shown = run.printed.lines().any(|line| line.trim_start() == shown);
        assert!(is_shown, "{shown} in {}", run.printed);
    }
}

// Goal: each file that cannot be counted is named with what is wrong, all at once, before anything is counted.
#[test]
fn files_that_cannot_be_counted_are_named() {
    let _dog = watch();
    let stage = Stage::set("wordcount-unreadable");
    let good = stage.file("good", "word");
    let (missing, directory, socket) = (
        stage.path("missing"),
        stage.path("directory"),
        stage.path("socket"),
    );
    fs::create_dir(&directory).unwrap();
    let _listening = UnixListener::bind(&socket).unwrap();
    let through = good.join("file");

    let run = stage.run(&[], &[&missing, &good, &directory, &socket, &through]);

    let expected = format!(
        "wordcount: {}: No such file or directory (os error 2)\n\
         wordcount: {}: is a directory\n\
         wordcount: {}: it can be read only once, and is read twice, the second time for the check\n\
         wordcount: {}: Not a directory (os error 20)\n",
        missing.display(),
        directory.display(),
        socket.display(),
        through.display(),
    );
    assert_eq!(run, refused(expected));
    assert!(!stage.path("buses").exists(), "nothing was started");
}

// Goal: a file whose permissions forbid the reading is named. Root may read everything, so another user tries.
#[test]
fn files_without_permission_are_named() {
    let _dog = watch();
    let stage = Stage::set("wordcount-permission");
    let secret = stage.file("secret", "word");
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    // Root's own target directory may be closed to others: its program is brought to where they can run it.
    fs::set_permissions(stage.path("."), Permissions::from_mode(0o755)).unwrap();
    let copy = stage.path("wordcount");
    fs::copy(env!("CARGO_BIN_EXE_wordcount"), &copy).unwrap();
    let mut command = Command::new(copy);
    if getuid().is_root() {
        command.uid(OTHER).gid(OTHER);
    }

    let run = finish(command.arg(&secret));

    let expected = format!(
        "wordcount: {}: Permission denied (os error 13)\n",
        secret.display()
    );
    assert_eq!(run, refused(expected));
}

// Goal: arguments without a meaning are told with the usage; asking for it is no mistake.
#[test]
fn mistakes_are_told_with_the_usage() {
    let _dog = watch();
    let stage = Stage::set("wordcount-mistakes");
    for (args, mistake) in [
        (
            &["--workers", "0"][..],
            "--workers takes a number from 1 to 64, not \"0\"",
        ),
        (
            &["--workers", "65"],
            "--workers takes a number from 1 to 64, not \"65\"",
        ),
        (
            &["--workers", "-1"],
            "--workers takes a number from 1 to 64, not \"-1\"",
        ),
        (
            &["--workers", "two"],
            "--workers takes a number from 1 to 64, not \"two\"",
        ),
        (
            &["--workers", "2", "--workers"],
            "--workers takes a number from 1 to 64, not nothing",
        ),
        (&["--cores"], "unknown option \"--cores\""),
    ] {
        let expected = refused(format!("wordcount: {mistake}\n{USAGE}"));
        assert_eq!(stage.run(args, &[]), expected);
    }
    let help = Run {
        code: Some(0),
        printed: USAGE.to_owned(),
        complained: String::new(),
    };
    assert_eq!(stage.run(&["--help"], &[]), help);
    stage.file("--workers", "word"); // after the two dashes no option, but a file
    let mut command = stage.command();
    let run = finish(
        command
            .current_dir(stage.path("."))
            .args(["--", "--workers"]),
    );
    assert_eq!(total(&run), "1  words, 1 different, in 1 file, 0.0 MB");
}

// Goal: what is nobody's mistake has another code, and says what it is. Method: a bus directory that is a file.
#[test]
fn a_bus_that_cannot_be_joined_is_told_with_another_code() {
    let _dog = watch();
    let stage = Stage::set("wordcount-bus");
    let file = stage.file("buses", "word");

    let run = stage.run(&[], &[&file]);

    let said = format!(
        "wordcount: bus directory {} is not a directory\n",
        file.display()
    );
    assert_eq!(
        run,
        Run {
            code: Some(1),
            ..refused(said)
        }
    );
}
