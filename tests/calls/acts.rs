//! A watched act among others: a node that it talks to, and what must be true afterwards.

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex};

use std::thread::{self, JoinHandle};

use ringway::prelude::*;
use rustix::process::Signal;

use super::listener::{Desk, Event, Plan, watch};
use crate::helper::{Helper, wait_until};
use crate::messages::{Record, Sink, Small, bulk};
use crate::support::Bus;

/// A test of each act that a process may do on a bus.
macro_rules! each_act {
    ($test:ident: $($act:ident)*) => {
        $(
            #[test]
            fn $act() {
                let _watchdog = $crate::support::watch();
                $test(stringify!($act));
            }
        )*
    };
    ($test:ident) => {
        $crate::calls::acts::each_act!(
            $test: attach detach open tell grow serve claim release publish subscribe
        );
    };
}
pub(crate) use each_act;

/// The others: a node with an actor, a publisher and a subscriber.
pub(crate) struct Others {
    bus: Bus,
    desk: Desk,
    node: Node,
    _sink: Addr<Sink>,
    _records: Receiver<Record>,
    publisher: Publisher<Small>,
    subscriber: Mutex<Subscriber<Small>>,
}

impl Others {
    pub(crate) fn new(name: &str) -> Self {
        let bus = Bus::new(name);
        let node = bus.attach("others"); // which makes the directory
        let desk = Desk::new(&bus);
        let (log, records) = channel();
        let sink = Sink::new(move |record| log.send(record).unwrap_or_default());
        let sink = node.actor(sink).name("sink").spawn().unwrap();
        let publisher = node
            .topic::<Small>("heard")
            .unwrap()
            .publisher()
            .wait()
            .unwrap();
        let subscriber = node
            .topic::<Small>("watched")
            .unwrap()
            .subscriber()
            .drop_oldest()
            .wait()
            .unwrap();
        Self {
            bus,
            desk,
            node,
            _sink: sink,
            _records: records,
            publisher,
            subscriber: Mutex::new(subscriber),
        }
    }

    /// The calls of an act that nobody hits; none, and says so, where a process may not be watched.
    pub(crate) fn calls_of(&self, act: &'static str) -> Option<Vec<i64>> {
        match self.begin(act, None) {
            Ok(mut watched) => {
                assert_eq!(watched.outcome(self), Outcome::Done, "{act}");
                let calls = watched.end();
                self.are_well();
                Some(calls)
            }
            Err(why) => {
                println!("not run: no process may be watched by seccomp here: {why}");
                None
            }
        }
    }

    /// Starts an act, of which one call is hit.
    pub(crate) fn begin(&self, act: &'static str, plan: Plan) -> Result<Watched, String> {
        let directory = self.bus.directory().to_str().unwrap().to_owned();
        let helper = Helper::start(&self.bus, &["watched", act, &directory]);
        let listener = self.desk.receive()?;
        Ok(Watched::new(helper, listener, plan))
    }

    /// Asserts that nothing of the dead is left, that the accounts balance, and that somebody new is served as ever.
    pub(crate) fn are_well(&self) {
        wait_until(|| self.node.peers().is_empty());
        let mut looks = 0_u32;
        wait_until(|| {
            let accounts = self.node.accounts();
            let is_balanced = accounts.check().is_ok() && accounts.is_quiet();
            looks += 1;
            if !is_balanced && looks.is_multiple_of(100_000) {
                eprintln!("{:?}: {accounts:?}", accounts.check());
            }
            is_balanced
        });
        self.serve_a_newcomer();
        // Nobody holds the names of the dead.
        for name in ["claimed", "served"] {
            let again = self
                .node
                .actor(Sink::new(|_| {}))
                .name(name)
                .spawn()
                .unwrap();
            let _ = futures::executor::block_on(again.stop_by(StopLadder::default()));
        }
        self.publisher.publish(Small { number: 1 }).wait().unwrap();
        while self.subscriber.lock().unwrap().try_next().is_some() {}
    }

