//! A completer without an operating system: a kernel or firmware at the other end of a uring.
//!
//! Built and linked into a C program by `shm/tests/no_std/run`; echoes each entry's words as its completion.
#![no_std]

use core::ptr::NonNull;

use ringway_shm::error::Violation;
use ringway_shm::layout::{Pow2, UringLayout};
use ringway_shm::region::{Forever, OwnRegion, PeerRegion};
use ringway_shm::uring::{Completer, CompleterEnds, Submitter, SubmitterEnds};

const LAYOUT: UringLayout = UringLayout {
    sq: Pow2::of::<8>(),
    cq: Pow2::of::<8>(),
};

/// The window that both sides see: here a static, on hardware an address.
#[repr(C, align(64))]
struct Window([u8; LAYOUT.submitter_len() as usize + LAYOUT.completer_len() as usize]);

static mut WINDOW: Window = Window([0; _]);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// Moves `count` entries there and back, and returns how many came back unharmed.
///
/// To be called once.
#[unsafe(no_mangle)]
pub extern "C" fn ringway_echo(count: u64) -> u64 {
    match join() {
        Ok((mut submitter, mut completer)) => (0..count)
            .filter(|number| echo(&mut submitter, &mut completer, *number))
            .count() as u64,
        Err(_violation) => 0,
    }
}

type Ends = (SubmitterEnds<Forever>, CompleterEnds<Forever>);

fn join() -> Result<Ends, Violation> {
    let at = &raw mut WINDOW;
    let len = LAYOUT.submitter_len() as usize;
    let submitter_at = NonNull::new(at.cast::<u8>()).expect("a static has an address");
    // SAFETY: the window is as long as both parts.
    let completer_at = unsafe { submitter_at.add(len) };
    let completer_len = LAYOUT.completer_len() as usize;
    // SAFETY: a static is mapped forever, initialized, and this is its only use.
    let (submitter_part, completer_part) = unsafe {
        (
            OwnRegion::new(submitter_at, len, Forever),
            OwnRegion::new(completer_at, completer_len, Forever),
        )
    };
    // The other side's view, read-only.
    let (submitter_seen, completer_seen): (PeerRegion, PeerRegion) =
        (submitter_part.read_only(), completer_part.read_only());
    let submitter = Submitter::create(submitter_part, LAYOUT);
    let completer = Completer::create(completer_part, LAYOUT);
    Ok((
        submitter.open(&completer_seen)?,
        completer.open(&submitter_seen)?,
    ))
}

fn echo(
    submitter: &mut SubmitterEnds<Forever>,
    completer: &mut CompleterEnds<Forever>,
    number: u64,
) -> bool {
    let sent = [number; 7];
    if submitter.submit.submit(&sent).is_err() {
        return false;
    }
    if let Ok(Some(words)) = completer.take.take() {
        completer.take.finish(1);
        if completer.post.complete(&words).is_err() {
            return false;
        }
    }
    submitter.reap.reap() == Ok(Some(sent))
}
