//! The mailbox under each policy: order, bound, and who is woken.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Wake, Waker};

use super::*;
use crate::wait_list::WaitKey;

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn full(overflow: Overflow) -> Mailbox<u32> {
    let mailbox = Mailbox::new(2, overflow);
    for letter in [1, 2] {
        let pushed = mailbox.push(|| letter);
        // The first goes straight, unless the oldest gives way; then the queue is empty for the second.
        let wakes = letter == 1 || overflow != Overflow::DropOldest;
        assert!(matches!(pushed, Ok(Pushed::First)) == wakes);
    }
    mailbox
}

// Goal: each policy does what it says to the third letter of two; `make` runs only for a letter that is used.
#[test]
fn full_follows_the_policy() {
    for overflow in [Overflow::Wait, Overflow::Fail] {
        let mailbox = full(overflow);
        assert!(matches!(
            mailbox.push(|| panic!("made a refused letter")),
            Err(Refused::Full)
        ));
        assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2]);
    }
    let mailbox = full(Overflow::DropNewest);
    assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Dropped(3))));
    assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2]);
    let mailbox = full(Overflow::DropOldest);
    assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Displaced(1))));
    assert_eq!(mailbox.close(&ExitReason::Stopped), [2, 3]);
}

// Goal: many at once go in up to the bound, in order, behind those that are there and those in the batch; whoever fills
// an empty queue wakes, once; what is left is as it was, also of a closed mailbox.
#[test]
fn many_go_in_while_there_is_room() {
    let mailbox = Mailbox::new(4, Overflow::DropOldest);
    let mut letters: VecDeque<u32> = (1..=3).collect();
    assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(true)));
    letters.extend(4..=6);
    assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(false)));
    assert_eq!(letters, [5, 6]);
    assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(false)));
    assert_eq!(mailbox.close(&ExitReason::Stopped), [1, 2, 3, 4]);
    let refused = mailbox.push_all(&mut letters, |it| it);
    assert!(matches!(refused, Err(Refused::Closed(ExitReason::Stopped))));
    assert_eq!(letters, [5, 6]);

    let mailbox = Mailbox::new(4, Overflow::Wait);
    let mut batch = Batch::default();
    letters = (1..=4).collect();
    assert!(mailbox.push_all(&mut letters, |it| it).is_ok());
    assert_eq!(mailbox.take(&mut batch), Some(1));
    letters.extend(5..=7);
    assert!(matches!(mailbox.push_all(&mut letters, |it| it), Ok(true)));
    assert_eq!(letters, [6, 7], "three are in the batch");
}

