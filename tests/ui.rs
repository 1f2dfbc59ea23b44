//! Goal: every mistake in a derive's input is one clear error, at its token, and all are reported at once.
//! Method: one mistake per file in `ui/`, named for it, with the compiler's words beside it.
//!
//! After a change of words: `TRYBUILD=overwrite cargo test -p ringway-tests --test ui`, then read the difference.

#[test]
fn mistakes() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/*.rs");
}
