//! The files to count: which they are, whether they can be counted, and reading them with errors that name them.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The repository that this program was built from.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What names of text and source files end with.
const TEXT_SUFFIXES: [&str; 7] = [".md", ".rs", ".toml", ".stderr", ".py", "-MIT", "-APACHE"];

/// What is wrong with pipes and their like.
const ONCE_ONLY: &str =
    "it can be read only once, and is read twice, the second time for the check";

/// Files, in the order in which they are counted.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
}

/// An open file that knows its name.
pub(crate) struct NamedFile<'a> {
    path: &'a Path,
    file: File,
}

impl Files {
    /// Names the files.
    pub(crate) fn named(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// Finds the text and source files of Ringway's repository.
    pub(crate) fn of_repository() -> io::Result<Self> {
        let root = Path::new(REPOSITORY);
        let mut paths = Vec::new();
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).map_err(|error| name(&directory, error))? {
                let entry = entry?;
                let (file_name, kind) = (entry.file_name(), entry.file_type()?);
                let file_name = file_name.to_string_lossy();
                if kind.is_dir() && !file_name.starts_with('.') && file_name != "target" {
                    directories.push(entry.path());
                } else if kind.is_file() && TEXT_SUFFIXES.iter().any(|end| file_name.ends_with(end))
                {
                    paths.push(entry.path());
                }
            }
        }
        paths.sort();
        Ok(Self { paths })
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Opens each once, to say at once which cannot be counted and why.
    ///
    /// # Errors
    ///
    /// A line for each file that is missing, not readable, a directory, or to be read once only.
    pub(crate) fn check(&self) -> io::Result<()> {
        let problems = self
            .open()
            .filter_map(|file| file.and_then(NamedFile::check).err());
        let problems: Vec<String> = problems.map(|problem| problem.to_string()).collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(io::Error::other(problems.join("\nwordcount: ")))
        }
    }

    /// Opens one after the other, as they are asked for.
    pub(crate) fn open(&self) -> impl Iterator<Item = io::Result<NamedFile<'_>>> {
        self.paths.iter().map(|path| NamedFile::open(path))
    }
}

impl<'a> NamedFile<'a> {
    fn open(path: &'a Path) -> io::Result<Self> {
        let open = || {
            let kind = fs::metadata(path)?.file_type();
            if kind.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into()); // opens well, and cannot be read
            }
            if !kind.is_file() && !kind.is_char_device() {
                return Err(io::Error::other(ONCE_ONLY));
            }
            File::open(path)
        };
        open()
            .map(|file| Self { path, file })
            .map_err(|error| name(path, error))
    }

    fn check(mut self) -> io::Result<()> {
        self.file
            .rewind()
            .map_err(|_| name(self.path, io::Error::other(ONCE_ONLY)))
    }
}

impl Read for NamedFile<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file
            .read(bytes)
            .map_err(|error| name(self.path, error))
    }
}

/// The same error, with the file's name.
fn name(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
