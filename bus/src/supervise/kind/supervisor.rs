//! Children that are supervisors: a life is an overseer, whose end is the end of all below it.

use std::sync::Arc;

use super::actor::CellLife;
use super::{Begun, Kind, make};
use crate::exit::ExitReason;
use crate::process::with_causes;
use crate::shared::Shared;
use crate::supervise::board::{ChildType, Face};
use crate::supervise::supervisor::Supervisor;

/// Supervisors that a closure describes.
pub(in crate::supervise) struct Supervisors<F> {
    pub(in crate::supervise) make: F,
}

impl<F: FnMut() -> Supervisor + Send> Kind for Supervisors<F> {
    fn begin(
        &mut self,
        shared: &Arc<Shared>,
        _last: Option<&ExitReason>,
    ) -> Result<Begun, ExitReason> {
        let supervisor = make(&mut self.make)?;
        let tree = supervisor
            .begin(shared, true)
            .map_err(|error| ExitReason::StartFailed(with_causes(&error)))?;
        let life = Arc::new(CellLife(Arc::clone(tree.cell())));
        let ready = async move {
            tree.started().await?;
            Ok(Face {
                actor: tree.id(),
                address: Arc::new(tree),
                pid: None,
            })
        };
        Ok(Begun {
            life,
            ready: Box::pin(ready),
        })
    }

    fn child_type(&self) -> ChildType {
        ChildType::Supervisor
    }

    fn reached_as(&self) -> &'static str {
        "a supervisor"
    }
}
