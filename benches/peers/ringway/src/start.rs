//! W5: the first message between two processes that start at the same moment.

use futures::channel::oneshot;
use ringway::prelude::*;

#[derive(Actor)]
#[actor(handles(u64))]
struct First(Option<oneshot::Sender<()>>);

impl Handler<u64> for First {
    async fn handle(&mut self, _word: u64, _cx: &mut Context<Self>) {
        if let Some(arrived) = self.0.take() {
            let _ = arrived.send(());
        }
    }
}

pub fn meet(id: &str, recv: bool) {
    let node = Node::attach(NodeConfig::on(id).directory(std::env::temp_dir().join("ringway-w5"))).unwrap();
    if recv {
        let (sender, arrived) = oneshot::channel();
        let _first = node.actor(First(Some(sender))).name("first").spawn().unwrap();
        block_on(arrived).unwrap();
        // The process prints the time; the node says goodbye afterwards, which is not part of it.
        std::mem::forget(node);
    } else {
        let first: Recipient<u64> = block_on(async { node.lookup("first").within(secs(5)).await.unwrap() });
        block_on(async { first.tell(1).await.unwrap() });
        std::thread::sleep(secs(5));
    }
}
