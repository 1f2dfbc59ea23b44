//! What an actor can have beside its messages: futures and streams that run beside it, an idle timeout, a thread of its own.
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod support;

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::{poll, stream};
use ringway::prelude::*;
use ringway::test::{Gate, Journal, Pen, TestBus, TestClock};

use support::watch;

/// What a host is asked to do.
#[derive(Message, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[message(serial, reply = String)]
#[serde(crate = "ringway::serde")]
enum Act {
    /// A future that is never ready.
    PipeForever,
    PipePanic,
    /// Waits for what it has a future beside it do.
    WaitForPipe,
    /// So many items, each of which its handler waits at the gate for.
    Attach(u32),
    DropPipe,
    IdleTimeout(u64),
    WhenIdle(u64),
    Tick,
    Panic,
    ThreadName,
    /// Holds the thread until the test lets go.
    Block,
    /// Asks another actor of its node, and blocks on it.
    AskFriend,
}

#[derive(Message, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Came(String);

#[derive(Message, Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
struct Item(u32);

#[derive(Actor)]
#[actor(handles(Act, Came, Item))]
struct Host {
    log: Pen<String>,
    gate: Gate,
    asked: Arc<AtomicU32>,
    /// Beside what it runs for ever, while that is there.
    held: Arc<()>,
    pipe: Option<PipeId>,
    block: mpsc::Receiver<()>,
    friend: Option<Addr<Host>>,
}

/// The test's side.
struct Guest {
    log: Journal<String>,
    gate: Gate,
    asked: Arc<AtomicU32>,
    held: Arc<()>,
    block: mpsc::Sender<()>,
}

fn host() -> (Host, Guest) {
    let ((heard, log), gate) = (Journal::new(), Gate::new());
    let (asked, held) = (Arc::default(), Arc::default());
    let (lets_go, block) = mpsc::channel();
    let host = Host {
        log,
        gate: gate.clone(),
        asked: Arc::clone(&asked),
        held: Arc::clone(&held),
        pipe: None,
        block,
        friend: None,
    };
    let guest = Guest {
        log: heard,
        gate,
        asked,
        held,
        block: lets_go,
    };
    (host, guest)
}

impl Guest {
    fn so_far(&self) -> Vec<String> {
        self.log.so_far()
    }
}

impl Handler<Act> for Host {
    async fn handle(&mut self, act: Act, cx: &mut Context<Self>) -> String {
        match act {
            Act::PipeForever => {
                let held = Arc::clone(&self.held);
                let future = async move {
                    let _held = held;
                    pending::<()>().await;
                };
                self.pipe = Some(cx.pipe(future, |()| Came("never".to_owned())));
            }
            Act::PipePanic => {
                cx.pipe(async { panic!("beside") }, |()| Came(String::new()));
            }
            Act::WaitForPipe => {
                let (sender, receiver) = oneshot::channel();
                let future = async move { sender.send("from beside").unwrap() };
                cx.pipe(future, |()| Came("done".to_owned()));
                return receiver.await.unwrap().to_owned();
            }
            Act::Attach(count) => {
                let asked = Arc::clone(&self.asked);
                let items = stream::iter(0..count).map(move |number| {
                    asked.fetch_add(1, Relaxed);
                    Item(number)
                });
                self.pipe = Some(cx.attach_then(items, Came("the end".to_owned())));
            }
            Act::DropPipe => {
                let pipe = self.pipe.unwrap();
                return format!("{} {}", cx.drop_pipe(pipe), cx.drop_pipe(pipe));
            }
            Act::IdleTimeout(seconds) => cx.idle_timeout(secs(seconds)),
            Act::WhenIdle(seconds) => {
                cx.when_idle(secs(seconds), || Came("idle".to_owned()));
            }
            Act::Tick => drop(cx.interval(secs(1), || Came("tick".to_owned()))),
            Act::Panic => panic!("as asked"),
            Act::ThreadName => {
                return std::thread::current().name().unwrap_or("none").to_owned();
            }
            Act::Block => {
                self.log.write("blocks".to_owned());
                let _ = self.block.recv();
            }
            Act::AskFriend => {
                let friend = self.friend.as_ref().unwrap();
                return friend.ask(Act::ThreadName).wait().unwrap();
            }
        }
        String::new()
    }
}

