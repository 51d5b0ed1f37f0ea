//! Futures of ends, credit and offers, dropped after each number of polls: both ends still agree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::{AmqpError, Condition, Outcome, ReceiverSettleMode};
use amqp_tokio::{Connection, Listener, OfferedLink, Receiver, Sender, Session};
use common::polls::{each_poll, polled, rest};
use common::{pair, sending};

fn one_by_one() -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(0).with_auto_accept(false)
}

/// A link on which the client receives, with manual credit, at both ends.
async fn receiving(client: &Connection, server: &Connection) -> (Receiver, Sender, Session) {
    let accept = async {
        let session = common::session(server).await;
        (common::sender(&session).await, session)
    };
    let attach = client.receiver("jobs").with_prefetch(0).with_auto_accept(false);
    let (receiver, (sender, session)) = tokio::join!(attach, accept);
    (receiver.unwrap(), sender, session)
}

fn gone() -> AmqpError {
    AmqpError::new(Condition::ResourceDeleted)
}

/// Checks that both ends have the same credit, and that a message passes.
async fn is_usable(sender: &Sender, receiver: &Receiver) {
    rest().await;
    assert_eq!(sender.credit(), receiver.credit());
    receiver.set_credit(1).unwrap();
    let accept = async { receiver.recv().await.unwrap().unwrap().accept() };
    let (outcome, accepted) = tokio::join!(sender.send("job"), accept);
    accepted.unwrap();
    assert_eq!(outcome.unwrap(), Outcome::Accepted);
    rest().await;
    assert_eq!((sender.credit(), receiver.credit()), (0, 0));
    assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
}

/// A dropped wait for credit no longer takes a turn.
#[tokio::test]
#[adapter_tests::bounded]
async fn waiting_until_a_message_can_be_sent() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, one_by_one()).await;
    each_poll(async |times| {
        let grant = async {
            rest().await;
            receiver.set_credit(1).unwrap();
        };
        let (sendable, sent, ()) =
            tokio::join!(polled(times, sender.sendable()), sender.send_queued("job"), grant);
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(sent.unwrap().await.unwrap(), Outcome::Accepted);
        is_usable(&sender, &receiver).await;
        sendable.is_some_and(|sendable| sendable.is_ok())
    })
    .await;
}

#[tokio::test]
#[adapter_tests::bounded]
async fn draining() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    each_poll(async |times| {
        receiver.set_credit(5).unwrap();
        sender.sendable().await.unwrap();
        let sent = sender.send_queued("before").await.unwrap();
        let drained = polled(times, receiver.drain()).await;
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(sent.await.unwrap(), Outcome::Accepted);
        rest().await;
        if times > 0 {
            // The credit is returned after a while without use.
            receiver.drain().await.unwrap();
            assert_eq!((sender.credit(), receiver.credit()), (0, 0));
        }
        is_usable(&sender, &receiver).await;
        drained.is_some_and(|drained| drained.is_ok())
    })
    .await;
}

/// A sender that waits for credit which is drained uses it, and none is left.
#[tokio::test]
#[adapter_tests::bounded]
async fn draining_while_another_task_sends() {
    let (client, server) = pair().await;
    let (receiver, sender, _session) = receiving(&client, &server).await;
    each_poll(async |times| {
        let drain = async {
            rest().await;
            receiver.set_credit(2).unwrap();
            receiver.drain().await.unwrap();
        };
        let (sent, ()) = tokio::join!(polled(times, sender.send_queued("job")), drain);
        assert_eq!((sender.credit(), receiver.credit()), (0, 0));
        assert_eq!(
            receiver.try_recv().unwrap().map(|delivery| delivery.accept().unwrap()).is_some(),
            sent.is_some()
        );
        is_usable(&sender, &receiver).await;
        sent.is_some()
    })
    .await;
}

/// A delivery that is settled only after the sender has settled it.
#[tokio::test]
#[adapter_tests::bounded]
async fn waiting_until_a_delivery_is_settled() {
    let (client, server) = pair().await;
    let accept = async {
        let session = common::session(&server).await;
        let receiver = common::receiver(&session, one_by_one()).await;
        (receiver, session)
    };
    let attach =
        client.sender("jobs").with_rcv_settle_mode(ReceiverSettleMode::Second).with_auto_settle(false);
    let (sender, (receiver, _session)) = tokio::join!(attach, accept);
    let sender = sender.unwrap();
    each_poll(async |times| {
        receiver.set_credit(1).unwrap();
        let sent = sender.send_queued("job").await.unwrap();
        let key = receiver.recv().await.unwrap().unwrap().into_undecided();
        receiver.accept(key).unwrap();
        let settle = async {
            assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
            assert_eq!(receiver.unsettled(), 1);
            sent.settle().unwrap();
        };
        let (settled, ()) = tokio::join!(polled(times, receiver.settled(key)), settle);
        receiver.settled(key).await.unwrap();
        assert_eq!((sender.unsettled(), receiver.unsettled()), (0, 0));
        settled.is_some_and(|settled| settled.is_ok())
    })
    .await;
}

/// Accepts the next link of a session.
async fn next_receiver(session: &Session) -> Receiver {
    common::receiver(session, one_by_one()).await
}

