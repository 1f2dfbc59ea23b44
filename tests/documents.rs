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
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let documents = std::fs::read_dir(directory).unwrap();
    let documents = documents.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let top = [
        include_str!("../README.md"),
        include_str!("../ARCHITECTURE.md"),
    ];
    let documents = documents.chain(top.map(str::to_owned));
    let fences = documents.map(|it| it.matches("```rust").count());
    let modules = made.lines().filter(|line| line.starts_with("mod "));
    assert_eq!(modules.count(), fences.sum::<usize>());
}