    /// Asserts that a node that attaches now talks with the others.
    pub(crate) fn serve_a_newcomer(&self) {
        let newcomer = self.bus.attach("newcomer");
        let sink: Addr<Sink> = newcomer.lookup("sink").within(secs(100)).wait().unwrap();
        let answer = sink
            .ask(Small { number: 7 })
            .deadline(secs(100))
            .wait()
            .unwrap();
        assert_eq!(answer, 7);
        newcomer.detach();
    }
}

/// Asks the one who serves for something, unless that is over before it was found.
fn ask_for_service(node: &Node, is_over: &AtomicBool) {
    let served = loop {
        match node.lookup::<Addr<Sink>>("served").within(ms(10)).wait() {
            Ok(found) => break found.pinned(),
            Err(_) if is_over.load(Relaxed) => return,
            Err(_) => {}
        }
    };
    // It may be gone at any moment.
    let _ = served.tell(Small { number: 0 }).wait();
    let _ = served.tell(bulk(&served, 1, 600)).wait();
    let _ = served.tell(bulk(&served, 2, 70_000)).wait();
}

/// A process whose calls are looked at.
pub(crate) struct Watched {
    helper: Helper,
    lines: Receiver<String>,
    events: Receiver<Event>,
    threads: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// How an act went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused(String),
    /// The process is dead.
    Died,
}

impl Watched {
    fn new(mut helper: Helper, listener: OwnedFd, plan: Plan) -> Self {
        let (send, events) = channel();
        let victim = helper.pid();
        let watcher = thread::spawn(move || watch(&listener, victim, plan, &send));
        let output = helper.take_output();
        let (say, lines) = channel();
        let reader = thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = say.send(line);
            }
        });
        Self {
            helper,
            lines,
            events,
            threads: vec![watcher, reader],
            is_over: Arc::default(),
        }
    }

    /// Waits until the act is over, in one way or another.
    pub(crate) fn outcome(&mut self, others: &Others) -> Outcome {
        while let Ok(line) = self.lines.recv() {
            if let Some(outcome) = self.take(&line, others) {
                return outcome;
            }
        }
        Outcome::Died
    }

    /// Waits until the planned call was hit, and says which it was; nothing if the act was over without it.
    pub(crate) fn struck(&mut self, others: &Others) -> Option<i64> {
        loop {
            match self.events.try_recv() {
                Ok(Event::Struck(call)) => return Some(call),
                Ok(Event::Over(_)) | Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => thread::yield_now(),
            }
            if let Ok(line) = self.lines.try_recv()
                && self.take(&line, others).is_some()
            {
                return None;
            }
        }
    }

    /// Does what a line of the helper wants, or says how the act went.
    fn take(&mut self, line: &str, others: &Others) -> Option<Outcome> {
        match line.strip_prefix("refused: ") {
            Some(why) => Some(Outcome::Refused(why.to_owned())),
            None if line == "serves" => {
                let (node, is_over) = (others.node.clone(), Arc::clone(&self.is_over));
                let asker = thread::spawn(move || ask_for_service(&node, &is_over));
                self.threads.push(asker);
                None
            }
            None => {
                assert_eq!(line, "done");
                Some(Outcome::Done)
            }
        }
    }

    pub(crate) fn helper(&self) -> &Helper {
        &self.helper
    }

    /// Ends the process as it wants to end, and says which calls it made in its act.
    pub(crate) fn end(mut self) -> Vec<i64> {
        drop(self.helper.take_input());
        self.calls()
    }

    /// Kills the process, and says which calls it had made in its act.
    pub(crate) fn kill(self) -> Vec<i64> {
        self.helper.signal(Signal::KILL);
        self.calls()
    }

    fn calls(self) -> Vec<i64> {
        // Relaxed: says nothing but itself.
        self.is_over.store(true, Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let last = self.events.iter().last();
        let Some(Event::Over(calls)) = last else {
            panic!("{last:?}");
        };
        calls
    }
}
