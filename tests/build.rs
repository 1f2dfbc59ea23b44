//! Makes a program of the snippets in the documents, which `documents.rs` compiles: each on its own, in the context that
//! `documents/context.rs` gives it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut program = String::new();
    for path in documents() {
        println!("cargo::rerun-if-changed={}", path.display());
        let document = path.to_string_lossy().replace("../", "");
        let text = fs::read_to_string(&path).expect("the document is there");
        for (line, snippet) in snippets(&text) {
            let name = format!("{document}_{line}").replace(|it: char| !it.is_alphanumeric(), "_");
            writeln!(program, "{}", in_context(&name, &snippet)).expect("written to memory");
        }
    }
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("snippets.rs"), program).expect("written");
}

/// Those that a reader may copy from.
fn documents() -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed=../docs");
    let entries = fs::read_dir("../docs").expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let top = ["README.md", "ARCHITECTURE.md"].map(|name| Path::new("..").join(name));
    let documents = paths.filter(|path| path.extension().is_some_and(|it| it == "md"));
    let mut documents: Vec<_> = documents.chain(top).collect();
    documents.sort();
    documents
}

/// The text between the fences of Rust code, with the number of its first line.
fn snippets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("```rust") {
            let code = lines.by_ref().map(|(_, line)| line);
            let code: Vec<_> = code
                .take_while(|line| !line.trim_start().starts_with("```"))
                .collect();
            found.push((number + 1, code.join("\n")));
        }
    }
    found
}

/// A snippet as what it is: a program, a method of an actor, or what one says in a handler.
fn in_context(name: &str, snippet: &str) -> String {
    if snippet.contains("fn main()") {
        let given = if snippet.contains("use ringway::prelude") {
            ""
        } else {
            "use crate::context::*;"
        };
        return format!("mod {name} {{ {given}\n{snippet}\n}}");
    }
    if snippet.trim_start().starts_with("async fn handle(") {
        return format!(
            "mod {name} {{ use crate::context::*;\nstruct Other;\nimpl Handles<Other> for Desk {{\n{snippet}\n}} }}"
        );
    }
    format!(
        "mod {name} {{ use crate::context::*;\nimpl Desk {{ async fn {name}(&mut self, cx: &mut Context<Self>, given: Given) -> \
         Outcome {{\nlet Given {{ node, worker, workers, replicas, job, page, lines }} = given;\n{snippet}\n;Ok(()) }} }} }}"
    )
}
