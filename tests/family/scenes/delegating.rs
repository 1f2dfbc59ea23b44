//! Answers that other processes are to give, when one of those on the way is killed.

use futures::channel::mpsc::unbounded;
use ringway::prelude::*;

use super::{begin, has_children};
use crate::Outcome;
use crate::actors::{Began, Witness, own_pid};

/// How often each is killed.
const ROUNDS: u64 = 10;

/// What the last of a way does.
#[derive(Serialize, Deserialize, Schema, Clone, Copy)]
pub(crate) enum What {
    Answer,
    /// Says that it began, and waits until its asker gives up; then says so again.
    Wait,
    /// Says that it began, and keeps the way back.
    Keep,
}

/// Is sent on along its way, the next one last.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial, reply = u64)]
pub(crate) struct Pass {
    way: Vec<Recipient<Pass>>,
    what: What,
    witness: Recipient<Began>,
}

/// Gives the next one on its way the way back, which the last one keeps.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial, reply = u64)]
pub(crate) struct Delegate {
    way: Vec<Recipient<Errand>>,
    witness: Recipient<Began>,
}

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
pub(crate) struct Errand {
    way: Vec<Recipient<Errand>>,
    witness: Recipient<Began>,
    reply_to: ReplyTo<u64>,
}

/// Answers all that was kept with this number; replies how many were waited for.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
pub(crate) struct Answer(pub(crate) u64);

/// Asks how many of those that are kept are waited for.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
pub(crate) struct Waited;

/// Its handler panics.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
#[repr(C)]
pub(crate) struct Blow {
    pub(crate) number: u64,
}

/// Has an office ask another one, and wait for its answer.
#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
pub(crate) enum Commission {
    Delegate(Recipient<Delegate>, Delegate),
    Pass(Recipient<Pass>, Pass),
}

impl Pass {
    pub(crate) fn new(way: Vec<Recipient<Pass>>, what: What, witness: Recipient<Began>) -> Self {
        Self { way, what, witness }
    }
}

impl Delegate {
    pub(crate) fn new(way: Vec<Recipient<Errand>>, witness: Recipient<Began>) -> Self {
        Self { way, witness }
    }
}

/// One who passes on, or answers.
#[derive(Actor, Default)]
#[actor(handles(Pass, Delegate, Errand, Answer, Waited, Blow, Commission))]
pub(crate) struct Office(Vec<ReplyTo<u64>>);

