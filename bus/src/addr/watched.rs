//! Addresses as what can be monitored.

use super::{Addr, Inner, Recipient};
use crate::actor::Actor;
use crate::actor::monitor::sealed::{Watchable, Watched};
use crate::message::Message;

impl<A: Actor> Watchable for Addr<A> {
    fn watched(&self) -> Watched {
        let life = self.now();
        let who = life.id();
        match life {
            Inner::Local(cell) => Watched::at_home(who, Box::new(cell)),
            Inner::Remote(end) => Watched::abroad(who, &end),
        }
    }
}

impl<M: Message + ?Sized> Watchable for Recipient<M> {
    fn watched(&self) -> Watched {
        let life = self.now();
        let who = life.id();
        match life {
            Inner::Local(route) => Watched::at_home(who, Box::new(route)),
            Inner::Remote(end) => Watched::abroad(who, &end),
        }
    }
}
