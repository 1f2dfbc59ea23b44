//! Where a bus is: by the environment, and far down.

use std::fs;
use std::path::{Path, PathBuf};

use super::visitor::{directory_for_visitors, is_root, permit, sockets_in, visitor, visitors_uid};
use crate::support::{Bus, watch};

/// Has a visitor attach with these variables and returns which of the two places then has its socket: the runtime
/// directory's or the temporary one's.
fn place(bus: &Bus, runtime: Option<&Path>) -> &'static str {
    let temporary = bus.directory().join("tmp");
    let mut visitor = visitor(bus, |command| {
        command
            .env_remove("RINGWAY_DIR")
            .env_remove("XDG_RUNTIME_DIR");
        command
            .env("TMPDIR", &temporary)
            .current_dir(bus.directory());
        if let Some(runtime) = runtime {
            command.env("XDG_RUNTIME_DIR", runtime);
        }
    });
    assert_eq!(visitor.ask("attach"), "done");
    let of_runtime = runtime.map(|runtime| bus.directory().join(runtime).join("ringway/test"));
    let of_user = temporary
        .join(format!("ringway-{}", visitors_uid()))
        .join("test");
    let count = |path: PathBuf| sockets_in(&path);
    let found = match (of_runtime.map_or(0, count), count(of_user)) {
        (1, 0) => "runtime",
        (0, 1) => "temporary",
        other => panic!("sockets in the two places: {other:?}"),
    };
    visitor.end();
    found
}

/// Goal: a runtime directory is used if it is this user's alone; unset, missing, another's or others' to write, it is
/// passed over for a directory of this user's among the temporary files.
#[test]
fn the_runtime_directory_may_be_anything() {
    let _dog = watch();
    let bus = Bus::new("places-runtime");
    let runtime = bus.directory().join("runtime");
    directory_for_visitors(bus.directory(), 0o755);
    directory_for_visitors(&bus.directory().join("tmp"), 0o755);
    directory_for_visitors(&runtime, 0o700);

    assert_eq!(place(&bus, Some(&runtime)), "runtime");
    assert_eq!(place(&bus, None), "temporary", "unset");
    assert_eq!(place(&bus, Some(Path::new(""))), "temporary", "empty");
    assert_eq!(
        place(&bus, Some(Path::new("runtime"))),
        "temporary",
        "not absolute"
    );
    let missing = bus.directory().join("missing");
    assert_eq!(place(&bus, Some(&missing)), "temporary", "missing");
    permit(&runtime, 0o770);
    assert_eq!(place(&bus, Some(&runtime)), "temporary", "others can write");
    if is_root() {
        let foreign = bus.directory().join("foreign");
        fs::create_dir(&foreign).unwrap();
        permit(&foreign, 0o755);
        assert_eq!(place(&bus, Some(&foreign)), "temporary", "another user's");
    } else {
        println!("not run: another user's runtime directory, which root alone can make");
    }
}

/// Goal: a bus works wherever it is: a socket's address has 108 bytes, its path here five times as many.
#[test]
fn a_bus_may_lie_deep() {
    let _dog = watch();
    let bus = Bus::new("places-deep");
    let deep = (0..5).fold(bus.directory().to_owned(), |path, _| {
        path.join("d".repeat(108))
    });
    directory_for_visitors(bus.directory(), 0o700);
    let far_away = || {
        visitor(&bus, |command| {
            command.env("RINGWAY_DIR", &deep);
        })
    };
    let (mut one, mut two) = (far_away(), far_away());

    for line in ["attach", "serve deep"] {
        assert_eq!(one.ask(line), "done");
    }
    assert_eq!(two.ask("attach"), "done");

    assert_eq!(two.ask("look 100000 deep"), "Ok(7)");
    assert_eq!(sockets_in(&deep.join("test")), 2);
    two.end();
    one.end();
    assert_eq!(sockets_in(&deep.join("test")), 0);
}
