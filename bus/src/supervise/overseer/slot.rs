//! What an overseer knows of one child: how it is made, its life, and how the last one ended.

use std::sync::Arc;

use crate::exit::ExitReason;
use crate::stop::StopStep;
use crate::supervise::board::Face;
use crate::supervise::child::Spec;
use crate::supervise::kind::Life;
use crate::supervise::plan::ChildKey;

/// One child.
pub(super) struct Slot {
    pub(super) key: ChildKey,
    pub(super) spec: Spec,
    pub(super) life: Option<Arc<dyn Life>>,
    /// While it runs.
    pub(super) face: Option<Face>,
    /// Lives so far: the number of this one.
    pub(super) starts: u64,
    pub(super) last_exit: Option<ExitReason>,
    pub(super) last_stderr: String,
    pub(super) last_stop: Option<StopStep>,
}

impl Slot {
    pub(super) fn new(key: ChildKey, spec: Spec) -> Self {
        Self {
            key,
            spec,
            life: None,
            face: None,
            starts: 0,
            last_exit: None,
            last_stderr: String::new(),
            last_stop: None,
        }
    }

    /// Its life has ended so, or did not begin.
    pub(super) fn is_over(&mut self, reason: &ExitReason) {
        let life = self.life.take();
        self.face = None;
        self.last_exit = Some(reason.clone());
        self.last_stderr = life.map_or_else(String::new, |life| life.stderr_tail());
    }
}
