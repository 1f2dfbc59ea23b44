//! Names of topics, and patterns that match them: pure functions that all nodes of a bus compute alike.
//!
//! The grammar is zenoh's, so that a bridge can carry every topic: chunks joined by single slashes. A chunk of a name has none of
//! `*`, `$`, `?` and `#`; one of a pattern is such a chunk, or `*` for any one chunk, or `**` for any number of them, none included.

use thiserror::Error;

/// A chunk of a pattern that stands for any one chunk.
const ANY_ONE: &str = "*";
/// The same for any number of them.
const ANY: &str = "**";
/// What means something in patterns, there or in zenoh's key expressions.
const RESERVED: [char; 4] = ['*', '$', '?', '#'];

/// A text is no name of a topic, or no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TopicNameError {
    /// It has no characters.
    #[error("a topic's name is empty")]
    Empty,
    /// It begins or ends with a slash, or two follow each other.
    #[error("the topic {topic:?} has an empty chunk at byte {at}")]
    EmptyChunk {
        /// The text.
        topic: String,
        /// Where the chunk would begin, in bytes.
        at: usize,
    },
    /// It has a character that names cannot have.
    #[error("the topic {topic:?} contains {found:?} at byte {at}")]
    Character {
        /// The text.
        topic: String,
        /// The character.
        found: char,
        /// Where it stands, in bytes.
        at: usize,
    },
    /// A chunk of a pattern has a `*` beside other characters.
    #[error("the pattern {pattern:?} has the chunk {chunk:?}: `*` and `**` stand alone in a chunk")]
    Wild {
        /// The pattern.
        pattern: String,
        /// The chunk.
        chunk: String,
    },
    /// Together with the name of its message it is longer than what a node's card has room for.
    #[error("the topic {topic:?} of {message:?}: together {len} bytes, at most {max}")]
    TooLong {
        /// The topic.
        topic: String,
        /// The message's name.
        message: String,
        /// Bytes of both.
        len: usize,
        /// The most that there may be.
        max: usize,
    },
}

/// Checks a topic's name, but for its length.
pub(super) fn check(name: &str) -> Result<(), TopicNameError> {
    for chunk in chunks(name)? {
        if let Some(wild) = chunk.text.find(RESERVED) {
            return Err(character(name, chunk.at + wild));
        }
    }
    Ok(())
}

/// A chunk and where it begins.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    text: &'a str,
    at: usize,
}

/// The chunks of a name or pattern, none of them empty and none with a control character.
fn chunks(text: &str) -> Result<impl Iterator<Item = Chunk<'_>>, TopicNameError> {
    if text.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if let Some(at) = text.find(char::is_control) {
        return Err(character(text, at));
    }
    let chunks = text.split('/').scan(0, |next, text| {
        let at = *next;
        *next += text.len() + 1;
        Some(Chunk { text, at })
    });
    match chunks.clone().find(|chunk| chunk.text.is_empty()) {
        Some(Chunk { at, .. }) => {
            let topic = text.to_owned();
            Err(TopicNameError::EmptyChunk { topic, at })
        }
        None => Ok(chunks),
    }
}

fn character(topic: &str, at: usize) -> TopicNameError {
    let found = topic[at..].chars().next();
    TopicNameError::Character {
        topic: topic.to_owned(),
        found: found.expect("in-range: a character was found there"),
        at,
    }
}

/// A pattern of topics' names: `robot/*/position`, `robot/**`. A name without `*` matches itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicPattern(Box<str>);

