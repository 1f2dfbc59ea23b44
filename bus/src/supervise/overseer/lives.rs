//! Beginning lives, and hearing that they have started or ended.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt;

use super::slot::Slot;
use super::{Doing, Overseer};
use crate::exit::ExitReason;
use crate::supervise::kind::Begun;
use crate::supervise::plan::ChildKey;
use crate::trace::debug;

/// The end of one life of a child, by its number.
pub(super) type LifeEnd = (ChildKey, u64, ExitReason);

impl Overseer {
    pub(super) fn begin(&mut self, key: ChildKey) {
        let shared = Arc::clone(self.cell.core().shared());
        let slot = self.slot(key);
        slot.starts += 1;
        let number = slot.starts;
        match slot.spec.kind.begin(&shared, slot.last_exit.as_ref()) {
            Ok(Begun { life, ready }) => {
                slot.life = Some(Arc::clone(&life));
                let ended = life.ended();
                self.ends
                    .push(Box::pin(async move { (key, number, ended.await) }));
                self.doing = Doing::Starting {
                    key,
                    ready,
                    ended: None,
                };
            }
            Err(reason) => self.start_failed(key, reason),
        }
    }

    fn start_failed(&mut self, key: ChildKey, reason: ExitReason) {
        let slot = self.slot(key);
        slot.is_over(&reason);
        debug!(child = slot.spec.id, %reason, "a child did not start");
        let moment = self.moment();
        self.plan.start_failed(key, reason, moment);
    }

    /// Looks whether the child that is being started has, or need not any more.
    pub(super) fn poll_start(&mut self, cx: &mut Context<'_>) -> bool {
        let Doing::Starting { key, ready, ended } = &mut self.doing else {
            return false;
        };
        let key = *key;
        let started = ready.as_mut().poll(cx);
        if started.is_pending() && self.plan.is_doomed(key) {
            // Dropping what it awaits kills what has begun; the rest is told to.
            let has_ended = ended.take();
            self.doing = Doing::Nothing;
            match has_ended {
                Some(reason) => self.ended(key, reason),
                None => self.kill(key),
            }
            return true;
        }
        let Poll::Ready(started) = started else {
            return false;
        };
        let has_ended = ended.take();
        self.doing = Doing::Nothing;
        match started {
            Ok(face) => {
                let slot = self.slot(key);
                slot.face = Some(face);
                debug!(child = slot.spec.id, "a child has started");
                let now = self.clock().now();
                self.plan.started(key, now);
                if let Some(reason) = has_ended {
                    self.ended(key, reason);
                }
            }
            Err(reason) => self.start_failed(key, reason),
        }
        true
    }

    /// Hears of lives that have ended.
    pub(super) fn poll_ends(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        while let Poll::Ready(Some((key, number, reason))) = self.ends.poll_next_unpin(cx) {
            let is_it =
                |slot: &&Slot| slot.key == key && slot.starts == number && slot.life.is_some();
            if self.slots.iter().find(is_it).is_none() {
                continue; // a start that failed, which has been told
            }
            match &mut self.doing {
                Doing::Starting {
                    key: starting,
                    ended,
                    ..
                } if *starting == key => *ended = Some(reason),
                _ => {
                    self.ended(key, reason);
                    has_moved = true;
                }
            }
        }
        has_moved
    }

    pub(super) fn ended(&mut self, key: ChildKey, reason: ExitReason) {
        let mut last_stop = None;
        if let Doing::Stopping {
            key: stopping,
            step,
            ..
        } = self.doing
            && stopping == key
        {
            last_stop = Some(step);
            self.doing = Doing::Nothing;
        }
        let slot = self.slot(key);
        slot.is_over(&reason);
        slot.last_stop = last_stop;
        debug!(child = slot.spec.id, %reason, "a child has ended");
        let moment = self.moment();
        self.plan.ended(key, reason, moment);
    }
}
