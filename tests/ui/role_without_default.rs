use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64))]
struct Counter {
    total: u64,
}

impl Handler<u64> for Counter {
    async fn handle(&mut self, amount: u64, _cx: &mut Context<Self>) {
        self.total += amount;
    }
}

fn main() {
    let _roles = Roles::on("demo").actor::<Counter>("counter");
}
