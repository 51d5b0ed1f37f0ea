//! The outcome of a message whose handle is dropped, and helpers that set the outcome by the result of the work.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::common::{link, pair, pair_with, receiving, sending};
use crate::adapter::{self, pause, spawn};
use crate::amqp::config::{OnDrop, ReceiverOptions};
use crate::amqp::message::Message;
use crate::amqp::policy::OnFailure;
use crate::amqp::types::{Limits, List, Value};
use crate::amqp::wire::{AmqpError, Condition, Modified, Outcome, Rejected};
use crate::amqp::{Acceptor, ConnectionOptions, Delivery, Error, Receiver};

fn failed() -> Outcome {
    Modified::failed().into()
}

/// Receives a message and returns by `?`, because of its content.
#[adapter::helper]
async fn leave_half_way(receiver: &Receiver) -> Result<(), Error> {
    let delivery = receiver.recv().await?.ok_or(Error::Gone)?;
    let body = delivery.message()?.body()?;
    body.as_str().filter(|text| *text == "expected").ok_or(Error::Aborted)?;
    delivery.accept()
}

/// M-STATE-07 [3.4.4]: a message that is dropped by `?` is released.
#[adapter::test]
async fn m_state_07_a_delivery_that_is_dropped_is_released() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let sent = sender.send_queued("odd").await.unwrap();
    assert!(leave_half_way(&receiver).await.is_err());
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
}

/// M-STATE-08 [3.4.5]: a message that is dropped by a panic counts as a failed delivery.
#[adapter::test]
async fn m_state_08_a_panic_counts_as_a_failed_delivery() {
    for on_drop in [OnDrop::Release, OnDrop::Accept] {
        let (sender, receiver, _ends) = link(ReceiverOptions::new().with_on_drop(on_drop)).await;
        let sent = sender.send_queued("job").await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        let work = spawn(async move {
            let _delivery = delivery;
            panic!("while a message is handled");
        });
        assert!(work.join().await.is_err());
        assert_eq!(sent.outcome().await.unwrap(), failed());
    }
}

/// The receiver's options set the outcome of a dropped message.
#[adapter::test]
async fn m_state_07_a_drop_says_what_was_chosen() {
    for (options, outcome) in [
        (ReceiverOptions::new().with_auto_accept(true), Some(Outcome::Accepted)),
        (ReceiverOptions::new().with_auto_accept(false), Some(Outcome::Released)),
        (ReceiverOptions::new().with_on_drop(OnDrop::Keep), None),
    ] {
        let (sender, receiver, _ends) = link(options).await;
        let sent = sender.send_queued("job").await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        let key = delivery.key();
        drop(delivery);
        match outcome {
            Some(outcome) => assert_eq!(sent.outcome().await.unwrap(), outcome),
            None => {
                assert_eq!(receiver.unsettled(), 1);
                receiver.reject(key, None).unwrap();
                assert_eq!(sent.outcome().await.unwrap(), Rejected { error: None }.into());
            }
        }
    }
}

/// M-STATE-07 [3.4.4]: a message read while it arrives is released, whatever part of it was read.
#[adapter::test]
async fn m_state_07_a_stream_that_is_dropped_is_released() {
    for (auto_accept, outcome) in [(false, Outcome::Released), (true, Outcome::Accepted)] {
        let options = ReceiverOptions::new().with_streaming(true).with_auto_accept(auto_accept);
        let (sender, receiver, _ends) = link(options).await;
        let sent = sender.send_queued("read to its end").await.unwrap();
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        stream.read_to_end().await.unwrap();
        drop(stream);
        assert_eq!(sent.outcome().await.unwrap(), outcome);
        let sent = sender.send_queued("not read").await.unwrap();
        drop(receiver.recv_reader().await.unwrap().unwrap());
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
        let sent = sender.send_queued("not read, in a panic").await.unwrap();
        let stream = receiver.recv_reader().await.unwrap().unwrap();
        let work = spawn(async move {
            let _stream = stream;
            panic!("while a message is read");
        });
        assert!(work.join().await.is_err());
        assert_eq!(sent.outcome().await.unwrap(), failed());
    }
}

/// [3.4]: `Ok` accepts, `Err` has the message come again and rejects it in the end; what the work has decided itself
/// stays.
#[adapter::test]
async fn m_state_05_the_result_of_the_work_decides() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let stop = receiver.clone();
    let work = spawn(async move {
        let work = async |delivery: Delivery| match delivery.message()?.body()?.as_str() {
            Some("good") => Ok(()),
            Some("own") => delivery.release(),
            _ => Err(Error::Aborted),
        };
        receiver.for_each(3, work).await
    });
    assert_eq!(sender.send("good").await.unwrap(), Outcome::Accepted);
    assert_eq!(sender.send("own").await.unwrap(), Outcome::Released);
    assert_eq!(sender.send("bad").await.unwrap(), failed());
    let mut again = Message::from("bad");
    again.header_mut().delivery_count = 4;
    let Outcome::Rejected(rejected) = sender.send(again).await.unwrap() else { panic!("it failed often") };
    assert_eq!(&*rejected.error.unwrap().description.unwrap(), Error::Aborted.to_string());
    stop.close().await.unwrap();
    work.join().await.unwrap().unwrap();
}

