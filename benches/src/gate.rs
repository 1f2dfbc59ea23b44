//! Measurements between two looks at where the processors lie, each with an answering process of its own.

use crate::Result;
use crate::pair::Pair;
use crate::place::{Patience, Place, held};
use crate::report::Lay;

/// Measurements dropped for the placement before one is taken, and marked.
const DROPS_MAX: u32 = 3;

/// Measures with the processors near each other before and after, as far as patience goes; without any `patience`,
/// wherever they lie.
pub(crate) fn measure<T>(
    patience: Option<Patience>,
    mut measure: impl FnMut(&mut Pair) -> Result<T>,
) -> Result<(T, Lay)> {
    let mut dropped = 0;
    loop {
        let mut pair = Pair::start()?;
        let Some(patience) = patience else {
            return Ok((measure(&mut pair)?, Lay::default()));
        };
        let before = look(&mut pair, patience)?;
        let measured = measure(&mut pair)?;
        let line_ns = [before, look(&mut pair, patience.min(Patience::None))?];
        if held(line_ns) || dropped == DROPS_MAX || patience == Patience::Glance {
            return Ok((measured, Lay { line_ns, dropped }));
        }
        dropped += 1;
    }
}

fn look(pair: &mut Pair, patience: Patience) -> Result<u32> {
    pair.other.tell("place")?;
    let mut place = Place::new(&pair.line);
    let found = place.settle(patience);
    place.end();
    Ok(found)
}
