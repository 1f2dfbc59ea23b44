//! Bus directories that cannot be used, or must not be.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use ringway::prelude::*;

use super::visitor::{directory_for_visitors, is_root, permit, sockets_in, visitor};
use crate::support::{Bus, watch};

/// What attaching says of the bus directory.
fn refusal(bus: &Bus) -> String {
    match Node::attach(bus.config("node")).unwrap_err() {
        AttachError::Directory(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn shown(path: &Path) -> String {
    format!("bus directory {}", path.display())
}

/// Goal: what others could tamper with is refused, each with what is wrong, and used once that is put right.
#[test]
fn a_directory_that_is_another_s_to_change_is_refused() {
    let _dog = watch();
    let bus = Bus::new("directories-tampered");
    let (root, own) = (bus.directory(), bus.directory().join("test"));
    drop(bus.attach("first"));

    let aside = root.join("aside");
    fs::rename(&own, &aside).unwrap();
    symlink(&aside, &own).unwrap();
    assert_eq!(refusal(&bus), format!("{} is a symbolic link", shown(&own)));
    fs::remove_file(&own).unwrap();
    fs::write(&own, "").unwrap();
    assert_eq!(refusal(&bus), format!("{} is not a directory", shown(&own)));
    fs::remove_file(&own).unwrap();
    fs::rename(&aside, &own).unwrap();

    for (path, mode) in [(&*own, 0o702), (root, 0o777)] {
        permit(path, mode);
        let said = refusal(&bus);
        let expected = format!("{} has mode {mode:04o} and gid ", shown(path));
        assert!(said.starts_with(&expected), "{said}");
        assert!(
            said.ends_with("others than the policy admits can write"),
            "{said}"
        );
        permit(path, 0o700);
    }

    if is_root() {
        for path in [&*own, root] {
            chown(path, Some(4711), None).unwrap();
            let expected = format!(
                "{} belongs to uid 4711, this node runs as uid 0",
                shown(path)
            );
            assert_eq!(refusal(&bus), expected);
            chown(path, Some(0), None).unwrap();
        }
    } else {
        println!("not run: a directory of another user, which root alone can make");
    }
    bus.attach("last").detach();
    assert_eq!(sockets_in(&own), 0);
}

/// Goal: a directory that its own user may not write to is told with its path, the call and the reason, whichever it is:
/// where buses live, or the bus's own.
#[test]
fn a_directory_that_cannot_be_written_is_told() {
    let _dog = watch();
    let bus = Bus::new("directories-readonly");
    let own = bus.directory().join("test");
    let denied = |call, path| {
        format!(
            "{call} on {} failed: Permission denied (os error 13)",
            shown(path)
        )
    };

    directory_for_visitors(bus.directory(), 0o500);
    assert_eq!(visitor(&bus, |_| {}).ask("attach"), denied("mkdir", &own));
    directory_for_visitors(bus.directory(), 0o000);
    assert_eq!(
        visitor(&bus, |_| {}).ask("attach"),
        denied("open", bus.directory())
    );
    permit(bus.directory(), 0o700);
    directory_for_visitors(&own, 0o500);
    assert_eq!(visitor(&bus, |_| {}).ask("attach"), denied("bind", &own));

    permit(&own, 0o700);
    assert_eq!(visitor(&bus, |_| {}).ask("attach"), "done");
}