impl Handler<Came> for Host {
    async fn handle(&mut self, came: Came, _cx: &mut Context<Self>) {
        self.log.write(came.0);
    }
}

impl Handler<Item> for Host {
    async fn handle(&mut self, item: Item, _cx: &mut Context<Self>) {
        self.log.write(item.0.to_string());
        self.gate.pass().await;
    }
}

struct Stage {
    clock: TestClock,
    node: Node,
    _bus: TestBus,
}

fn stage() -> Stage {
    let (bus, clock) = (TestBus::new(), TestClock::new());
    let node = Node::attach(bus.config("stage").clock(&clock)).unwrap();
    Stage {
        clock,
        node,
        _bus: bus,
    }
}

fn ask(host: &Addr<Host>, act: Act) -> String {
    host.ask(act).wait().unwrap()
}

// Goal: a future beside an actor goes on while a handler waits, and what it results in comes as a message.
#[test]
fn a_future_runs_beside_its_actor() {
    let (_dog, stage) = (watch(), stage());
    let (made, guest) = host();
    let host = stage.node.actor(made).mailbox(1).spawn().unwrap();
    assert_eq!(ask(&host, Act::WaitForPipe), "from beside");
    stage.node.quiescent().wait();
    assert_eq!(guest.so_far(), ["done"]);
}

// Goal: however an actor ends, what runs beside it is dropped before the end is known.
#[test]
fn nothing_outlives_its_actor() {
    let (_dog, stage) = (watch(), stage());
    for way in 0..4 {
        let (made, guest) = host();
        let host = stage.node.spawn(made).unwrap();
        for _ in 0..3 {
            ask(&host, Act::PipeForever);
        }
        stage.node.quiescent().wait();
        assert_eq!(Arc::strong_count(&guest.held), 5);
        match way {
            0 => host.stop(),
            1 => host.kill(),
            2 => drop(host.ask(Act::Panic).wait().unwrap_err()),
            _ => drop(host.ask(Act::PipePanic).wait()),
        }
        let reason = block_on(host.closed());
        assert_eq!(Arc::strong_count(&guest.held), 1, "{way}: {reason}");
        if way == 3 {
            assert_eq!(reason, ExitReason::Panicked("beside".to_owned()));
        }
    }
}

// Goal: what is dropped gives nothing more, and its future is gone.
#[test]
fn a_pipe_can_be_dropped() {
    let (_dog, stage) = (watch(), stage());
    let (made, guest) = host();
    let host = stage.node.spawn(made).unwrap();
    ask(&host, Act::PipeForever);
    assert_eq!(ask(&host, Act::DropPipe).split(' ').next(), Some("true"));
    stage.node.quiescent().wait();
    assert_eq!(Arc::strong_count(&guest.held), 2);
    // The first item is handled, and the second lies there.
    ask(&host, Act::Attach(5));
    stage.clock.advance(secs(0)).wait();
    block_on(async {
        let mut drops = pin!(host.ask(Act::DropPipe));
        assert!(poll!(&mut drops).is_pending());
        guest.gate.let_one_pass();
        assert!(drops.await.unwrap().starts_with("true"));
    });
    stage.node.quiescent().wait();
    assert_eq!(guest.so_far(), ["0"]);
}

// Goal: a stream is asked for no more than one item beyond the one that is handled; all come in order, and then its end.
#[test]
fn a_stream_gives_one_item_at_a_time() {
    let (_dog, stage) = (watch(), stage());
    let (made, guest) = host();
    let host = stage.node.spawn(made).unwrap();
    ask(&host, Act::Attach(4));
    for handled in 1..=4 {
        stage.clock.advance(secs(0)).wait();
        assert_eq!(guest.so_far(), [(handled - 1).to_string()]);
        assert_eq!(guest.asked.load(Relaxed), (handled + 1).min(4));
        guest.gate.let_one_pass();
    }
    stage.node.quiescent().wait();
    assert_eq!(guest.so_far(), ["the end"]);
}

