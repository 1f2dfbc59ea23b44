//! Numbered messages that travel in every way, and an actor that logs what it handles.
//!
//! The helper and the tests are two programs, so the messages have names of their own.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use ringway::prelude::*;

/// Inline, as is its reply.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(name = "deaths.small", move, reply = u64)]
#[repr(C)]
pub(crate) struct Small {
    pub(crate) number: u64,
}

/// Inline; its reply is a block.
#[derive(Message, Clone, Copy, Debug, Pod, Zeroable)]
#[message(name = "deaths.wish", move, reply = Vec<u8>)]
#[repr(C)]
pub(crate) struct Wish {
    pub(crate) number: u64,
}

/// Filled with its number's low byte; travels inline, behind its entry or in a block, as its length wants.
#[derive(Message, Serialize, Deserialize, Clone, Debug)]
#[message(name = "deaths.line", serial, reply = u64)]
#[serde(crate = "ringway::serde")]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Pod, Zeroable, Schema)]
#[repr(C)]
pub(crate) struct Number {
    pub(crate) number: u64,
}

/// A block, filled with its number's low byte; its reply is inline.
#[derive(Message)]
#[message(name = "deaths.bulk", copy, header = Number, reply = u64)]
#[repr(transparent)]
pub(crate) struct Bulk([u8]);

/// A block, and so is its reply.
#[derive(Message)]
#[message(name = "deaths.bulkwish", copy, header = Number, reply = Vec<u8>)]
#[repr(transparent)]
pub(crate) struct BulkWish([u8]);

/// Bytes of a reply that fits in no entry.
pub(crate) const REPLY_LEN: usize = 700;

/// Leases that an actor keeps unless told otherwise.
const KEEPS: usize = 8;

/// What the actor says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The first thing that a handler does.
    Began,
    /// The last.
    Ended,
    /// Its bytes were not those that were sent.
    Spoilt,
}

/// One line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) mark: Mark,
    pub(crate) number: u64,
}

impl Record {
    pub(crate) const LEN: usize = 8;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        (self.number << 2 | self.mark as u64).to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let word = u64::from_le_bytes(bytes);
        let mark = match word & 3 {
            0 => Mark::Began,
            1 => Mark::Ended,
            _ => Mark::Spoilt,
        };
        Self {
            mark,
            number: word >> 2,
        }
    }
}

/// Logs the beginning and the end of every handler.
#[derive(Actor)]
#[actor(handles(Small, Wish, Line, Bulk, BulkWish))]
pub(crate) struct Sink {
    log: Box<dyn FnMut(Record) + Send>,
    held: VecDeque<Lease<Bulk>>,
    /// Leases that it keeps after their handlers have ended.
    keeps: usize,
}

impl Sink {
    pub(crate) fn new(log: impl FnMut(Record) + Send + 'static) -> Self {
        Self::keeping(KEEPS, log)
    }

    pub(crate) fn keeping(keeps: usize, log: impl FnMut(Record) + Send + 'static) -> Self {
        Self {
            log: Box::new(log),
            held: VecDeque::new(),
            keeps,
        }
    }

    fn log(&mut self, mark: Mark, number: u64) {
        (self.log)(Record { mark, number });
    }

    fn begin(&mut self, number: u64, bytes: &[u8]) {
        self.log(Mark::Began, number);
        if bytes.iter().any(|byte| *byte != filling(number)) {
            self.log(Mark::Spoilt, number);
        }
    }

    /// Takes a while, another one for each number, and lets others run in some.
    async fn work(&mut self, number: u64) {
        for _ in 0..number.wrapping_mul(0x9E37_79B9) % 701 {
            std::hint::spin_loop();
        }
        if number.is_multiple_of(7) {
            yield_once().await;
        }
    }
}

/// Lets others run.
pub(crate) async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the bytes of a message are.
pub(crate) fn filling(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// A line of 40 to 600 bytes, another length for each number.
pub(crate) fn line(number: u64) -> Line {
    let len = 40 + usize::try_from(number.wrapping_mul(0x9E37_79B9) % 561).expect("a length");
    let bytes = vec![filling(number); len];
    Line { number, bytes }
}

/// A block on its way to `addr`.
pub(crate) fn bulk(addr: &Addr<Sink>, number: u64, len: usize) -> Loan<Bulk> {
    let mut bulk = addr.loan::<Bulk>(len).expect("the heap is large enough");
    bulk.header_mut().number = number;
    bulk.fill(filling(number));
    bulk
}

/// A block on its way to `addr` that asks for another.
pub(crate) fn bulk_wish(addr: &Addr<Sink>, number: u64, len: usize) -> Loan<BulkWish> {
    let mut wish = addr
        .loan::<BulkWish>(len)
        .expect("the heap is large enough");
    wish.header_mut().number = number;
    wish.fill(filling(number));
    wish
}

impl Handler<Small> for Sink {
    async fn handle(&mut self, small: Small, _cx: &mut Context<Self>) -> u64 {
        self.begin(small.number, &[]);
        self.work(small.number).await;
        self.log(Mark::Ended, small.number);
        small.number
    }
}

impl Handler<Wish> for Sink {
    async fn handle(&mut self, wish: Wish, _cx: &mut Context<Self>) -> Vec<u8> {
        self.begin(wish.number, &[]);
        self.work(wish.number).await;
        self.log(Mark::Ended, wish.number);
        vec![filling(wish.number); REPLY_LEN]
    }
}

impl Handler<Line> for Sink {
    async fn handle(&mut self, line: Line, _cx: &mut Context<Self>) -> u64 {
        self.begin(line.number, &line.bytes);
        self.work(line.number).await;
        self.log(Mark::Ended, line.number);
        line.number
    }
}

impl Handler<Bulk> for Sink {
    async fn handle(&mut self, bulk: Lease<Bulk>, _cx: &mut Context<Self>) -> u64 {
        let number = bulk.header().number;
        self.begin(number, &bulk);
        self.work(number).await;
        // It is checked again when it gives way, much later: a lent block does not change.
        self.held.push_back(bulk);
        if self.held.len() > self.keeps {
            let oldest = self.held.pop_front().expect("more than none");
            let old = oldest.header().number;
            if oldest.iter().any(|byte| *byte != filling(old)) {
                self.log(Mark::Spoilt, old);
            }
        }
        self.log(Mark::Ended, number);
        number
    }
}

impl Handler<BulkWish> for Sink {
    async fn handle(&mut self, wish: Lease<BulkWish>, _cx: &mut Context<Self>) -> Vec<u8> {
        let number = wish.header().number;
        self.begin(number, &wish);
        self.work(number).await;
        self.log(Mark::Ended, number);
        vec![filling(number); REPLY_LEN]
    }
}
