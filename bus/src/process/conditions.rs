//! What a child does to itself before anything else: its cgroup, processors, nice value, limits.
//!
//! `posix_spawn` has no means for these, and the threads of a running process do not follow what its parent does to the first
//! one. So the child applies them as soon as it has taken its role, while it has no other threads to speak of, and tells its
//! parent which one failed.

use ringway_shm::sys::limit::{self, Bounded};
use serde::{Deserialize, Serialize};

use super::cgroup;
use super::error::{StartRefusal, with_causes};

/// Conditions under which a child is to live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) cpus: Option<Vec<u32>>,
    pub(crate) nice: Option<i32>,
    /// Bytes.
    pub(crate) address_space: Option<u64>,
    /// Descriptors.
    pub(crate) open_files: Option<u64>,
    /// The files by which it enters its cgroup.
    pub(super) cgroup: Vec<Vec<u8>>,
}

impl Conditions {
    /// Applies them to this process and the threads that it will start from the calling one.
    pub(super) fn apply(&self) -> Result<(), StartRefusal> {
        let failed = |option: &str| {
            let option = option.to_owned();
            move |error| StartRefusal::Option {
                option,
                reason: with_causes(&error),
            }
        };
        for door in &self.cgroup {
            cgroup::enter(door).map_err(|reason| StartRefusal::Option {
                option: "cgroup".to_owned(),
                reason,
            })?;
        }
        if let Some(cpus) = &self.cpus {
            limit::run_on(cpus).map_err(failed("cpus"))?;
        }
        if let Some(nice) = self.nice {
            limit::be_nice(nice).map_err(failed("nice"))?;
        }
        if let Some(files) = self.open_files {
            limit::bound(Bounded::OpenFiles, files).map_err(failed("open_files_max"))?;
        }
        // Last: what comes before needs memory.
        if let Some(bytes) = self.address_space {
            limit::bound(Bounded::AddressSpace, bytes).map_err(failed("address_space_max"))?;
        }
        Ok(())
    }
}
