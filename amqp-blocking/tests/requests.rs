//! Requests with a timeout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::thread;
use std::time::Duration;

use amqp_blocking::config::{ReceiverOptions, SenderOptions};
use amqp_blocking::policy::answer_to;
use amqp_blocking::wire::Source;
use amqp_blocking::{Connection, Delivery, Error, OfferedLink, Receiver, Requester, Sender};
use common::pair;

/// Returns a requester, and its peer's links: one to send replies, one to receive requests.
fn asking() -> (Requester, Connection, Sender, Receiver) {
    let (client, server) = pair();
    let serving = thread::spawn(move || {
        let session = server.next_session().unwrap().unwrap().accept().unwrap();
        let Some(OfferedLink::Sender(link)) = session.next_link().unwrap() else { panic!("a link") };
        assert!(link.source().unwrap().dynamic);
        let answers = link.accept_with(SenderOptions::new().with_source(Source::at("temporary"))).unwrap();
        let Some(OfferedLink::Receiver(link)) = session.next_link().unwrap() else { panic!("a link") };
        let requests = link.accept_with(ReceiverOptions::new().with_auto_accept(true)).unwrap();
        (server, answers, requests)
    });
    let requester = client.requester("service").unwrap();
    let (server, answers, requests) = serving.join().unwrap();
    assert_eq!(requester.reply_to().as_deref(), Some("temporary"));
    (requester, server, answers, requests)
}

fn text(message: &Delivery) -> String {
    message.message().unwrap().body().unwrap().as_str().unwrap().into()
}

fn answer(answers: &Sender, request: &Delivery) {
    let properties = request.message().unwrap().properties().unwrap();
    let answer = answer_to(&properties, format!("{}!", text(request))).unwrap();
    drop(answers.send_queued(answer).unwrap());
}

/// A request that times out is forgotten, and its reply has no effect.
#[test]
#[adapter_tests::bounded]
fn an_answer_that_is_late() {
    let (requester, _server, answers, requests) = asking();
    let error = requester.request_timeout("slow", Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, Error::TimedOut));
    assert_eq!(requester.waiting(), 0);
    let serving = thread::spawn(move || {
        // The first request may have timed out before it was sent.
        while let Some(request) = requests.recv().unwrap() {
            answer(&answers, &request);
        }
    });
    assert_eq!(text(&requester.request("quick").unwrap()), "quick!");
    requester.close().unwrap();
    serving.join().unwrap();
}
