//! W1 and W3 over topics, as the rivals' publish/subscribe does them (`common::work`): a `Wire` of two topics, 'down' from the client to
//! every server and 'up' back.
//!
//! Samples wait for their subscribers (the default), each of which has room for as many as a rival's.

use crate::sink::{Block, Line, Word};
use common::*;
use futures::StreamExt;
use ringway::prelude::*;
use std::cell::RefCell;
use std::future::Future;
use std::task::Poll;

thread_local! {
    /// What the next node of this process is to be, left by `plan` before the fork.
    static PLANNED: RefCell<Option<Cfg>> = const { RefCell::new(None) };
    static NODE: RefCell<Option<Node>> = const { RefCell::new(None) };
}

/// Where messages of one length go: 8 and 64 bytes are values, larger ones are lent.
enum Out {
    Words(Publisher<Word>),
    Lines(Publisher<Line>),
    Blocks(Publisher<Block>),
}

enum Inp {
    Words(Subscriber<Word>),
    Lines(Subscriber<Line>),
    Blocks(Subscriber<Block>),
}

pub struct Topics {
    out: Out,
    inp: Inp,
}


impl Topics {
    async fn open(cfg: &Cfg, out: &str, out_len: usize, inp: &str, inp_len: usize) -> Self {
        let node = NODE.with_borrow(|node| node.clone().expect("`run` attaches it"));
        let depth = cfg.depth() as u32;
        macro_rules! subscribe {
            ($m:ty) => {
                node.topic::<$m>(inp).unwrap().subscriber().depth(depth).within(secs(20)).await.unwrap()
            };
        }
        macro_rules! publish {
            ($m:ty) => {
                node.topic::<$m>(out).unwrap().publisher().samples(depth).within(secs(20)).await.unwrap()
            };
        }
        let inp = match inp_len {
            8 => Inp::Words(subscribe!(Word)),
            64 => Inp::Lines(subscribe!(Line)),
            _ => Inp::Blocks(subscribe!(Block)),
        };
        let out = match out_len {
            8 => Out::Words(publish!(Word)),
            64 => Out::Lines(publish!(Line)),
            _ => Out::Blocks(publish!(Block)),
        };
        Topics { out, inp }
    }
}

impl Wire for Topics {
    const NAME: &'static str = "ringway-topics";
    type Plan = ();

    fn plan(cfg: &Cfg) {
        PLANNED.set(Some(cfg.clone()));
    }

    async fn client((): (), cfg: &Cfg) -> Self {
        Topics::open(cfg, "down", cfg.len, "up", 8).await
    }

    async fn server((): (), cfg: &Cfg) -> Self {
        Topics::open(cfg, "up", 8, "down", cfg.len).await
    }

    #[inline(always)]
    async fn send(&mut self, len: usize, write: impl FnOnce(&mut [u8])) {
        match &self.out {
            Out::Words(out) => {
                let mut word = Word::zeroed();
                write(&mut word.bytes[..len]);
                out.publish(word).await.unwrap();
            }
            Out::Lines(out) => {
                let mut line = Line::zeroed();
                write(&mut line.bytes[..len]);
                out.publish(line).await.unwrap();
            }
            Out::Blocks(out) => {
                let mut block = out.loan(len).unwrap();
                write(&mut block);
                out.publish(block).await.unwrap();
            }
        }
    }

    #[inline(always)]
    async fn recv<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> R {
        match &mut self.inp {
            Inp::Words(inp) => read(&inp.next().await.expect("the node stays").bytes),
            Inp::Lines(inp) => read(&inp.next().await.expect("the node stays").bytes),
            Inp::Blocks(inp) => read(&inp.next().await.expect("the node stays")),
        }
    }

    async fn nap() {
        std::thread::sleep(NAP);
        Self::relax().await;
    }

    /// Who waits drives the node meanwhile.
    async fn relax() {
        let mut is_over = false;
        std::future::poll_fn(|cx| match std::mem::replace(&mut is_over, true) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
    }

    fn run<F: Future>(fut: F) -> F::Output {
        let cfg = PLANNED.take().expect("planned before the fork");
        let node = crate::wire::attach(&cfg);
        NODE.set(Some(node.clone()));
        let out = node.run_until(fut);
        NODE.set(None);
        out
    }
}
