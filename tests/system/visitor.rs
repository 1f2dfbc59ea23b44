//! The tests' side of the helper `visitor`, and the user that it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use rustix::process::getuid;

use crate::helper::Helper;
use crate::support::Bus;

/// Nobody.
const OTHER: u32 = 65534;

/// Whether this process may become another user. Root of a user namespace that has no other may not.
pub(super) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let has_other = |line: &str| {
        let numbers: Vec<u32> = line
            .split_whitespace()
            .map(|it| it.parse().unwrap())
            .collect();
        OTHER
            .checked_sub(numbers[0])
            .is_some_and(|at| at < numbers[2])
    };
    getuid().is_root() && map.lines().any(has_other)
}

/// The user that visitors are: another than root.
pub(super) fn visitors_uid() -> u32 {
    if is_root() { OTHER } else { getuid().as_raw() }
}

/// A visitor that rights hold for.
pub(super) fn visitor(bus: &Bus, adjust: impl FnOnce(&mut Command)) -> Helper {
    visitor_of(visitors_uid(), bus, adjust)
}

/// A visitor of that user's, who is this process's own unless this is root's.
pub(super) fn visitor_of(uid: u32, bus: &Bus, adjust: impl FnOnce(&mut Command)) -> Helper {
    Helper::start_with(bus, &["visitor"], |command| {
        if uid != getuid().as_raw() {
            command.env("RINGWAY_TEST_UID", uid.to_string());
        }
        adjust(command);
    })
}

/// Creates a directory of the visitors' with these permissions.
pub(super) fn directory_for_visitors(path: &Path, mode: u32) {
    fs::create_dir_all(path).unwrap();
    if is_root() {
        chown(path, Some(OTHER), Some(OTHER)).unwrap();
    }
    permit(path, mode);
}

pub(super) fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The files in a bus directory that are nodes' sockets.
pub(super) fn sockets_in(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("names.")).count()
}
