//! Goal: a program that depends on `ringway` alone derives messages with codec rkyv, and reads them in place.
#![forbid(unsafe_code)]

use ringway::message::{Codec, Message};
use ringway::prelude::*;

#[derive(Message, ringway::rkyv::Archive, ringway::rkyv::Serialize, ringway::rkyv::Deserialize)]
#[message(serial, codec = "rkyv", reply = Vec<String>)]
#[rkyv(crate = ringway::rkyv)]
struct Document {
    title: String,
    words: Vec<String>,
}

fn longest(document: &ArchivedLease<Document>) -> Option<&str> {
    document
        .words
        .iter()
        .map(|word| word.as_str())
        .max_by_key(|word| word.len())
}

#[test]
fn the_schema_says_rkyv() {
    assert_eq!(Document::SCHEMA.semantics().codec(), Codec::Rkyv);
    let _: fn(&ArchivedLease<Document>) -> Option<&str> = longest;
    let document = Document {
        title: String::new(),
        words: vec![],
    };
    assert!(document.title.is_empty() && document.words.is_empty());
}
