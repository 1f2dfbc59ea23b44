use ringway::prelude::*;

#[derive(Message, Serialize, Deserialize)]
#[message(serial)]
#[serde(crate = "ringway::serde")]
struct Secret(String);

#[derive(Actor)]
#[actor(handles(u64, Secret), redeliver = 3)]
struct Safe;

impl Handler<u64> for Safe {
    async fn handle(&mut self, _: u64, _cx: &mut Context<Self>) {}
}

impl Handler<Secret> for Safe {
    async fn handle(&mut self, _: Secret, _cx: &mut Context<Self>) {}
}

fn main() {}
