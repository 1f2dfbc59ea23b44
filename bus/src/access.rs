//! Who may join: the policy that both sides of a peering apply to each other's credentials.
//!
//! The credentials are the kernel's (`SO_PEERCRED`), never what a peer says of itself. Only the primary group of a
//! process is known to the kernel's answer: supplementary groups do not admit anyone.

use thiserror::Error;

/// The users and groups with whom a node shares its bus. The node's own user always belongs to it.
///
/// With at least one group the bus directory is opened to the first of them (mode 0770), else it is the
/// owner's alone (0700). Whoever is admitted can read every message that a node lends.
///
/// # Examples
///
/// ```
/// let access = ringway::Access::same_user().user(1000).group(44);
/// assert_eq!(access.to_string(), "this user, uids [1000], gids [44]");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    uids: Vec<u32>,
    gids: Vec<u32>,
}

impl Access {
    /// Admits processes of the node's own user only: the default.
    pub fn same_user() -> Self {
        Self::default()
    }

    /// Also admits processes of the user `uid`.
    #[must_use]
    pub fn user(mut self, uid: u32) -> Self {
        self.uids.push(uid);
        self
    }

    /// Also admits processes whose primary group is `gid`.
    #[must_use]
    pub fn group(mut self, gid: u32) -> Self {
        self.gids.push(gid);
        self
    }

    /// The group to which the bus directory is opened.
    pub(crate) fn directory_group(&self) -> Option<u32> {
        self.gids.first().copied()
    }

    /// Whether a directory of the user `uid` may hold the bus of a node of the user `own`.
    pub(crate) fn trusts_owner(&self, own: u32, uid: u32) -> bool {
        uid == own || self.uids.contains(&uid)
    }

    /// Whether members of `gid` may write to the bus directory.
    pub(crate) fn trusts_group(&self, gid: u32) -> bool {
        self.gids.contains(&gid)
    }

    /// Admits or refuses a process, on behalf of a node of the user `own`.
    pub(crate) fn check(&self, own: u32, who: Principal) -> Result<Trust, Foreign> {
        if who.uid == own {
            return Ok(Trust::Cooperative);
        }
        if self.uids.contains(&who.uid) || self.gids.contains(&who.gid) {
            return Ok(Trust::Untrusted);
        }
        Err(Foreign {
            who,
            own,
            access: self.to_string(),
        })
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this user")?;
        if !self.uids.is_empty() {
            write!(f, ", uids {:?}", self.uids)?;
        }
        if !self.gids.is_empty() {
            write!(f, ", gids {:?}", self.gids)?;
        }
        Ok(())
    }
}

/// The effective user and primary group of a process, as the kernel tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Principal {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How far a peering trusts the other side's good behaviour. Memory safety never depends on it alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The same user, who could debug this process anyway: leases are read in place.
    Cooperative,
    /// Another user whom the policy admits: its bell is a frame on the socket, its payloads are copied first.
    Untrusted,
}

/// A process whom the policy does not admit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("uid {} gid {} is not admitted by a node of uid {own} (admits {access})", .who.uid, .who.gid)]
pub(crate) struct Foreign {
    pub(crate) who: Principal,
    pub(crate) own: u32,
    pub(crate) access: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_admits_as_listed() {
        // Goal: every combination of policy and principal. Method: a table.
        let own = 10;
        let listed = Access::same_user().user(11).group(20);
        let cases = [
            (Access::same_user(), 10, 99, Some(Trust::Cooperative)),
            (Access::same_user(), 0, 10, None),
            (Access::same_user(), 11, 20, None),
            (listed.clone(), 10, 20, Some(Trust::Cooperative)),
            (listed.clone(), 11, 99, Some(Trust::Untrusted)),
            (listed.clone(), 12, 20, Some(Trust::Untrusted)),
            (listed, 12, 21, None),
        ];
        for (access, uid, gid, expected) in cases {
            let got = access.check(own, Principal { uid, gid });
            assert_eq!(
                got.as_ref().ok().copied(),
                expected,
                "{access} for {uid}:{gid}"
            );
        }
    }

    #[test]
    fn refusal_names_both_users() {
        let refused = Access::same_user().check(10, Principal { uid: 65534, gid: 3 });
        let text = refused.expect_err("a foreign user").to_string();
        assert!(
            text.contains("uid 65534") && text.contains("uid 10"),
            "{text}"
        );
    }
}
