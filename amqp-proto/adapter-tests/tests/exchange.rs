//! Messages and outcomes in both directions.

use super::common::{link, next_receiver, next_session, pair, pair_with, receiving, sending};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::{ReceiverOptions, SessionOptions};
use crate::amqp::message::Message;
use crate::amqp::proto::composite;
use crate::amqp::types::{Symbol, TransactionId};
use crate::amqp::wire::{
    AmqpError, Condition, Modified, Outcome, ReceiverSettleMode, Rejected, SenderSettleMode,
};
use crate::amqp::{Acceptor, ConnectionOptions, Error, Origin, Outgoing};

fn by_hand(prefetch: u32) -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(prefetch).with_auto_accept(false)
}

composite! {
    /// A reading of a meter.
    #[derive(Debug, Clone, PartialEq)]
    struct Reading: "com.example:reading:list", 0x4e20_0000_0001 {
        meter: String,
        watts: Option<f64>,
    }
}

#[adapter::test]
async fn a_composite_of_the_application_is_sent_and_received() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new().with_auto_accept(true)).await;
    let reading = Reading { meter: "17".into(), watts: Some(2.5) };
    let expected = reading.clone();
    let receive = spawn(async move {
        for _ in 0..2 {
            let body = receiver.recv().await.unwrap().unwrap().message().unwrap().body().unwrap();
            let read = body.read::<Reading>();
            assert_eq!(read.ok(), body.as_str().is_none().then(|| expected.clone()));
        }
    });
    assert_eq!(sender.send(reading).await.unwrap(), Outcome::Accepted);
    assert_eq!(sender.send("no reading").await.unwrap(), Outcome::Accepted);
    receive.join().await.unwrap();
}

#[adapter::test]
async fn a_message_is_sent_received_and_accepted() {
    let (sender, receiver, (client, server, _session)) =
        link(ReceiverOptions::new().with_auto_accept(true)).await;
    let receive = spawn(async move {
        let delivery = receiver.recv().await.unwrap().unwrap();
        assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some("hello"));
        assert!(!delivery.is_settled());
    });
    assert_eq!(sender.send("hello").await.unwrap(), Outcome::Accepted);
    receive.join().await.unwrap();
    client.close().await.unwrap();
    assert_eq!(server.closed().await.origin(), Origin::Remote);
}

/// A handle shows the numbers of its connection, also when the connection is over.
#[adapter::test]
async fn a_connection_has_metrics() {
    let (sender, receiver, (client, server, _session)) = link(by_hand(10)).await;
    let sent = sender.send_queued("job").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    let (near, far) = (client.metrics(), server.metrics());
    assert_eq!((near.sessions, near.links, near.deliveries_sent, near.unsettled_sent), (1, 1, 1, 1));
    assert_eq!((far.deliveries_received, far.unsettled_received, far.deliveries_sent), (1, 1, 0));
    delivery.accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    assert_eq!((client.metrics().unsettled_sent, client.metrics().deliveries_sent), (0, 1));
    client.close().await.unwrap();
    server.closed().await;
    let (near, far) = (client.metrics(), server.metrics());
    assert_eq!((near.octets_sent, far.octets_sent), (far.octets_received, near.octets_received));
    assert_eq!((near.deliveries_sent, far.deliveries_received), (1, 1));
}

#[adapter::test]
async fn each_outcome_comes_back_to_its_message() {
    let (sender, receiver, _ends) = link(by_hand(10)).await;
    let (mut sent, mut seen) = (Vec::new(), Vec::new());
    for n in 0..5 {
        sent.push(sender.send_queued(format!("job {n}")).await.unwrap());
    }
    for n in 0..5 {
        let delivery = receiver.recv().await.unwrap().unwrap();
        let body = delivery.message().unwrap().body().unwrap();
        assert_eq!(body.as_str(), Some(&*format!("job {n}")));
        seen.push(delivery);
    }
    let [a, b, c, d, e] = <[_; 5]>::try_from(seen).unwrap();
    let error = AmqpError::new(Condition::InvalidField).with_description("no such job");
    let modified = Modified { delivery_failed: Some(true), ..Modified::default() };
    let expected = [
        Outcome::Accepted,
        Outcome::Accepted,
        Outcome::Rejected(Rejected { error: Some(Box::new(error.clone())) }),
        Outcome::Released,
        Outcome::from(modified.clone()),
    ];
    // The outcomes are set in another order than the messages arrived.
    e.modify(modified).unwrap();
    d.release().unwrap();
    c.reject(error).unwrap();
    receiver.accept(b.into_undecided()).unwrap();
    a.accept().unwrap();
    for (sent, expected) in sent.into_iter().zip(expected) {
        assert_eq!(sent.outcome().await.unwrap(), expected);
        assert_eq!(sent.try_outcome().unwrap(), Some(expected), "it stays known");
    }
}

