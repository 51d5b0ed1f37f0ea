//! Every public future, dropped after each number of polls: nothing is lost, and the credit stays right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::async_yields_async, reason = "what is sent is a future of its outcome")]

mod common;

use amqp_tokio::config::{ReceiverOptions, SendOptions};
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, OfferedLink, Session};
use common::polls::{each_poll, polled, rest};
use common::{pair, receiving, sending};
use futures_util::StreamExt;

fn one_by_one() -> ReceiverOptions {
    ReceiverOptions::new().with_prefetch(0).with_auto_accept(false)
}

#[tokio::test]
#[adapter_tests::bounded]
async fn opening() {
    each_poll(async |times| {
        let (near, far) = tokio::io::duplex(1 << 10);
        let acceptor = Acceptor::default();
        let server = tokio::spawn(async move { Connection::accept(far, &acceptor).await });
        let opened = polled(times, Connection::over(near, ConnectionOptions::new())).await;
        match server.await.unwrap() {
            // The client is gone, and the server learns that.
            Ok(server) if opened.is_none() => drop(server.closed().await),
            Ok(_) => {}
            Err(error) => assert!(opened.is_none() && error.ended().is_some(), "{error}"),
        }
        opened.is_some_and(|opened| opened.is_ok())
    })
    .await;
}

#[tokio::test]
#[adapter_tests::bounded]
async fn accepting() {
    each_poll(async |times| {
        let (near, far) = tokio::io::duplex(1 << 10);
        let client = tokio::spawn(Connection::over(near, ConnectionOptions::new()));
        let acceptor = Acceptor::default();
        let accepted = polled(times, Connection::accept(far, &acceptor)).await;
        match client.await.unwrap() {
            Ok(client) if accepted.is_none() => drop(client.closed().await),
            Ok(_) => {}
            Err(error) => assert!(accepted.is_none() && error.ended().is_some(), "{error}"),
        }
        accepted.is_some_and(|accepted| accepted.is_ok())
    })
    .await;
}

/// Accepts all sessions, links and messages.
async fn serve(server: Connection) {
    async fn serve_session(session: Session) {
        let mut links = Vec::new();
        while let Ok(Some(link)) = session.next_link().await {
            match link {
                OfferedLink::Receiver(link) => links.extend(link.accept().map(|receiver| {
                    tokio::spawn(async move {
                        let _ = receiver.for_each(1, |_| async { Ok::<(), amqp_tokio::Error>(()) }).await;
                    })
                })),
                OfferedLink::Sender(link) => {
                    links.extend(link.accept().map(|sender| {
                        tokio::spawn(async move { while sender.send("served").await.is_ok() {} })
                    }))
                }
            }
        }
    }
    while let Ok(Some(offered)) = server.next_session().await {
        tokio::spawn(serve_session(offered.accept().unwrap()));
    }
}

/// Dropped sessions and links are given back: as many can be begun as before.
#[tokio::test]
#[adapter_tests::bounded]
async fn sessions_and_links() {
    let options = ConnectionOptions::new().with_channel_max(1).with_handle_max(1);
    let (client, server) = common::pair_with(options.clone(), options, 1 << 10).await;
    tokio::spawn(serve(server));
    each_poll(async |times| {
        let begun = polled(times, client.session()).await;
        let is_done = begun.is_some_and(|session| session.is_ok());
        rest().await;
        is_done
    })
    .await;
    each_poll(async |times| {
        let attached = polled(times, client.sender("jobs")).await;
        let is_done = attached.is_some_and(|sender| sender.is_ok());
        rest().await;
        is_done
    })
    .await;
    each_poll(async |times| {
        let attached = polled(times, client.receiver("jobs")).await;
        let is_done = attached.is_some_and(|receiver| receiver.is_ok());
        rest().await;
        is_done
    })
    .await;
    let sender = client.sender("jobs").await.unwrap();
    assert_eq!(sender.send("job").await.unwrap(), Outcome::Accepted);
}

/// A dropped send that waits for credit sends nothing and uses no credit; other messages arrive in order.
#[tokio::test]
#[adapter_tests::bounded]
async fn queueing() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, one_by_one()).await;
    each_poll(async |times| {
        let grant = async {
            rest().await;
            receiver.add_credit(1).unwrap();
        };
        let (sent, ()) = tokio::join!(polled(times, sender.send_queued("dropped")), grant);
        if sent.is_none() {
            let _sent = sender.send_queued("kept").await.unwrap();
        }
        let delivery = receiver.recv().await.unwrap().unwrap();
        let body = delivery.message().unwrap().body().unwrap();
        assert_eq!(body.as_str(), Some(if sent.is_none() { "kept" } else { "dropped" }));
        assert!(receiver.try_recv().unwrap().is_none());
        assert_eq!((receiver.credit(), sender.credit()), (0, 0));
        sent.is_some()
    })
    .await;
}

