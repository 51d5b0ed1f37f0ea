//! Requests over the broker in memory, and their dropped futures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use amqp_tokio::broker::Broker;
use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::message::Message;
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Connection, ConnectionOptions, Delivery, Error, OfferedLink, Receiver, Request, Responder};
use common::pair_with;

async fn connect(broker: &Broker) -> Connection {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (broker, acceptor) = (broker.clone(), broker.acceptor());
    tokio::spawn(async move { broker.serve_connection(Connection::accept(far, &acceptor).await?).await });
    Connection::over(near, ConnectionOptions::new()).await.unwrap()
}

/// A client, and a service.
async fn ends() -> (Connection, Connection, Responder) {
    let broker = Broker::new().unwrap();
    let (client, server) = (connect(&broker).await, connect(&broker).await);
    let responder = server.responder("service").await.unwrap();
    (client, server, responder)
}

fn text(answer: &Delivery) -> String {
    answer.message().unwrap().body().unwrap().as_str().unwrap().into()
}

fn question(request: &Request) -> String {
    request.message().body().unwrap().as_str().unwrap().into()
}

async fn next(responder: &Responder) -> Request {
    responder.recv().await.unwrap().unwrap()
}

/// A dropped request is forgotten at every poll, and its reply has no effect.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_request_that_is_dropped_is_forgotten() {
    let (client, _server, responder) = ends().await;
    tokio::spawn(async move {
        while let Some(request) = responder.recv().await.unwrap() {
            let answer = question(&request);
            request.reply(answer).await.unwrap().accepted().unwrap();
        }
    });
    let requester = client.requester("service").await.unwrap();
    for times in 0.. {
        let mut left = times;
        let mut request = Box::pin(requester.request("dropped"));
        let answer = poll_fn(|context| match left {
            0 => Poll::Ready(None),
            _ => {
                left -= 1;
                request.as_mut().poll(context).map(Some)
            }
        });
        let is_done = answer.await.is_some_and(|answer| answer.is_ok());
        drop(request);
        assert_eq!(requester.waiting(), 0);
        let answer = requester.request(format!("{times}")).await.unwrap();
        assert_eq!(text(&answer), format!("{times}"));
        if is_done {
            return;
        }
    }
}

/// A request that is not accepted gets no reply.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_request_that_is_not_accepted() {
    let (client, _server, _responder) = ends().await;
    let requester = client.requester("outcome.rejected").await.unwrap();
    match requester.request("anything").await {
        Err(Error::NotAccepted(outcome)) => assert!(matches!(*outcome, Outcome::Rejected(_))),
        other => panic!("{other:?}"),
    }
    assert_eq!(requester.waiting(), 0);
}

/// The end of the links ends waiting requests and later ones.
#[tokio::test]
#[adapter_tests::bounded]
async fn requests_end_with_the_connection() {
    let (client, _server, responder) = ends().await;
    let requester = client.requester("service").await.unwrap();
    let mut asking = pin!(requester.request("anything"));
    let request = tokio::select! {
        request = next(&responder) => request,
        answer = &mut asking => panic!("{answer:?}"),
    };
    client.close().await.unwrap();
    assert!(matches!(asking.await, Err(Error::Connection(_) | Error::Lost(_))));
    assert!(requester.request("more").await.is_err());
    // No requester is left for the reply, and the request is settled.
    request.accept().unwrap();
}

/// A service that drops a request leaves it to others.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_request_that_is_not_answered_comes_again() {
    let (client, _server, responder) = ends().await;
    let requester = client.requester("service").await.unwrap();
    let asking = tokio::spawn(async move { text(&requester.request("hard").await.unwrap()) });
    drop(next(&responder).await);
    let again = next(&responder).await;
    assert_eq!(again.message().header().unwrap().delivery_count, 0, "released");
    again.reply("done").await.unwrap().accepted().unwrap();
    assert_eq!(asking.await.unwrap(), "done");
}

