//! Answers that are left to others, each in a process of its own: the fate of an ask whose handler has ended when somebody dies.
//!
//! One cell of the table in `docs/fate.md`: a row says who has the way back, a column who ends. It prints how often it was played, and
//! what became of the ask each time.

use std::collections::BTreeSet;
use std::pin::Pin;

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use ringway::prelude::*;
use ringway::{AskError, ChildProcess};

use super::delegating::{Answer, Blow, Commission, Delegate, Office, Pass, Waited, What};
use super::{begin, has_children};
use crate::Outcome;
use crate::actors::{Began, Witness};

/// How often a cell is played.
const TIMES: u64 = 100;

type Room = ChildProcess<Office>;
type Asking = Pin<Box<dyn Future<Output = &'static str>>>;

/// What the ask is about.
enum Question {
    Delegate(Delegate),
    Pass(Pass),
}

impl Question {
    /// The first of these gets it, and the last, if there is one, the way back.
    fn new(row: &str, last: Option<&Room>, witness: &Recipient<Began>) -> Self {
        let witness = witness.clone();
        match row {
            "forwarded" => {
                let way = last.map(|last| last.addr().recipient());
                let way = way.into_iter().collect();
                Self::Pass(Pass::new(way, What::Keep, witness))
            }
            _ => {
                let way = last.map(|last| last.addr().recipient());
                Self::Delegate(Delegate::new(way.into_iter().collect(), witness))
            }
        }
    }

    fn ask(self, office: Addr<Office>, again: Again) -> Asking {
        macro_rules! ask {
            ($message:expr) => {
                Box::pin(async move {
                    let ask = office.ask($message).deadline(secs(100));
                    match again {
                        Again::No => word(ask.await),
                        Again::Yes => word(ask.redeliver(3).await),
                    }
                })
            };
        }
        match self {
            Self::Delegate(delegate) => ask!(delegate),
            Self::Pass(pass) => ask!(pass),
        }
    }

    /// The same, of another process.
    fn commission(self, office: &Addr<Office>) -> Commission {
        match self {
            Self::Delegate(delegate) => Commission::Delegate(office.recipient(), delegate),
            Self::Pass(pass) => Commission::Pass(office.recipient(), pass),
        }
    }
}

/// Whether the ask is to be redelivered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    Yes,
}

fn word<M>(answer: Result<u64, AskError<M>>) -> &'static str {
    match answer {
        Ok(_) => "delivered",
        Err(AskError::Died {
            taken: true,
            message: None,
            ..
        }) => "returned as taken",
        Err(AskError::Died {
            taken: false,
            message: Some(_),
            ..
        }) => "returned",
        Err(other) => panic!("{other}"),
    }
}

pub(super) async fn play(node: Node) -> Outcome {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [row, column] = words.as_slice() else {
        return Err("answers ROW COLUMN".into());
    };
    let (said, mut hears) = unbounded();
    let witness = node.spawn(Witness(said))?.recipient();
    let word = match column.as_str() {
        "restart" => {
            let once = restarts(&node, row, &witness, &mut hears, Again::No).await?;
            let again = restarts(&node, row, &witness, &mut hears, Again::Yes).await?;
            format!("{once}; with `redeliver`: {again}")
        }
        _ => ends(&node, row, column, &witness, &mut hears)
            .await?
            .to_owned(),
    };
    assert!(!has_children());
    println!("{TIMES} {word}");
    Ok(())
}

async fn office(node: &Node, kept: &mut Option<Room>) -> Result<Room, SpawnProcessError> {
    match kept.take() {
        Some(office) => Ok(office),
        None => node.spawn_process::<Office>("office").await,
    }
}

