//! How an overseer ends, in words: which child it gave up, and what that one said last.

use super::Overseer;
use crate::exit::ExitReason;
use crate::supervise::plan::{ChildKey, Ending, Rules};

/// Bytes of a process's last words in the reason for which its supervisor gives up; [`ChildInfo`](super::ChildInfo) has all of them.
const WORDS_MAX: usize = 2048;

impl Overseer {
    /// How an overseer ends.
    pub(super) fn reason(&self, ending: Ending, rules: &Rules) -> ExitReason {
        let id = |key| {
            let slot = self.slots.iter().find(|slot| slot.key == key);
            slot.map_or_else(String::new, |slot| slot.spec.id.clone())
        };
        match ending {
            Ending::Told(reason) => reason,
            Ending::StartFailed(key, reason) => {
                let child = id(key);
                let text = format!("child {child:?}: {reason}{}", self.last_words(key));
                self.board.look().no_start = Some((child, reason));
                ExitReason::StartFailed(text)
            }
            Ending::GaveUp(key, reason) => {
                let (restarts, within) = (rules.intensity.restarts, rules.intensity.within);
                ExitReason::GaveUp(format!(
                    "more than {restarts} restarts within {within:?}; the last to end was {:?}{}: {reason}{}",
                    id(key),
                    self.which_life(key),
                    self.last_words(key),
                ))
            }
        }
    }

    /// Which life of a child was its last, in words.
    fn which_life(&self, key: ChildKey) -> String {
        let slot = self.slots.iter().find(|slot| slot.key == key);
        slot.map_or_else(String::new, |slot| format!(" (life {})", slot.starts))
    }

    /// What a child's process had written last to its standard error, behind what is said of its end.
    fn last_words(&self, key: ChildKey) -> String {
        let slot = self.slots.iter().find(|slot| slot.key == key);
        let words = slot.map_or("", |slot| slot.last_stderr.trim_end());
        if words.is_empty() {
            return String::new();
        }
        // The end of it, where a text that crosses to another process is cut at 4096 bytes.
        let from = words.ceil_char_boundary(words.len().saturating_sub(WORDS_MAX));
        format!("; its last words: {}", &words[from..])
    }
}
