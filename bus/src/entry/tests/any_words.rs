//! Goal: whatever a peer writes is refused, or leads to bytes within its own segment; never a panic.
//! Method: random words, often near where things break, over random segment tables.

use super::*;

/// xorshift64*, by George Marsaglia and Sebastiano Vigna: numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<const N: usize>(&mut self, values: [u64; N]) -> u64 {
        values[usize::try_from(self.below(N as u64)).unwrap()]
    }

    /// Often a value where things break.
    fn edge(&mut self, near: u64) -> u64 {
        match self.below(5) {
            0 => self.next(),
            1 => u64::MAX - self.below(130),
            2 => near.wrapping_add(self.below(130)).wrapping_sub(65),
            3 => self.below(near.max(1)) & !63,
            _ => self.below(256),
        }
    }
}

#[test]
fn any_words_are_refused_or_within_bounds() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let segments: Vec<_> = (1..4)
        .map(|pages| OwnSegment::create("random", pages * 4096).unwrap())
        .collect();
    let mut mapped = Mapped::default();
    for (index, segment) in segments.iter().enumerate() {
        let key = Key::first(u32::try_from(index).unwrap());
        mapped.regions.insert(key, segment.region().read_only());
    }
    let mut accepted = 0;
    for round in 0..200_000 {
        mapped.trust = if round % 2 == 0 {
            Trust::Cooperative
        } else {
            Trust::Untrusted
        };
        let segment_len = 4096 * (1 + random.below(3));
        let mut words: EntryWords = core::array::from_fn(|_| random.edge(segment_len));
        if random.below(2) == 0 {
            words[2] = random.pick([1, 2, 3, 16])
                | random.below(2) << 6
                | random.below(5) << 8
                | random.below(5) << 16
                | random.below(34) << 24;
            words[3] = Key::first(u32::try_from(random.below(4)).unwrap()).to_bits();
        }
        let entry = EntryToken::from_words(words);
        let _ = (
            format!("{entry:?}"),
            entry.op(),
            entry.deadline(),
            entry.has_more(),
        );
        let _ = EntryToken::unseal(words, Beside::Nothing);
        let Ok(verified) = entry.verify_lent(Expected::Any, &mapped, None) else {
            continue;
        };
        accepted += 1;
        check_place(&verified, &segments);
        decode_as_anything(verified);
    }
    assert!(
        accepted > 5_000,
        "{accepted} accepted: the test looks at too little"
    );
}

/// The token lies within the segment that it names, and the bytes there too, unless they were copied.
fn check_place(verified: &Verified, segments: &[OwnSegment]) {
    let token = verified.token();
    assert_eq!(token.len(), verified.bytes().len() as u64);
    let Place::Block { segment, offset } = token.place() else {
        assert!(token.len() <= 32);
        return;
    };
    let region = segments[segment.index() as usize].region();
    assert!(offset.checked_add(token.len()).unwrap() <= region.len());
    let start = verified.bytes().as_ptr().addr();
    let base = region.as_ptr().addr().get();
    assert!(
        start == base + usize::try_from(offset).unwrap()
            || !(base..base + usize::try_from(region.len()).unwrap()).contains(&start)
    );
}

/// A payload that claims to be of a type is a value of it or an error.
fn decode_as_anything(verified: Verified) {
    fn receive<M: Message + ?Sized>(token: Token, payload: &Arc<Payload>) {
        let payload = Payload::whole(Held::Shared(Arc::clone(payload)));
        let _ = M::Semantics::receive(Verified::own(token, payload).retyped::<M>());
    }
    let (token, payload) = verified.into_parts();
    let payload = Arc::new(payload);
    receive::<Position>(token, &payload);
    receive::<Text>(token, &payload);
    receive::<Frame>(token, &payload);
    receive::<BytesMessage<u64>>(token, &payload);
    receive::<CopyMessage<char>>(token, &payload);
    receive::<Vec<Option<(u8, String)>>>(token, &payload);
    receive::<[bool; 7]>(token, &payload);
}
