//! Requests and their answers, from end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::thread;
use std::time::Duration;

use amqp_blocking::config::{ReceiverOptions, SenderOptions};
use amqp_blocking::message::Message;
use amqp_blocking::policy::answer_to;
use amqp_blocking::wire::{AmqpError, Condition, Outcome, Source};
use amqp_blocking::{
    Connection, Delivery, Error, OfferedLink, Origin, Receiver, Requester, Responder, Sender,
};
use common::pair;

/// A client that can ask, and what its peer has of the links: it sends answers over the one, and receives requests
/// over the other.
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

/// M-PROP-04 [3.2.4]: requests tell the address for answers that was set, or their own.
#[test]
fn m_prop_04_the_address_for_answers_can_be_set() {
    let (requester, _server, _answers, requests) = asking();
    requester.set_reply_to("$me");
    let own = Message::from("own").with_reply_to("elsewhere");
    for (message, expected) in [(Message::from("set"), "$me"), (own, "elsewhere")] {
        let late = requester.request_timeout(message, Duration::from_millis(50));
        assert!(matches!(late, Err(Error::TimedOut)));
        let request = requests.recv().unwrap().unwrap();
        let properties = request.message().unwrap().properties().unwrap();
        assert_eq!(properties.reply_to.as_deref(), Some(expected));
        request.accept().unwrap();
    }
}

/// Many threads ask at a time; answers come in another order, and go to who has asked.
#[test]
fn answers_find_who_has_asked() {
    let (requester, _server, answers, requests) = asking();
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let requester = requester.clone();
            thread::spawn(move || {
                for turn in 0..20 {
                    let question = format!("{number}-{turn}");
                    assert_eq!(text(&requester.request(question.clone()).unwrap()), format!("{question}!"));
                }
            })
        })
        .collect();
    for _ in 0..20 {
        let taken: Vec<_> = (0..20).map(|_| requests.recv().unwrap().unwrap()).collect();
        taken.iter().rev().for_each(|request| answer(&answers, request));
    }
    for asking in asking {
        asking.join().unwrap();
    }
    assert_eq!(requester.waiting(), 0);
}

/// A request that takes too long is forgotten, and its answer disturbs nobody.
#[test]
fn an_answer_that_is_late() {
    let (requester, _server, answers, requests) = asking();
    let error = requester.request_timeout("slow", Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error, Error::TimedOut));
    assert_eq!(requester.waiting(), 0);
    let serving = thread::spawn(move || {
        // The first may have been too late to be sent at all.
        while let Some(request) = requests.recv().unwrap() {
            answer(&answers, &request);
        }
    });
    assert_eq!(text(&requester.request("quick").unwrap()), "quick!");
    requester.close().unwrap();
    serving.join().unwrap();
}

/// What is not accepted has no answer to come; what ends the link for answers ends the requests that wait.
#[test]
fn requests_that_have_no_answer() {
    let (requester, _server, answers, requests) = asking();
    let serving = thread::spawn(move || {
        requests.recv().unwrap().unwrap().reject(AmqpError::new(Condition::NotAllowed)).unwrap();
        requests.recv().unwrap().unwrap().accept().unwrap();
        answers.close_with(AmqpError::new(Condition::ResourceDeleted)).unwrap();
    });
    match requester.request("anything").unwrap_err() {
        Error::NotAccepted(outcome) => assert!(matches!(*outcome, Outcome::Rejected(_))),
        other => panic!("{other:?}"),
    }
    let error = requester.request("more").unwrap_err();
    assert_eq!(
        (error.origin(), error.condition()),
        (Some(Origin::Remote), Some(&Condition::ResourceDeleted))
    );
    assert_eq!(requester.waiting(), 0);
    serving.join().unwrap();
}

/// A peer that makes no dynamic nodes says so, which hurts nothing else on the connection.
#[test]
fn a_peer_without_dynamic_nodes() {
    let (client, server) = pair();
    let serving = thread::spawn(move || {
        let session = server.next_session().unwrap().unwrap().accept().unwrap();
        let link = session.next_link().unwrap().unwrap();
        session.end_with(AmqpError::new(Condition::NotImplemented)).unwrap();
        drop(link);
        server.next_session().unwrap().unwrap().accept().unwrap();
        server
    });
    let error = client.requester("service").unwrap_err();
    assert_eq!((error.origin(), error.condition()), (Some(Origin::Remote), Some(&Condition::NotImplemented)));
    client.session().unwrap();
    serving.join().unwrap();
}

/// Where there is no relay, answers go over a link for each address.
#[test]
fn a_service() {
    let (client, server) = pair();
    let serving = thread::spawn(move || {
        let session = server.next_session().unwrap().unwrap().accept().unwrap();
        let Some(OfferedLink::Receiver(link)) = session.next_link().unwrap() else { panic!("a link") };
        let responder = Responder::new(&server, link.accept().unwrap()).unwrap();
        let mut requests = 0;
        while let Some(request) = responder.recv().unwrap() {
            requests += 1;
            match request.properties().reply_to {
                Some(_) => drop(request.reply("done").unwrap()),
                None if requests == 1 => drop(request),
                None => assert!(matches!(request.reply("done"), Err(Error::Request(_)))),
            }
        }
        requests
    });
    let session = client.session().unwrap();
    let sender = session.sender("service").attach().unwrap();
    let answers = client.next_session().unwrap().unwrap().accept().unwrap();
    // Nobody has answered it.
    assert_eq!(sender.send("dropped").unwrap(), Outcome::Released);
    assert_eq!(sender.send("for information").unwrap(), Outcome::Accepted);
    let mut receiver = None;
    for number in 0_u64..3 {
        let request = Message::from("work").with_message_id(number).with_reply_to("answers");
        let sent = sender.send_queued(request).unwrap();
        let receiver = receiver.get_or_insert_with(|| match answers.next_link().unwrap() {
            Some(OfferedLink::Receiver(link)) => link.accept().unwrap(),
            other => panic!("{other:?}"),
        });
        let answer = receiver.recv().unwrap().unwrap();
        assert_eq!(answer.message().unwrap().properties().unwrap().correlation_id, Some(number.into()));
        assert_eq!(sent.outcome().unwrap(), Outcome::Accepted);
    }
    sender.close().unwrap();
    assert_eq!(serving.join().unwrap(), 5);
}