// Goal: a closed mailbox refuses with the reason that closed it first.
#[test]
fn closed_refuses() {
    let mailbox = full(Overflow::Wait);
    assert_eq!(mailbox.close(&ExitReason::Killed).len(), 2);
    assert!(mailbox.close(&ExitReason::Stopped).is_empty());
    assert!(matches!(
        mailbox.push(|| 4),
        Err(Refused::Closed(ExitReason::Killed))
    ));
}
// Goal: what the actor has taken into its batch counts against the bound until its turn comes, and comes in order.
#[test]
fn batch_counts_against_the_bound() {
    let mailbox = Mailbox::new(4, Overflow::Fail);
    let mut batch = Batch::default();
    (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
    assert_eq!(mailbox.take(&mut batch), Some(1));
    assert!(matches!(mailbox.push(|| 5), Ok(Pushed::Queued)));
    assert!(matches!(mailbox.push(|| 6), Err(Refused::Full)));
    assert_eq!(mailbox.take(&mut batch), Some(2));
    assert!(matches!(mailbox.push(|| 6), Ok(Pushed::First)));
    assert!(matches!(mailbox.push(|| 7), Err(Refused::Full)));
    let taken: Vec<_> = (0..2).filter_map(|_| mailbox.take(&mut batch)).collect();
    assert_eq!(taken, [3, 4]);
    assert_eq!(mailbox.take(&mut batch), Some(5));
    mailbox.put_back(batch);
    assert_eq!(mailbox.close(&ExitReason::Killed), [6]);
}

// Goal: what an actor that ended had taken and not begun comes out first, in order, and what was queued since after it.
#[test]
fn a_batch_that_is_put_back_comes_first() {
    let mailbox = Mailbox::new(8, Overflow::Fail);
    let mut batch = Batch::default();
    (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
    assert_eq!(mailbox.take(&mut batch), Some(1));
    assert_eq!(mailbox.take(&mut batch), Some(2));
    (5..=6).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
    mailbox.put_back(batch);
    assert!(mailbox.has_letter(&Batch::default()));
    assert_eq!(mailbox.close(&ExitReason::Killed), [3, 4, 5, 6]);
}

// Goal: a letter that goes straight counts against the bound, comes before what is queued later, and waits for its turn
// behind the batch; where there is room for one letter only, it is queued.
#[test]
fn straight_counts_and_keeps_its_turn() {
    let mailbox = Mailbox::new(2, Overflow::Fail);
    let mut batch = Batch::default();
    for letters in [[1, 2], [3, 4]] {
        for letter in letters {
            assert!(matches!(mailbox.push(|| letter), Ok(Pushed::First)));
        }
        assert!(matches!(mailbox.push(|| 9), Err(Refused::Full)));
        assert_eq!(mailbox.ahead(&batch), 2);
        for letter in letters {
            assert!(mailbox.has_letter(&batch));
            assert_eq!(mailbox.take(&mut batch), Some(letter));
        }
        assert!(!mailbox.has_letter(&batch));
    }
    let mailbox = Mailbox::new(1, Overflow::Fail);
    assert!(matches!(mailbox.push(|| 1), Ok(Pushed::First)));
    assert!(!mailbox.straight.is_used());
    assert!(matches!(mailbox.push(|| 2), Err(Refused::Full)));
}

// Goal: a letter that went straight after the actor had looked for one comes before those that were queued after it. Method:
// the second half of the taking, when the first would have found nothing.
#[test]
fn straight_comes_before_what_is_queued_since() {
    let mailbox = Mailbox::new(4, Overflow::Fail);
    let mut batch = Batch::default();
    (1..=3).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
    let taken: Vec<_> = (0..2)
        .filter_map(|_| mailbox.take_batch(&mut batch))
        .collect();
    assert_eq!(taken, [1, 2]);
    assert_eq!(mailbox.take(&mut batch), Some(3));
}

// Goal: whichever way letters go, those of one sender come in their order, and all that were accepted come, or come back
// when the mailbox is closed. Method: two threads send as fast as there is room, a third takes, and closes at some point.
#[test]
fn letters_of_two_threads_come_in_order() {
    const EACH: u32 = 5_000;
    let mailbox = Mailbox::new(4, Overflow::Fail);
    let send = |sender: u32| {
        for number in 0..EACH {
            loop {
                match mailbox.push(|| (sender, number)) {
                    Ok(_) => break,
                    Err(Refused::Full) => std::thread::yield_now(),
                    Err(Refused::Closed(_)) => return number,
                }
            }
        }
        EACH
    };
    std::thread::scope(|threads| {
        let senders = [0, 1].map(|sender| threads.spawn(move || send(sender)));
        let mut batch = Batch::default();
        let mut next = [0; 2];
        let mut come = |(sender, number): (u32, u32)| {
            assert_eq!(next[sender as usize], number, "of {sender}");
            next[sender as usize] += 1;
        };
        for _ in 0..EACH {
            match mailbox.take(&mut batch) {
                Some(letter) => come(letter),
                None => std::thread::yield_now(),
            }
        }
        mailbox.put_back(batch);
        mailbox
            .close(&ExitReason::Killed)
            .into_iter()
            .for_each(come);
        assert_eq!(senders.map(|sender| sender.join().unwrap()), next);
    });
}

// Goal: the oldest gives way even when it would be next: none hides in the actor's batch.
#[test]
fn drop_oldest_finds_the_oldest() {
    let mailbox = full(Overflow::DropOldest);
    let mut batch = Batch::default();
    assert_eq!(mailbox.take(&mut batch), Some(1));
    assert!(matches!(mailbox.push(|| 3), Ok(Pushed::Queued)));
    assert!(matches!(mailbox.push(|| 4), Ok(Pushed::Displaced(2))));
    let taken: Vec<_> = (0..3).filter_map(|_| mailbox.take(&mut batch)).collect();
    assert_eq!(taken, [3, 4]);
}

// Goal: a sender that waits for room is woken when half of the bound is free, and not before.
#[test]
fn room_is_offered_at_half() {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mailbox = Mailbox::new(4, Overflow::Wait);
    let mut batch = Batch::default();
    (1..=4).for_each(|letter| assert!(mailbox.push(|| letter).is_ok()));
    let mut key = WaitKey::default();
    let room = mailbox.room();
    room.register(&mut key, &Context::from_waker(&waker));
    assert_eq!(mailbox.take(&mut batch), Some(1));
    assert_eq!(count.0.load(Relaxed), 0);
    assert_eq!(mailbox.take(&mut batch), Some(2));
    assert_eq!(count.0.load(Relaxed), 1);
    room.remove(&mut key);
}
