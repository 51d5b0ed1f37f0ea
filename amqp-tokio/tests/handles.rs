//! What a handle that is dropped says of its message, and helpers that say it by what has come of the work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_tokio::config::{OnDrop, ReceiverOptions};
use amqp_tokio::message::Message;
use amqp_tokio::policy::OnFailure;
use amqp_tokio::types::{Limits, List, Value};
use amqp_tokio::wire::{Modified, Outcome, Rejected};
use amqp_tokio::{ConnectionOptions, Delivery, Error, IncomingStream, Receiver};
use common::{pair, pair_with, receiving, sending};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

fn failed() -> Outcome {
    Modified::failed().into()
}

/// Takes a message and leaves by `?`, as it is not what was expected.
async fn leave_half_way(receiver: &Receiver) -> Result<(), Error> {
    let delivery = receiver.recv().await?.ok_or(Error::Gone)?;
    let body = delivery.message()?.body()?;
    body.as_str().filter(|text| *text == "expected").ok_or(Error::Aborted)?;
    delivery.accept()
}

/// M-STATE-07 [3.4.4]: what was not processed is released: left by `?`, or held by a task that is cancelled.
#[tokio::test]
async fn m_state_07_a_delivery_that_is_dropped_is_released() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let mut sent = sender.send_queued("odd").await.unwrap();
    assert!(leave_half_way(&receiver).await.is_err());
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);

    let mut sent = sender.send_queued("job").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    let task = tokio::spawn(async move {
        tokio::time::sleep(LONG).await;
        delivery.accept()
    });
    task.abort();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
}

/// M-STATE-08 [3.4.5]: an attempt that ended in a panic counts as one.
#[tokio::test]
async fn m_state_08_a_panic_counts_as_a_failed_delivery() {
    for on_drop in [OnDrop::Release, OnDrop::Accept] {
        let (client, server) = pair().await;
        let options = ReceiverOptions::new().with_on_drop(on_drop);
        let (sender, receiver, _session) = sending(&client, &server, options).await;
        let mut sent = sender.send_queued("job").await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        let handler = tokio::spawn(async move {
            let _delivery = delivery;
            panic!("as it happens");
        });
        assert!(handler.await.unwrap_err().is_panic());
        assert_eq!(sent.outcome().await.unwrap(), failed());
    }
}

/// The receiver chooses what a drop says.
#[tokio::test]
async fn m_state_07_a_drop_says_what_was_chosen() {
    for (options, outcome) in [
        (ReceiverOptions::new().with_auto_accept(true), Some(Outcome::Accepted)),
        (ReceiverOptions::new().with_auto_accept(false), Some(Outcome::Released)),
        (ReceiverOptions::new().with_on_drop(OnDrop::Keep), None),
    ] {
        let (client, server) = pair().await;
        let (sender, receiver, _session) = sending(&client, &server, options).await;
        let mut sent = sender.send_queued("job").await.unwrap();
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

async fn begin(receiver: &Receiver) -> IncomingStream {
    receiver.recv_stream().await.unwrap().unwrap()
}

/// M-STATE-07 [3.4.4]: the same of a message that is read while it comes, however much of it was read.
#[tokio::test]
async fn m_state_07_a_stream_that_is_dropped_is_released() {
    for (auto_accept, outcome) in [(false, Outcome::Released), (true, Outcome::Accepted)] {
        let (client, server) = pair().await;
        let options = ReceiverOptions::new().with_streaming(true).with_auto_accept(auto_accept);
        let (sender, receiver, _session) = sending(&client, &server, options).await;
        let mut sent = sender.send_queued("read to its end").await.unwrap();
        let mut stream = begin(&receiver).await;
        stream.read_to_end().await.unwrap();
        drop(stream);
        assert_eq!(sent.outcome().await.unwrap(), outcome);
        let mut sent = sender.send_queued("not read").await.unwrap();
        drop(begin(&receiver).await);
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
        let mut sent = sender.send_queued("not read, in a panic").await.unwrap();
        let stream = begin(&receiver).await;
        let handler = tokio::spawn(async move {
            let _stream = stream;
            panic!("as it happens");
        });
        assert!(handler.await.unwrap_err().is_panic());
        assert_eq!(sent.outcome().await.unwrap(), failed());
    }
}

/// [3.4]: `Ok` accepts, `Err` has the message come again and rejects it in the end; what the work has decided itself
/// stays.
#[tokio::test]
async fn m_state_05_work_is_told_by_its_result() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let stop = receiver.clone();
    let work = receiver.for_each(3, |delivery: Delivery| async move {
        match delivery.message()?.body()?.as_str() {
            Some("good") => Ok(()),
            Some("own") => delivery.release(),
            _ => Err(Error::Aborted),
        }
    });
    let send = async {
        assert_eq!(sender.send("good").await.unwrap(), Outcome::Accepted);
        assert_eq!(sender.send("own").await.unwrap(), Outcome::Released);
        assert_eq!(sender.send("bad").await.unwrap(), failed());
        let mut again = Message::from("bad");
        again.header_mut().delivery_count = 4;
        let Outcome::Rejected(rejected) = sender.send(again).await.unwrap() else {
            panic!("it failed often")
        };
        assert_eq!(&*rejected.error.unwrap().description.unwrap(), Error::Aborted.to_string());
        stop.close().await.unwrap();
    };
    let (done, ()) = timeout(LONG, async { tokio::join!(work, send) }).await.unwrap();
    done.unwrap();
}

/// [3.4]: the policy decides what an error says.
#[tokio::test]
async fn m_state_05_failed_work_is_told_as_the_policy_says() {
    for (policy, is_as_told) in [
        (OnFailure::Release, (|outcome| *outcome == Outcome::Released) as fn(&Outcome) -> bool),
        (OnFailure::Reject, |outcome| matches!(outcome, Outcome::Rejected(_))),
        (OnFailure::Retry(1), |outcome| matches!(outcome, Outcome::Rejected(_))),
    ] {
        let (client, server) = pair().await;
        let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
        let work = receiver.for_each_with(1, policy, |_| async { Err::<(), _>("no") });
        let work = tokio::spawn(work);
        assert!(is_as_told(&sender.send("job").await.unwrap()));
        work.abort();
    }
}

/// So many messages are worked on at a time, and no more.
#[tokio::test]
async fn m_state_05_so_many_are_worked_on_at_a_time() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, highest) = (Arc::clone(&now), Arc::clone(&most));
    let work = receiver.for_each(3, move |_| {
        let (now, most) = (Arc::clone(&seen), Arc::clone(&highest));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<(), Error>(())
        }
    });
    let send = async {
        let mut sent = Vec::new();
        for _ in 0..20 {
            sent.push(sender.send_queued("job").await.unwrap());
        }
        for sent in sent {
            assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        }
        sender.close().await.unwrap();
    };
    let (done, ()) = timeout(LONG, async { tokio::join!(work, send) }).await.unwrap();
    done.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

