//! Records in a file whose bytes may be anything: what stands at a place, and where the next one begins.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::RecordingReader;
use crate::record::format::{ALIGN, HEAD, HEAD_LEN, Head, Kind};

/// Bytes that are read from the file at a time.
pub(super) const BUFFER: usize = 64 << 10;

/// Bytes by which memory for a body grows.
const STEP: u64 = 1 << 20;

/// What stands at a place.
pub(super) enum Found {
    Record(Head),
    /// A record that is not all there.
    Cut,
    /// No record.
    Nothing,
    /// The file's end.
    End,
}

impl<R: Read + Seek> RecordingReader<R> {
    /// Has the file stand at a place.
    fn stand_at(&mut self, at: u64) -> io::Result<()> {
        if at != self.stands_at {
            match i64::try_from(i128::from(at) - i128::from(self.stands_at)) {
                Ok(offset) => self.file.seek_relative(offset)?,
                Err(_) => drop(self.file.seek(SeekFrom::Start(at))?),
            }
            self.stands_at = at;
        }
        Ok(())
    }

    /// Reads bytes that are there: before `len`.
    fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.stand_at(at)?;
        let read = self.file.read_exact(into);
        match &read {
            Ok(()) => self.stands_at += into.len() as u64,
            // Nobody knows where it stands now.
            Err(_) => self.stands_at = self.file.seek(SeekFrom::Start(0))?,
        }
        read
    }

    /// What stands at a place.
    pub(super) fn find(&mut self, at: u64) -> io::Result<Found> {
        if at >= self.len {
            return Ok(Found::End);
        }
        if self.len - at < HEAD_LEN {
            return Ok(Found::Cut);
        }
        let mut bytes = [0; HEAD];
        self.read_at(at, &mut bytes)?;
        let head = Head::decode(&bytes, self.head.salt, at);
        Ok(head.map_or(Found::Nothing, |head| self.judge(at, head)))
    }

    /// Whether the record of this head can be there.
    fn judge(&self, at: u64, head: Head) -> Found {
        let is_sound = head.len <= head.kind.len_max() as u64;
        match head.next(at) {
            Some(next) if is_sound && next <= self.len => Found::Record(head),
            Some(_) if is_sound => Found::Cut,
            _ => Found::Nothing,
        }
    }

    /// Goes to the next record behind bytes that are none; `None` if there is none, which is the end.
    pub(super) fn pass_over(&mut self, from: u64) -> io::Result<Option<u64>> {
        let found = self.next_record(from)?;
        self.at = found.unwrap_or(self.len);
        Ok(found)
    }

    /// The first place behind `from` where a record stands.
    pub(super) fn next_record(&mut self, from: u64) -> io::Result<Option<u64>> {
        let mut at = from.next_multiple_of(ALIGN);
        let mut window = vec![0; BUFFER];
        while self.len.saturating_sub(at) > HEAD_LEN {
            at += ALIGN;
            let there = usize::try_from(self.len - at).unwrap_or(BUFFER);
            let window = &mut window[..there.min(BUFFER)];
            self.read_at(at, window)?;
            let last = window.len().saturating_sub(HEAD);
            for place in (0..=last).step_by(8) {
                let here = at + place as u64;
                let head = Head::decode(&window[place..], self.head.salt, here);
                let found = head.map(|head| self.judge(here, head));
                if matches!(found, Some(Found::Record(_))) {
                    return Ok(Some(here));
                }
            }
            at += (last / 8 * 8) as u64;
        }
        Ok(None)
    }

    /// Reads a record's body; whether it is what was written.
    pub(super) fn read_body(&mut self, at: u64, head: &Head) -> io::Result<bool> {
        self.body.clear();
        self.stand_at(at + HEAD_LEN)?;
        let mut left = head.len;
        while left > 0 {
            let step = left.min(STEP);
            let read = self.file.by_ref().take(step).read_to_end(&mut self.body);
            let read = match read {
                Ok(read) => read as u64,
                Err(error) => {
                    self.stands_at = self.file.seek(SeekFrom::Start(0))?;
                    return Err(error);
                }
            };
            self.stands_at += read;
            left -= read;
            if read < step {
                return Err(ErrorKind::UnexpectedEof.into()); // it has become shorter since
            }
        }
        Ok(crc32fast::hash(&self.body) == head.body_sum)
    }

    /// The head of the record of this kind that stands there, with its body read; `None` if it is not that, or damaged.
    pub(super) fn body_of(&mut self, at: u64, kind: Kind) -> io::Result<Option<Head>> {
        match self.find(at)? {
            Found::Record(head) if head.kind == kind && self.read_body(at, &head)? => {
                Ok(Some(head))
            }
            _ => Ok(None),
        }
    }
}
