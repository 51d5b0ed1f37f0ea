//! Messages and outcomes both ways, by one thread and by many.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::message::Message;
use amqp_blocking::wire::{
    AmqpError, Condition, Modified, Outcome, ReceiverSettleMode, Rejected, SenderSettleMode,
};
use amqp_blocking::{Connection, Error, Offer, OfferedLink, Origin, Outgoing};
use common::{next_receiver, next_sender, pair, piped, run, sending};

#[test]
fn a_message_is_sent_received_and_accepted() {
    let (client, server) = pair();
    let (sender, receiver) = sending(&client, &server);
    let received = run(move || {
        let delivery = receiver.recv().unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("hello"));
        assert!(!delivery.is_settled());
    });
    assert_eq!(sender.send("hello").unwrap(), Outcome::Accepted);
    received.join().unwrap();
    client.close().unwrap();
    assert_eq!(server.closed().origin(), Origin::Remote);
}

#[test]
fn each_outcome_arrives_as_it_was_told() {
    let (client, server) = piped_pair();
    let (sender, receiver) = sending(&client, &server);
    let error = AmqpError::new(Condition::InvalidField).with_description("no such job");
    let modified = Modified { delivery_failed: Some(true), ..Modified::default() };
    let expected = [
        Outcome::Accepted,
        Outcome::Rejected(Rejected { error: Some(Box::new(error.clone())) }),
        Outcome::Released,
        Outcome::from(modified.clone()),
    ];
    let sent: Vec<_> = (0..expected.len()).map(|_| sender.send_queued("job").unwrap()).collect();
    receiver.recv().unwrap().unwrap().accept().unwrap();
    receiver.recv().unwrap().unwrap().reject(error).unwrap();
    receiver.recv().unwrap().unwrap().release().unwrap();
    receiver.recv().unwrap().unwrap().modify(modified).unwrap();
    for (delivery, outcome) in sent.iter().zip(&expected) {
        assert_eq!(delivery.outcome().unwrap(), *outcome);
        assert_eq!(delivery.try_outcome().unwrap().as_ref(), Some(outcome), "it stays known");
    }
}

fn piped_pair() -> (Connection, Connection) {
    let (client, server, _) = piped();
    (client, server)
}

/// T-DISP-14: what is sent settled is told to be, and counts as accepted; what is decided about it nobody hears.
#[test]
fn a_message_that_is_sent_settled() {
    let (client, server) = piped_pair();
    let (sender, receiver) = sending(&client, &server);
    assert_eq!(sender.send(Outgoing::from("now").with_settled(true)).unwrap(), Outcome::Accepted);
    let delivery = receiver.recv().unwrap().unwrap();
    assert!(delivery.is_settled());
    delivery.reject(None).unwrap();
}

/// The receiver settles second: its outcome waits for the sender, who has to have seen it.
#[test]
fn a_receiver_can_wait_for_the_sender_to_settle() {
    let (client, server, _) = piped();
    let second = ReceiverSettleMode::Second;
    let receiver = run(move || {
        let receiver =
            client.receiver("jobs").with_auto_accept(false).with_rcv_settle_mode(second).attach().unwrap();
        let delivery = receiver.recv().unwrap().unwrap();
        let key = delivery.key();
        delivery.accept().unwrap();
        receiver.settled(key).unwrap();
        assert!(matches!(receiver.accept(key), Err(Error::Settle(_))), "it is gone");
        receiver.settled(key).unwrap();
        client
    });
    let sender = next_sender(&server);
    assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
    receiver.join().unwrap().close().unwrap();
}

