use ringway::prelude::*;

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = 7)]
#[repr(C)]
struct Add {
    amount: u64,
}

#[derive(Message, Clone, Copy, Pod, Zeroable)]
#[message(move, id = 7)]
#[repr(C)]
struct Remove {
    amount: u64,
}

#[derive(Actor)]
#[actor(handles(Add, Remove))]
struct Counter;

impl Handler<Add> for Counter {
    async fn handle(&mut self, _add: Add, _cx: &mut Context<Self>) {}
}

impl Handler<Remove> for Counter {
    async fn handle(&mut self, _remove: Remove, _cx: &mut Context<Self>) {}
}

fn main() {}