/// T-DISP-14: a message that is sent settled counts as accepted; the receiver's outcome is not sent.
#[adapter::test]
async fn a_message_that_is_sent_settled() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new()).await;
    assert_eq!(sender.send(Outgoing::from("now").with_settled(true)).await.unwrap(), Outcome::Accepted);
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert!(delivery.is_settled());
    delivery.reject(None).unwrap();
}

/// On a link with receiver mode second, the receiver's outcome waits for the sender, which must have seen it.
#[adapter::test]
async fn a_receiver_can_wait_for_the_sender_to_settle() {
    let (client, server) = pair().await;
    let builder = client.receiver("jobs").with_auto_accept(false);
    let builder = builder.with_rcv_settle_mode(ReceiverSettleMode::Second);
    let (receiver, sender, _session) = receiving(builder, &server).await;
    let receive = spawn(async move {
        let delivery = receiver.recv().await.unwrap().unwrap();
        let key = delivery.key();
        delivery.accept().unwrap();
        receiver.settled(key).await.unwrap();
        assert!(matches!(receiver.accept(key), Err(Error::Settle(_))), "it is gone");
        receiver.settled(key).await.unwrap();
    });
    assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    receive.join().await.unwrap();
    client.close().await.unwrap();
}

/// A delivery of a receiver that settles second is settled after the sender has settled it.
#[adapter::test]
async fn waiting_until_a_delivery_is_settled() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second);
    let (sender, receiver, _session) = sending(builder.with_auto_settle(false), &server, by_hand(1)).await;
    let sent = sender.send_queued("job").await.unwrap();
    let key = receiver.recv().await.unwrap().unwrap().into_undecided();
    receiver.accept(key).unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    assert_eq!(receiver.unsettled(), 1);
    let waiting = receiver.clone();
    let waiting = spawn(async move { waiting.settled(key).await });
    sent.settle().unwrap();
    waiting.join().await.unwrap().unwrap();
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
}

#[adapter::test]
async fn large_messages_go_both_ways_at_once() {
    const OCTETS: usize = 5 << 20;
    let (client, server) =
        pair_with(ConnectionOptions::new().with_accept_offers(true), Acceptor::default()).await;
    let (there, from_client, _session) =
        sending(client.sender("jobs"), &server, ReceiverOptions::new()).await;
    let (back, from_server, _back) = sending(server.sender("answers"), &client, ReceiverOptions::new()).await;
    let mut ends = Vec::new();
    for (sender, receiver, fill) in [(there, from_server, 1_u8), (back, from_client, 2_u8)] {
        ends.push(spawn(async move {
            let sent = sender.send_queued(Message::new(vec![fill; OCTETS])).await.unwrap();
            let delivery = receiver.recv().await.unwrap().unwrap();
            let message = delivery.message().unwrap().body().unwrap();
            assert_eq!(message.as_bytes().unwrap().len(), OCTETS);
            assert!(message.as_bytes().unwrap().iter().all(|octet| *octet == 3 - fill));
            delivery.accept().unwrap();
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
        }));
    }
    for end in ends {
        end.join().await.unwrap();
    }
}

/// Settled messages are not lost if the link ends before they are taken.
#[adapter::test]
async fn settled_messages_outlive_their_link() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_snd_settle_mode(SenderSettleMode::Settled);
    let (sender, receiver, _session) = sending(builder, &server, ReceiverOptions::new()).await;
    for _ in 0..3 {
        assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
    }
    client.close().await.unwrap();
    server.closed().await;
    for _ in 0..3 {
        assert!(receiver.recv().await.unwrap().is_some());
    }
    assert!(receiver.recv().await.unwrap().is_none());
}

/// Settled messages arrive although link and connection are closed behind them.
#[adapter::test]
async fn settled_messages_arrive_before_the_close() {
    let (sender, receiver, (client, server, _session)) = link(ReceiverOptions::new()).await;
    for n in 0..50 {
        let outgoing = Outgoing::from(format!("{n}")).with_settled(true);
        let sent = sender.send_queued(outgoing).await.unwrap();
        assert!(sent.is_settled());
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    }
    let _large = sender.send_queued(Outgoing::from(vec![1; 4 << 20]).with_settled(true)).await.unwrap();
    sender.close().await.unwrap();
    client.close().await.unwrap();
    server.closed().await;
    let mut count = 0;
    while let Some(delivery) = receiver.recv().await.unwrap() {
        assert!(delivery.is_settled());
        count += 1;
    }
    assert_eq!(count, 51);
}

