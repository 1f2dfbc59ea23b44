//! A cgroup of a child's own, for limits that hold for it and for all programs that it starts.
//!
//! The parent makes it below its own, or below one that the program names, sets the limits, and removes it when the child is
//! dead; the child enters it first thing. Version 2 has one directory for all limits, and permits this only where no process
//! is in the directory above; version 1 has one for each kind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;
use ringway_shm::sys::process::{Pid, Pidfd, Signal};

use super::oom::{COUNTS, own_directory};
use super::options::Unfit;

/// Microseconds in which the processors' time is counted.
const PERIOD: u64 = 100_000;
/// The least that the kernel grants in a period.
const QUOTA_MIN: u64 = 1000;
/// How the directories are called, before the numbers of the parent and of the cgroup.
const PREFIX: &str = "ringway-";

/// What a child and its programs may have together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) memory: Option<u64>,
    /// Processors.
    pub(crate) cpus: Option<f64>,
    /// Processes and threads.
    pub(crate) pids: Option<u64>,
    /// Where the cgroup is made, instead of below this process's own.
    pub(crate) below: Option<PathBuf>,
}

/// One limit: who asked for it, what it is in each version.
struct Limit {
    option: &'static str,
    controller: &'static str,
    v1: Vec<(&'static str, String)>,
    v2: (&'static str, String),
}

impl Limits {
    fn all(&self) -> Vec<Limit> {
        let memory = self.memory.map(|bytes| Limit {
            option: "memory_max",
            controller: "memory",
            v1: vec![("memory.limit_in_bytes", bytes.to_string())],
            v2: ("memory.max", bytes.to_string()),
        });
        let cpu = self.cpus.map(|cpus| {
            let quota = quota(cpus);
            Limit {
                option: "cpu_max",
                controller: "cpu",
                v1: vec![
                    ("cpu.cfs_period_us", PERIOD.to_string()),
                    ("cpu.cfs_quota_us", quota.to_string()),
                ],
                v2: ("cpu.max", format!("{quota} {PERIOD}")),
            }
        });
        let pids = self.pids.map(|pids| Limit {
            option: "pids_max",
            controller: "pids",
            v1: vec![("pids.max", pids.to_string())],
            v2: ("pids.max", pids.to_string()),
        });
        [memory, cpu, pids].into_iter().flatten().collect()
    }
}

/// Microseconds of a period. What is no number is the least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "saturates, which is what is wanted; periods are small numbers"
)]
fn quota(cpus: f64) -> u64 {
    ((cpus * PERIOD as f64) as u64).max(QUOTA_MIN)
}

/// A child's cgroup, which is removed when this is dropped, if it can be then.
#[derive(Debug, Default)]
pub(super) struct Cgroup {
    /// One, or one for each controller.
    directories: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes one with these limits; `None` if there are none.
    pub(super) fn create(limits: &Limits) -> Result<Option<Self>, Unfit> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Relaxed: only that no two are equal.
        let number = COUNT.fetch_add(1, Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let mut cgroup = Self::default();
        for limit in limits.all() {
            let set = cgroup.set(&limit, limits.below.as_deref(), &name);
            set.map_err(|reason| (limit.option, reason))?;
        }
        Ok((!cgroup.directories.is_empty()).then_some(cgroup))
    }

    fn set(&mut self, limit: &Limit, below: Option<&Path>, name: &str) -> Result<(), String> {
        let (above, is_v2) = place(limit.controller, below).ok_or_else(|| {
            format!(
                "no cgroup with the controller {:?} is mounted",
                limit.controller
            )
        })?;
        let directory = above.join(name);
        if !self.directories.contains(&directory) {
            sweep(&above);
            make(&directory)?;
            self.directories.push(directory.clone());
        }
        if is_v2 {
            // Refused with EBUSY where processes are: then only a directory that the program names can do.
            let enable = format!("+{}", limit.controller);
            write(&above.join("cgroup.subtree_control"), &enable)?;
            return write(&directory.join(limit.v2.0), &limit.v2.1);
        }
        limit
            .v1
            .iter()
            .try_for_each(|(file, value)| write(&directory.join(file), value))
    }

    /// The files by which a process enters.
    pub(super) fn doors(&self) -> Vec<Vec<u8>> {
        let doors = self.directories.iter().map(|it| it.join("cgroup.procs"));
        doors
            .map(|it| it.into_os_string().as_bytes().to_vec())
            .collect()
    }

    /// The file with the count of the kernel's kills, where memory is limited.
    pub(super) fn kills(&self) -> Option<PathBuf> {
        let files = self.directories.iter();
        let mut files = files.flat_map(|it| COUNTS.map(|count| it.join(count)));
        files.find(|file| file.exists())
    }

