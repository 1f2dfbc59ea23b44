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

pub(super) fn is_root() -> bool {
    getuid().is_root()
}

/// The user that visitors are: another than root.
pub(super) fn visitors_uid() -> u32 {
    if is_root() { OTHER } else { getuid().as_raw() }
}

/// A visitor that rights hold for.
pub(super) fn visitor(bus: &Bus, adjust: impl FnOnce(&mut Command)) -> Helper {
    Helper::start_with(bus, &["visitor"], |command| {
        if is_root() {
            command.env("RINGWAY_TEST_UID", OTHER.to_string());
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
