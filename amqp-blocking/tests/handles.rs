//! What a handle that is dropped says of its message, and helpers that say it by what has come of the work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use amqp_blocking::config::{OnDrop, ReceiverOptions};
use amqp_blocking::message::Message;
use amqp_blocking::policy::OnFailure;
use amqp_blocking::types::{Limits, List, Value};
use amqp_blocking::wire::{Condition, Error as AmqpError, Modified, Outcome, Rejected};
use amqp_blocking::{
    Acceptor, Connection, ConnectionOptions, Error, Offer, OfferedLink, Receiver, Sender, Sent,
};
use common::{next_sender, pair_with, piped, run, sending};

const LONG: Duration = Duration::from_secs(60);

fn failed() -> Outcome {
    Modified::failed().into()
}

fn outcome(sent: &Sent) -> Outcome {
    sent.outcome_timeout(LONG).unwrap()
}

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

fn next(receiver: &Receiver) -> amqp_blocking::Delivery {
    receiver.recv_timeout(LONG).unwrap().unwrap()
}

fn leave_half_way(receiver: &Receiver) -> Result<(), Error> {
    let delivery = receiver.recv_timeout(LONG)?.ok_or(Error::Gone)?;
    let body = delivery.message()?.body()?;
    body.as_str().filter(|text| *text == "expected").ok_or(Error::Aborted)?;
    delivery.accept()
}

/// M-STATE-07 [3.4.4]: what was not processed, and was left by `?`, is released.
#[test]
fn m_state_07_a_delivery_that_is_dropped_is_released() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let sent = sender.send_queued("odd").unwrap();
    assert!(leave_half_way(&receiver).is_err());
    assert_eq!(outcome(&sent), Outcome::Released);
}

/// M-STATE-08 [3.4.5]: an attempt that ended in a panic counts as one.
#[test]
fn m_state_08_a_panic_counts_as_a_failed_delivery() {
    for on_drop in [OnDrop::Release, OnDrop::Accept] {
        let (sender, receiver, _ends) = sending_to(ReceiverOptions::new().with_on_drop(on_drop));
        let sent = sender.send_queued("job").unwrap();
        let worker = receiver.clone();
        let panicked = run(move || {
            let _delivery = next(&worker);
            panic!("while a message is handled");
        });
        assert!(panicked.join().is_err());
        assert_eq!(outcome(&sent), failed());
    }
}

/// The receiver chooses what a drop says.
#[test]
fn m_state_07_a_drop_says_what_was_chosen() {
    for (options, expected) in [
        (ReceiverOptions::new().with_auto_accept(true), Some(Outcome::Accepted)),
        (ReceiverOptions::new().with_auto_accept(false), Some(Outcome::Released)),
        (ReceiverOptions::new().with_on_drop(OnDrop::Keep), None),
    ] {
        let (sender, receiver, _ends) = sending_to(options);
        let sent = sender.send_queued("job").unwrap();
        let delivery = next(&receiver);
        let key = delivery.key();
        drop(delivery);
        match expected {
            Some(expected) => assert_eq!(outcome(&sent), expected),
            None => {
                assert_eq!(receiver.unsettled(), 1);
                receiver.reject(key, None).unwrap();
                assert_eq!(outcome(&sent), Rejected { error: None }.into());
            }
        }
    }
}

/// M-STATE-07 [3.4.4]: the same of a message that is read while it comes, however much of it was read.
#[test]
fn m_state_07_a_stream_that_is_dropped_is_released() {
    for (auto_accept, expected) in [(false, Outcome::Released), (true, Outcome::Accepted)] {
        let options = ReceiverOptions::new().with_streaming(true).with_auto_accept(auto_accept);
        let (sender, receiver, _ends) = sending_to(options);
        let sent = sender.send_queued("read to its end").unwrap();
        let mut stream = receiver.recv_stream().unwrap().unwrap();
        stream.read_to_end().unwrap();
        drop(stream);
        assert_eq!(outcome(&sent), expected);
        let sent = sender.send_queued("not read").unwrap();
        drop(receiver.recv_stream().unwrap().unwrap());
        assert_eq!(outcome(&sent), Outcome::Released);
        let sent = sender.send_queued("not read, in a panic").unwrap();
        let stream = receiver.recv_stream().unwrap().unwrap();
        let panicked = run(move || {
            let _stream = stream;
            panic!("while a message is read");
        });
        assert!(panicked.join().is_err());
        assert_eq!(outcome(&sent), failed());
    }
}

