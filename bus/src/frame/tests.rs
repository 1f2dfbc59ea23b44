//! Frames there and back, damaged, of other builds, and too long.

use ringway_shm::generation::Key;

use super::preamble::BYTE_ORDER;
use super::*;

fn samples() -> Vec<Frame> {
    let name = SegmentName::heap(Key::new(3, 9));
    vec![
        Frame::Hello(Box::new(Hello::sample())),
        Frame::Agreed,
        Frame::Settled,
        Frame::Refuse(Refusal::Duplicate),
        Frame::Segment(Announcement { name, len: 1 << 40 }),
        Frame::SegmentAck(name),
        Frame::SegmentLater(name),
        Frame::Retire(name),
        Frame::Retired(name),
        Frame::NamesChanged,
        Frame::Bell,
        Frame::Uring(UringFrame::encode(&("open", 7_u64)).unwrap()),
        Frame::Leaving,
        Frame::Goodbye,
    ]
}

#[test]
fn frames_round_trip() {
    for frame in samples() {
        assert_eq!(Frame::decode(&frame.encode().unwrap()), Ok(frame));
    }
}

#[test]
fn damaged_frames_are_errors() {
    // Goal: no bytes panic or pass for another frame by accident. Method: every cut and every changed byte.
    for frame in samples() {
        let good = frame.encode().unwrap();
        for len in 0..good.len() {
            assert!(
                Frame::decode(&good[..len]).is_err(),
                "{frame:?} cut to {len}"
            );
        }
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                let _ = Frame::decode(&bad);
            }
        }
        let longer = [good, vec![0]].concat();
        assert_eq!(
            Frame::decode(&longer),
            Err(FrameError::Garbled),
            "trailing bytes"
        );
    }
}

#[test]
fn preamble_is_checked() {
    let good = Frame::Agreed.encode().unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = good.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        Frame::decode(&frame)
    };
    assert_eq!(with(0, b"X"), Err(FrameError::NotRingway));
    let swapped = BYTE_ORDER.swap_bytes();
    let expected = FrameError::ByteOrder {
        theirs: swapped,
        ours: BYTE_ORDER,
    };
    assert_eq!(with(8, &swapped.to_ne_bytes()), Err(expected));
    let theirs = Protocols { min: 7, max: 8 };
    let refused = with(0, &preamble(theirs)).expect_err("another protocol");
    let expected = format!("speaks protocol 7 to 8, this node {SPOKEN}");
    assert_eq!(refused.to_string(), expected);
    assert_eq!(
        with(0, &preamble(Protocols { min: 1, max: 9 })),
        Ok(Frame::Agreed)
    );
    let inverted = with(0, &preamble(Protocols { min: 2, max: 1 }));
    assert!(
        matches!(inverted, Err(FrameError::Protocol { .. })),
        "a range without members"
    );
}

#[test]
fn size_is_bounded_both_ways() {
    let long = Frame::Uring(UringFrame::encode(&vec![7_u8; FRAME_MAX]).unwrap());
    assert!(matches!(long.encode(), Err(FrameError::TooLong { .. })));
    assert!(matches!(
        Frame::decode(&vec![0; FRAME_MAX + 1]),
        Err(FrameError::TooLong { .. })
    ));
    // A length that claims more than the frame holds allocates nothing.
    let mut lying = Frame::Uring(UringFrame::encode(&0_u8).unwrap())
        .encode()
        .unwrap();
    lying.truncate(PREAMBLE + 1);
    lying.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(Frame::decode(&lying), Err(FrameError::Garbled));
}