/// One of them ends; those that do not play again.
async fn ends(
    node: &Node,
    row: &str,
    column: &str,
    witness: &Recipient<Began>,
    hears: &mut UnboundedReceiver<u64>,
) -> Outcome<&'static str> {
    let mut found = BTreeSet::new();
    let (mut firsts, mut lasts, mut askers) = (None, None, None);
    for round in 0..TIMES {
        let first = office(node, &mut firsts).await?;
        let last = match row {
            "deferred" => None,
            _ => Some(office(node, &mut lasts).await?),
        };
        let holder = last.as_ref().unwrap_or(&first);
        let question = Question::new(row, last.as_ref(), witness);
        let (asker, mut asking) = match column {
            "sender killed" => {
                let asker = office(node, &mut askers).await?;
                let commission = question.commission(&first.addr());
                asker.addr().tell(commission).await?;
                (Some(asker), None)
            }
            _ => {
                let mut asking = question.ask(first.addr().pinned(), Again::No);
                begin(&mut asking);
                (None, Some(asking))
            }
        };
        assert_eq!(hears.next().await, Some(u64::from(holder.pid())), "{round}");
        match column {
            "graceful stop" => first.stop(),
            "panic" => first.addr().tell(Blow { number: round }).await?,
            "process killed" => first.kill(),
            "last one killed" => last.iter().for_each(ChildProcess::kill),
            "sender killed" => asker.iter().for_each(ChildProcess::kill),
            other => return Err(format!("no column {other}").into()),
        }
        found.insert(match asking.take() {
            Some(asking) => asking.await,
            // Its handler has ended. Who has the way back learns that nobody waits, if it is in the process that owes the answer.
            None => {
                let is_known = row != "delegated";
                while is_known && holder.addr().ask(Waited).await? > 0 {
                    std::thread::yield_now();
                }
                let waited = holder.addr().ask(Answer(round)).await?;
                assert_eq!(waited, u64::from(!is_known), "{round}");
                "delivered"
            }
        });
        // Who is left goes on; what it answers, it answers in vain.
        let (is_first, is_last) = (column != "last one killed", column == "last one killed");
        if column == "sender killed" {
            asker.expect("it asked").exited().await;
            (firsts, lasts) = (Some(first), last);
            continue;
        }
        if let Some(last) = last {
            match is_last {
                true => drop(last.exited().await),
                false => {
                    last.addr().ask(Answer(round)).await?;
                    lasts = Some(last);
                }
            }
        }
        match is_first {
            true => drop(first.exited().await),
            false => firsts = Some(first),
        }
    }
    for left in [firsts, lasts, askers].into_iter().flatten() {
        left.stop();
        left.exited().await;
    }
    assert_eq!(found.len(), 1, "not always the same: {found:?}");
    Ok(found.first().copied().unwrap_or_default())
}

/// The first one panics, and its supervisor starts it again: its address follows it.
async fn restarts(
    node: &Node,
    row: &str,
    witness: &Recipient<Began>,
    hears: &mut UnboundedReceiver<u64>,
    again: Again,
) -> Outcome<&'static str> {
    let tree = Supervisor::one_for_one()
        .intensity(u32::MAX, secs(1000))
        .backoff(ms(0)..ms(0))
        .child(Child::process::<Office>("office"))
        .start(node)
        .await?;
    let first: Addr<Office> = tree.addr("office").await?;
    let last = match row {
        "deferred" => None,
        _ => Some(office(node, &mut None).await?),
    };
    let mut found = BTreeSet::new();
    for round in 0..TIMES {
        let question = Question::new(row, last.as_ref(), witness);
        let mut asking = question.ask(first.clone(), again);
        // It may have to wait until the child has been started again.
        let began = match select(hears.next(), &mut asking).await {
            Either::Left((began, _)) => began,
            Either::Right((word, _)) => return Err(format!("{round}: {word} at once").into()),
        };
        first.tell(Blow { number: round }).await?;
        if again == Again::Yes {
            // The next life has it.
            let begins = hears.next().await;
            assert_eq!(began == begins, last.is_some(), "{round}");
            let holder = last.as_ref().map_or(first.clone(), |last| last.addr());
            assert!(holder.ask(Answer(round)).await? > 0, "{round}");
            let word = asking.await;
            assert_eq!(word, "delivered", "{round}");
            found.insert("redelivered");
        } else {
            found.insert(asking.await);
            if let Some(last) = &last {
                last.addr().ask(Answer(round)).await?;
            }
        }
    }
    tree.stop();
    tree.closed().await;
    if let Some(last) = last {
        last.stop();
        last.exited().await;
    }
    assert_eq!(found.len(), 1, "not always the same: {found:?}");
    Ok(found.first().copied().unwrap_or_default())
}
