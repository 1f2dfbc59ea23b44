//! A uring's edges: room, closing, and op words.

use ringway_shm::generation::Key;
use ringway_shm::mutant::Mutant;
use ringway_shm::sync::thread;

use super::{Plain, check, doorbell, uring};

// room: a submitter that sleeps for want of room is rung by the completer that makes some.
#[test]
fn room() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut asleep, bell) = doorbell();
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            let after_batch = take.submitter_wants().is_some() && bell.should_ring().is_some();
            assert!(take.go_idle());
            after_batch || take.submitter_wants().is_some() && bell.should_ring().is_some()
        });
        submit.ask_for_room();
        asleep.arm();
        let sleeps = submit.room().unwrap() == 0;
        let rang = other.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside an empty queue");
    }
    check(
        model,
        &[
            Mutant::NoFenceAfterIdle,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterAsleep,
        ],
    );
}

// room, while the completer does not come to its queue's end: it looks before it sleeps, and watches on.
#[test]
fn room_beside_a_queue_that_is_not_drained() {
    fn model() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let (mut asleep, bell) = doorbell();
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            let after_batch = take.submitter_wants().is_some() && bell.should_ring().is_some();
            after_batch || take.submitter_wants_by_now().is_some() && bell.should_ring().is_some()
        });
        submit.ask_for_room();
        asleep.arm();
        let sleeps = submit.room().unwrap() == 0;
        let rang = other.join().unwrap();
        assert!(!sleeps || rang, "sleeps beside a free place");
    }
    check(
        model,
        &[
            Mutant::NoFenceBeforeWants,
            Mutant::NoFenceBeforeBell,
            Mutant::NoFenceAfterAsleep,
        ],
    );
}

// closed: who sees a side closed sees all that it sent, or took, before.
#[test]
fn closed() {
    fn by_submitter() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        let other = thread::spawn(move || {
            submit.submit(&[10; 7]).unwrap();
            submit.close();
        });
        if take.submitter_closed() {
            assert!(
                take.take().unwrap().is_some(),
                "closed before its last entry"
            );
        }
        other.join().unwrap();
    }
    fn by_completer() {
        let (submitter, completer) = uring();
        let (mut submit, mut take) = (submitter.submit, completer.take);
        submit.submit(&[10; 7]).unwrap();
        let other = thread::spawn(move || {
            take.take().unwrap().unwrap();
            take.close();
        });
        if submit.peer_closed() {
            assert_eq!(submit.taken(), Ok(1), "closed before its last head");
        }
        other.join().unwrap();
    }
    check(by_submitter, &[Mutant::ClosedRelaxed]);
    check(by_completer, &[Mutant::ClosedRelaxed]);
}

// op-word: a reply's block is used again only after its last reader.
#[test]
fn reply_released() {
    fn model() {
        let (submitter, completer) = uring();
        let block = Plain::new(7);
        let key = Key::new(1, 3);
        let reader = thread::spawn({
            let block = block.clone();
            move || {
                assert_eq!(block.read(), 7);
                submitter.ops.release_reply(key);
            }
        });
        // Loom forgets a load that another thread's compare-and-swap follows; this makes it try the other order.
        thread::yield_now();
        if completer.take.op_word(key).unwrap().is_reply_released() {
            block.write(8);
        }
        reader.join().unwrap();
    }
    check(model, &[Mutant::OpWordRelaxed]);
}

// op-word: two threads of the submitter speak of one op; neither word is lost.
#[test]
fn op_words_of_two_threads() {
    fn model() {
        let (submitter, completer) = uring();
        let ops = submitter.ops;
        let key = Key::new(1, 3);
        let other = thread::spawn({
            let ops = ops.clone();
            move || ops.cancel(key)
        });
        ops.release_reply(key);
        other.join().unwrap();
        let word = completer.take.op_word(key).unwrap();
        assert!(word.is_cancelled() && word.is_reply_released());
    }
    check(model, &[]);
}
