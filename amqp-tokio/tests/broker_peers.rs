//! The broker in memory, and peers that write frames of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::types::{DeliveryNumber, Handle};
use amqp_tokio::wire::{
    Attach, DeliveryState, Disposition, Flow, Open, Outcome, Performative, Received, Role, Source, Target,
    TransactionalState,
};
use common::peer::{Peer, attach, closing, credit};
use common::served::{bounded, connect, delivery_count, next};

/// [2.6.5] Messages sent in one write with the close of their link arrive, settled or not, although the peer
/// disappears.
#[tokio::test]
#[adapter_tests::bounded]
async fn messages_before_the_detach_arrive() {
    let broker = Broker::new().unwrap();
    for n in 0..10 {
        for settled in [true, false] {
            let mut peer = Peer::connect(&broker).await;
            peer.attach_sender("jobs").await;
            peer.put_message(0, settled, &Message::from(format!("{n}")));
            peer.put(closing());
            peer.write().await;
            peer.until(|frame| matches!(frame, Performative::Detach(_))).await;
        }
    }
    let connection = connect(&broker).await;
    let receiver = connection.receiver("jobs").await.unwrap();
    let mut came = Vec::new();
    for _ in 0..20 {
        came.push(bounded(next(&receiver)).await.1);
    }
    came.sort_unstable();
    let sent: Vec<String> = (0..20).map(|n| (n / 2).to_string()).collect();
    assert_eq!(came, sent);
}

/// [2.4] Deliveries of a peer whose transport breaks come again, and count as failed.
#[tokio::test]
#[adapter_tests::bounded]
async fn deliveries_of_a_broken_peer_come_again() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    for n in 0..5 {
        let _ = sender.send(format!("{n}")).await.unwrap();
    }
    let mut peer = Peer::connect(&broker).await;
    peer.attach_receiver("jobs").await;
    peer.put(credit(0, 3, false));
    peer.write().await;
    for _ in 0..3 {
        peer.until(|frame| matches!(frame, Performative::Transfer(_))).await;
    }
    drop(peer);
    let receiver = connection.receiver("jobs").await.unwrap();
    let mut came = Vec::new();
    for _ in 0..5 {
        let (delivery, body) = bounded(next(&receiver)).await;
        came.push((body, delivery_count(&delivery).0));
        delivery.accept().unwrap();
    }
    came.sort_unstable();
    let expected = (0..5).map(|n| (n.to_string(), u32::from(n < 3)));
    assert!(came.iter().cloned().eq(expected), "{came:?}");
}

/// [2.6.7] A drain has one answer, behind the messages, with the number of messages left.
#[tokio::test]
#[adapter_tests::bounded]
async fn t_drain_01_one_flow_behind_the_messages() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    for (granted, waiting) in [(10, 0), (5, 0), (2, 3)] {
        let address = format!("jobs.{granted}");
        let sender = connection.sender(address.clone()).await.unwrap();
        for n in 0..5 {
            let _ = sender.send(format!("{n}")).await.unwrap();
        }
        let mut peer = Peer::connect(&broker).await;
        peer.attach_receiver(&address).await;
        peer.put(credit(0, granted, true));
        peer.write().await;
        let flow = |frame: &Performative| matches!(frame, Performative::Flow(flow) if flow.handle.is_some());
        let frames = bounded(peer.until(flow)).await;
        let is_transfer = |frame: &&Performative| matches!(frame, Performative::Transfer(_));
        let transfers = u32::try_from(frames.iter().filter(is_transfer).count()).unwrap();
        assert_eq!(transfers, granted.min(5), "{frames:?}");
        let Some(Performative::Flow(flow)) = frames.last() else { panic!("{frames:?}") };
        assert_eq!((flow.link_credit, flow.available), (Some(0), Some(waiting)), "{flow:?}");
        assert_eq!(flow.delivery_count.map(|count| count.get()), Some(granted));
    }
}