/// [3.4]: `Ok` accepts, `Err` has the message come again and rejects it in the end; what the work has decided itself
/// stays.
#[test]
fn m_state_05_work_is_told_by_its_result() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let stop = receiver.clone();
    let work = run(move || {
        receiver.for_each(3, |delivery| match delivery.message()?.body()?.as_str() {
            Some("good") => Ok(()),
            Some("own") => delivery.release(),
            _ => Err(Error::Aborted),
        })
    });
    assert_eq!(outcome(&sender.send_queued("good").unwrap()), Outcome::Accepted);
    assert_eq!(outcome(&sender.send_queued("own").unwrap()), Outcome::Released);
    assert_eq!(outcome(&sender.send_queued("bad").unwrap()), failed());
    let mut again = Message::from("bad");
    again.header_mut().delivery_count = 4;
    let Outcome::Rejected(rejected) = outcome(&sender.send_queued(again).unwrap()) else {
        panic!("it failed often")
    };
    assert_eq!(&*rejected.error.unwrap().description.unwrap(), Error::Aborted.to_string());
    stop.close().unwrap();
    work.join().unwrap().unwrap();
}

/// [3.4]: the policy decides what an error says.
#[test]
fn m_state_05_failed_work_is_told_as_the_policy_says() {
    for (policy, is_as_told) in [
        (OnFailure::Release, (|outcome| *outcome == Outcome::Released) as fn(&Outcome) -> bool),
        (OnFailure::Reject, |outcome| matches!(outcome, Outcome::Rejected(_))),
        (OnFailure::Retry(1), |outcome| matches!(outcome, Outcome::Rejected(_))),
    ] {
        let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
        let worked = AtomicUsize::new(0);
        let stop = receiver.clone();
        thread::scope(|scope| {
            scope.spawn(|| {
                receiver.for_each_with(1, policy, |_| {
                    // A message that is released does not come again here, as nobody sends it.
                    worked.fetch_add(1, Ordering::SeqCst);
                    Err::<(), _>("no")
                })
            });
            assert!(is_as_told(&outcome(&sender.send_queued("job").unwrap())));
            stop.close().unwrap();
        });
        assert_eq!(worked.load(Ordering::SeqCst), 1);
    }
}

/// So many messages are worked on at a time, and no more.
#[test]
fn m_state_05_so_many_are_worked_on_at_a_time() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            receiver.for_each(3, |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(20));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<(), Error>(())
            })
        });
        let sent: Vec<_> = (0..20).map(|_| sender.send_queued("job").unwrap()).collect();
        for sent in sent {
            assert_eq!(outcome(&sent), Outcome::Accepted);
        }
        sender.close().unwrap();
        work.join().unwrap().unwrap();
    });
    let most = most.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most}");
}

/// M-STATE-08 [3.4.5]: work that panics has processed nothing, and ends all threads.
#[test]
fn m_state_08_work_that_panics_accepts_nothing() {
    let (sender, receiver, _ends) = sending_to(ReceiverOptions::new());
    let work = run(move || receiver.for_each(3, |_| -> Result<(), Error> { panic!("as it happens") }));
    assert_eq!(outcome(&sender.send_queued("job").unwrap()), failed());
    assert!(work.join().is_err());
}

/// L-DET-03 [2.6.4]: that there is nothing yet is not that there will be nothing.
#[test]
fn l_det_03_the_end_of_a_link_is_told_to_those_who_look() {
    for error in [None, Some(AmqpError::new(Condition::ResourceDeleted))] {
        let (client, server, _) = piped();
        let attaching = run(move || (client.receiver("jobs").attach().unwrap(), client));
        let sender = next_sender(&server);
        let (receiver, _client) = attaching.join().unwrap();
        assert!(receiver.try_recv().unwrap().is_none());
        match error.clone() {
            Some(error) => sender.close_with(error).unwrap(),
            None => sender.close().unwrap(),
        }
        receiver.closed();
        let over = receiver.try_recv().unwrap_err();
        assert_eq!(over.condition().is_some(), error.is_some());
        assert_eq!(matches!(over.or_end::<()>(), Ok(None)), error.is_none());
    }
}

/// E-SIZE-05 [1.6]: a message is decoded within the limits of the connection that it came over.
#[test]
fn e_size_05_a_message_is_decoded_within_the_limits_of_its_connection() {
    let small = ConnectionOptions::new().with_limits(Limits::DEFAULT.with_elements(64));
    let (client, server) = pair_with(ConnectionOptions::new(), Acceptor::new(small));
    let (sender, receiver) = sending(&client, &server);
    for (elements, is_taken) in [(60, true), (100, false)] {
        let list: List = (0..elements).map(Value::from).collect();
        let _sent = sender.send_queued(Value::List(list)).unwrap();
        let delivery = next(&receiver);
        assert_eq!(delivery.message().unwrap().body().is_ok(), is_taken, "{elements}");
        delivery.accept().unwrap();
    }
}