/// M-STATE-07, M-STATE-08 [3.4.4] [3.4.5]: work that is cancelled, or panics, has processed nothing.
#[tokio::test]
async fn m_state_08_work_that_does_not_end_accepts_nothing() {
    for (panics, outcome) in [(false, Outcome::Released), (true, failed())] {
        let (client, server) = pair().await;
        let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
        let kept = receiver.clone();
        let work = tokio::spawn(receiver.for_each(1, move |_| async move {
            assert!(!panics, "as it happens");
            tokio::time::sleep(LONG).await;
            Ok::<(), Error>(())
        }));
        let mut sent = sender.send_queued("job").await.unwrap();
        if !panics {
            while kept.unsettled() == 0 {
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
            work.abort();
        }
        assert_eq!(timeout(LONG, sent.outcome()).await.unwrap().unwrap(), outcome);
        assert!(timeout(LONG, work).await.unwrap().is_err());
    }
}

/// T-DISP-13 [2.6.12]: an outcome does not change, however often it is asked for.
#[tokio::test]
async fn t_disp_13_an_outcome_stays_known() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    let mut sent = sender.send_queued("job").await.unwrap();
    assert_eq!(sent.try_outcome().unwrap(), None);
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    for _ in 0..3 {
        assert_eq!((&mut sent).await.unwrap(), Outcome::Accepted);
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
        assert_eq!(sent.try_outcome().unwrap(), Some(Outcome::Accepted));
    }
    let mut lost = sender.send_queued("job").await.unwrap();
    receiver.close_with(amqp_tokio::wire::Condition::ResourceDeleted).await.unwrap();
    for _ in 0..3 {
        assert!(!matches!(lost.outcome().await, Err(Error::Undecided) | Ok(Outcome::Accepted)));
    }
}

/// L-DET-03 [2.6.4]: that there is nothing yet is not that there will be nothing.
#[tokio::test]
async fn l_det_03_the_end_of_a_link_is_told_to_those_who_look() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    assert!(receiver.try_recv().unwrap().is_none());
    let error = amqp_tokio::wire::Error::new(amqp_tokio::wire::Condition::ResourceDeleted);
    sender.close_with(error).await.unwrap();
    receiver.closed().await;
    let over = receiver.try_recv().unwrap_err();
    assert_eq!(over.condition(), Some(&amqp_tokio::wire::Condition::ResourceDeleted));

    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    sender.close().await.unwrap();
    receiver.closed().await;
    let over = receiver.try_recv().unwrap_err();
    assert!(matches!(over.or_end::<()>(), Ok(None)), "nothing was wrong");
}

/// E-SIZE-05 [1.6]: a message is decoded within the limits of the connection that it came over.
#[tokio::test]
async fn e_size_05_a_message_is_decoded_within_the_limits_of_its_connection() {
    let small = ConnectionOptions::new().with_limits(Limits::DEFAULT.with_elements(64));
    let (client, server) = pair_with(ConnectionOptions::new(), small, 1 << 16).await;
    let (sender, receiver, _session) = sending(&client, &server, ReceiverOptions::new()).await;
    for (elements, is_taken) in [(60, true), (100, false)] {
        let list: List = (0..elements).map(Value::from).collect();
        let _sent = sender.send_queued(Value::List(list)).await.unwrap();
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().is_ok(), is_taken, "{elements}");
        delivery.accept().unwrap();
    }
}
