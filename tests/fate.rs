//! The fate of a message: every cell of the table in `docs/fate.md` is a test of the same name, and plays its scene a hundred
//! times; what became of each message is the word in the cell.
//!
//! A message is followed by its number: by the log of the worker that handles it, kept by a process that is not killed, and by what
//! its sender is told.
#![allow(
    non_snake_case,
    clippy::unwrap_used,
    reason = "a test is named for its row, its column and its place; a failure here fails it"
)]

mod helper;
mod support;
#[path = "peer/worker.rs"]
#[allow(dead_code, reason = "the helper's half of it")]
mod worker;

mod fate {
    mod answers;
    mod aside;
    mod killed;
    pub(super) mod scene;
    mod senders;
    pub(super) mod table;

    use self::answers::play_answer;
    use self::killed::kill_receivers;
    use self::scene::play;
    use self::senders::kill_senders;
    use self::table::{Column, Place, Row, cell, check};

    /// One test a cell; the list of their names is held against the document.
    macro_rules! cells {
        ($($name:ident: $row:ident, $column:ident, $place:ident;)*) => {
            const CELLS: &[&str] = &[$(stringify!($name)),*];
            $(
                #[test]
                fn $name() {
                    let (row, place) = (Row::$row, Place::$place);
                    let found = match Column::$column {
                        Column::ProcessKilled => kill_receivers(row),
                        Column::SenderKilled => kill_senders(row),
                        column => play(row, column, place),
                    };
                    check(stringify!($name), &found, &cell(row, Column::$column, place));
                }
            )*
        };
    }

    cells! {
        queued_at_sender__graceful_stop__local: QueuedAtSender, GracefulStop, Local;
        queued_at_sender__handler_error__local: QueuedAtSender, HandlerError, Local;
        queued_at_sender__panic__local: QueuedAtSender, Panic, Local;
        queued_at_sender__restart__local: QueuedAtSender, Restart, Local;
        queued_at_receiver__graceful_stop__local: QueuedAtReceiver, GracefulStop, Local;
        queued_at_receiver__handler_error__local: QueuedAtReceiver, HandlerError, Local;
        queued_at_receiver__panic__local: QueuedAtReceiver, Panic, Local;
        queued_at_receiver__restart__local: QueuedAtReceiver, Restart, Local;
        being_handled__graceful_stop__local: BeingHandled, GracefulStop, Local;
        being_handled__handler_error__local: BeingHandled, HandlerError, Local;
        being_handled__panic__local: BeingHandled, Panic, Local;
        being_handled__restart__local: BeingHandled, Restart, Local;
        replied_not_read__graceful_stop__local: RepliedNotRead, GracefulStop, Local;
        replied_not_read__handler_error__local: RepliedNotRead, HandlerError, Local;
        replied_not_read__panic__local: RepliedNotRead, Panic, Local;
        replied_not_read__restart__local: RepliedNotRead, Restart, Local;
        queued_at_sender__graceful_stop__remote: QueuedAtSender, GracefulStop, Remote;
        queued_at_sender__handler_error__remote: QueuedAtSender, HandlerError, Remote;
        queued_at_sender__panic__remote: QueuedAtSender, Panic, Remote;
        queued_at_sender__process_killed__remote: QueuedAtSender, ProcessKilled, Remote;
        queued_at_sender__sender_killed__remote: QueuedAtSender, SenderKilled, Remote;
        queued_at_sender__restart__remote: QueuedAtSender, Restart, Remote;
        queued_at_receiver__graceful_stop__remote: QueuedAtReceiver, GracefulStop, Remote;
        queued_at_receiver__handler_error__remote: QueuedAtReceiver, HandlerError, Remote;
        queued_at_receiver__panic__remote: QueuedAtReceiver, Panic, Remote;
        queued_at_receiver__process_killed__remote: QueuedAtReceiver, ProcessKilled, Remote;
        queued_at_receiver__sender_killed__remote: QueuedAtReceiver, SenderKilled, Remote;
        queued_at_receiver__restart__remote: QueuedAtReceiver, Restart, Remote;
        being_handled__graceful_stop__remote: BeingHandled, GracefulStop, Remote;
        being_handled__handler_error__remote: BeingHandled, HandlerError, Remote;
        being_handled__panic__remote: BeingHandled, Panic, Remote;
        being_handled__process_killed__remote: BeingHandled, ProcessKilled, Remote;
        being_handled__sender_killed__remote: BeingHandled, SenderKilled, Remote;
        being_handled__restart__remote: BeingHandled, Restart, Remote;
        replied_not_read__graceful_stop__remote: RepliedNotRead, GracefulStop, Remote;
        replied_not_read__handler_error__remote: RepliedNotRead, HandlerError, Remote;
        replied_not_read__panic__remote: RepliedNotRead, Panic, Remote;
        replied_not_read__process_killed__remote: RepliedNotRead, ProcessKilled, Remote;
        replied_not_read__sender_killed__remote: RepliedNotRead, SenderKilled, Remote;
        replied_not_read__restart__remote: RepliedNotRead, Restart, Remote;
    }

    /// The same of answers that are left to others.
    macro_rules! answers {
        ($($name:ident: $row:literal, $column:literal;)*) => {
            const ANSWERS: &[&str] = &[$(stringify!($name)),*];
            $(
                #[test]
                fn $name() {
                    play_answer(stringify!($name), $row, $column);
                }
            )*
        };
    }

    answers! {
        deferred__graceful_stop__answer: "deferred", "graceful stop";
        deferred__panic__answer: "deferred", "panic";
        deferred__process_killed__answer: "deferred", "process killed";
        deferred__sender_killed__answer: "deferred", "sender killed";
        deferred__restart__answer: "deferred", "restart";
        delegated__graceful_stop__answer: "delegated", "graceful stop";
        delegated__panic__answer: "delegated", "panic";
        delegated__process_killed__answer: "delegated", "process killed";
        delegated__last_one_killed__answer: "delegated", "last one killed";
        delegated__sender_killed__answer: "delegated", "sender killed";
        delegated__restart__answer: "delegated", "restart";
        forwarded__graceful_stop__answer: "forwarded", "graceful stop";
        forwarded__panic__answer: "forwarded", "panic";
        forwarded__process_killed__answer: "forwarded", "process killed";
        forwarded__last_one_killed__answer: "forwarded", "last one killed";
        forwarded__sender_killed__answer: "forwarded", "sender killed";
        forwarded__restart__answer: "forwarded", "restart";
    }

    // Goal: a cell without a test fails the suite, and a test without a cell.
    #[test]
    fn every_cell_has_its_test() {
        let mut named = table::cells_to_test();
        let cells = CELLS.iter().chain(ANSWERS);
        let mut tested: Vec<_> = cells.map(|name| (*name).to_owned()).collect();
        named.sort();
        tested.sort();
        assert_eq!(named, tested);
        // What is said to be impossible has its reason: both are one process, and the first one is the last.
        assert_eq!(table::impossible(), 8 + 1);
    }
}
