//! Whether a uring may be opened for these types: what will be sent beside what the target handles.

use super::wire::{CarriedType, NAMED_MAX, OpenRefusal, TargetKind};
use crate::actor::Accepted;
use crate::message::Description;
use crate::node::Carried;
use crate::shared::Target;

/// Types that one request may name.
pub(super) const TYPES_MAX: usize = 200; // with names of 120 bytes they fit one frame

impl CarriedType {
    pub(crate) fn of(carried: &Carried) -> Self {
        Self {
            id: carried.id.to_bits(),
            schema: carried.schema.hash(),
            name: carried.name.to_owned(),
        }
    }
}

/// Compares what the submitter will send with what the target handles.
pub(super) fn agree(target: &Target, types: &[CarriedType]) -> Result<(), OpenRefusal> {
    if types.len() > TYPES_MAX {
        return Err(OpenRefusal::Malformed(format!(
            "{} types, at most {TYPES_MAX}",
            types.len()
        )));
    }
    if let TargetKind::Queue(_) = target.kind {
        return Ok(());
    }
    agree_on(target.accepted, types)
}

/// Compares what will be sent with what an actor handles.
pub(crate) fn agree_on(accepted: &[Accepted], types: &[CarriedType]) -> Result<(), OpenRefusal> {
    for wanted in types {
        let Some(ours) = accepted.iter().find(|ours| ours.id.to_bits() == wanted.id) else {
            return Err(not_handled(wanted, accepted));
        };
        if ours.name != wanted.name {
            let (id, theirs) = (wanted.id, ours.name.to_owned());
            return Err(OpenRefusal::TypeClash {
                id,
                ours: wanted.name.clone(),
                theirs,
            });
        }
        if ours.schema.hash() != wanted.schema {
            let theirs = Description::new(ours.name, ours.id, &ours.schema);
            return Err(OpenRefusal::SchemaMismatch {
                theirs: Box::new(theirs),
                difference: None,
            });
        }
    }
    Ok(())
}

/// Why an actor of this node does not take these types; nothing if it does.
pub(crate) fn refusal_at_home(target: &Target, wanted: &[Carried]) -> Option<OpenRefusal> {
    let types: Vec<_> = wanted.iter().map(CarriedType::of).collect();
    let refusal = agree(target, &types).err()?;
    Some(refusal.compared(wanted))
}

fn not_handled(wanted: &CarriedType, accepted: &[Accepted]) -> OpenRefusal {
    let named = accepted.iter().take(NAMED_MAX);
    OpenRefusal::TypeNotHandled {
        wanted: wanted.name.clone(),
        handled: named.map(|ours| ours.name.to_owned()).collect(),
        more: u32::try_from(accepted.len().saturating_sub(NAMED_MAX)).unwrap_or(u32::MAX),
    }
}
