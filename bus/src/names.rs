//! Names of this node: claimed for the whole bus, shown on the card, given back.
//!
//! A name is unique on its bus. The node's own registry is asked first, as its own two claims would not exclude each
//! other; then the kernel, by a lock on one byte of a file of the bus directory, which it gives back when the holder
//! dies. Finding a name is reading cards: a name's lock says that it is taken, a card says by whom.
//!
//! # Invariants
//! - **lock-first**: a name is published only while its byte is locked, and the byte is unlocked only after the name is
//!   published no more. Both happen under `held`, so that a release and a new claim cannot cross.
//! # If a side dies
//! | after… | the others find | repaired by |
//! |---|---|---|
//! | locking, before publishing | a name that is taken and found by nobody | the kernel unlocks |
//! | publishing | the name on a dead card, for as long as the death is not noticed | the pidfd: who takes over tries again |

pub(crate) mod rule;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ringway_shm::generation::Key;
use ringway_shm::registry::{Kind, Registry, RegistryError};
use ringway_shm::sys::SysError;
use ringway_shm::sys::lock::LockFile;

pub(crate) use self::rule::check;

use self::rule::{LockPlace, NAME_FILES};
use crate::directory::BusDirectory;
use crate::error::NameError;
use crate::number::Number;

/// The locks that this node holds.
#[derive(Debug)]
pub(crate) struct Names {
    files: [OnceLock<LockFile>; NAME_FILES as usize],
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    places: HashMap<Key, LockPlace>,
    is_over: bool,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self {
            files: [const { OnceLock::new() }; NAME_FILES as usize],
            held: Mutex::default(),
        }
    }

    /// Claims a name, has `prepare` called with its entry, and publishes it.
    ///
    /// `NameError::Taken` does not say by whom: the caller knows the cards.
    pub(crate) fn claim(
        &self,
        directory: &BusDirectory,
        registry: &Registry,
        wanted: Wanted<'_>,
        prepare: impl FnOnce(),
    ) -> Result<Key, NameError> {
        check(wanted.name)?;
        assert!(
            wanted.kind.is_unique(),
            "only actors and queues have names of their own"
        );
        let place = LockPlace::of(wanted.name);
        let mut held = self.held();
        if held.is_over {
            return Err(NameError::Detached);
        }
        let key = registry
            .allocate(wanted.kind, wanted.name, wanted.type_hash)
            .map_err(own_table)?;
        let locked = self
            .lock(directory, place, wanted.name)
            .and_then(|is_locked| {
                let taken = || NameError::Taken {
                    name: wanted.name.to_owned(),
                    holder: None,
                };
                // A name of ours with the same hash holds the same byte: the kernel would not tell them apart.
                let is_ours = held.places.values().any(|other| *other == place);
                if is_locked && !is_ours {
                    Ok(())
                } else {
                    Err(taken())
                }
            });
        if let Err(error) = locked {
            give_up(registry, key);
            return Err(error);
        }
        held.places.insert(key, place);
        prepare();
        publish(registry, key, wanted.number);
        Ok(key)
    }

    /// Takes a name or an anonymous entry out of the registry, and unlocks the name.
    pub(crate) fn release(&self, registry: &Registry, key: Key) {
        let mut held = self.held();
        // Stale and marked entries were released before.
        let _ = registry.mark_for_deletion(key);
        if let Some(place) = held.places.remove(&key) {
            self.unlock(place);
        }
    }

    /// Gives all names back, for good.
    pub(crate) fn release_all(&self, registry: &Registry) {
        let mut held = self.held();
        held.is_over = true;
        for (key, place) in held.places.drain() {
            let _ = registry.mark_for_deletion(key);
            self.unlock(place);
        }
    }

    fn lock(
        &self,
        directory: &BusDirectory,
        place: LockPlace,
        name: &str,
    ) -> Result<bool, NameError> {
        let failed = |source: SysError| NameError::System {
            name: name.to_owned(),
            source,
        };
        let slot = &self.files[usize::from(place.file)];
        let file = match slot.get() {
            Some(file) => file,
            None => {
                let opened = directory.open_name_file(place.file).map_err(failed)?;
                slot.get_or_init(|| opened)
            }
        };
        file.try_lock(place.byte).map_err(failed)
    }

    fn unlock(&self, place: LockPlace) {
        if let Some(file) = self.files[usize::from(place.file)].get() {
            // It fails only for want of the kernel's memory, and then the byte is free when this node ends.
            let _ = file.unlock(place.byte);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name and what it is to stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) number: Number,
    pub(crate) type_hash: u64,
}

/// Publishes an entry that was just allocated, with the number of what it stands for as its detail: whoever finds the
/// entry finds the number.
pub(crate) fn publish(registry: &Registry, key: Key, number: Number) {
    publish_with(registry, key, number.to_bits());
}

/// The same with any word as its detail.
pub(crate) fn publish_with(registry: &Registry, key: Key, detail: u64) {
    let published = registry
        .set_detail(key, detail)
        .and_then(|()| registry.activate(key));
    published.expect("allocated by the caller, and known to nobody else");
}

/// Takes back an entry that was never published.
fn give_up(registry: &Registry, key: Key) {
    let _ = registry.mark_for_deletion(key);
}

/// What the registry's refusal means for a name.
pub(crate) fn own_table(error: RegistryError) -> NameError {
    match error {
        RegistryError::NameTaken { name, .. } => {
            let holder = Some("this node".to_owned());
            NameError::Taken {
                name: name.to_string(),
                holder,
            }
        }
        RegistryError::Full { capacity } => NameError::Full { capacity },
        other => NameError::Registry(other),
    }
}