/// [4.1] Work in a transaction that does not exist is refused.
#[tokio::test]
#[adapter_tests::bounded]
async fn work_in_no_transaction_is_refused() {
    let broker = Broker::new().unwrap();
    let mut peer = Peer::connect(&broker).await;
    peer.attach_sender("jobs").await;
    let state = TransactionalState::new(7.into());
    peer.put_message_with(0, DeliveryState::Transactional(state.into()), &Message::from("job"));
    peer.write().await;
    let frames = peer.until(|frame| matches!(frame, Performative::Disposition(_))).await;
    let Some(Performative::Disposition(told)) = frames.last() else { panic!("{frames:?}") };
    assert!(matches!(told.state, Some(DeliveryState::Outcome(Outcome::Rejected(_)))), "{told:?}");
    assert!(broker.is_empty("jobs"));
}

/// [3.5.3] A dynamic node ends with its link, although the answer to the link does not fit the peer's frames.
#[tokio::test]
#[adapter_tests::bounded]
async fn dynamic_nodes_go_with_links_that_cannot_be_accepted() {
    let broker = Broker::new().unwrap();
    for role in [Role::Sender, Role::Receiver] {
        let small = Open { max_frame_size: 512, ..Open::new("by-hand".into()) };
        let mut peer = Peer::connect_with(&broker, small).await;
        let source = Source { dynamic: role == Role::Receiver, ..Source::default() };
        let target = Target { dynamic: role == Role::Sender, ..Target::default() };
        let name = "x".repeat(600).into();
        peer.put(Attach { name, ..attach("dynamic", role, source, target) });
        // The link behind it fits; its answer comes after that of the first.
        let (source, target) = (Source::at("jobs"), Target::default());
        peer.put(Attach { handle: Handle::new(1), ..attach("jobs", Role::Receiver, source, target) });
        peer.write().await;
        let is_jobs =
            |frame: &Performative| matches!(frame, Performative::Attach(attach) if attach.name == "jobs");
        bounded(peer.until(is_jobs)).await;
        assert_eq!(broker.node_count(), 1);
        drop(peer);
        common::polls::rest().await;
    }
}

/// [2.7.6] Dispositions without effect do not delay other clients, although all share one thread.
///
/// Counts turns instead of time: other clients exchange messages while the flood is read.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_flood_of_dispositions_does_not_delay_other_clients() {
    const MESSAGES: u32 = 1_000;
    /// About 1 MB, in frames of about 43 octets.
    const FRAMES: u32 = 24_000;
    const EXCHANGES: u32 = 10;
    let broker = Broker::new().unwrap();
    let good = connect(&broker).await;
    let sender = good.sender("flooded").await.unwrap();
    for _ in 0..MESSAGES {
        drop(sender.send_queued("x").await.unwrap());
    }
    let mut peer = Peer::connect(&broker).await;
    peer.attach_receiver("flooded").await;
    peer.put(credit(0, MESSAGES, false));
    peer.write().await;
    for _ in 0..MESSAGES {
        bounded(peer.until(|frame| matches!(frame, Performative::Transfer(_)))).await;
    }
    for _ in 0..FRAMES {
        // These states are no outcomes: all deliveries stay unsettled.
        peer.put(Disposition {
            last: Some(DeliveryNumber::new(MESSAGES - 1)),
            state: Some(DeliveryState::Received(Received::new(0, 1))),
            ..Disposition::new(Role::Receiver, DeliveryNumber::new(0))
        });
    }
    peer.put(Flow { echo: true, ..credit(MESSAGES, 0, false) });
    let jobs = (good.sender("jobs").await.unwrap(), good.receiver("jobs").await.unwrap());
    let flood = tokio::spawn(async move {
        peer.write().await;
        peer.until(|frame| matches!(frame, Performative::Flow(flow) if flow.handle.is_some())).await;
    });
    let mut exchanges = 0;
    while !flood.is_finished() {
        assert_eq!(bounded(jobs.0.send("job")).await.unwrap(), Outcome::Accepted);
        bounded(next(&jobs.1)).await.0.accept().unwrap();
        exchanges += 1;
    }
    flood.await.unwrap();
    assert!(exchanges >= EXCHANGES, "{exchanges}");
}
