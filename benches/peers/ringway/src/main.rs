//! Ringway on the rivals' workloads. Usage: `ringway-peer WORKLOAD MODE [BYTES]`, `ringway-peer w6 ringway MODE`; JSON lines on standard output.
//!
//! Through its public API, with its defaults and every check on. Messages of 8 bytes travel in the entry, 64 bytes as a
//! value in a block, larger ones are lent and filled in place. Modes:
//! `spin`: each side's only thread drives its node (`Workers::Caller`) and hardly ever sleeps at such a pace;
//! `threads`: nodes as they come, with a thread of their own beside the one that asks;
//! `asleep`: the same, but every message finds both sides long asleep.
//! `w3` and `w1-topics` go over topics; `w4-million` and `w7` (an ask beside idle actors, names and urings) are of Ringway alone.

mod actors;
mod beside;
mod sink;
mod start;
mod topics;
mod wire;

use common::startup;
use common::Touch;
use common::work::{SIZES, STREAMS, ask, fresh, w3};
use std::time::Duration;
use topics::Topics;

/// Messages told together.
const BATCH: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize| args.get(i).map_or("", |s| s.as_str());
    let (workload, mode) = (arg(0), arg(1));
    let ms = Duration::from_millis;
    // A third word names the only size to measure.
    let sized = |len: usize| arg(2).parse().is_ok_and(|only: usize| only == len) || arg(2).is_empty();
    let sizes = SIZES.into_iter().filter(|s| sized(s.0));
    let streams = STREAMS.into_iter().filter(|s| sized(s.0));
    match workload {
        "w1" => {
            for (len, touches) in sizes {
                for &t in touches {
                    fresh(mode, || {
                        wire::ask(mode, len, t, ms(if len <= 4096 { 150 } else { 220 }))
                    });
                }
            }
        }
        "w2" => {
            for (len, touches) in streams {
                for &t in touches {
                    fresh(mode, || wire::stream(mode, len, t, (1, 1), ms(200)));
                }
            }
        }
        "w2-batch" => {
            for (len, _) in streams.filter(|s| s.0 <= 1024) {
                fresh(mode, || {
                    wire::stream(mode, len, Touch::Fill, (1, BATCH), ms(200))
                });
            }
        }
        "w2-senders" => {
            for senders in [1, 2, 4] {
                fresh(mode, || {
                    wire::stream(mode, 8, Touch::Fill, (senders, 1), ms(200))
                });
            }
        }
        "w1-topics" => {
            fresh(mode, || ask::<Topics>(mode, 64, Touch::Fill, ms(150)));
        }
        "w3" => w3::<Topics>(mode),
        "w4" => actors::run(),
        "w4-million" => actors::million(),
        "w7" => {
            for count in [0, beside::CROWD] {
                fresh(mode, || beside::ask(mode, count, ms(300)));
            }
        }
        "w5" => startup::run("ringway", 15, || 0),
        "w5-child" => startup::in_child(&args[1..], |_, id, recv| start::meet(id, recv)),
        // Called as the others are, with the system before the mode.
        "w6" => fresh(mode, || wire::idle(arg(2))),
        _ => panic!("unknown workload {workload}"),
    }
}
