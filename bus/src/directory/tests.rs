use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::testing::TempDir;

fn around(temporary: &Path) -> Surroundings {
    let uid = rustix::process::geteuid().as_raw();
    Surroundings {
        ringway_dir: None,
        runtime_dir: None,
        temporary: temporary.to_owned(),
        uid,
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn root_is_chosen_by_rule() {
    // Goal: the order of the candidates. Method: the same surroundings, one candidate taken away after the other.
    let temp = TempDir::new();
    let runtime = temp.path().join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    chmod(&runtime, 0o700);
    let mut around = Surroundings {
        ringway_dir: Some("/given".into()),
        runtime_dir: Some(runtime.clone().into()),
        ..around(temp.path())
    };
    let fallback = temp.path().join(format!("ringway-{}", around.uid));

    assert_eq!(
        around.root(Some(&PathBuf::from("/configured"))),
        PathBuf::from("/configured")
    );
    assert_eq!(around.root(None), PathBuf::from("/given"));
    around.ringway_dir = None;
    assert_eq!(around.root(None), runtime.join("ringway"));
    chmod(&runtime, 0o777);
    assert_eq!(
        around.root(None),
        fallback,
        "a runtime directory that others can write to"
    );
    chmod(&runtime, 0o700);
    let foreign = Surroundings {
        uid: around.uid + 1,
        ..around.clone()
    };
    assert_ne!(
        foreign.root(None),
        runtime.join("ringway"),
        "another user's runtime directory"
    );
    around.runtime_dir = Some(temp.path().join("missing").into());
    assert_eq!(around.root(None), fallback, "a missing runtime directory");
    around.runtime_dir = None;
    assert_eq!(around.root(None), fallback, "no runtime directory");
}

#[test]
fn created_for_the_owner_alone() {
    let temp = TempDir::new();
    let bus = BusDirectory::open(&NodeConfig::on("b"), &around(temp.path())).unwrap();
    let meta = std::fs::metadata(bus.path()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o7777, 0o700);
    assert_eq!(meta.uid(), rustix::process::geteuid().as_raw());
}

#[test]
fn opened_to_the_group_of_the_policy() {
    let temp = TempDir::new();
    let gid = rustix::process::getegid().as_raw();
    let config = NodeConfig::on("b").access(Access::same_user().group(gid));
    let bus = BusDirectory::open(&config, &around(temp.path())).unwrap();
    assert_eq!(
        std::fs::metadata(bus.path()).unwrap().permissions().mode() & 0o7777,
        0o2770
    );
    let again = BusDirectory::open(&config, &around(temp.path()));
    assert!(again.is_ok(), "a group that the policy lists may write");
    let refused = BusDirectory::open(&NodeConfig::on("b"), &around(temp.path())).unwrap_err();
    assert!(
        matches!(
            refused,
            DirectoryError::WritableByOthers { mode: 0o2770, .. }
        ),
        "{refused}"
    );
}

#[test]
fn tampering_is_refused() {
    // Goal: each way in which others could hold the directory is its own error. Method: one bus name for each.
    let temp = TempDir::new();
    let root = temp.path().join("root");
    let open =
        |bus: &str| BusDirectory::open(&NodeConfig::on(bus).directory(&root), &around(temp.path()));
    open("fine").unwrap();

    symlink(root.join("fine"), root.join("link")).unwrap();
    let error = open("link").unwrap_err();
    assert!(matches!(error, DirectoryError::Symlink { .. }), "{error}");

    std::fs::write(root.join("file"), "").unwrap();
    let error = open("file").unwrap_err();
    assert!(
        matches!(error, DirectoryError::NotADirectory { .. }),
        "{error}"
    );

    open("loose").unwrap();
    chmod(&root.join("loose"), 0o702);
    let error = open("loose").unwrap_err();
    assert!(error.to_string().contains("mode 0702"), "{error}");
    chmod(&root.join("loose"), 0o720);
    let error = open("loose").unwrap_err();
    assert!(
        matches!(error, DirectoryError::WritableByOthers { .. }),
        "{error}"
    );

    let stranger = Surroundings {
        uid: around(temp.path()).uid + 7,
        ..around(temp.path())
    };
    let error =
        BusDirectory::open(&NodeConfig::on("fine").directory(&root), &stranger).unwrap_err();
    assert!(matches!(error, DirectoryError::Foreign { .. }), "{error}");

    chmod(&root, 0o777);
    let error = open("fine").unwrap_err();
    assert!(
        matches!(error, DirectoryError::WritableByOthers { .. }),
        "the root too: {error}"
    );
}

#[test]
fn root_that_is_a_link_is_refused() {
    let temp = TempDir::new();
    std::fs::create_dir(temp.path().join("real")).unwrap();
    symlink(temp.path().join("real"), temp.path().join("link")).unwrap();
    let config = NodeConfig::on("b").directory(temp.path().join("link"));
    let error = BusDirectory::open(&config, &around(temp.path())).unwrap_err();
    assert!(matches!(error, DirectoryError::Symlink { .. }), "{error}");
}

#[test]
fn long_paths_and_races_of_creators() {
    // Goal: a path far beyond a socket address, made by eight threads at once, ends as one directory.
    let temp = TempDir::new();
    let deep = temp.path().join("d".repeat(200)).join("e".repeat(200));
    std::thread::scope(|scope| {
        let open =
            || BusDirectory::open(&NodeConfig::on("b").directory(&deep), &around(temp.path()));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .for_each(|thread| drop(thread.join().unwrap().unwrap()));
    });
    assert!(deep.join("b").is_dir());
}

#[test]
fn socket_names_round_trip() {
    let id = NodeId::parse("00000000000000ab").unwrap();
    for name in [SocketName::Node(id), SocketName::Starting(id)] {
        assert_eq!(SocketName::parse(&name.file_name()), Some(name));
    }
    for other in [
        "names.00",
        "00000000000000a",
        "00000000000000AB",
        ".x.new",
        "0000000000000000",
        ".",
    ] {
        assert_eq!(SocketName::parse(other), None, "{other}");
    }
}

#[test]
fn vanished_temporary_name_is_told() {
    let temp = TempDir::new();
    let bus = BusDirectory::open(&NodeConfig::on("b"), &around(temp.path())).unwrap();
    let id = NodeId::random().unwrap();
    assert!(!bus.publish(id).unwrap());
    bus.unlink(SocketName::Node(id)).unwrap(); // gone already: no error
    std::fs::write(bus.path().join(SocketName::Starting(id).file_name()), "").unwrap();
    assert!(bus.publish(id).unwrap());
    assert_eq!(bus.sockets().unwrap(), [SocketName::Node(id)]);
}
