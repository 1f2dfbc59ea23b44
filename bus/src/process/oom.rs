//! Evidence that the kernel killed a child for want of memory: the count that it keeps in the child's cgroup.
//!
//! The kernel raises the count before it sends the signal, so whoever sees the child dead sees the count raised. The count
//! is the cgroup's, not the child's: each kill that it shows explains one death at most. See
//! [`ExitReason::OutOfMemory`](crate::ExitReason::OutOfMemory) for what this cannot tell apart.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use ringway_shm::sync::AtomicU64;
use ringway_shm::sync::Ordering::Relaxed;

use crate::shared::lock;

/// What a cgroup of one version calls its things.
struct Version {
    filesystem: &'static str,
    /// What the mount's options and the line of `/proc/self/cgroup` name; version 2 has all controllers in one.
    controller: &'static str,
}

/// The files with the count, in version 1 and in version 2.
pub(super) const COUNTS: [&str; 2] = ["memory.oom_control", "memory.events.local"];

/// Where both are mounted, memory is counted by version 1.
const VERSIONS: [Version; 2] = [
    Version {
        filesystem: "cgroup",
        controller: "memory",
    },
    Version {
        filesystem: "cgroup2",
        controller: "",
    },
];

/// Where a hierarchy of cgroups is mounted, and which of its directories is the mount's root.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    point: PathBuf,
    root: PathBuf,
}

/// A cgroup in which children were started.
#[derive(Debug)]
struct Cgroup {
    count: PathBuf,
    /// Kills up to this one explain deaths of other children.
    explained: AtomicU64,
}

/// The kernel's count, as it was when a child was about to be started.
#[derive(Debug)]
pub(super) struct OomWatch {
    cgroup: Arc<Cgroup>,
    before: u64,
}

impl OomWatch {
    /// Looks at the cgroup of this process, in which its children start; `None` where the kernel does not count.
    pub(super) fn begin() -> Option<Self> {
        Self::of(own_count()?)
    }

    /// Looks at a cgroup by the file with its count.
    pub(super) fn of(count: PathBuf) -> Option<Self> {
        static CGROUPS: Mutex<Option<HashMap<PathBuf, Arc<Cgroup>>>> = Mutex::new(None);
        let before = read(&count)?;
        let cgroup = {
            let mut cgroups = lock(&CGROUPS);
            let cgroups = cgroups.get_or_insert_default();
            let new = || {
                Arc::new(Cgroup {
                    count: count.clone(),
                    explained: AtomicU64::new(0),
                })
            };
            Arc::clone(cgroups.entry(count.clone()).or_insert_with(new))
        };
        Some(Self { cgroup, before })
    }

    /// Reads the count.
    pub(super) fn now(&self) -> u64 {
        read(&self.cgroup.count).unwrap_or(0)
    }

    /// Whether, with the count at `now`, a kill is left that explains this child's death; that one explains no other.
    pub(super) fn explains(&self, now: u64) -> bool {
        let next = |explained: u64| {
            let last = explained.max(self.before);
            (now > last).then_some(last + 1)
        };
        // Relaxed: it is the only word that says which kills are used up.
        let explained = &self.cgroup.explained;
        explained.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

/// The file with the count of this process's own cgroup.
fn own_count() -> Option<PathBuf> {
    static MOUNTS: OnceLock<[Option<Mount>; 2]> = OnceLock::new();
    let mounts = MOUNTS.get_or_init(|| {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        VERSIONS.each_ref().map(|version| mount(&mounts, version))
    });
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let places = VERSIONS.iter().zip(mounts).zip(COUNTS);
    places.into_iter().find_map(|((version, mount), file)| {
        let file = directory(&cgroups, version, mount.as_ref()?)?.join(file);
        read(&file).map(|_| file)
    })
}

/// The directory of this process's own cgroup: that of a controller of version 1, or, without one, that of version 2.
pub(super) fn own_directory(controller: Option<&'static str>) -> Option<PathBuf> {
    let version = Version {
        filesystem: controller.map_or("cgroup2", |_| "cgroup"),
        controller: controller.unwrap_or_default(),
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    directory(&cgroups, &version, &mount(&mounts, &version)?)
}

fn directory(cgroups: &str, version: &Version, mount: &Mount) -> Option<PathBuf> {
    let path = path(cgroups, version.controller)?;
    let below = Path::new(path).strip_prefix(&mount.root).ok()?;
    Some(mount.point.join(below))
}

fn mount(mounts: &str, version: &Version) -> Option<Mount> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_kind = kind.next()? == version.filesystem;
        let mut options = kind.nth(1)?.split(',');
        if !is_kind
            || !(version.controller.is_empty() || options.any(|it| it == version.controller))
        {
            return None;
        }
        let mut place = place.split(' ').skip(3);
        Some(Mount {
            root: place.next()?.into(),
            point: place.next()?.into(),
        })
    })
}

/// The path of a process's cgroup, from what `/proc` says of it.
fn path<'a>(cgroups: &'a str, controller: &str) -> Option<&'a str> {
    cgroups.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        let is_it = controllers.split(',').any(|it| it == controller);
        is_it.then_some(path)
    })
}

fn read(count: &Path) -> Option<u64> {
    let text = fs::read_to_string(count).ok()?;
    let count = |line: &str| line.strip_prefix("oom_kill ")?.parse().ok();
    text.lines().find_map(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: both versions are found, in a container too, whose mounts show only a part of the hierarchy.
    #[test]
    fn cgroups_are_found_in_what_proc_says() {
        let mounts = "24 1 0:22 / /proc rw - proc proc rw\n\
                      30 24 0:26 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu\n\
                      31 24 0:27 /docker/ab /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n\
                      32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 none rw,nsdelegate\n";
        let found = VERSIONS.each_ref().map(|version| mount(mounts, version));
        let place = |root: &str, point: &str| {
            Some(Mount {
                root: root.into(),
                point: point.into(),
            })
        };
        assert_eq!(
            found,
            [
                place("/docker/ab", "/sys/fs/cgroup/memory"),
                place("/", "/sys/fs/cgroup/unified"),
            ]
        );
        let cgroups = "5:cpu,cpuacct:/x\n4:memory:/docker/ab/c\n0::/user.slice/a:b\n";
        assert_eq!(path(cgroups, "memory"), Some("/docker/ab/c"));
        assert_eq!(path(cgroups, ""), Some("/user.slice/a:b"));
        assert_eq!(path("0::/\n", "memory"), None);
    }

    // Goal: a kill explains one death, and none of a child that was started after it.
    #[test]
    fn a_kill_explains_one_death() {
        let cgroup = Arc::new(Cgroup {
            count: PathBuf::new(),
            explained: AtomicU64::new(0),
        });
        let watch = |before| OomWatch {
            cgroup: Arc::clone(&cgroup),
            before,
        };
        let (first, second, late) = (watch(3), watch(3), watch(5));
        assert!(!first.explains(3));
        assert!(first.explains(4));
        assert!(!second.explains(4), "used up");
        assert!(second.explains(5));
        assert!(!late.explains(5), "before its start");
        assert!(late.explains(6));
    }
}