/// Every message of every thread arrives at one of the threads that receive, once, and is accepted.
#[test]
fn many_threads_share_a_link() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    let (client, server) = pair();
    let (sender, receiver) = sending(&client, &server);
    let senders: Vec<_> = (0..THREADS)
        .map(|thread| {
            let sender = sender.clone();
            run(move || {
                for number in 0..EACH {
                    let message = format!("{thread}.{number}");
                    if number % 2 == 0 {
                        assert_eq!(sender.send(message).unwrap(), Outcome::Accepted);
                    } else {
                        let sent = sender.send_queued(message).unwrap();
                        assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
                    }
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..THREADS)
        .map(|_| {
            let receiver = receiver.clone();
            run(move || {
                let all = receiver.iter().map(|delivery| {
                    let delivery = delivery.unwrap();
                    let body = delivery.message().unwrap().body().unwrap();
                    delivery.accept().unwrap();
                    body.as_str().unwrap().to_owned()
                });
                all.collect::<Vec<_>>()
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    sender.close().unwrap();
    let all: Vec<_> = receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
    assert_eq!(all.len(), THREADS * EACH);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), THREADS * EACH);
}

#[test]
fn large_messages_go_both_ways_at_once() {
    const OCTETS: usize = 5 << 20;
    let (client, server) = pair();
    let (there, from_client) = sending(&client, &server);
    let back = server.clone();
    let back = run(move || back.sender("answers").attach().unwrap());
    let from_server = next_receiver(&client);
    let back = back.join().unwrap();
    let ends = [(there, from_server, 1_u8), (back, from_client, 2_u8)].map(|(sender, receiver, fill)| {
        run(move || {
            let sent = sender.send_queued(Message::new(vec![fill; OCTETS])).unwrap();
            let delivery = receiver.recv().unwrap().unwrap();
            let message = delivery.message().unwrap().body().unwrap();
            assert_eq!(message.as_bytes().unwrap().len(), OCTETS);
            assert!(message.as_bytes().unwrap().iter().all(|octet| *octet == 3 - fill));
            delivery.accept().unwrap();
            assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
        })
    });
    for end in ends {
        end.join().unwrap();
    }
}

/// Sending waits for credit, and nothing is sent beyond it.
#[test]
fn sending_waits_for_credit() {
    let (client, server) = piped_pair();
    let attaching = run(move || (client.sender("jobs").attach().unwrap(), client));
    let receiver = loop {
        match server.next_offer().unwrap().unwrap() {
            Offer::Link(OfferedLink::Receiver(offer)) => {
                break offer.accept_with(ReceiverOptions::new().with_prefetch(0)).unwrap();
            }
            other => drop(other.accept().unwrap()),
        }
    };
    let (sender, _client) = attaching.join().unwrap();
    assert!(matches!(sender.send_now("job"), Err(Error::Send(_))));
    assert!(matches!(sender.send_queued_timeout("job", Duration::ZERO), Err(Error::TimedOut)));
    let waiting: Vec<_> = (0..3)
        .map(|number| {
            let sender = sender.clone();
            run(move || sender.send(format!("job {number}")).unwrap())
        })
        .collect();
    for _ in 0..3 {
        receiver.add_credit(1).unwrap();
        receiver.recv().unwrap().unwrap().accept().unwrap();
        assert!(receiver.try_recv().unwrap().is_none());
    }
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap(), Outcome::Accepted);
    }
}

#[test]
fn a_drained_receiver_has_all_there_was() {
    let (client, server) = piped_pair();
    let attaching = run(move || (client.receiver("jobs").with_prefetch(0).attach().unwrap(), client));
    let sender = next_sender(&server);
    let (receiver, _client) = attaching.join().unwrap();
    receiver.set_credit(10).unwrap();
    for _ in 0..3 {
        drop(sender.send_queued("job").unwrap());
    }
    receiver.drain().unwrap();
    assert_eq!(receiver.credit(), 0);
    for _ in 0..3 {
        assert!(receiver.try_recv().unwrap().is_some());
    }
    assert!(receiver.try_recv().unwrap().is_none());
}

/// What was sent settled is not lost when the link ends before it was taken.
#[test]
fn settled_messages_outlive_their_link() {
    let (client, server) = piped_pair();
    let attaching = run(move || {
        let mode = SenderSettleMode::Settled;
        (client.sender("jobs").with_snd_settle_mode(mode).attach().unwrap(), client)
    });
    let receiver = next_receiver(&server);
    let (sender, client) = attaching.join().unwrap();
    for _ in 0..3 {
        assert_eq!(sender.send("job").unwrap(), Outcome::Accepted);
    }
    client.close().unwrap();
    server.closed();
    assert_eq!(receiver.iter().filter(Result::is_ok).count(), 3);
}
