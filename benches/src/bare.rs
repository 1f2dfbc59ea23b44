//! The floors of `ask` and `tell`: the same payloads, written, read and checked alike, through the bare ring.

use std::time::Instant;

use crate::Result;
use crate::clock::ticks;
use crate::figures::Ticks;
use crate::options::{Burden, Mode, Options};
use crate::pair::{Other, Teller};
use crate::payload::{self, Touch};
use crate::ring::{Link, Shape, Writer};
use crate::series::Series;

/// What the answering process is told: `ring PATH BYTES SLOTS BURDEN MODE TOUCH ask|tell`, where 0 slots are as many as usual.
pub(crate) const RING: &str = "ring";

/// Ends a series; no message has this number.
const STOP: u64 = u64::MAX;
/// Messages between two looks at the clock; large ones take long enough by themselves.
const STRETCH: u64 = 256;
const STRETCH_LARGE: u64 = 4;

/// What was sent one way, and in which time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    pub(crate) n: u64,
    pub(crate) seconds: f64,
}

/// Messages to send between two looks at the clock.
pub(crate) fn stretch(bytes: usize) -> u64 {
    if bytes <= 4096 {
        STRETCH
    } else {
        STRETCH_LARGE
    }
}

/// Round trips: a payload there, eight bytes back.
pub(crate) fn ask(
    other: &mut Other,
    mode: Mode,
    (bytes, touch): (usize, Touch),
    options: &Options,
) -> Result<Ticks> {
    let mut link = begin(other, mode, (bytes, touch), options, "ask")?;
    let mut series = Series::new(mode, options);
    while let Some(number) = series.next() {
        let from = ticks();
        link.out.send(bytes, |it| payload::write(it, number, touch));
        let reply = link.back.receive(word);
        series.took(ticks() - from);
        if reply != payload::expected(bytes, number, touch) {
            return Err(format!("the bare ring answered {number} with {reply}").into());
        }
    }
    end(&mut link, other, series.made())?;
    Ok(series.into_ticks())
}

/// A stream one way.
pub(crate) fn tell(
    other: &mut Other,
    mode: Mode,
    (bytes, touch): (usize, Touch),
    options: &Options,
) -> Result<Stream> {
    let mut link = begin(other, mode, (bytes, touch), options, "tell")?;
    let mut sent = 0;
    let mut stream = |writer: &mut Writer, budget| {
        let (start, first) = (Instant::now(), sent);
        while start.elapsed() < budget {
            for number in sent..sent + stretch(bytes) {
                writer.send(bytes, |it| payload::write(it, number, touch));
            }
            sent += stretch(bytes);
        }
        (start, first)
    };
    stream(&mut link.out, options.budget / 5);
    let (start, first) = stream(&mut link.out, options.budget);
    let until = end(&mut link, other, sent)?;
    Ok(Stream {
        n: sent - first,
        seconds: (until - start).as_secs_f64(),
    })
}

fn begin(
    other: &mut Other,
    mode: Mode,
    (bytes, touch): (usize, Touch),
    options: &Options,
    what: &str,
) -> Result<Link> {
    let (slots, burden) = (options.slots, options.burden);
    let link = Link::create(Shape::of(bytes, slots), mode, burden)?;
    let (slots, burden) = (slots.unwrap_or(0), burden.name());
    let (path, mode, touch) = (link.path(), mode.name(), touch.name());
    other.tell(&format!(
        "{RING} {path} {bytes} {slots} {burden} {mode} {touch} {what}"
    ))?;
    other.ready()?;
    Ok(link)
}

/// Stops the other side, which must have found as many messages in order and whole as were sent. Returns when it had.
fn end(link: &mut Link, other: &mut Other, sent: u64) -> Result<Instant> {
    link.out.send(8, |it| payload::write(it, STOP, Touch::Ends));
    let found = link.back.receive(word);
    let until = Instant::now();
    match other.hear()? {
        said if said == "done" && found == sent => Ok(until),
        said => Err(format!("the bare ring passed {found} of {sent}: {said}").into()),
    }
}

/// The answering side.
pub(crate) fn serve(words: &[&str], teller: &mut Teller) -> Result<()> {
    let [path, bytes, slots, burden, mode, touch, what] = words else {
        return Err(format!("{RING} {words:?}").into());
    };
    let (mode, touch) = (Mode::named(mode), Touch::named(touch));
    let (mode, touch) = mode.zip(touch).ok_or("no such mode or touch")?;
    let burden = Burden::named(burden).ok_or("no such burden")?;
    let bytes: usize = bytes.parse()?;
    let slots = Some(slots.parse()?).filter(|slots| *slots > 0);
    let mut link = Link::open(path, Shape::of(bytes, slots), mode, burden)?;
    teller.say(crate::pair::READY)?;
    let (mut next, mut is_right) = (0, true);
    loop {
        let (number, check) = link.back.receive(|it| payload::read(it, touch));
        if number == STOP {
            break;
        }
        is_right &= number == next && check == payload::expected(bytes, number, touch);
        next += 1;
        if *what == "ask" {
            link.out
                .send(8, |it| it.copy_from_slice(&check.to_le_bytes()));
        }
    }
    link.out
        .send(8, |it| it.copy_from_slice(&next.to_le_bytes()));
    teller.say(if is_right {
        "done"
    } else {
        "some were out of order, or changed"
    })
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
