use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, reply = u64)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Actor)]
#[actor(handles(Add))]
struct Counter;

impl Handler<Add, String> for Counter {
    async fn handle(&mut self, _add: Add, _cx: &mut Context<Self>) -> String {
        String::new()
    }
}

fn main() {}
