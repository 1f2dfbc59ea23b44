//! Known-wrong variants of the protocol, which the model checker must catch; outside of it, nothing.
//!
//! A model that passes proves little until it is seen to fail: `tests/loom.rs` runs each model once as it is and once
//! under each mutant that breaks its edge.

use crate::sync::Ordering;

/// One way to get it wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The writer stamps the slot, then writes its words.
    StampBeforeWords,
    /// The writer stamps the first slot of a long entry, then writes its rest.
    StampBeforeRest,
    /// The reader publishes its head, then copies the words.
    HeadBeforeCopy,
    /// The sender reads `idle` without a fence after its stamp.
    NoFenceAfterStamp,
    /// The sender reads `asleep` without a fence after its note, or after its stamp where there are no notes.
    NoFenceBeforeBell,
    /// The reader looks at the slot without a fence after storing `idle`.
    NoFenceAfterIdle,
    /// The reader looks whether the submitter waits for room without a fence after its head.
    NoFenceBeforeWants,
    /// The sleeper looks at its queues without a fence after storing `asleep`.
    NoFenceAfterAsleep,
    /// The owner of an op word does not release what it did before.
    OpWordRelaxed,
    /// A side closes without releasing what it sent or took before.
    ClosedRelaxed,
    /// The reader counts an entry as handled without releasing what its handler did.
    DoneRelaxed,
    /// The owner of a registry entry does not release its fields with its state.
    EntryRelaxed,
    /// The owner of a registry entry writes fields without a fence after taking it back.
    NoFenceAfterReopening,
    /// The reader of a registry entry looks at the state again without a fence after copying.
    NoFenceBeforeSecondLook,
    /// The reader of a registry entry does not look at the state again.
    NoSecondLook,
    /// A publisher overwrites a sample without saying so first.
    NoWritingStamp,
    /// A publisher overwrites a sample without a fence after saying so.
    NoFenceAfterWriting,
    /// A subscriber that drops the oldest looks at the stamp again without a fence after its copy.
    NoFenceAfterCopy,
    /// A subscriber that drops the oldest does not look at the stamp again.
    NoSecondStamp,
    /// A subscriber publishes its cursor, then copies the words.
    CursorBeforeCopy,
    /// A subscriber that waits publishes its cursor, then its claim.
    CursorBeforeClaim,
    /// A subscriber that drops the oldest looks at the stamp again without a fence after its claim.
    NoFenceAfterClaim,
    /// A publisher looks at the claims without a fence after it overwrote.
    NoFenceBeforeScan,
    /// A publisher does not look at the claims.
    NoScan,
    /// A lease is released without releasing its reads.
    ClaimReleaseRelaxed,
    /// A claim word is found free, and what was read under it is not acquired.
    ClaimFreeRelaxed,
    /// A later claim in the same word does not pass on what was acquired with it.
    ClaimRelaxed,
    /// The releaser of a lease looks at the publisher's wants without a fence.
    NoFenceAfterRelease,
    /// A publisher that has asked for room or blocks looks for them without a fence.
    NoFenceAfterWants,
    /// A publisher says which sample is the newest without releasing its stamp.
    TailRelaxed,
    /// Who fills a place does not release the value.
    FullRelaxed,
    /// Who empties a place does not release that the value was moved out.
    EmptyRelaxed,
    /// Who lets a claim go does not pass on that the value was moved out.
    UnclaimedRelaxed,
    /// The giver does not release the value.
    GivenRelaxed,
    /// The getter that leaves does not release what it did before.
    LeftRelaxed,
    /// Who has changed what the getter leaves does not release that.
    LetGoRelaxed,
    /// Who makes a box does not release what lies in it.
    BoxRelaxed,
    /// Who lets a lock go does not release what it has written.
    LetGoOfLockRelaxed,
    /// Who must know whether a place is used only reads its word.
    LookWithoutExchange,
    /// Who closes a place takes the value that is there, and goes.
    PlaceTakenBeforeClosing,
    /// Who has claimed the place of a letter does not look once more whether others are queued.
    NoLookAfterClaim,
    /// An actor takes what is queued without a look, under the lock, for a letter that went straight before.
    NoLookUnderLock,
    /// An actor that has taken what is queued says so when it has let the lock go.
    HintOutsideLock,
    /// Who closes a mailbox takes what is queued, and then closes it.
    ClosedAfterTaking,
}

/// Whether the running model is under `mutant`; outside of models it is not, and this costs nothing.
#[cfg(not(loom))]
#[inline(always)]
pub const fn under(_mutant: Mutant) -> bool {
    false
}

/// Release, or Relaxed under `mutant`.
#[inline(always)]
pub(crate) fn release_unless(mutant: Mutant) -> Ordering {
    if under(mutant) {
        Ordering::Relaxed
    } else {
        Ordering::Release
    }
}

#[cfg(loom)]
std::thread_local! {
    // All threads of a model are coroutines on the thread that runs it.
    static CURRENT: core::cell::Cell<Option<Mutant>> = const { core::cell::Cell::new(None) };
}

/// Whether the running model is under `mutant`.
#[cfg(loom)]
pub fn under(mutant: Mutant) -> bool {
    CURRENT.get() == Some(mutant)
}

/// Makes models that this thread runs from now on run under `mutant`.
#[cfg(loom)]
pub fn set(mutant: Option<Mutant>) {
    CURRENT.set(mutant);
}
