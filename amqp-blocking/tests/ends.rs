//! What becomes of messages that have come, when their link ends before they are taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::Duration;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Connection, Error, Offer, OfferedLink, Outgoing, Receiver, Sender};
use common::{piped, run};

const LONG: Duration = Duration::from_secs(60);

/// A link on which the client sends; the server's end of it is accepted with these options.
fn sending_to(options: ReceiverOptions) -> (Sender, Receiver, (Connection, Connection)) {
    let (client, server, _) = piped();
    let attaching = run(move || (client.sender("jobs").attach().unwrap(), client));
    let receiver = loop {
        match server.next_offer().unwrap().unwrap() {
            Offer::Link(OfferedLink::Receiver(offer)) => break offer.accept_with(options).unwrap(),
            other => drop(other.accept().unwrap()),
        }
    };
    let (sender, client) = attaching.join().unwrap();
    (sender, receiver, (client, server))
}

/// L-CLOSE-01 [2.6.6]: a peer that sends and closes its link at once has sent.
#[test]
fn l_close_01_what_came_before_the_peers_close_is_taken() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let sent: Vec<_> = ["a", "b", "c"].map(|body| sender.send_queued(body).unwrap()).into();
    sender.close().unwrap();
    receiver.closed();
    for body in ["a", "b", "c"] {
        let delivery = receiver.recv_timeout(LONG).unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(body));
        // Nobody is there for it, which is told.
        assert!(matches!(delivery.accept(), Err(Error::Link(_))));
    }
    assert!(receiver.recv_timeout(LONG).unwrap().is_none());
    for sent in sent {
        assert!(matches!(sent.outcome(), Err(Error::Lost(_))), "it has not waited for the outcome");
    }
}

/// L-CLOSE-01 [2.6.6]: the same of messages that are read while they come.
#[test]
fn l_close_01_what_came_before_the_peers_close_is_read() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new().with_streaming(true));
    for settled in [true, false] {
        drop(sender.send_queued(Outgoing::from("a message").with_settled(settled)).unwrap());
    }
    sender.close().unwrap();
    receiver.closed();
    for settled in [true, false] {
        let mut stream = receiver.recv_stream().unwrap().unwrap();
        assert_eq!(stream.is_settled(), settled);
        assert!(!stream.read_to_end().unwrap().is_empty());
        assert_eq!(stream.accept().is_ok(), settled);
    }
    assert!(receiver.recv_stream().unwrap().is_none());
}

/// L-DET-01 [2.6.4]: on a link that is only detached, messages stay, and their outcomes are told.
#[test]
fn l_det_01_what_came_before_the_peers_detach_is_answered() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let _sent = sender.send_queued("job").unwrap();
    sender.detach().unwrap();
    receiver.closed();
    receiver.recv_timeout(LONG).unwrap().unwrap().accept().unwrap();
}

/// M-STATE-07 [3.4.4]: what was asked for ahead and not taken goes elsewhere when the receiver is closed.
#[test]
fn m_state_07_a_receiver_that_is_closed_releases_what_nobody_took() {
    for streaming in [false, true] {
        let options = ReceiverOptions::new().with_prefetch(10).with_streaming(streaming);
        let (sender, receiver, _ends) = sending_to(options);
        let sent: Vec<_> = (0..8).map(|n| sender.send_queued(format!("{n}")).unwrap()).collect();
        receiver.close().unwrap();
        for sent in sent {
            assert_eq!(sent.outcome_timeout(LONG).unwrap(), Outcome::Released, "{streaming}");
        }
        assert!(receiver.recv_timeout(LONG).unwrap().is_none());
    }
}

/// M-STATE-07 [3.4.4]: the same when the last handle of it is dropped.
#[test]
fn m_state_07_a_receiver_that_is_dropped_releases_what_nobody_took() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let sent: Vec<_> = (0..8).map(|n| sender.send_queued(format!("{n}")).unwrap()).collect();
    let first = receiver.recv_timeout(LONG).unwrap().unwrap();
    while receiver.unsettled() < 8 {
        std::thread::yield_now();
    }
    drop(receiver);
    first.accept().unwrap();
    let outcomes: Vec<_> = sent.iter().map(|sent| sent.outcome_timeout(LONG).unwrap()).collect();
    assert_eq!(outcomes[0], Outcome::Accepted);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::Released), "{outcomes:?}");
}

/// T-DISP-14 [2.6.12]: what its sender has settled exists nowhere else, and can still be taken.
#[test]
fn t_disp_14_settled_messages_outlive_a_close() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    for _ in 0..5 {
        drop(sender.send_queued(Outgoing::from("job").with_settled(true)).unwrap());
    }
    receiver.close().unwrap();
    assert_eq!(receiver.iter().filter(|delivery| delivery.as_ref().unwrap().is_settled()).count(), 5);
}