    /// Kills what is left in it.
    pub(super) fn kill(&self) {
        for directory in &self.directories {
            if write(&directory.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            for pid in members(directory) {
                // Opened, and then looked for again: a number may be another's by now.
                let Ok(pidfd) = Pidfd::open(pid) else {
                    continue;
                };
                if members(directory).contains(&pid) {
                    let _ = pidfd.signal(Signal::KILL);
                }
            }
        }
    }

    /// Removes it; `false` if something is still in it, which may be on its way out.
    pub(super) fn remove(&mut self) -> bool {
        self.directories.retain(|directory| {
            fs::remove_dir(directory)
                .is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
        });
        self.directories.is_empty()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Has this process enter a cgroup.
pub(super) fn enter(door: &[u8]) -> Result<(), String> {
    write(Path::new(OsStr::from_bytes(door)), "0")
}

/// The directory below which a cgroup with this controller is made, and whether it is of version 2.
fn place(controller: &'static str, below: Option<&Path>) -> Option<(PathBuf, bool)> {
    if let Some(below) = below {
        let is_v2 = below.join("cgroup.controllers").exists();
        return Some((below.to_owned(), is_v2));
    }
    let v1 = own_directory(Some(controller)).map(|directory| (directory, false));
    v1.or_else(|| own_directory(None).map(|directory| (directory, true)))
}

fn members(directory: &Path) -> Vec<Pid> {
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let members = members.lines().filter_map(|pid| pid.parse().ok());
    members.filter_map(Pid::from_raw).collect()
}

/// Removes what parents that are dead have left behind.
fn sweep(above: &Path) {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let parent = numbers.and_then(|numbers| numbers.split('-').next()?.parse::<u32>().ok());
        if parent.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // It stays if something is in it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Writes to a file that is there: in a directory that is no cgroup's, one that was made would limit nobody.
fn write(file: &Path, value: &str) -> Result<(), String> {
    let opened = File::options().write(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(value.as_bytes()))
        .map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a directory that is no cgroup's is an error and stays as it was, not a limit that holds nobody.
    #[test]
    fn other_directories_limit_nothing() {
        let below = std::env::temp_dir().join(format!("ringway-no-cgroup-{}", std::process::id()));
        fs::create_dir(&below).unwrap();
        let limits = Limits {
            memory: Some(1 << 20),
            below: Some(below.clone()),
            ..Limits::default()
        };
        let refused = Cgroup::create(&limits);
        let left = fs::read_dir(&below).unwrap().count();
        fs::remove_dir_all(&below).unwrap();
        let (option, reason) = refused.unwrap_err();
        assert_eq!(option, "memory_max");
        assert!(
            reason.ends_with("memory.limit_in_bytes: No such file or directory (os error 2)"),
            "{reason}"
        );
        assert_eq!(left, 0);
    }

    // Goal: what is left in a cgroup of version 2 is killed at once, daemons too, and the cgroup is removed. Method: a program that
    // is put into one by hand; no limit is set, as the controllers may belong to version 1.
    #[test]
    fn a_cgroup_of_version_2_goes_with_all_that_is_in_it() {
        let Some(above) = own_directory(None) else {
            println!("not run: no cgroup of version 2 is mounted");
            return;
        };
        let directory = above.join(format!("ringway-unit-{}", std::process::id()));
        if let Err(error) = make(&directory) {
            println!("not run: {error}");
            return;
        }
        assert!(place("memory", Some(&directory)).is_some_and(|(_, is_v2)| is_v2));
        let mut cgroup = Cgroup {
            directories: vec![directory.clone()],
        };
        assert_eq!(
            cgroup.doors(),
            [directory.join("cgroup.procs").into_os_string().as_bytes()]
        );
        let mut program = std::process::Command::new("sleep")
            .arg("120")
            .spawn()
            .unwrap();
        let entered = write(&directory.join("cgroup.procs"), &program.id().to_string());
        if entered.is_ok() {
            assert_eq!(members(&directory).len(), 1);
            assert!(!cgroup.remove(), "somebody is in it");
            cgroup.kill();
        } else {
            println!("not run: {entered:?}");
            program.kill().unwrap();
        }
        let ended = program.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert_eq!(signal, Some(9));
        // The kernel may see a moment later that it is empty.
        while !cgroup.remove() {
            std::thread::yield_now();
        }
        assert!(!directory.exists());
    }

    // Goal: what is asked for is what is written, in the words of both versions.
    #[test]
    fn limits_in_the_kernels_words() {
        let limits = Limits {
            memory: Some(1 << 20),
            cpus: Some(1.5),
            pids: Some(7),
            below: None,
        };
        let v2: Vec<_> = limits.all().into_iter().map(|limit| limit.v2).collect();
        let expected = [
            ("memory.max", "1048576"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "7"),
        ];
        assert!(
            v2.iter()
                .map(|(file, value)| (*file, value.as_str()))
                .eq(expected)
        );
        let cpu = &limits.all()[1].v1;
        assert_eq!(cpu[1], ("cpu.cfs_quota_us", "150000".to_owned()));
        assert_eq!([quota(0.0), quota(-1.0), quota(f64::NAN)], [QUOTA_MIN; 3]);
        assert_eq!(quota(f64::INFINITY), u64::MAX);
    }
}