/// All sent messages are written before the link is closed, whatever their size.
#[adapter::test]
async fn a_close_waits_for_what_was_sent() {
    let (sender, receiver, _ends) = link(ReceiverOptions::new().with_prefetch(1)).await;
    let _sent = sender.send_queued(Outgoing::from(vec![1; 20 << 20]).with_settled(true)).await.unwrap();
    let closing = spawn(async move { sender.close().await });
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert_eq!(delivery.message().unwrap().body().unwrap().as_bytes().unwrap().len(), 20 << 20);
    closing.join().await.unwrap().unwrap();
}

/// The peer's settings of a link, and a message that is settled without an outcome.
#[adapter::test]
async fn the_settings_of_the_other_end() {
    let (sender, receiver, _ends) =
        link(ReceiverOptions::new().with_prefetch(0).with_max_message_size(1_000)).await;
    assert_eq!(sender.max_message_size(), Some(1_000));
    sender.set_available(7).unwrap();
    receiver.add_credit(1).unwrap();
    let sent = sender.send_queued("job").await.unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    assert_eq!(delivery.receiver().unsettled(), 1);
    delivery.settle().unwrap();
    assert!(matches!(sent.outcome().await, Err(Error::Undecided)));
    assert_eq!(receiver.unsettled(), 0);
    receiver.drain().await.unwrap();
    assert_eq!(receiver.available(), 6, "one of them has come");
}

/// X-RET-01, X-RET-03: a message retired in a transaction stays unsettled, and can get another outcome.
#[adapter::test]
async fn x_ret_03_a_retired_message_stays_unsettled() {
    let (sender, receiver, _ends) = link(by_hand(1)).await;
    let sent = sender.send_queued("job").await.unwrap();
    let transaction = TransactionId::new(b"t").unwrap();
    let delivery = receiver.recv().await.unwrap().unwrap();
    let key = delivery.retire(transaction.clone(), Outcome::Accepted).unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    receiver.retire(key, transaction, Outcome::Released).unwrap();
    assert_eq!((sender.unsettled(), receiver.unsettled()), (1, 1));
    receiver.release(key).unwrap();
    assert_eq!(receiver.unsettled(), 0);
}

/// Old handles of a link do not close it after it was detached and attached again.
#[adapter::test]
async fn a_link_that_is_attached_again() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_name("one");
    let (mut sender, mut receiver, session) = sending(builder, &server, by_hand(1)).await;
    for is_ours in [true, false, true] {
        let lost = sender.send_queued("job").await.unwrap();
        receiver.recv().await.unwrap().unwrap().into_undecided();
        if is_ours {
            sender.detach().await.unwrap()
        } else {
            receiver.detach().await.unwrap()
        }
        let ends = [sender.closed().await, receiver.closed().await];
        assert!(ends.iter().all(|end| end.condition().is_none() && end.ended().is_some()), "{ends:?}");
        assert!(matches!(lost.outcome().await, Err(Error::Lost(_))));
        assert!(sender.try_send("late").is_err());
        let builder = client.sender("jobs").with_name("one");
        let attach = async { builder.attach().await.unwrap() };
        let (again, there) = both(attach, async { next_receiver(&session, by_hand(1)).await }).await;
        drop(lost);
        drop((std::mem::replace(&mut sender, again), std::mem::replace(&mut receiver, there)));
        assert_eq!((&*sender.name(), &*receiver.name()), ("one", "one"));
    }
    let sent = sender.send_queued("job").await.unwrap();
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    sender.close_with(AmqpError::new(Condition::ResourceDeleted)).await.unwrap();
    assert_eq!(receiver.closed().await.condition(), Some(&Condition::ResourceDeleted));
    assert_eq!(receiver.name(), "");
}

/// A client that does not accept offers refuses them; otherwise it gets them.
#[adapter::test]
async fn offers_of_the_peer() {
    let (client, server) = pair().await;
    let refused = server.session().await.unwrap_err();
    assert!(matches!(&refused, Error::Session(_)) && refused.is_remote(), "{refused}");
    client.close().await.unwrap();
    let options = ConnectionOptions::new().with_accept_offers(true);
    let [fast, slow] = ["fast", "slow"].map(|name| Symbol::new(name).unwrap());
    let acceptor = Acceptor::new(ConnectionOptions::new().with_offered_capabilities(fast.clone()));
    let (client, server) = pair_with(options, acceptor).await;
    assert!(client.offers(&fast) && !client.offers(&slow));
    let begin = async { server.session_with(SessionOptions::new()).await.unwrap() };
    let (session, accepted) = both(begin, async { next_session(&client).await }).await;
    assert!(session.peer_begin().is_some() && accepted.peer_begin().is_some());
}