/// Ends of links, dropped at each poll: the other end learns of the end, and the link can be attached again.
#[tokio::test]
#[adapter_tests::bounded]
async fn ends_of_links() {
    let (client, server) = pair().await;
    let mut far: Option<Session> = None;
    for way in 0..5 {
        each_poll(async |times| {
            let accept = async {
                if far.is_none() {
                    far = Some(common::session(&server).await);
                }
                next_receiver(far.as_ref().unwrap()).await
            };
            let (sender, receiver) = tokio::join!(client.sender("jobs").with_name("one"), accept);
            let sender = sender.unwrap();
            is_usable(&sender, &receiver).await;
            let ended = match way {
                0 => polled(times, sender.close()).await,
                1 => polled(times, sender.close_with(gone())).await,
                2 => polled(times, sender.detach()).await,
                3 => polled(times, receiver.close()).await,
                _ => polled(times, receiver.close_with(gone())).await,
            };
            if times > 0 {
                let ends = [sender.closed().await, receiver.closed().await];
                let condition = (way % 3 == 1).then_some(Condition::ResourceDeleted);
                assert!(ends.iter().all(|end| end.condition() == condition.as_ref()), "{ends:?}");
                assert!(sender.try_send("late").is_err());
            }
            drop((sender, receiver));
            rest().await;
            ended.is_some_and(|ended| ended.is_ok())
        })
        .await;
    }
    assert!(client.is_open() && server.is_open());
}

/// Old handles of a link do not close it after it was detached and attached again.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_link_that_is_attached_again() {
    let (client, server) = pair().await;
    let accept = async {
        let far = common::session(&server).await;
        (next_receiver(&far).await, far)
    };
    let (sender, (mut receiver, far)) = tokio::join!(client.sender("jobs").with_name("one"), accept);
    let mut sender = sender.unwrap();
    for is_ours in [true, false, true] {
        is_usable(&sender, &receiver).await;
        if is_ours {
            sender.detach().await.unwrap()
        } else {
            receiver.detach().await.unwrap()
        }
        assert_eq!((sender.closed().await.condition(), receiver.closed().await.condition()), (None, None));
        let (again, accepted) = tokio::join!(client.sender("jobs").with_name("one"), next_receiver(&far));
        let before =
            (std::mem::replace(&mut sender, again.unwrap()), std::mem::replace(&mut receiver, accepted));
        drop(before);
        rest().await;
        assert_eq!(sender.name(), "one");
    }
    is_usable(&sender, &receiver).await;
}

#[tokio::test]
#[adapter_tests::bounded]
async fn ends_of_connections_and_sessions() {
    for way in 0..3 {
        each_poll(async |times| {
            let (client, server) = pair().await;
            let (sender, receiver, far) = sending(&client, &server, one_by_one()).await;
            is_usable(&sender, &receiver).await;
            let ended = match way {
                0 => polled(times, client.close()).await,
                1 => polled(times, client.close_with(gone())).await,
                _ => polled(times, far.end()).await,
            };
            if times > 0 {
                let end = receiver.closed().await;
                let condition = (way == 1).then_some(Condition::ResourceDeleted);
                assert_eq!(end.condition(), condition.as_ref());
                assert!(sender.closed().await.ended().is_some());
                assert!(way == 2 || (!client.is_open() && !server.is_open()));
            } else {
                is_usable(&sender, &receiver).await;
            }
            ended.is_some_and(|ended| ended.is_ok())
        })
        .await;
    }
}

/// An offer of the peer goes to the next caller.
#[tokio::test]
#[adapter_tests::bounded]
async fn offers() {
    let (client, server) = pair().await;
    each_poll(async |times| {
        let (begun, offered) = tokio::join!(client.session(), async {
            let offered = match polled(times, server.next_session()).await {
                Some(offered) => (offered.unwrap().unwrap(), true),
                None => (server.next_session().await.unwrap().unwrap(), false),
            };
            (offered.0.accept().unwrap(), offered.1)
        });
        let (session, (far, is_first)) = (begun.unwrap(), offered);
        let (sender, (receiver, is_second)) = tokio::join!(session.sender("jobs"), async {
            let (offered, is_done) = match polled(times, far.next_link()).await {
                Some(offered) => (offered.unwrap().unwrap(), true),
                None => (far.next_link().await.unwrap().unwrap(), false),
            };
            let OfferedLink::Receiver(link) = offered else { panic!("{offered:?}") };
            (link.accept_with(one_by_one()).unwrap(), is_done)
        });
        is_usable(&sender.unwrap(), &receiver).await;
        is_first && is_second
    })
    .await;
}

/// A client, and then a server, that stops waiting: the other end learns that, and the listener continues.
#[tokio::test]
#[adapter_tests::bounded]
async fn over_tcp() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://{}", listener.local_addr().unwrap());
    each_poll(async |times| {
        let client = tokio::spawn({
            let url = url.clone();
            async move { Connection::open(&url).await }
        });
        let accepted = polled(times, listener.accept()).await;
        let is_first = accepted.is_some();
        let incoming = match accepted {
            Some(incoming) => incoming.unwrap(),
            None => listener.accept().await.unwrap(),
        };
        let opened = polled(times, incoming.open()).await;
        match client.await.unwrap() {
            Ok(client) if opened.is_none() => drop(client.closed().await),
            Ok(client) => client.close().await.unwrap(),
            Err(error) => assert!(opened.is_none() && error.ended().is_some(), "{error}"),
        }
        is_first && opened.is_some_and(|opened| opened.is_ok())
    })
    .await;
    let open = Arc::new(AtomicUsize::new(0));
    tokio::spawn({
        let open = Arc::clone(&open);
        async move {
            while let Ok(incoming) = listener.accept().await {
                let open = Arc::clone(&open);
                open.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if let Ok(server) = incoming.open().await {
                        server.closed().await;
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        }
    });
    each_poll(async |times| {
        let opened = polled(times, Connection::open(&url)).await;
        let is_done = opened.is_some_and(|opened| opened.is_ok());
        while open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        is_done
    })
    .await;
}
