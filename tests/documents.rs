//! Every snippet of Rust in the documents compiles, as a reader would use it. None of them runs here: the examples do that.
#![allow(
    dead_code,
    unused,
    non_snake_case,
    clippy::all,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::let_underscore_future,
    reason = "they are written to be read"
)]

#[path = "documents/context.rs"]
mod context;

include!(concat!(env!("OUT_DIR"), "/snippets.rs"));

// Goal: none is left out, because a fence is written otherwise.
#[test]
fn all_snippets_are_there() {
    let made = include_str!(concat!(env!("OUT_DIR"), "/snippets.rs"));
    let documents = [
        include_str!("../README.md"),
        include_str!("../ARCHITECTURE.md"),
        include_str!("../docs/fate.md"),
        include_str!("../docs/performance.md"),
        include_str!("../docs/when-things-die.md"),
    ];
    let fences = documents.iter().map(|it| it.matches("```rust").count());
    let modules = made.lines().filter(|line| line.starts_with("mod "));
    assert_eq!(modules.count(), fences.sum::<usize>());
}