// Goal: an actor to which nobody sends anything stops after its time, whatever its own timers do; each message begins it anew.
#[test]
fn an_idle_actor_stops() {
    let (_dog, stage) = (watch(), stage());
    let (made, _guest) = host();
    let host = stage.node.spawn(made).unwrap();
    ask(&host, Act::IdleTimeout(10));
    ask(&host, Act::Tick);
    for _ in 0..3 {
        stage.clock.advance(Duration::from_millis(9_900)).wait();
        assert!(!host.is_closed());
        ask(&host, Act::ThreadName);
    }
    stage.clock.advance(secs(10)).wait();
    assert_eq!(block_on(host.closed()), ExitReason::Normal);
    assert_eq!(stage.clock.elapsed(), Duration::from_millis(39_700));
}

// Goal: instead of stopping it can be told, each time that it was idle for so long; a handler that takes long is not idle.
#[test]
fn an_idle_actor_is_told() {
    let (_dog, stage) = (watch(), stage());
    let (made, guest) = host();
    let host = stage.node.spawn(made).unwrap();
    ask(&host, Act::WhenIdle(10));
    stage.clock.advance(secs(25)).wait();
    assert_eq!(guest.so_far(), ["idle", "idle"]);
    host.tell(Item(7)).wait().unwrap();
    stage.clock.advance(secs(100)).wait();
    assert_eq!(guest.so_far(), ["7"]);
    guest.gate.let_one_pass();
    stage.clock.advance(secs(9)).wait();
    assert_eq!(guest.so_far(), Vec::<String>::new());
    stage.clock.advance(secs(1)).wait();
    assert_eq!(guest.so_far(), ["idle"]);
}

/// Whether a thread of this process has that name.
fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|it| std::fs::read_to_string(it.ok()?.path().join("comm")).ok());
    names.into_iter().any(|it| it.trim() == name)
}

// Goal: an actor with a thread of its own may block, also on its own node, and holds up none of that; the thread goes with it.
#[test]
fn an_actor_on_its_own_thread_may_block() {
    let _dog = watch();
    let bus = TestBus::new();
    let node = bus.attach("node").unwrap();
    let (friend, _friends) = host();
    let friend = node.spawn(friend).unwrap();
    let (mut made, guest) = host();
    made.friend = Some(friend.clone());
    let own = node.actor(made).name("threadful").own_thread();
    let own = own.spawn().unwrap();
    assert_eq!(ask(&own, Act::ThreadName), "threadful");
    assert!(has_thread("threadful"));
    assert_eq!(ask(&own, Act::AskFriend), "ringway-driver");
    block_on(async {
        let mut blocks = pin!(own.ask(Act::Block));
        assert!(poll!(&mut blocks).is_pending());
        assert_eq!(friend.ask(Act::ThreadName).await.unwrap(), "ringway-driver");
        guest.block.send(()).unwrap();
        blocks.await.unwrap();
    });
    // Timers and what runs beside it work as for any other.
    assert_eq!(ask(&own, Act::WaitForPipe), "from beside");
    own.stop();
    assert_eq!(block_on(own.closed()), ExitReason::Stopped);
    drop(node);
    assert!(!has_thread("threadful"));
}

// Goal: a supervisor starts an actor with a thread again as any other, and its monitors hear of it.
#[test]
fn an_actor_on_its_own_thread_is_supervised() {
    let _dog = watch();
    let bus = TestBus::new();
    let node = bus.attach("node").unwrap();
    let child = Child::actor("own", || host().0)
        .name("own-again")
        .own_thread();
    let tree = Supervisor::one_for_one().backoff(ms(1)..ms(1)).child(child);
    let tree = tree.start(&node).wait().unwrap();
    for _ in 0..3 {
        let own: Addr<Host> = tree.addr("own").wait().unwrap();
        assert_eq!(ask(&own, Act::ThreadName), "own-again");
        own.tell(Act::Panic).wait().unwrap();
        assert!(matches!(block_on(own.closed()), ExitReason::Panicked(_)));
    }
}

// Goal: a node leaves though an actor does not come back from a call, and leaves that one behind.
#[test]
fn a_blocked_thread_does_not_hold_up_its_node() {
    let _dog = watch();
    let bus = TestBus::new();
    let node = bus.attach("node").unwrap();
    let (made, guest) = host();
    let own = node.actor(made).name("stuck").own_thread().spawn().unwrap();
    own.tell(Act::Block).wait().unwrap();
    assert_eq!(guest.log.next().wait(), "blocks");
    drop(node);
    assert!(has_thread("stuck") && !own.is_closed());
    guest.block.send(()).unwrap();
    block_on(own.closed());
}
