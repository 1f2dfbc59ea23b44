//! Addresses between parents and children: whoever made them and wherever they have been, those of one actor are equal.

use std::collections::HashSet;

use ringway::ActorId;
use ringway::prelude::*;

use crate::Outcome;

/// An address in both forms, with the name under which its actor can be looked up.
#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial, reply = Pair)]
pub(crate) struct Keep {
    name: String,
    pair: Pair,
}

#[derive(Message, Serialize, Deserialize, Clone)]
#[message(serial)]
pub(crate) struct Pair {
    keeper: Addr<Keeper>,
    pings: Recipient<Ping>,
    /// The actor's id as the process had it that made this.
    seen_as: String,
}

/// Asks for what another keeper keeps.
#[derive(Message, Serialize, Deserialize)]
#[message(serial, reply = Pair)]
pub(crate) struct Fetch {
    name: String,
    from: Addr<Keeper>,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move)]
pub(crate) struct Ping;

/// Asks for the keeper's own address.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Pair)]
pub(crate) struct Own;

/// Asks for what it keeps.
#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = Option<Pair>)]
pub(crate) struct Give;

#[derive(Actor, Default)]
#[actor(handles(Keep, Fetch, Ping, Own, Give))]
pub(crate) struct Keeper {
    kept: Option<Pair>,
}

impl Pair {
    fn of(keeper: &Addr<Keeper>) -> Self {
        Self {
            keeper: keeper.clone(),
            pings: keeper.into(),
            seen_as: format!("{:?}", keeper.id()),
        }
    }
}

/// The addresses are equal and hash alike, whatever each is made of.
fn assert_one<'a>(pairs: impl IntoIterator<Item = &'a Pair>) {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let ids = pairs.iter().flat_map(|it| [it.keeper.id(), it.pings.id()]);
    assert_eq!(ids.collect::<HashSet<ActorId>>().len(), 1);
    for pair in &pairs {
        assert_eq!(pair.seen_as, format!("{:?}", pairs[0].keeper.id()));
    }
    let keepers: Vec<_> = pairs.iter().map(|it| &it.keeper).collect();
    let pings: Vec<_> = pairs.iter().map(|it| &it.pings).collect();
    assert!(keepers.iter().all(|it| *it == keepers[0]), "{keepers:?}");
    assert!(pings.iter().all(|it| *it == pings[0]), "{pings:?}");
    assert_eq!(keepers.into_iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(pings.into_iter().collect::<HashSet<_>>().len(), 1);
}

/// What a name is looked up as.
async fn found(node: &Node, name: &str) -> Pair {
    let keeper: Addr<Keeper> = node.lookup(name).await.expect("it runs");
    let pings: Recipient<Ping> = node.lookup(name).await.expect("it runs");
    let (keeper, pings) = (keeper.pinned(), pings.pinned());
    Pair {
        pings,
        ..Pair::of(&keeper)
    }
}

impl Handler<Keep> for Keeper {
    async fn handle(&mut self, keep: Keep, cx: &mut Context<Self>) -> Pair {
        let found = found(&cx.node(), &keep.name).await;
        assert_one([&keep.pair, &found]);
        if cx.name() == Some(&keep.name) {
            assert_one([&found, &Pair::of(&cx.addr())]);
        }
        self.kept = Some(keep.pair);
        found
    }
}

impl Handler<Fetch> for Keeper {
    async fn handle(&mut self, fetch: Fetch, cx: &mut Context<Self>) -> Pair {
        let fetched = fetch.from.ask(Give).await.expect("it runs");
        let fetched = fetched.expect("it keeps one");
        assert_one([&fetched, &found(&cx.node(), &fetch.name).await]);
        fetched
    }
}

impl Handler<Ping> for Keeper {
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}

impl Handler<Own> for Keeper {
    async fn handle(&mut self, _: Own, cx: &mut Context<Self>) -> Pair {
        Pair::of(&cx.addr())
    }
}

impl Handler<Give> for Keeper {
    async fn handle(&mut self, _: Give, _: &mut Context<Self>) -> Option<Pair> {
        self.kept.clone()
    }
}

/// Three processes, an actor in each. Every address of each goes to every process, from each of the others.
#[expect(
    clippy::mutable_key_type,
    reason = "what can change is no part of an address's identity"
)]
pub(super) async fn addresses(node: Node) -> Outcome {
    let spawn = |name: &str| node.spawn_process::<Keeper>("keeper").name(name);
    let (one, two) = (spawn("one").await?, spawn("two").await?);
    let home = node.actor(Keeper::default()).name("home").spawn()?;
    let (in_one, in_two) = (one.addr(), two.addr());
    let keepers = [("home", &home), ("one", &in_one), ("two", &in_two)];
    for (name, keeper) in keepers {
        let known = HashSet::from([keeper.clone()]);
        let mut all = vec![Pair::of(keeper), found(&node, name).await];
        all.push(keeper.ask(Own).await?);
        for (_, other) in keepers {
            let (name, pair) = (name.to_owned(), Pair::of(keeper));
            all.push(other.ask(Keep { name, pair }).await?);
            all.push(other.ask(Give).await?.expect("kept a moment ago"));
        }
        for (third, asked) in keepers {
            for (other, from) in keepers.iter().filter(|(other, _)| *other != third) {
                let (name, from) = (name.to_owned(), (*from).clone());
                let fetched = asked.ask(Fetch { name, from }).await;
                all.push(fetched.map_err(|error| format!("{third} of {other}: {error}"))?);
            }
        }
        assert_one(&all);
        assert!(all.iter().all(|it| known.contains(&it.keeper)));
        all[all.len() - 1].pings.ask(Ping).await?;
    }
    assert_ne!(in_one, in_two);
    assert_ne!(home, in_one);
    Ok(())
}
