//! What a name may be, and where its lock lies: pure functions that all nodes of a bus compute alike.

use ringway_shm::registry::NAME_MAX;
use ringway_shm::sys::lock::LockByte;

use crate::error::NameError;

/// Files over which the locks are spread: the kernel keeps those of one file in a list, and searches it.
pub(crate) const NAME_FILES: u8 = 64;

/// Checks a name: 1 to 120 bytes, parts joined by single slashes, no control characters.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if name.len() > NAME_MAX {
        return Err(NameError::TooLong {
            len: name.len(),
            max: NAME_MAX,
        });
    }
    let refused = |reason| {
        Err(NameError::NotUsable {
            name: name.to_owned(),
            reason,
        })
    };
    if name.is_empty() {
        return refused("it is empty");
    }
    if name.split('/').any(str::is_empty) {
        return refused("it has an empty part");
    }
    if name.chars().any(char::is_control) {
        return refused("it contains a control character");
    }
    Ok(())
}

/// Where the lock of a name lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LockPlace {
    pub(crate) file: u8,
    pub(crate) byte: LockByte,
}

impl LockPlace {
    pub(crate) fn of(name: &str) -> Self {
        let hash = hash(name.as_bytes());
        // The file is chosen by bits that the byte has as well: they say nothing new about the name.
        let [.., last] = hash.to_be_bytes();
        Self {
            file: last % NAME_FILES,
            byte: LockByte::new(hash),
        }
    }
}

/// FNV-1a with the finish of MurmurHash3, which spreads short names over all bits. Part of the protocol.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["counter", "robot/arm/position", "größe", &"x".repeat(120)] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        for bad in ["", "/", "/a", "a/", "a//b", "a\nb", "a\0b"] {
            let error = check(bad).expect_err(bad);
            assert!(matches!(error, NameError::NotUsable { .. }), "{error}");
        }
        let error = check(&"x".repeat(121)).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "a name of 121 bytes, the longest has 120"
        );
    }

    #[test]
    fn locks_are_spread_and_agreed_upon() {
        let places: HashSet<_> = (0..10_000)
            .map(|n| LockPlace::of(&format!("worker/{n}")))
            .collect();
        assert_eq!(places.len(), 10_000, "no two of these names share a byte");
        let mut files = [0; NAME_FILES as usize];
        places
            .iter()
            .for_each(|place| files[usize::from(place.file)] += 1);
        assert!(
            files.iter().all(|&count| (80..250).contains(&count)),
            "{files:?}"
        );
        // The hash is part of the protocol: nodes of other builds compute it as well.
        assert_eq!(hash(b"counter"), 0xe62a_6d7c_89bc_c0b9);
    }
}