impl TopicPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// See [`TopicNameError`]; all but [`TooLong`](TopicNameError::TooLong).
    pub fn new(pattern: impl Into<String>) -> Result<Self, TopicNameError> {
        let pattern = pattern.into();
        for chunk in chunks(&pattern)? {
            if matches!(chunk.text, ANY_ONE | ANY) {
                continue;
            }
            if chunk.text.contains('*') {
                return Err(TopicNameError::Wild {
                    pattern: pattern.clone(),
                    chunk: chunk.text.to_owned(),
                });
            }
            if let Some(wild) = chunk.text.find(RESERVED) {
                return Err(character(&pattern, chunk.at + wild));
            }
        }
        Ok(Self(pattern.into()))
    }

    /// The pattern, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text of which each chunk is one of a name or of a pattern is more than a name.
    pub(super) fn is_one(text: &str) -> bool {
        text.contains('*')
    }

    /// Whether a topic's name matches.
    ///
    /// Cost: at most the product of the numbers of chunks, however many `**` there are.
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let name: Vec<&str> = name.split('/').collect();
        // The last `**` that was passed, and the chunk of the name at which what follows it is tried: of several, only the last
        // need ever be tried anew, as those before it have taken as little as they could.
        let mut retry = None;
        let (mut at, mut chunk) = (0, 0);
        while chunk < name.len() {
            match pattern.get(at) {
                Some(&ANY) => {
                    retry = Some((at, chunk));
                    at += 1;
                }
                Some(&it) if it == ANY_ONE || it == name[chunk] => {
                    at += 1;
                    chunk += 1;
                }
                _ => match &mut retry {
                    Some((any, from)) => {
                        *from += 1;
                        (at, chunk) = (*any + 1, *from);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|it| *it == ANY)
    }
}

impl std::fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for TopicPattern {
    type Err = TopicNameError;

    fn from_str(pattern: &str) -> Result<Self, TopicNameError> {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_faults_named() {
        for good in ["a", "robot/arm/position", "größe/π", "a.b/c-d/@e", " "] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        let table = [
            ("", "a topic's name is empty"),
            ("/", r#"the topic "/" has an empty chunk at byte 0"#),
            ("/a", r#"the topic "/a" has an empty chunk at byte 0"#),
            ("a/", r#"the topic "a/" has an empty chunk at byte 2"#),
            ("ab//c", r#"the topic "ab//c" has an empty chunk at byte 3"#),
            ("a/*", r#"the topic "a/*" contains '*' at byte 2"#),
            ("ö/b$", r#"the topic "ö/b$" contains '$' at byte 4"#),
            ("a?b", r#"the topic "a?b" contains '?' at byte 1"#),
            ("#", r##"the topic "#" contains '#' at byte 0"##),
            ("a\nb", r#"the topic "a\nb" contains '\n' at byte 1"#),
        ];
        for (bad, text) in table {
            assert_eq!(check(bad).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn patterns_are_checked_and_faults_named() {
        for good in ["a", "*", "**", "a/*/b", "a/**", "**/**", "**/*/a"] {
            assert_eq!(TopicPattern::new(good).unwrap().as_str(), good);
        }
        let table = [
            ("", "a topic's name is empty"),
            ("a//*", r#"the topic "a//*" has an empty chunk at byte 2"#),
            (
                "a/b*",
                r#"the pattern "a/b*" has the chunk "b*": `*` and `**` stand alone in a chunk"#,
            ),
            (
                "***",
                r#"the pattern "***" has the chunk "***": `*` and `**` stand alone in a chunk"#,
            ),
            ("*/$x", r#"the topic "*/$x" contains '$' at byte 2"#),
        ];
        for (bad, text) in table {
            assert_eq!(TopicPattern::new(bad).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn patterns_match_as_the_table_says() {
        let table: [(&str, &[&str], &[&str]); 8] = [
            ("a/b", &["a/b"], &["a", "a/b/c", "a/c", "b/a"]),
            ("*", &["a"], &["a/b"]),
            ("a/*", &["a/b"], &["a", "a/b/c"]),
            ("**", &["a", "a/b/c"], &[]),
            ("a/**", &["a", "a/b", "a/b/c"], &["b", "b/a"]),
            ("**/a", &["a", "b/a", "a/a"], &["a/b"]),
            ("a/**/b", &["a/b", "a/x/b", "a/b/b"], &["a", "a/b/c", "b"]),
            ("**/a/*/**/b", &["a/x/b", "x/a/a/a/b"], &["a/b", "b/a/x"]),
        ];
        for (pattern, matching, others) in table {
            let pattern = TopicPattern::new(pattern).unwrap();
            for name in matching {
                assert!(pattern.matches(name), "{pattern} {name}");
            }
            for name in others {
                assert!(!pattern.matches(name), "{pattern} {name}");
            }
        }
    }

    /// What matching means, from its definition.
    fn means(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([ANY, rest @ ..], _) if means(rest, name) => true,
            ([ANY, ..], [_, others @ ..]) => means(pattern, others),
            ([first, rest @ ..], [chunk, others @ ..]) => {
                (*first == ANY_ONE || first == chunk) && means(rest, others)
            }
            _ => false,
        }
    }

    // Goal: the walk that looks back once agrees with the definition. Method: all patterns of up to four chunks of these four kinds
    // against all names of up to five chunks of two.
    #[test]
    fn matching_is_what_it_means() {
        let all = |chunks: &[&'static str], longest: usize| {
            let mut all: Vec<Vec<&'static str>> = vec![Vec::new()];
            let mut from = 0;
            for _ in 0..longest {
                let to = all.len();
                for at in from..to {
                    for chunk in chunks {
                        all.push([&all[at][..], &[*chunk]].concat());
                    }
                }
                from = to;
            }
            all.remove(0);
            all
        };
        let names = all(&["a", "b"], 5);
        for pattern in all(&["a", "b", ANY_ONE, ANY], 4) {
            let text = TopicPattern::new(pattern.join("/")).unwrap();
            for name in &names {
                let matches = text.matches(&name.join("/"));
                assert_eq!(matches, means(&pattern, name), "{text} {name:?}");
            }
        }
    }
}