/// [3.4]: the policy decides what an error says.
#[adapter::test]
async fn m_state_05_failed_work_is_told_as_the_policy_says() {
    static WORKED: AtomicUsize = AtomicUsize::new(0);
    for (policy, is_as_told) in [
        (OnFailure::Release, (|outcome| *outcome == Outcome::Released) as fn(&Outcome) -> bool),
        (OnFailure::Reject, |outcome| matches!(outcome, Outcome::Rejected(_))),
        (OnFailure::Retry(1), |outcome| matches!(outcome, Outcome::Rejected(_))),
    ] {
        let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
        let stop = receiver.clone();
        let work = spawn(async move {
            let work = async |_| {
                // A released message does not come again: the test does not send it again.
                WORKED.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>("no")
            };
            receiver.for_each_with(1, policy, work).await
        });
        assert!(is_as_told(&sender.send("job").await.unwrap()));
        stop.close().await.unwrap();
        work.join().await.unwrap().unwrap();
        assert_eq!(WORKED.swap(0, Ordering::SeqCst), 1);
    }
}

/// At most this number of messages is processed at a time.
#[adapter::test]
async fn m_state_05_a_bounded_number_of_messages_is_worked_on() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let work = spawn(async move {
        let work = async |_| {
            MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            while MOST.load(Ordering::SeqCst) < 3 {
                pause().await;
            }
            pause().await;
            NOW.fetch_sub(1, Ordering::SeqCst);
            Ok::<(), Error>(())
        };
        receiver.for_each(3, work).await
    });
    let mut sent = Vec::new();
    for _ in 0..20 {
        sent.push(sender.send_queued("job").await.unwrap());
    }
    for sent in sent {
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    }
    sender.close().await.unwrap();
    work.join().await.unwrap().unwrap();
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
}

/// M-STATE-08 [3.4.5]: a closure that panics has processed no message, and ends the loop.
#[adapter::test]
async fn m_state_08_work_that_panics_accepts_nothing() {
    for concurrency in [1, 3] {
        let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
        let work = spawn(async move {
            let work = async |_| -> Result<(), Error> { panic!("as it happens") };
            receiver.for_each(concurrency, work).await
        });
        assert_eq!(sender.send("job").await.unwrap(), failed());
        assert!(work.join().await.is_err());
    }
}

/// T-DISP-13 [2.6.12]: an outcome does not change, however often it is read.
#[adapter::test]
async fn t_disp_13_an_outcome_stays_known() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let sent = sender.send_queued("job").await.unwrap();
    assert_eq!(sent.try_outcome().unwrap(), None);
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    for _ in 0..3 {
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
        assert_eq!(sent.try_outcome().unwrap(), Some(Outcome::Accepted));
    }
    let lost = sender.send_queued("job").await.unwrap();
    receiver.close_with(Condition::ResourceDeleted).await.unwrap();
    for _ in 0..3 {
        assert!(!matches!(lost.outcome().await, Err(Error::Undecided) | Ok(Outcome::Accepted)));
    }
}

/// L-DET-03 [2.6.4]: `try_recv` distinguishes a link without messages from one that has ended.
#[adapter::test]
async fn l_det_03_try_recv_reports_the_end_of_a_link() {
    for error in [None, Some(AmqpError::new(Condition::ResourceDeleted))] {
        let (client, server) = pair().await;
        let (receiver, sender, _session) = receiving(client.receiver("jobs"), &server).await;
        assert!(receiver.try_recv().unwrap().is_none());
        match error.clone() {
            Some(error) => sender.close_with(error).await.unwrap(),
            None => sender.close().await.unwrap(),
        }
        receiver.closed().await;
        let over = receiver.try_recv().unwrap_err();
        assert_eq!(over.condition(), error.as_ref().map(|error| &error.condition));
        assert_eq!(matches!(over.or_end::<()>(), Ok(None)), error.is_none());
    }
}

/// E-SIZE-05 [1.6]: a message is decoded within the limits of its connection.
#[adapter::test]
async fn e_size_05_a_message_is_decoded_within_the_limits_of_its_connection() {
    let small = ConnectionOptions::new().with_limits(Limits::DEFAULT.with_elements(64));
    let (client, server) = pair_with(ConnectionOptions::new(), Acceptor::new(small)).await;
    let (sender, receiver, _session) = sending(client.sender("jobs"), &server, ReceiverOptions::new()).await;
    for (elements, is_taken) in [(60, true), (100, false)] {
        let list: List = (0..elements).map(Value::from).collect();
        let _sent = sender.send_queued(Value::List(list)).await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().is_ok(), is_taken, "{elements}");
        delivery.accept().unwrap();
    }
}
