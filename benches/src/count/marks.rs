//! How a stepped thread says where a stretch begins and ends: by a system call that no kernel knows, and by coming to a
//! function whose address that call told. Nothing happens when nobody steps.
#![allow(unsafe_code, reason = "a system call with an option that is refused")]

use std::hint::black_box;

/// An option that `prctl` does not know: a stretch begins, or, without an address, there is none left.
pub(super) const MARK: u64 = 0x52_49_4e_47;

/// Marks a stretch.
#[inline(never)]
pub(super) fn marked<R>(stretch: impl FnOnce() -> R) -> R {
    call(end as fn() as usize as u64);
    let result = stretch();
    end();
    result
}

/// Says that there will be no more.
pub(super) fn finish() {
    call(0);
}

/// Where a stretch ends.
#[inline(never)]
fn end() {
    black_box(());
}

fn call(address: u64) {
    // SAFETY: an unknown option: refused, whatever the arguments.
    unsafe { libc::syscall(libc::SYS_prctl, MARK, address, 0, 0, 0) };
}
