//! Actors, in this process and over a uring of another node: the same address, the same outcomes.

use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Message, Serialize, Deserialize, Debug, PartialEq)]
#[message(serial, reply = String)]
struct Say {
    text: String,
}

#[derive(Message)]
#[message(copy, reply = u64)]
#[repr(transparent)]
struct Frame([u8]);

#[derive(Actor, Default)]
#[actor(handles(Add, Say, Frame))]
struct Counter {
    total: u64,
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _cx: &mut Context<Self>) -> u64 {
        assert_ne!(add.amount, 66_666, "the beast");
        self.total += add.amount;
        self.total
    }
}

impl Handler<Say> for Counter {
    async fn handle(&mut self, say: Say, _cx: &mut Context<Self>) -> String {
        say.text.to_uppercase()
    }
}

impl Handler<Frame> for Counter {
    async fn handle(&mut self, frame: Lease<Frame>, _cx: &mut Context<Self>) -> u64 {
        frame.iter().map(|b| u64::from(*b)).sum()
    }
}

fn directory(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("rw-smoke-{}-{name}", std::process::id()))
}

#[test]
fn local() {
    let node = Node::attach(NodeConfig::on("demo").directory(directory("local"))).unwrap();
    let counter = node.spawn(Counter::default()).unwrap();
    block_on(async {
        counter.tell(Add { amount: 1 }).await.unwrap();
        assert_eq!(counter.ask(Add { amount: 41 }).await.unwrap(), 42);
        assert_eq!(
            counter
                .ask(Say {
                    text: "hello".into()
                })
                .await
                .unwrap(),
            "HELLO"
        );
        let mut frame = counter.loan::<Frame>(1000).unwrap();
        frame.fill(2);
        assert_eq!(counter.ask(frame).await.unwrap(), 2000);
        println!("{:?}", counter.ask(Add { amount: 66_666 }).await);
        println!("{:?}", counter.closed().await);
        println!("{:?}", counter.ask(Add { amount: 1 }).await);
    });
}

#[test]
fn remote() {
    let a = Node::attach(
        NodeConfig::on("demo")
            .named("a")
            .directory(directory("remote")),
    )
    .unwrap();
    let b = Node::attach(
        NodeConfig::on("demo")
            .named("b")
            .directory(directory("remote")),
    )
    .unwrap();
    let _counter = a.actor(Counter::default()).name("counter").spawn().unwrap();
    block_on(async {
        let counter: Addr<Counter> = b.lookup("counter").await.unwrap();
        counter.tell(Add { amount: 1 }).await.unwrap();
        assert_eq!(counter.ask(Add { amount: 41 }).await.unwrap(), 42);
        assert_eq!(
            counter
                .ask(Say {
                    text: "hello".into()
                })
                .await
                .unwrap(),
            "HELLO"
        );
        let long = "x".repeat(10_000);
        assert_eq!(counter.ask(Say { text: long }).await.unwrap().len(), 10_000);
        let mut frame = counter.loan::<Frame>(100_000).unwrap();
        frame.fill(2);
        assert_eq!(counter.ask(frame).await.unwrap(), 200_000);
        for i in 0..10_000 {
            counter.tell(Add { amount: i }).await.unwrap();
        }
        assert_eq!(
            counter.ask(Add { amount: 0 }).await.unwrap(),
            42 + 9_999 * 5_000
        );
        println!("{:?}", counter.ask(Add { amount: 66_666 }).await);
        println!("{:?}", counter.closed().await);
        println!("{:?}", counter.ask(Add { amount: 1 }).await);
    });
}
