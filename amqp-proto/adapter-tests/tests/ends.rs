//! The fate of messages that are not taken when their link ends.

use std::sync::mpsc;

use super::common::engine::Engine;
use super::common::port::Port;
use super::common::{link, link_on_session, listener, next_client, next_receiver, next_session};
use crate::adapter::{self, both, on_thread, pause, spawn};
use crate::amqp::config::{ReceiverOptions, SessionOptions};
use crate::amqp::proto::Event;
use crate::amqp::types::TransferNumber;
use crate::amqp::wire::{AmqpError, Condition, Outcome, Target};
use crate::amqp::{Delivery, Error, Outgoing, Receiver, Sender, Sent};

/// L-CLOSE-01 [2.6.6]: messages sent before the peer's close can be received after it.
#[adapter::test]
async fn l_close_01_messages_before_the_peers_close_are_received() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let mut sent = Vec::new();
    for body in ["a", "b", "c"] {
        sent.push(sender.send_queued(body).await.unwrap());
    }
    sender.close().await.unwrap();
    for body in ["a", "b", "c"] {
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(body));
        // The sender is gone, so the outcome is an error.
        assert!(matches!(delivery.accept(), Err(Error::Link(_))));
    }
    assert!(receiver.recv().await.unwrap().is_none());
    for sent in sent {
        assert!(matches!(sent.outcome().await, Err(Error::Lost(_))), "it has not waited for the outcome");
    }
}

/// L-CLOSE-01 [2.6.6]: a message that is read while it arrives can be read after the close.
#[adapter::test]
async fn l_close_01_messages_before_the_peers_close_are_read() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new().with_streaming(true)).await;
    for settled in [true, false] {
        drop(sender.send_queued(Outgoing::from("a message").with_settled(settled)).await.unwrap());
    }
    sender.close().await.unwrap();
    receiver.closed().await;
    for settled in [true, false] {
        let mut stream = receiver.recv_reader().await.unwrap().unwrap();
        assert_eq!(stream.is_settled(), settled);
        assert!(!stream.read_to_end().await.unwrap().is_empty());
        assert_eq!(stream.accept().is_ok(), settled);
    }
    assert!(receiver.recv_reader().await.unwrap().is_none());
}

/// L-DET-03 [2.6.4]: a link that the peer has detached is the peer's to attach again. To drop its handle writes nothing
/// that would cross that.
#[adapter::test]
async fn l_det_03_a_dropped_handle_leaves_a_detached_link_to_the_peer() {
    let port = Port::bind();
    let address = port.address();
    let (dropped, when) = mpsc::channel();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.sender(Target::at("jobs"), None);
        client.amqp.sender(link).unwrap().detach().unwrap();
        client.until(|event| matches!(event, Event::LinkDetached { .. }).then_some(()));
        when.recv().unwrap();
        // What the server has written is there, but not read.
        let again = client.sender(Target::at("jobs"), None);
        client.send(again, "a job");
        client.settle();
    });
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let receiver = next_receiver(&session, ReceiverOptions::new()).await;
    receiver.closed().await;
    drop(receiver);
    dropped.send(()).unwrap();
    let receiver = next_receiver(&session, ReceiverOptions::new()).await;
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("a job"));
    delivery.accept().unwrap();
    client.join().await.unwrap();
}

/// L-DET-01 [2.6.4]: on a detached link, messages stay, and their outcomes are sent.
#[adapter::test]
async fn l_det_01_messages_before_the_peers_detach_are_answered() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let sent = sender.send_queued("job").await.unwrap();
    sender.detach().await.unwrap();
    receiver.closed().await;
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    let outcome = sent.outcome().await;
    assert!(matches!(outcome, Ok(Outcome::Accepted) | Err(Error::Lost(_))), "{outcome:?}");
}

/// Receives the messages `0`, `1` and `2`.
#[adapter::helper]
async fn take_three(receiver: &Receiver) -> Vec<Delivery> {
    let mut taken = Vec::new();
    for body in ["0", "1", "2"] {
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(body));
        taken.push(delivery);
    }
    taken
}

/// S-END-01, C-CLOSE-01 [2.5.5] [2.4.3]: messages sent before the peer ends its session, or connection, can be
/// received.
#[adapter::test]
async fn s_end_01_messages_before_the_end_of_their_session_are_received() {
    for whole in [false, true] {
        let ((sender, session), (receiver, _far), (client, _server)) = link_on_session().await;
        let sent = queue(&sender, 3).await;
        if whole {
            client.close().await.unwrap();
        } else {
            session.end().await.unwrap();
        }
        receiver.closed().await;
        for delivery in take_three(&receiver).await {
            assert!(delivery.accept().unwrap_err().is_remote(), "the sender is not there any more");
        }
        assert!(receiver.recv().await.unwrap().is_none());
        for sent in sent {
            assert!(matches!(sent.outcome().await, Err(Error::Lost(_))), "it has not waited for the outcome");
        }
    }
}

