//! What a recording holds, learnt when it is opened: from its index, or from every record.

use std::io::{Read, Seek};

use super::records::Found;
use super::{Ending, ReadError, RecordingReader};
use crate::record::format::{
    ALIGN, END_LEN, EndBody, FILE_HEAD, HEAD_LEN, Head, IndexBody, IndexEntry, Kind,
    PUBLISHERS_MAX, RecordedPublisher, RecordedTopic, TOPICS_MAX,
};
use crate::record::index::{Index, SPACING};

/// Bytes of all declarations, at most.
const DECLARED_MAX: u64 = 64 << 20;

impl<R: Read + Seek> RecordingReader<R> {
    /// Reads the end, the index and all declarations; `false` if the recording has no end or they are not sound.
    pub(super) fn read_index(&mut self) -> Result<bool, ReadError> {
        let end_at = self.len.checked_sub(HEAD_LEN + END_LEN as u64);
        let Some(end_at) = end_at.filter(|at| *at >= FILE_HEAD && at.is_multiple_of(ALIGN)) else {
            return Ok(false);
        };
        let Some(end) = self.body_of(end_at, Kind::End)? else {
            return Ok(false);
        };
        let Some(end) = EndBody::decode(&self.body).filter(|_| end.next(end_at) == Some(self.len))
        else {
            return Ok(false);
        };
        // From the last to the first: each stands before the one that names it.
        let (mut places, mut at, mut before) = (Vec::new(), end.index, end_at);
        let mut declarations = Vec::new();
        while at != 0 {
            if at >= before || self.body_of(at, Kind::Index)?.is_none() {
                return Ok(false);
            }
            let Some(body) = IndexBody::decode(&self.body) else {
                return Ok(false);
            };
            places.push(at);
            declarations.extend(body.declarations.into_iter().rev());
            if declarations.len() > TOPICS_MAX + PUBLISHERS_MAX {
                return Err(ReadError::TooMany);
            }
            (before, at) = (at, body.before);
        }
        for at in declarations.into_iter().rev() {
            let Found::Record(head) = self.find(at)? else {
                return Ok(false);
            };
            if !self.declare(at, &head)? {
                return Ok(false);
            }
        }
        let has_all = self.topics.len() == end.topics as usize
            && self.publishers.len() == end.publishers as usize;
        if !has_all {
            return Ok(false);
        }
        for at in places.into_iter().rev() {
            if self.body_of(at, Kind::Index)?.is_some()
                && let Some(body) = IndexBody::decode(&self.body)
            {
                body.entries.into_iter().for_each(|it| self.index.add(it));
            }
        }
        (self.samples, self.duration) = (end.samples, end.duration);
        Ok(true)
    }

    /// Takes in a declaration; whether it is a sound one.
    fn declare(&mut self, at: u64, head: &Head) -> Result<bool, ReadError> {
        if !matches!(head.kind, Kind::Topic | Kind::Publisher) || !self.read_body(at, head)? {
            return Ok(false);
        }
        self.declared = self.declared.saturating_add(head.len);
        if self.declared > DECLARED_MAX {
            return Err(ReadError::TooMany);
        }
        Ok(match head.kind {
            Kind::Topic => {
                let read = RecordedTopic::decode(&self.body);
                read.is_some_and(|(id, topic)| keep(&mut self.topics, id, topic, TOPICS_MAX))
            }
            _ => {
                let read = RecordedPublisher::decode(&self.body);
                read.is_some_and(|(id, it)| keep(&mut self.publishers, id, it, PUBLISHERS_MAX))
            }
        })
    }

    /// Looks at every record.
    pub(super) fn scan(&mut self) -> Result<(), ReadError> {
        self.topics.clear();
        self.publishers.clear();
        (self.index, self.declared) = (Index::default(), 0);
        let (mut time, mut next_entry) = (0, 0);
        let (mut at, mut end, mut is_whole) = (FILE_HEAD, FILE_HEAD, false);
        loop {
            let head = match self.find(at)? {
                Found::Record(head) => head,
                Found::Nothing => match self.next_record(at)? {
                    Some(next) => {
                        at = next;
                        continue;
                    }
                    None => break,
                },
                Found::Cut | Found::End => break,
            };
            is_whole = head.kind == Kind::End;
            match head.kind {
                Kind::Topic | Kind::Publisher => drop(self.declare(at, &head)?),
                Kind::Sample => {
                    time = time.max(head.time);
                    if at >= next_entry {
                        next_entry = at.saturating_add(SPACING);
                        let (offset, ordinal) = (at, self.samples);
                        self.index.add(IndexEntry {
                            time,
                            offset,
                            ordinal,
                        });
                    }
                    self.samples += 1;
                }
                Kind::Index | Kind::End | Kind::Unknown => {}
            }
            at = head.next(at).unwrap_or(self.len);
            end = at;
        }
        self.duration = time;
        self.ending = match is_whole && end == self.len {
            true => Ending::Whole,
            false => Ending::Cut {
                at: end.min(self.len),
                lost: self.len.saturating_sub(end),
            },
        };
        Ok(())
    }
}

/// Puts a declaration in its place; whether it may be there. Numbers come in order: a gap is one that was damaged.
fn keep<T>(all: &mut Vec<Option<T>>, id: u32, declared: T, max: usize) -> bool {
    let id = id as usize;
    if id >= max {
        return false;
    }
    if id >= all.len() {
        all.resize_with(id + 1, || None);
    }
    all[id] = Some(declared);
    true
}
