//! A message reserved where its way leads: in private memory, or in the heap from which another process reads it.

use std::time::Duration;

use ringway_shm::heap::HeapError;

use super::Way;
use crate::completion;
use crate::loan::Loan;
use crate::message::{Fill, InPlace};
use crate::node::lookup::Deadline;
use crate::remote::ops::OpKind;
use crate::send::LoanError;

impl<M: InPlace + ?Sized> Way<'_, M>
where
    M::Access: Fill<M::View>,
{
    /// Reserves a message where this way leads.
    pub(crate) fn loan(&self, items: usize) -> Result<Loan<M>, LoanError> {
        match self {
            Self::Local(_) => Loan::private(items).map_err(|bytes| LoanError::Memory { bytes }),
            Self::Remote(end) => {
                let shared = end.shared().ok_or(LoanError::Detached)?;
                end.recover();
                let room = completion::room(OpKind::Tell, end);
                match Loan::for_entry(&end.heap, items, room) {
                    Err(HeapError::Full { .. }) => {
                        shared.sweep_replies();
                        Ok(Loan::for_entry(&end.heap, items, room)?)
                    }
                    loan => Ok(loan?),
                }
            }
        }
    }

    /// The same, waiting for blocks to come back.
    pub(crate) async fn loan_timeout(
        &self,
        items: usize,
        timeout: Duration,
    ) -> Result<Loan<M>, LoanError> {
        let Self::Remote(end) = self else {
            return self.loan(items);
        };
        let shared = end.shared().ok_or(LoanError::Detached)?;
        let mut full = None;
        let look = || match self.loan(items) {
            Err(LoanError::Heap(error @ HeapError::Full { .. }))
                if shared.has_lent() || shared.has_retiring() =>
            {
                full = Some(error);
                None
            }
            loan => Some(loan),
        };
        let deadline = Deadline::new(&shared, timeout);
        let loan = deadline.until(&end.blocks, look).await;
        loan.unwrap_or_else(|| Err(LoanError::Heap(full.expect("looked at least once"))))
    }
}