/// A reply that is dropped at any poll was sent, or its request comes again.
#[tokio::test]
#[adapter_tests::bounded]
async fn an_answer_that_is_dropped() {
    let (client, _server, responder) = ends().await;
    let requester = client.requester("service").await.unwrap();
    for times in 0.. {
        let mut asking = pin!(requester.request("anything"));
        let request = tokio::select! {
            request = next(&responder) => request,
            answer = &mut asking => panic!("{answer:?}"),
        };
        let mut left = times;
        let mut reply = Box::pin(request.reply("first"));
        let replied = poll_fn(|context| match left {
            0 => Poll::Ready(None),
            _ => {
                left -= 1;
                reply.as_mut().poll(context).map(Some)
            }
        });
        // The reply may have arrived before its outcome was known here.
        let mut first = None;
        let is_done = tokio::select! {
            replied = replied => replied.is_some(),
            answer = &mut asking => {
                first = Some(answer.unwrap());
                false
            }
        };
        drop(reply);
        let answer = match first {
            Some(answer) => answer,
            None => tokio::select! {
                answer = &mut asking => answer.unwrap(),
                request = next(&responder) => {
                    let (answer, replied) = tokio::join!(asking, request.reply("again"));
                    assert_eq!(replied.unwrap(), Outcome::Accepted);
                    answer.unwrap()
                }
            },
        };
        assert!(["first", "again"].contains(&&*text(&answer)));
        if is_done || times > 100 {
            break;
        }
    }
}

/// A message without a reply-to gets no reply, and is settled all the same.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_message_that_asks_for_no_answer() {
    let (client, _server, responder) = ends().await;
    let sender = client.sender("service").await.unwrap();
    assert_eq!(sender.send("for information").await.unwrap(), Outcome::Accepted);
    assert!(matches!(next(&responder).await.reply("thanks").await, Err(Error::Request(_))));
    let last = sender.send(Message::from("the last").with_reply_to("answers")).await;
    assert_eq!(last.unwrap(), Outcome::Accepted);
    assert_eq!(question(&next(&responder).await), "the last");
}

/// Without an anonymous relay, replies go out on one link for each address; few links are kept.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_peer_without_a_relay() {
    let options = ConnectionOptions::new().with_accept_offers(true);
    let (client, server) = pair_with(options, ConnectionOptions::new(), 1 << 16).await;
    let accepting = tokio::spawn(async move {
        let session = common::session(&server).await;
        let receiver = common::receiver(&session, ReceiverOptions::new()).await;
        (Responder::new(&server, receiver).await.unwrap(), session, server)
    });
    let sender = client.sender("service").await.unwrap();
    let answers = common::session(&client).await;
    let (responder, _session, _server) = accepting.await.unwrap();
    let serving = tokio::spawn(async move {
        while let Some(request) = responder.recv().await.unwrap() {
            request.reply("done").await.unwrap().accepted().unwrap();
        }
    });

    let mut links: Vec<Receiver> = Vec::new();
    for number in (0..100).chain(90..100) {
        let request =
            Message::from("work").with_message_id(number).with_reply_to(format!("answers-{number}"));
        let sent = sender.send_queued(request).await.unwrap();
        let at = usize::try_from(number).unwrap();
        if at == links.len() {
            let Some(OfferedLink::Receiver(link)) = answers.next_link().await.unwrap() else {
                panic!("a link")
            };
            assert_eq!(link.address().as_deref(), Some(&*format!("answers-{number}")));
            links.push(link.accept().unwrap());
        }
        let answer = links[at].recv().await.unwrap().unwrap();
        assert_eq!(answer.message().unwrap().properties().unwrap().correlation_id, Some(number.into()));
        answer.accept().unwrap();
        assert_eq!(sent.await.unwrap(), Outcome::Accepted);
    }
    // The least recently used link is closed.
    assert!(links[0].recv().await.unwrap().is_none());
    drop(sender);
    serving.await.unwrap();
}
