//! What a message carries: a sequence number in its first eight bytes, and that number's lowest byte in as many of the
//! others as are touched. The receiver tells from it alone whether the message is the next one, and whole.

/// How much of a payload is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Its first eight bytes and its last are written and read: the transport alone.
    Ends,
    /// All bytes are written, the ends read.
    Fill,
    /// All bytes are written, all are summed.
    Sum,
}

impl Touch {
    pub(crate) const ALL: [Self; 3] = [Self::Ends, Self::Fill, Self::Sum];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|touch| touch.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::Fill => "fill",
            Self::Sum => "sum",
        }
    }
}

/// Bits of a sequence number that count; those above say who sent it.
const COUNT_BITS: u32 = 48;

/// The sequence number of a sender's message.
#[inline]
pub(crate) fn sequence(sender: usize, number: u64) -> u64 {
    (sender as u64) << COUNT_BITS | number
}

/// Sender and number of a sequence number.
#[inline]
pub(crate) fn parts(sequence: u64) -> (u64, u64) {
    (sequence >> COUNT_BITS, sequence & ((1 << COUNT_BITS) - 1))
}

/// Writes a payload of eight bytes or more.
#[inline]
pub(crate) fn write(bytes: &mut [u8], sequence: u64, touch: Touch) {
    let shade = sequence.to_le_bytes()[0];
    match bytes.last_mut() {
        Some(last) if touch == Touch::Ends => *last = shade,
        _ => bytes.fill(shade),
    }
    if let Some(first) = bytes.first_chunk_mut() {
        *first = sequence.to_le_bytes();
    }
}

/// The sequence number, and what the reply must carry: [`expected`] if the payload is whole.
#[inline]
pub(crate) fn read(bytes: &[u8], touch: Touch) -> (u64, u64) {
    let sequence = word(bytes.first_chunk());
    let is_torn = bytes.len() > 8 && bytes.last() != sequence.to_le_bytes().first();
    let check = match touch {
        _ if is_torn => !expected(bytes.len(), sequence, touch),
        Touch::Sum => sum(bytes),
        Touch::Ends | Touch::Fill => expected(bytes.len(), sequence, touch),
    };
    (sequence, check)
}

/// What the reply to a payload must carry.
#[inline]
pub(crate) fn expected(len: usize, sequence: u64, touch: Touch) -> u64 {
    if touch != Touch::Sum {
        return sequence.rotate_left(7) ^ len as u64;
    }
    let shades = u64::from_le_bytes([sequence.to_le_bytes()[0]; 8]);
    sequence.wrapping_add(shades.wrapping_mul((len / 8 - 1) as u64))
}

/// The sum of the payload's words.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.iter().fold(0, |sum: u64, bytes| {
        sum.wrapping_add(u64::from_le_bytes(*bytes))
    })
}

#[inline]
fn word(bytes: Option<&[u8; 8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        for len in [8, 32, 64, 4096] {
            for touch in Touch::ALL {
                let mut bytes = vec![0; len];
                let sequence = sequence(3, 0x1234);
                write(&mut bytes, sequence, touch);
                let (found, check) = read(&bytes, touch);
                assert_eq!(parts(found), (3, 0x1234));
                // With the ends alone the words between are what they were: nothing to sum.
                if touch != Touch::Ends {
                    assert_eq!(check, expected(len, sequence, touch), "{len} {touch:?}");
                }
            }
        }
    }

    #[test]
    fn what_was_changed_is_noticed() {
        let mut bytes = vec![0; 64];
        write(&mut bytes, 5, Touch::Sum);
        bytes[33] ^= 1;
        assert_ne!(read(&bytes, Touch::Sum).1, expected(64, 5, Touch::Sum));
        write(&mut bytes, 5, Touch::Fill);
        bytes[63] ^= 1;
        for touch in Touch::ALL {
            assert_ne!(read(&bytes, touch).1, expected(64, 5, touch));
        }
    }
}
