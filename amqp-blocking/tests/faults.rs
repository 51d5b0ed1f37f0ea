//! Peers that stall, go silent or disappear: each wait ends with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::Duration;

use amqp_blocking::message::Message;
use amqp_blocking::types::Limits;
use amqp_blocking::wire::{Condition, Outcome};
use amqp_blocking::{Acceptor, Connection, ConnectionOptions, Error, Origin, Transport};
use common::{Pipe, next_receiver, piped, piped_with, run, sending};

/// Each tracked delivery ends, with its outcome or an error, wherever the peer's stream is cut.
#[test]
#[adapter_tests::bounded]
fn a_peer_that_is_killed_ends_every_delivery() {
    for taken in [0, 1, 7, 50] {
        let (client, server, pipe) = piped();
        let (sender, receiver) = sending(&client, &server);
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let sender = sender.clone();
                run(move || {
                    let (mut accepted, mut failed) = (0, 0);
                    for _ in 0..50 {
                        match sender.send("job") {
                            Ok(Outcome::Accepted) => accepted += 1,
                            Err(Error::Lost(ended) | Error::Connection(ended)) => {
                                assert_eq!(ended.origin(), Origin::Transport);
                                failed += 1;
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    (accepted, failed)
                })
            })
            .collect();
        let tracked: Vec<_> = (0..20).filter_map(|_| sender.send_queued("tracked").ok()).collect();
        for _ in 0..taken {
            drop(receiver.recv().unwrap());
        }
        pipe.cut();
        let mut accepted = 0;
        for sender in senders {
            let (good, bad) = sender.join().unwrap();
            assert_eq!(good + bad, 50);
            accepted += good;
        }
        accepted += tracked.iter().filter(|sent| sent.outcome().is_ok()).count();
        assert!(accepted <= taken, "{accepted} were accepted of {taken}");
        assert!(receiver.iter().any(|delivery| delivery.is_err()));
        assert_eq!(client.closed().origin(), Origin::Transport);
        assert!(matches!(client.close(), Err(Error::Connection(_))));
        assert!(matches!(client.session(), Err(Error::Connection(_))));
        assert!(matches!(sender.try_send("late"), Err(Error::Connection(_))));
    }
}

/// While the peer does not read, sending waits, and receiving continues.
#[test]
#[adapter_tests::bounded]
fn a_stalled_reader_does_not_block_others() {
    let (client, server, pipe) = piped();
    let (sender, from_client) = sending(&client, &server);
    let back = server.clone();
    let back = run(move || back.sender("answers").attach().unwrap());
    let answers = next_receiver(&client);
    let back = back.join().unwrap();
    pipe.stall(true);
    let large = Message::new(vec![0; 256 << 10]);
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (sender, large) = (sender.clone(), large.clone());
            run(move || (0..4).all(|_| sender.send(large.clone()).unwrap() == Outcome::Accepted))
        })
        .collect();
    for _ in 0..50 {
        drop(back.send_queued("answer").unwrap());
        assert!(answers.recv().unwrap().is_some());
    }
    pipe.stall(false);
    let taken = run(move || from_client.iter().take(32).count());
    for sender in senders {
        assert!(sender.join().unwrap());
    }
    assert_eq!(taken.join().unwrap(), 32);
    client.close().unwrap();
}

/// The end of the input is found behind output that the peer does not read.
#[test]
#[adapter_tests::bounded]
fn a_peer_that_is_killed_while_output_waits() {
    let limits = Limits::DEFAULT.with_output_octets(4096).with_output_octets_hard(4096);
    let (client, server, pipe) = piped_with(ConnectionOptions::new().with_limits(limits));
    let (sender, _receiver) = sending(&client, &server);
    pipe.stall(true);
    let sent = sender.send_queued(Message::new(vec![0; 1 << 20])).unwrap();
    pipe.cut();
    assert!(matches!(sent.outcome(), Err(Error::Lost(_))));
    assert_eq!(client.closed().origin(), Origin::Transport);
}

/// C-CLOSE-02: a peer that does not read cannot prevent the close.
#[test]
#[adapter_tests::bounded]
fn closing_does_not_wait_for_a_peer_that_stalls() {
    let (near, far) = Pipe::pair();
    let hold = near.try_clone().unwrap();
    let server = run(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let client =
        Connection::over(near, ConnectionOptions::new().with_close_timeout(Duration::from_millis(50)))
            .unwrap();
    let server = server.join().unwrap();
    let (sender, _receiver) = sending(&client, &server);
    hold.stall(true);
    let sent = sender.send_queued(Message::new(vec![0; 1 << 20])).unwrap();
    let error = client.close().unwrap_err();
    assert!(error.to_string().contains("before all sent messages were written"), "{error}");
    assert!(matches!(sent.outcome(), Err(Error::Lost(_))));
}

/// C-IDLE-03: a silent peer is given up.
#[test]
#[adapter_tests::bounded]
fn a_peer_that_goes_silent_is_given_up() {
    let (near, far) = Pipe::pair();
    let hold = far.try_clone().unwrap();
    let server = run(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let client =
        Connection::over(near, ConnectionOptions::new().with_idle_timeout(Duration::from_millis(400)))
            .unwrap();
    let server = server.join().unwrap();
    let (sender, _receiver) = sending(&client, &server);
    hold.stall(true);
    assert!(matches!(sender.send("job"), Err(Error::Lost(_))));
    let ended = client.closed();
    assert_eq!((ended.origin(), ended.condition()), (Origin::Local, Some(&Condition::ResourceLimitExceeded)));
}

/// C-IDLE-04: an idle end sends heartbeats in time.
#[test]
#[adapter_tests::bounded]
fn a_quiet_connection_is_kept() {
    let (near, far) = Pipe::pair();
    let server = run(move || Connection::accept(far, &Acceptor::default()).unwrap());
    let client =
        Connection::over(near, ConnectionOptions::new().with_idle_timeout(Duration::from_secs(1))).unwrap();
    let server = server.join().unwrap();
    let (sender, receiver) = sending(&client, &server);
    assert!(matches!(receiver.recv_timeout(Duration::from_secs(3)), Err(Error::TimedOut)));
    let received = run(move || receiver.recv().unwrap().is_some());
    assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
    assert!(received.join().unwrap());
}