impl Handler<Pass, Result<Deferred<u64>, BoxError>> for Office {
    async fn handle(
        &mut self,
        mut pass: Pass,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, BoxError> {
        if let Some(next) = pass.way.pop() {
            return Ok(cx.forward(pass, next).await?);
        }
        match pass.what {
            What::Answer => {}
            What::Wait => {
                pass.witness.tell(own_pid()).await?;
                cx.cancelled().await;
                pass.witness.tell(own_pid()).await?;
            }
            What::Keep => {
                let (reply_to, deferred) = cx.defer();
                self.0.push(reply_to);
                pass.witness.tell(own_pid()).await?;
                return Ok(deferred);
            }
        }
        Ok(Deferred::now(own_pid().pid))
    }
}

impl Handler<Delegate, Result<Deferred<u64>, BoxError>> for Office {
    async fn handle(
        &mut self,
        delegate: Delegate,
        cx: &mut Context<Self>,
    ) -> Result<Deferred<u64>, BoxError> {
        let (reply_to, deferred) = cx.defer();
        let Delegate { way, witness } = delegate;
        self.pass_on(Errand {
            way,
            witness,
            reply_to,
        })
        .await?;
        Ok(deferred)
    }
}

impl Office {
    async fn pass_on(&mut self, mut errand: Errand) -> Result<(), BoxError> {
        if let Some(next) = errand.way.pop() {
            next.tell(errand).await?;
            return Ok(());
        }
        self.0.push(errand.reply_to);
        errand.witness.tell(own_pid()).await?;
        Ok(())
    }
}

impl Handler<Errand, Result<(), BoxError>> for Office {
    async fn handle(&mut self, errand: Errand, _cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.pass_on(errand).await
    }
}

impl Handler<Waited> for Office {
    async fn handle(&mut self, _: Waited, _cx: &mut Context<Self>) -> u64 {
        let waited = self.0.iter().filter(|kept| !kept.is_cancelled()).count();
        waited as u64
    }
}

impl Handler<Blow> for Office {
    async fn handle(&mut self, blow: Blow, _cx: &mut Context<Self>) {
        panic!("as asked, {}", blow.number);
    }
}

impl Handler<Commission, Result<(), BoxError>> for Office {
    async fn handle(
        &mut self,
        commission: Commission,
        _cx: &mut Context<Self>,
    ) -> Result<(), BoxError> {
        match commission {
            Commission::Delegate(to, delegate) => to.ask(delegate).deadline(secs(100)).await?,
            Commission::Pass(to, pass) => to.ask(pass).deadline(secs(100)).await?,
        };
        Ok(())
    }
}

impl Handler<Answer> for Office {
    async fn handle(&mut self, Answer(number): Answer, _cx: &mut Context<Self>) -> u64 {
        let waited = self.0.iter().filter(|kept| !kept.is_cancelled()).count();
        self.0.drain(..).for_each(|kept| kept.send(number));
        waited as u64
    }
}

async fn office(node: &Node) -> Result<ChildProcess<Office>, SpawnProcessError> {
    node.spawn_process::<Office>("office").await
}

fn died(answer: Result<u64, AskError<impl Sized>>) -> ExitReason {
    match answer {
        Err(AskError::Died {
            taken: true,
            message: None,
            reason,
        }) => reason,
        Err(other) => panic!("{other}"),
        Ok(pid) => panic!("answered by {pid}"),
    }
}

/// Whoever is killed on the way of a message that was sent on, its asker hears so, once, and nobody else is troubled.
pub(super) async fn forwarded(node: Node) -> Outcome {
    let (said, mut hears) = unbounded();
    let witness = node.spawn(Witness(said))?.recipient();
    for round in 0..ROUNDS {
        let (first, last) = (office(&node).await?, office(&node).await?);
        let way = vec![last.addr().recipient()];
        let pass = |what| Pass {
            way: way.clone(),
            what,
            witness: witness.clone(),
        };
        let router = first.addr();
        let answer = router.ask(pass(What::Answer)).await?;
        assert_eq!(answer, u64::from(last.pid()), "{round}");

        let mut ask = router.ask(pass(What::Wait)).deadline(secs(100));
        begin(&mut ask);
        assert_eq!(hears.next().await, Some(u64::from(last.pid())));
        let (killed, other) = if round.is_multiple_of(2) {
            (first, last)
        } else {
            (last, first)
        };
        killed.kill();
        let reason = died(ask.await);
        if round.is_multiple_of(2) {
            assert_eq!(reason, ExitReason::ProcessSignaled(9), "{round}");
            // The last one's asker was the first one, and has given up.
            assert_eq!(hears.next().await, Some(u64::from(other.pid())));
        } else {
            // As the first one saw it, whose child it was not.
            assert_eq!(reason, ExitReason::ProcessDied, "{round}");
        }
        let straight = Pass {
            way: Vec::new(),
            ..pass(What::Answer)
        };
        let answer = other.addr().ask(straight).await?;
        assert_eq!(answer, u64::from(other.pid()), "{round}");
        killed.exited().await;
        other.stop();
        other.exited().await;
    }
    assert!(!has_children());
    Ok(())
}

/// The same of a way back in a message, over two processes: the one that owes the answer, the one that passes it on, and the
/// one that has it.
pub(super) async fn delegated(node: Node) -> Outcome {
    let (said, mut hears) = unbounded();
    let witness = node.spawn(Witness(said))?.recipient();
    for round in 0..ROUNDS * 3 {
        let owes = office(&node).await?;
        let (passes, has) = (office(&node).await?, office(&node).await?);
        let delegate = Delegate {
            way: vec![has.addr().recipient(), passes.addr().recipient()],
            witness: witness.clone(),
        };
        let office = owes.addr();
        let mut ask = office.ask(delegate.clone()).deadline(secs(100));
        begin(&mut ask);
        assert_eq!(hears.next().await, Some(u64::from(has.pid())));
        if round.is_multiple_of(4) {
            assert_eq!(has.addr().ask(Answer(round)).await?, 1);
            assert_eq!(ask.await?, round);
            ask = office.ask(delegate).deadline(secs(100));
            begin(&mut ask);
            assert_eq!(hears.next().await, Some(u64::from(has.pid())));
        }
        match round % 3 {
            0 => {
                owes.kill();
                assert_eq!(died(ask.await), ExitReason::ProcessSignaled(9));
                // It answers in vain, which it cannot know.
                assert_eq!(has.addr().ask(Answer(round)).await?, 1);
            }
            1 => {
                has.kill();
                // As the one that owes the answer saw it, whose child it was not.
                assert_eq!(died(ask.await), ExitReason::ProcessDied);
            }
            _ => {
                passes.kill();
                passes.exited().await;
                assert_eq!(has.addr().ask(Answer(round)).await?, 1);
                assert_eq!(ask.await?, round);
            }
        }
        for child in [owes, passes, has] {
            child.kill();
            child.exited().await;
        }
    }
    assert!(!has_children());
    Ok(())
}