/// T-DISP-14 [2.6.12]: a settled message exists only at the receiver. On a detached link it can be received even
/// after its session or the connection has ended.
#[adapter::test]
async fn t_disp_14_settled_messages_of_a_detached_link_outlive_its_session() {
    for whole in [false, true] {
        let ((sender, session), (receiver, far), (client, _server)) = link_on_session().await;
        for body in ["0", "1", "2"] {
            drop(sender.send_queued(Outgoing::from(body).with_settled(true)).await.unwrap());
        }
        sender.detach().await.unwrap();
        if whole {
            client.close().await.unwrap();
        } else {
            session.end().await.unwrap();
        }
        assert!(far.next_link().await.unwrap().is_none());
        assert!(take_three(&receiver).await.iter().all(Delivery::is_settled));
        assert!(receiver.recv().await.unwrap().is_none());
    }
}

#[adapter::helper]
async fn queue(sender: &Sender, messages: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for n in 0..messages {
        sent.push(sender.send_queued(format!("{n}")).await.unwrap());
    }
    sent
}

/// M-STATE-07 [3.4.4]: closing a receiver releases its prefetched messages.
#[adapter::test]
async fn m_state_07_a_closed_receiver_releases_unread_messages() {
    for streaming in [false, true] {
        let options = ReceiverOptions::new().with_prefetch(10).with_streaming(streaming);
        let (sender, receiver, _ends) = link(options).await;
        let sent = queue(&sender, 8).await;
        receiver.close().await.unwrap();
        for sent in sent {
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Released, "{streaming}");
        }
        assert!(receiver.recv().await.unwrap().is_none());
    }
}

/// M-STATE-07 [3.4.4]: dropping a receiver's last handle releases its prefetched messages.
#[adapter::test]
async fn m_state_07_a_dropped_receiver_releases_unread_messages() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let sent = queue(&sender, 8).await;
    let first = receiver.recv().await.unwrap().unwrap();
    while receiver.unsettled() < 8 {
        pause().await;
    }
    drop(receiver);
    first.accept().unwrap();
    let mut outcomes = Vec::new();
    for sent in sent {
        outcomes.push(sent.outcome().await.unwrap());
    }
    assert_eq!(outcomes[0], Outcome::Accepted);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Outcome::Released), "{outcomes:?}");
}

/// T-STOP-01 [2.6.10]: closing a receiver releases messages on the way, too.
#[adapter::test]
async fn t_stop_01_messages_on_the_way_are_released() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let sent = queue(&sender, 50).await;
    // On tokio, the server has not seen the messages when it begins to close.
    let close = async { receiver.close().await.unwrap() };
    both(close, async {
        for sent in sent {
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Released);
        }
    })
    .await;
}

/// T-DISP-14 [2.6.12]: settled messages exist only at the receiver, and can be received after a close.
#[adapter::test]
async fn t_disp_14_settled_messages_outlive_a_close() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    for _ in 0..5 {
        drop(sender.send_queued(Outgoing::from("job").with_settled(true)).await.unwrap());
    }
    receiver.close().await.unwrap();
    let mut count = 0;
    while let Some(delivery) = receiver.recv().await.unwrap() {
        assert!(delivery.is_settled());
        count += 1;
    }
    assert_eq!(count, 5);
}

/// [2.6.5]: a link that the peer has closed with an error tells that error when this end closes it, too.
#[adapter::test]
async fn a_close_tells_the_error_of_the_peer() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    let ending = spawn(async move { receiver.close_with(AmqpError::new(Condition::ResourceDeleted)).await });
    let _ = sender.closed().await;
    ending.join().await.unwrap().unwrap();
    let over = sender.close().await.unwrap_err();
    assert!(over.is_remote() && over.condition() == Some(&Condition::ResourceDeleted), "{over}");
}

/// [2.5.2]: a session that the peer has ended before it was accepted is offered no more.
#[adapter::test]
async fn a_session_that_has_ended_is_not_offered() {
    let (listener, _url) = listener().await;
    let address = listener.local_addr().unwrap();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let gone = client.amqp.begin(SessionOptions::new()).unwrap();
        client.amqp.session(gone).unwrap().end().unwrap();
        let last = SessionOptions::new().with_next_outgoing_id(TransferNumber::new(77));
        let last = client.amqp.begin(last).unwrap();
        client.until(|event| matches!(event, Event::SessionBegun(key) if *key == last).then_some(()));
    });
    let server = next_client(&listener).await;
    let _first = next_session(&server).await;
    let last = next_session(&server).await;
    assert_eq!(last.peer_begin().unwrap().next_outgoing_id, TransferNumber::new(77));
    client.join().await.unwrap();
}
