//! Ends of topics by what a card shows them under: a topic's label, or a pattern's.
//!
//! Those of patterns stand apart. Who looks for the ends of one topic looks at all patterns, which are few, and at no other topic.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::label::{Label, parts};
use super::name::TopicPattern;

/// Ends by label.
#[derive(Debug)]
pub(crate) struct EndsByLabel<T> {
    /// In order: the labels of one topic, one for each message, stand together.
    topics: BTreeMap<Box<str>, Vec<T>>,
    patterns: HashMap<Box<str>, OfPattern<T>>,
}

#[derive(Debug)]
struct OfPattern<T> {
    pattern: TopicPattern,
    /// The message's name.
    message: Box<str>,
    ends: Vec<T>,
}

impl<T> Default for EndsByLabel<T> {
    fn default() -> Self {
        Self {
            topics: BTreeMap::new(),
            patterns: HashMap::new(),
        }
    }
}

impl<T> EndsByLabel<T> {
    /// Adds an end. One under a label that is none, which only a broken node shows, is nobody's.
    pub(crate) fn add(&mut self, label: &str, end: T) {
        let Some((topic, message)) = parts(label) else {
            return;
        };
        if !TopicPattern::is_one(topic) {
            self.topics.entry(label.into()).or_default().push(end);
            return;
        }
        if let Some(of) = self.patterns.get_mut(label) {
            of.ends.push(end);
        } else if let Ok(pattern) = TopicPattern::new(topic) {
            let of = OfPattern {
                pattern,
                message: message.into(),
                ends: vec![end],
            };
            self.patterns.insert(label.into(), of);
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, label: &str, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let ends = match self.topics.get_mut(label) {
            Some(ends) => ends,
            None => &mut self.patterns.get_mut(label)?.ends,
        };
        let at = ends.iter().position(is_it)?;
        let removed = ends.swap_remove(at);
        if ends.is_empty() {
            self.topics.remove(label);
            self.patterns.remove(label);
        }
        Some(removed)
    }

    /// The ends under a topic's label, and those under patterns that match the topic, of the same message's name.
    pub(crate) fn of<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a T> {
        let own = self.topics.get(label).into_iter().flatten();
        let patterns = self.patterns.values();
        let matching = patterns.filter(move |of| {
            let named = parts(label).filter(|(_, message)| *message == &*of.message);
            named.is_some_and(|(topic, _)| of.pattern.matches(topic))
        });
        own.chain(matching.flat_map(|of| &of.ends))
    }

    /// Calls `look` with each end of a topic and its label, or with those of one topic, whatever their messages; none of a pattern's.
    pub(crate) fn each(&self, topic: Option<&Label>, mut look: impl FnMut(&str, &T)) {
        let first = topic.map_or("", Label::text_before_message);
        let from = (Bound::Included(first), Bound::Unbounded);
        for (label, ends) in self.topics.range::<str, _>(from) {
            if !label.starts_with(first) {
                break;
            }
            ends.iter().for_each(|end| look(label, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ends: &EndsByLabel<u32>, label: &str) -> Vec<u32> {
        let mut found: Vec<_> = ends.of(label).copied().collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_topic_has_its_own_ends_and_those_of_patterns() {
        let mut ends = EndsByLabel::default();
        let all = [
            "a/b//u64", "a/*//u64", "**//u64", "a/*//u32", "b//u64", "a/*//u64",
        ];
        for (end, label) in (0..).zip(all) {
            ends.add(label, end);
        }
        ends.add("a/b*//u64", 6); // no pattern
        ends.add("no label", 7);
        assert_eq!(of(&ends, "a/b//u64"), [0, 1, 2, 5]);
        assert_eq!(of(&ends, "a/b//u32"), [3]);
        assert_eq!(of(&ends, "c//u64"), [2]);
        let each = |topic: Option<&str>| {
            let topic = topic.map(|it| Label::named(it, "other", 0).unwrap());
            let mut found = Vec::new();
            ends.each(topic.as_ref(), |label, end| {
                found.push((label.to_owned(), *end))
            });
            found
        };
        let (first, last) = (("a/b//u64".to_owned(), 0), ("b//u64".to_owned(), 4));
        assert_eq!(each(None), [first.clone(), last]);
        assert_eq!(each(Some("a/b")), [first]);
        assert_eq!(each(Some("a")), []);
        assert_eq!(ends.remove("a/*//u64", |it| *it == 1), Some(1));
        assert_eq!(ends.remove("a/*//u64", |it| *it == 1), None);
        assert_eq!(of(&ends, "a/b//u64"), [0, 2, 5]);
        for (end, label) in (0..).zip(all) {
            assert_eq!(
                ends.remove(label, |it| *it == end),
                (end != 1).then_some(end)
            );
        }
        assert!(ends.topics.is_empty() && ends.patterns.is_empty());
    }
}
