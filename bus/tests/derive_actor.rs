//! Goal: the actors that `#[derive(Actor)]` writes deliver every form of message to its handler, and the reply back.
//! Method: one node, actors in this process; the same letters serve other processes.
#![forbid(unsafe_code)]

use std::num::ParseIntError;
use std::path::PathBuf;

use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = f64)]
#[repr(C)]
struct Matrix {
    cells: [f64; 64],
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = Result<u64, String>)]
#[serde(crate = "ringway::serde")]
struct Parse(String);

#[derive(Message, Clone, Copy, NoUninit, CheckedBitPattern)]
#[message(copy, reply = bool)]
#[repr(u8)]
enum Signal {
    Red = 1,
    Green = 2,
}

#[derive(Message)]
#[message(copy, reply = usize)]
#[repr(transparent)]
struct Frame([u16]);

#[derive(Actor)]
#[actor(handles(Add, Lease<Matrix>, Parse, Signal, Frame, String, [u8; 4]), hooks)]
struct All<T, const N: usize>
where
    T: Default,
{
    total: u64,
    last: T,
}

impl<T: Default + Send + 'static, const N: usize> Hooks for All<T, N> {
    async fn started(
        &mut self,
        _cx: &mut Context<Self>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        Self: Actor,
    {
        self.total = N as u64;
        self.last = T::default();
        Ok(())
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<Add> for All<T, N> {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        self.total += add.amount;
        self.total
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<Lease<Matrix>> for All<T, N> {
    async fn handle(&mut self, matrix: Lease<Matrix>, _cx: &mut Context<Self>) -> f64 {
        matrix.cells.iter().sum()
    }
}

/// The reply itself is a `Result`; the handler fails in a `Result` around it.
impl<T: Default + Send + 'static, const N: usize>
    Handler<Parse, Result<Result<u64, String>, ParseIntError>> for All<T, N>
{
    async fn handle(
        &mut self,
        Parse(text): Parse,
        _cx: &mut Context<Self>,
    ) -> Result<Result<u64, String>, ParseIntError> {
        if text.is_empty() {
            return Ok(Err("nothing to parse".into()));
        }
        text.parse().map(Ok)
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<Signal> for All<T, N> {
    async fn handle(&mut self, signal: Lease<Signal>, _cx: &mut Context<Self>) -> bool {
        matches!(*signal, Signal::Green)
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<Frame> for All<T, N> {
    async fn handle(&mut self, frame: Lease<Frame>, _cx: &mut Context<Self>) -> usize {
        frame.iter().map(|item| usize::from(*item)).sum()
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<String> for All<T, N> {
    async fn handle(&mut self, text: String, _cx: &mut Context<Self>) {
        self.total += text.len() as u64;
    }
}

impl<T: Default + Send + 'static, const N: usize> Handler<[u8; 4]> for All<T, N> {
    async fn handle(&mut self, bytes: [u8; 4], _cx: &mut Context<Self>) {
        self.total += u64::from(bytes[3]);
    }
}

/// A bus of this test's own, gone with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("ringway-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_form_reaches_its_handler() -> Result<(), Box<dyn std::error::Error>> {
    let directory = Directory::new("derive-actor");
    let node = Node::attach(NodeConfig::on("derive").directory(&directory.0))?;
    let actor = node.spawn(All::<Vec<u8>, 7> {
        total: 0,
        last: vec![1],
    })?;
    block_on(async {
        assert_eq!(actor.ask(Add { amount: 3 }).await?, 10);
        assert_eq!(actor.ask(Matrix { cells: [0.5; 64] }).await?, 32.0);
        assert_eq!(actor.ask(Parse("42".into())).await?, Ok(42));
        assert_eq!(
            actor.ask(Parse(String::new())).await?,
            Err("nothing to parse".into())
        );
        let error = actor.ask(Parse("forty-two".into())).await.unwrap_err();
        assert!(
            error.to_string().contains("invalid digit found in string"),
            "{error}"
        );
        assert!(actor.ask(Signal::Green).await?);
        assert!(!actor.ask(Signal::Red).await?);
        let mut frame = actor.loan::<Frame>(100)?;
        frame.fill(2);
        frame.truncate(50);
        assert_eq!(actor.ask(frame).await?, 100);
        actor.tell("four".to_owned()).await?;
        actor.tell([0, 0, 0, 6]).await?;
        assert_eq!(actor.ask(Add { amount: 0 }).await?, 20);
        Ok(())
    })
}