/// A dropped send has sent the message or not, as the credit shows.
#[tokio::test]
#[adapter_tests::bounded]
async fn sending_and_outcomes() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, one_by_one()).await;
    each_poll(async |times| {
        receiver.set_credit(1).unwrap();
        let work = async {
            rest().await;
            if let Some(delivery) = receiver.try_recv().unwrap() {
                delivery.accept().unwrap();
            }
        };
        let (outcome, ()) = tokio::join!(polled(times, sender.send("job")), work);
        rest().await;
        assert_eq!(sender.credit(), receiver.credit());
        drop(receiver.try_recv().unwrap());
        assert!(sender.unsettled() == receiver.unsettled());
        outcome.is_some_and(|outcome| outcome.unwrap() == Outcome::Accepted)
    })
    .await;
    receiver.set_credit(1).unwrap();
    let sent = sender.send_queued("job").await.unwrap();
    // After several polls the outcome is there.
    for times in [0, 1, 1] {
        assert!(polled(times, sent.outcome()).await.is_none());
        rest().await;
    }
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    assert_eq!(sent.await.unwrap(), Outcome::Accepted);
}

#[tokio::test]
#[adapter_tests::bounded]
async fn receiving_messages() {
    let (client, server) = pair().await;
    let (mut receiver, sender, _session) = receiving(&client, &server).await;
    let mut next = 0;
    let mut number = move || {
        next += 1;
        next.to_string()
    };
    for by_stream in [false, true] {
        each_poll(async |times| {
            let expected = number();
            let send = async {
                rest().await;
                sender.send_queued(expected.clone()).await.unwrap()
            };
            let receive = async {
                match by_stream {
                    false => polled(times, receiver.recv()).await.map(|taken| taken.unwrap().unwrap()),
                    true => polled(times, receiver.next()).await.map(|taken| taken.unwrap().unwrap()),
                }
            };
            let (taken, sent) = tokio::join!(receive, send);
            let is_done = taken.is_some();
            let delivery = match taken {
                Some(delivery) => delivery,
                None => receiver.recv().await.unwrap().unwrap(),
            };
            assert_eq!(delivery.message().unwrap().body().unwrap().as_str(), Some(&*expected));
            delivery.accept().unwrap();
            assert_eq!(sent.await.unwrap(), Outcome::Accepted);
            is_done
        })
        .await;
    }
}

#[tokio::test]
#[adapter_tests::bounded]
async fn pieces_of_messages() {
    let (client, server) = pair().await;
    let (sender, receiver, _session) = sending(&client, &server, one_by_one().with_streaming(true)).await;
    let message = amqp_tokio::message::Message::from(vec![3; 2 << 20]).to_payload().unwrap().to_bytes();
    each_poll(async |times| {
        receiver.set_credit(1).unwrap();
        let send = async {
            let begun = polled(times, sender.writer(SendOptions::new())).await;
            let is_done = begun.is_some();
            let mut stream = match begun {
                Some(stream) => stream.unwrap(),
                None => sender.writer(SendOptions::new()).await.unwrap(),
            };
            let mut left = message.clone();
            while !left.is_empty() {
                let piece = left.split_to(left.len().min(300_000));
                // A dropped write has added nothing, and is repeated.
                match polled(times, stream.write(piece.clone())).await {
                    Some(written) => written.unwrap(),
                    None => stream.write(piece).await.unwrap(),
                }
            }
            assert_eq!(stream.finish().unwrap().await.unwrap(), Outcome::Accepted);
            is_done
        };
        let receive = async {
            let mut stream = match polled(times, receiver.recv_reader()).await {
                Some(stream) => stream.unwrap().unwrap(),
                None => receiver.recv_reader().await.unwrap().unwrap(),
            };
            let mut octets = 0;
            loop {
                let part = match polled(times, stream.read()).await {
                    Some(part) => part.unwrap(),
                    None => stream.read().await.unwrap(),
                };
                match part {
                    Some(part) => octets += part.len(),
                    None => break,
                }
            }
            assert_eq!(octets, message.len());
            stream.accept().unwrap();
        };
        tokio::join!(send, receive).0
    })
    .await;
}

/// Dropping a wait for the end does not change the end.
#[tokio::test]
#[adapter_tests::bounded]
async fn ends() {
    each_poll(async |times| {
        let (client, server) = pair().await;
        let (sender, receiver, far) = sending(&client, &server, one_by_one()).await;
        receiver.set_credit(3).unwrap();
        let mut is_done = true;
        let _ = polled(times, receiver.drain()).await;
        rest().await;
        if times > 0 {
            // The credit is returned after a while without use.
            receiver.drain().await.unwrap();
        }
        let left = if times == 0 { (3, 3) } else { (0, 0) };
        assert_eq!((receiver.credit(), sender.credit()), left);
        is_done &= polled(times, sender.close()).await.is_some();
        rest().await;
        if times > 0 {
            receiver.closed().await;
        }
        is_done &= polled(times, far.end()).await.is_some();
        is_done &= polled(times, client.close()).await.is_some();
        if times > 0 {
            server.closed().await;
        }
        is_done
    })
    .await;
}
