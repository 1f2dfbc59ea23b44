//! Entries that are pushed together.

use super::Open;
use crate::mailbox::Overflow;
use crate::remote::Obstacle;
use crate::remote::burst::{Burst, Next, plain};

impl Open {
    /// Puts entries into the submission queue from the first on, and notes the uring once for all of them.
    pub(in crate::remote) fn submit_burst(&mut self, burst: &mut Burst) -> Result<(), Obstacle> {
        let before = burst.len();
        let submitted = self.push_burst(burst);
        if burst.len() < before {
            self.after_push();
        }
        submitted
    }

    fn push_burst(&mut self, burst: &mut Burst) -> Result<(), Obstacle> {
        if let Some(reason) = &self.ended {
            return Err(Obstacle::Ended(reason.clone()));
        }
        while let Some(next) = burst.next() {
            let pushed = match next {
                Next::Beside(outgoing) => {
                    self.submit_unnoted(outgoing)?;
                    1
                }
                // Each has an op.
                Next::Plain(words) if self.overflow == Overflow::DropOldest => {
                    self.submit_unnoted(&mut plain(words[0]))?;
                    1
                }
                Next::Plain(words) => match self.submit.submit_batch(words) {
                    Ok(0) => return Err(Obstacle::Full),
                    Ok(pushed) => pushed,
                    Err(error) => return Err(self.not_pushed(error)),
                },
            };
            burst.submitted(pushed);
        }
        Ok(())
    }
}
