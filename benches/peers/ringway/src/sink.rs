//! The receiving actor, and the messages in the sizes that are measured.

use common::*;
use futures::channel::oneshot;
use ringway::prelude::*;
use std::sync::atomic::Ordering::AcqRel;

/// 8 bytes: travels in the entry.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub struct Word {
    pub bytes: [u8; 8],
}

/// 32 bytes: travels in the entry too.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub struct Words {
    pub bytes: [u8; 32],
}

/// 64 bytes: a value.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub struct Line {
    pub bytes: [u8; 64],
}

/// Anything larger, lent.
#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
pub struct Block([u8]);

/// Senders of a stream, at most; each numbers its messages, with its own number in the highest byte.
pub const SENDERS: usize = 4;
const NUMBER: u32 = 56;

/// The number of a sender's `n`th message.
pub fn numbered(sender: u64, n: u64) -> u64 {
    sender << NUMBER | n
}

/// Checks what arrives: of requests the payload, of a stream the order too.
#[derive(Actor)]
#[actor(handles(Word, Words, Line, Block))]
pub struct Sink {
    pub touch: Touch,
    pub len: usize,
    /// Whether messages are checked as those of a stream.
    pub in_order: bool,
    pub ctl: Ctl,
    pub senders: usize,
    /// Told when every sender has come.
    pub met: Option<oneshot::Sender<()>>,
    pub probes: usize,
    pub stops: usize,
    pub next: [u64; SENDERS],
}

impl Sink {
    fn take(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> u64 {
        let (seq, check) = read_payload(bytes, self.touch);
        match seq {
            PROBE => {
                self.ctl.probed().fetch_add(1, AcqRel);
                self.probes += 1;
                if self.probes == self.senders
                    && let Some(met) = self.met.take()
                {
                    let _ = met.send(());
                }
            }
            STOP => {
                self.stops += 1;
                if self.stops == self.senders {
                    self.ctl.count().fetch_add(self.next.iter().sum(), AcqRel);
                    self.ctl.done().fetch_add(1, AcqRel);
                    cx.stop();
                }
            }
            _ => {
                let sender = (seq >> NUMBER) as usize;
                if self.in_order {
                    let want = numbered(sender as u64, self.next[sender]);
                    assert_eq!(seq, want, "lost, doubled or reordered");
                    assert_eq!(check, expected(self.len, seq, self.touch), "wrong content");
                }
                self.next[sender] += 1;
            }
        }
        check
    }
}

impl Handler<Word> for Sink {
    async fn handle(&mut self, word: Word, cx: &mut Context<Self>) -> u64 {
        self.take(&word.bytes, cx)
    }
}

impl Handler<Words> for Sink {
    async fn handle(&mut self, words: Words, cx: &mut Context<Self>) -> u64 {
        self.take(&words.bytes, cx)
    }
}

impl Handler<Line> for Sink {
    async fn handle(&mut self, line: Line, cx: &mut Context<Self>) -> u64 {
        self.take(&line.bytes, cx)
    }
}

impl Handler<Block> for Sink {
    async fn handle(&mut self, block: Lease<Block>, cx: &mut Context<Self>) -> u64 {
        self.take(&block, cx)
    }
}

/// One request of `len` bytes, written by `write`.
#[inline(always)]
pub async fn ask(sink: &Addr<Sink>, len: usize, write: impl FnOnce(&mut [u8])) -> u64 {
    match len {
        8 => {
            let mut word = Word::zeroed();
            write(&mut word.bytes);
            sink.ask(word).await.unwrap()
        }
        64 => {
            let mut line = Line::zeroed();
            write(&mut line.bytes);
            sink.ask(line).await.unwrap()
        }
        _ => {
            let mut block = sink.loan_timeout::<Block>(len, secs(5)).await.unwrap();
            write(&mut block);
            sink.ask(block).await.unwrap()
        }
    }
}

/// One message of `len` bytes, one way.
#[inline(always)]
pub async fn tell(sink: &Addr<Sink>, len: usize, write: impl FnOnce(&mut [u8])) {
    match len {
        8 => {
            let mut word = Word::zeroed();
            write(&mut word.bytes);
            sink.tell(word).await.unwrap()
        }
        32 => {
            let mut words = Words::zeroed();
            write(&mut words.bytes);
            sink.tell(words).await.unwrap()
        }
        64 => {
            let mut line = Line::zeroed();
            write(&mut line.bytes);
            sink.tell(line).await.unwrap()
        }
        _ => {
            let mut block = sink.loan_timeout::<Block>(len, secs(5)).await.unwrap();
            write(&mut block);
            sink.tell(block).await.unwrap()
        }
    }
}

/// Messages of `len` bytes, told together: the number and the touch of each.
pub async fn tell_all(sink: &Addr<Sink>, len: usize, messages: impl Iterator<Item = (u64, Touch)>) {
    let sent = match len {
        8 => {
            let words = messages.map(|(seq, touch)| {
                let mut word = Word::zeroed();
                write_payload(&mut word.bytes, seq, touch);
                word
            });
            sink.tell_all(words).await.is_ok()
        }
        32 => {
            let words = messages.map(|(seq, touch)| {
                let mut words = Words::zeroed();
                write_payload(&mut words.bytes, seq, touch);
                words
            });
            sink.tell_all(words).await.is_ok()
        }
        64 => {
            let lines = messages.map(|(seq, touch)| {
                let mut line = Line::zeroed();
                write_payload(&mut line.bytes, seq, touch);
                line
            });
            sink.tell_all(lines).await.is_ok()
        }
        _ => {
            let blocks = messages.map(|(seq, touch)| {
                let mut block = sink.loan::<Block>(len).unwrap();
                write_payload(&mut block, seq, touch);
                block
            });
            sink.tell_all(blocks).await.is_ok()
        }
    };
    assert!(sent, "the sink has ended");
}
