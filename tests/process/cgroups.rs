//! Limits of cgroups, of either version, where this machine permits them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use super::stage::Stage;
use super::support::watch;

/// Goal: limits of a cgroup hold for a child and its programs, and the cgroup goes with it. Where this process may not make one,
/// the error says which file refused.
#[test]
fn a_child_with_limits_has_a_cgroup_of_its_own() {
    let _dog = watch();
    print!("{}", Stage::set().play("limits", &[]));
}

/// Goal: the same with version 2, where this machine has the controllers there. Method: a directory without processes, as version 2
/// demands; where none is mounted it is, for the time of the test.
#[test]
fn a_child_with_limits_has_a_cgroup_of_version_2() {
    const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
    let _dog = watch();
    let stage = Stage::set();
    let mounted = match mounted_v2() {
        Some(mounted) => Mounted {
            at: mounted,
            is_ours: false,
        },
        None => match Mounted::mount(&stage.path("cgroup2")) {
            Ok(mounted) => mounted,
            Err(error) => {
                println!(
                    "not run: no cgroup of version 2 is mounted, and this process may not: {error}"
                );
                return;
            }
        },
    };
    let has = fs::read_to_string(mounted.at.join("cgroup.controllers")).unwrap();
    let has: Vec<_> = has.split_whitespace().collect();
    if let Some(lacks) = CONTROLLERS.iter().find(|it| !has.contains(it)) {
        println!(
            "not run: of version 2 there are the controllers {has:?} here; {lacks:?} belongs to version 1"
        );
        return;
    }
    let above = mounted
        .at
        .join(format!("ringway-test-v2-{}", std::process::id()));
    let above = Cgroup(above);
    let made = CONTROLLERS
        .iter()
        .try_for_each(|it| fs::write(mounted.at.join("cgroup.subtree_control"), format!("+{it}")));
    if let Err(error) = made.and_then(|()| fs::create_dir(&above.0)) {
        println!("not run: this process may not make a cgroup: {error}");
        return;
    }
    print!("{}", stage.play("limits", &[above.0.to_str().unwrap()]));
}

/// Where a hierarchy of version 2 is mounted.
fn mounted_v2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    mounts.find_map(|mut words| {
        let (point, kind) = (words.nth(1)?, words.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(point))
    })
}

/// A hierarchy of version 2, which is unmounted after the test if that has mounted it.
struct Mounted {
    at: PathBuf,
    is_ours: bool,
}

impl Mounted {
    fn mount(at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let mount = Command::new("mount")
            .args(["-t", "cgroup2", "none"])
            .arg(at)
            .output()
            .map_err(|error| error.to_string())?;
        if !mount.status.success() {
            return Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned());
        }
        Ok(Self {
            at: at.to_owned(),
            is_ours: true,
        })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_ours {
            let _ = Command::new("umount").arg(&self.at).status();
        }
    }
}

/// A cgroup that does not outlive its test.
pub(super) struct Cgroup(pub(super) PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It is removed once it is empty, which the kernel may see a moment after its last process was waited for.
        while fs::remove_dir(&self.0).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy) {
            thread::yield_now();
        }
    }
}
