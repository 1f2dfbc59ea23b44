//! What becomes of what children write.

use std::io::Read;

use futures::channel::mpsc::{UnboundedSender, unbounded};
use ringway::prelude::*;
use ringway::{ExitReason, OutputStream};

use crate::Outcome;
use crate::prober::{Deed, Prober, Write};

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
struct Watch(Addr<Prober>);

/// Hears of deaths.
#[derive(Actor)]
#[actor(handles(Watch, Down))]
struct Ear(UnboundedSender<Down>);

impl Handler<Watch> for Ear {
    async fn handle(&mut self, Watch(who): Watch, cx: &mut Context<Self>) {
        cx.monitor(&who);
    }
}

impl Handler<Down> for Ear {
    async fn handle(&mut self, down: Down, _cx: &mut Context<Self>) {
        self.0.unbounded_send(down).ok();
    }
}

fn write(to_error: bool, text: &str, times: u32) -> Write {
    Write {
        to_error,
        text: text.to_owned(),
        times,
    }
}

pub(super) async fn lines(node: Node) -> Outcome {
    let (said, mut lines) = unbounded();
    let take = move |line: &ringway::OutputLine<'_>| {
        assert_eq!((line.role, line.missed), ("prober", 0));
        let line = (line.pid, line.stream, line.text.to_owned());
        said.unbounded_send(line).expect("it listens");
    };
    let output = Output::lines(take);
    let child = node
        .spawn_process::<Prober>("prober")
        .stdout(output.clone())
        .stderr(output)
        .await?;
    let prober = child.addr();
    let next = [
        (false, "one\ntwo\n", vec!["one", "two"]),
        (true, "thr", vec![]),
        (true, "ee\n\nfo\u{fc}r\n", vec!["three", "", "fo\u{fc}r"]),
        (false, "the end", vec![]),
    ];
    for (to_error, text, expected) in next {
        prober.ask(write(to_error, text, 1)).await?;
        let stream = if to_error {
            OutputStream::Stderr
        } else {
            OutputStream::Stdout
        };
        for text in expected {
            let line = lines.next().await;
            assert_eq!(line, Some((child.pid(), stream, text.to_owned())));
        }
    }
    child.stop();
    let line = lines.next().await;
    let last = (child.pid(), OutputStream::Stdout, "the end".to_owned());
    assert_eq!(line, Some(last), "a line without an end");
    assert_eq!(lines.next().await, None, "nothing holds the taker any more");

    // Nobody gets it, and nobody waits.
    let null = node
        .spawn_process::<Prober>("prober")
        .stderr(Output::null());
    let null = null.stdout(Output::null()).await?;
    null.addr()
        .ask(write(true, &"x".repeat(1 << 20), 1))
        .await?;
    null.addr()
        .ask(write(false, &"x".repeat(1 << 20), 1))
        .await?;
    assert_eq!(null.stderr_tail(), "");

    let detached = node.spawn_process::<Prober>("prober").detached();
    let error = detached
        .stdout(Output::lines(|_| ()))
        .await
        .expect_err("no");
    assert!(matches!(error, SpawnProcessError::Option { .. }), "{error}");
    Ok(())
}

/// The last 4 KiB of a dead child's standard error come with its end: of the handle, of a supervisor's children, of a start.
pub(super) async fn tails(node: Node) -> Outcome {
    let child = node
        .spawn_process::<Prober>("prober")
        .stderr(Output::lines(|_| ()))
        .await?;
    let filling = "0123456789abcdef".repeat(1024);
    child.addr().ask(write(true, &filling, 5)).await?;
    child.addr().ask(write(true, "my last words", 1)).await?;
    let (said, mut hears) = unbounded();
    let ear = node.spawn(Ear(said))?;
    ear.ask(Watch(child.addr())).await?;
    child.addr().tell(Deed::Abort).await?;
    assert_eq!(child.exited().await, ExitReason::ProcessSignaled(6));
    let tail = child.stderr_tail();
    assert_eq!(tail.len(), 4096);
    let expected = filling + "my last words";
    assert_eq!(tail, expected[expected.len() - 4096..]);
    // Who monitors it here has them too, also who asks later.
    for _ in 0..2 {
        let down = hears.next().await.expect("a `Down`");
        assert_eq!(down.reason, ExitReason::ProcessSignaled(6));
        assert_eq!(down.stderr_tail, tail);
        ear.ask(Watch(child.addr())).await?;
    }

    // A panic where a panic is the process's death.
    let tree = Supervisor::one_for_one()
        .backoff(ms(1)..ms(2))
        .child(Child::process::<Prober>("prober"))
        .start(&node)
        .await?;
    let prober: Addr<Prober> = tree.addr("prober").await?;
    prober.tell(Deed::PanicAndAbort).await?;
    assert_eq!(prober.closed().await, ExitReason::ProcessSignaled(6));
    while tree.which_children()[0].starts == 1 {
        std::thread::yield_now();
    }
    let info = tree.which_children().remove(0);
    assert_eq!(info.last_exit, Some(ExitReason::ProcessSignaled(6)));
    assert!(info.last_stderr.contains("as asked, for all"), "{info:?}");
    let again: Addr<Prober> = tree.addr("prober").await?;
    again.ask(write(true, "", 1)).await?;

    // Who gives up says them.
    let below = || {
        Supervisor::one_for_one()
            .intensity(0, secs(60))
            .child(Child::process::<Prober>("prober"))
    };
    let tree = Supervisor::one_for_one()
        .child(Child::supervisor("below", below).temporary())
        .start(&node)
        .await?;
    let below = tree.supervisor("below").await?;
    let prober: Addr<Prober> = below.addr("prober").await?;
    prober.tell(Deed::PanicAndAbort).await?;
    let ExitReason::GaveUp(why) = below.closed().await else {
        panic!("it gives up");
    };
    let first = "more than 0 restarts within 60s; the last to end was \"prober\" (life 1): \
                 its process was ended by signal 6; its last words: ";
    assert!(
        why.starts_with(first) && why.contains("as asked, for all"),
        "{why}"
    );

    let no_role = node
        .spawn_process::<Prober>("prober")
        .executable("/bin/sh")
        .command_line(["-c", "echo no such luck >&2; exit 4"]);
    match no_role.await {
        Err(SpawnProcessError::Ended { reason, stderr, .. }) => {
            assert_eq!(reason, ExitReason::ProcessExited(4));
            assert_eq!(stderr, "no such luck\n");
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// Writes what this process's own standard error has no room for; and more once somebody says that there is room.
pub(super) async fn inherited(node: Node) -> Outcome {
    let child = node.spawn_process::<Prober>("prober").await?;
    let line = "x".repeat(1023) + "\n";
    child
        .addr()
        .ask(write(true, "the first words\n", 1))
        .await?;
    child.addr().ask(write(true, &line, 1024)).await?;
    println!("written");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    child.addr().ask(write(true, "the last words\n", 1)).await?;
    child.stop();
    child.exited().await;
    assert!(child.stderr_tail().ends_with("x\nthe last words\n"));
    Ok(())
}
