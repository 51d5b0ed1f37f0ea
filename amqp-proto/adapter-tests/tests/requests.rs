//! Requests and their replies, from end to end.

use super::common::{next_receiver, next_session, pair, pair_with};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::message::Message;
use crate::amqp::policy::answer_to;
use crate::amqp::wire::{AmqpError, Condition, Outcome, Source};
use crate::amqp::{
    Acceptor, Connection, ConnectionOptions, Delivery, Error, OfferedLink, Origin, Receiver, Requester,
    Responder, Sender, Session,
};

/// Returns a requester, and its peer's links: one to send replies, one to receive requests.
#[adapter::helper]
async fn asking() -> (Requester, Sender, Receiver, (Connection, Connection, Session)) {
    let (client, server) = pair().await;
    let ask = async { client.requester("service").await.unwrap() };
    let serve = async {
        let session = next_session(&server).await;
        let Some(OfferedLink::Sender(link)) = session.next_link().await.unwrap() else { panic!("a sender") };
        assert!(link.source().unwrap().dynamic);
        let answers = link.accept_with(SenderOptions::new().with_source(Source::at("temporary"))).unwrap();
        let requests = next_receiver(&session, ReceiverOptions::new().with_auto_accept(true)).await;
        (answers, requests, session)
    };
    let (requester, (answers, requests, session)) = both(ask, serve).await;
    assert_eq!(requester.reply_to().as_deref(), Some("temporary"));
    (requester, answers, requests, (client, server, session))
}

fn text(message: &Delivery) -> String {
    message.message().unwrap().body().unwrap().as_str().unwrap().into()
}

#[adapter::helper]
async fn answer(answers: &Sender, request: &Delivery) {
    let properties = request.message().unwrap().properties().unwrap();
    let answer = answer_to(&properties, format!("{}!", text(request))).unwrap();
    drop(answers.send_queued(answer).await.unwrap());
}

/// M-PROP-04 [3.2.4]: the reply-to of a request is its own, or that of the requester.
#[adapter::test]
async fn m_prop_04_the_address_for_answers_can_be_set() {
    let (requester, answers, requests, _ends) = asking().await;
    requester.set_reply_to("$me");
    let own = Message::from("own").with_reply_to("elsewhere");
    for (message, expected) in [(Message::from("set"), "$me"), (own, "elsewhere")] {
        let asked = requester.clone();
        let asking = spawn(async move { asked.request(message).await.map(|answer| text(&answer)) });
        let request = requests.recv().await.unwrap().unwrap();
        let properties = request.message().unwrap().properties().unwrap();
        assert_eq!(properties.reply_to.as_deref(), Some(expected));
        answer(&answers, &request).await;
        request.accept().unwrap();
        assert!(asking.join().await.unwrap().unwrap().ends_with('!'));
    }
}

/// Many requests wait; the replies come in another order and reach their requests.
#[adapter::test]
async fn answers_reach_their_requests() {
    let (requester, answers, requests, _ends) = asking().await;
    let mut asking = Vec::new();
    for number in 0..20 {
        let requester = requester.clone();
        asking.push(spawn(async move {
            for turn in 0..20 {
                let question = format!("{number}-{turn}");
                let answer = requester.request(question.clone()).await.unwrap();
                assert_eq!(text(&answer), format!("{question}!"));
            }
        }));
    }
    for _ in 0..20 {
        let mut taken = Vec::new();
        for _ in 0..20 {
            taken.push(requests.recv().await.unwrap().unwrap());
        }
        assert_eq!(requester.waiting(), 20);
        for request in taken.iter().rev() {
            answer(&answers, request).await;
        }
    }
    for asking in asking {
        asking.join().await.unwrap();
    }
    assert_eq!(requester.waiting(), 0);
    requester.close().await.unwrap();
}

/// A request that is not accepted gets no reply; the end of the link for replies ends the waiting requests.
#[adapter::test]
async fn requests_that_have_no_answer() {
    let (requester, answers, requests, _ends) = asking().await;
    let serving = spawn(async move {
        let refused = requests.recv().await.unwrap().unwrap();
        refused.reject(AmqpError::new(Condition::NotAllowed)).unwrap();
        requests.recv().await.unwrap().unwrap().accept().unwrap();
        answers.close_with(AmqpError::new(Condition::ResourceDeleted)).await.unwrap();
    });
    match requester.request("anything").await.unwrap_err() {
        Error::NotAccepted(outcome) => assert!(matches!(*outcome, Outcome::Rejected(_))),
        other => panic!("{other:?}"),
    }
    let error = requester.request("more").await.unwrap_err();
    assert_eq!(
        (error.origin(), error.condition()),
        (Some(Origin::Remote), Some(&Condition::ResourceDeleted))
    );
    assert_eq!(requester.waiting(), 0);
    serving.join().await.unwrap();
}

/// The end of the connection ends waiting requests and later ones.
#[adapter::test]
async fn requests_end_with_the_connection() {
    let (requester, _answers, requests, (client, _server, _session)) = asking().await;
    let asked = requester.clone();
    let asking = spawn(async move { asked.request("anything").await.map(drop) });
    let request = requests.recv().await.unwrap().unwrap();
    client.close().await.unwrap();
    assert!(matches!(asking.join().await.unwrap(), Err(Error::Connection(_) | Error::Lost(_))));
    assert!(requester.request("more").await.is_err());
    drop(request);
}

/// A peer without dynamic nodes refuses the requester, and the rest of the connection keeps working.
#[adapter::test]
async fn a_peer_without_dynamic_nodes() {
    let (client, server) = pair().await;
    let ask = async { client.requester("service").await.unwrap_err() };
    let refuse = async {
        let session = next_session(&server).await;
        let link = session.next_link().await.unwrap().unwrap();
        let error = AmqpError::new(Condition::NotImplemented).with_description("no such nodes");
        session.end_with(error).await.unwrap();
        drop(link);
    };
    let (error, ()) = both(ask, refuse).await;
    assert_eq!((error.origin(), error.condition()), (Some(Origin::Remote), Some(&Condition::NotImplemented)));
    assert!(error.to_string().contains("no such nodes"), "{error}");
    let begin = async { client.session().await.unwrap() };
    both(begin, async { next_session(&server).await }).await;
}

/// Without an anonymous relay, replies go out on one link for each address.
#[adapter::test]
async fn a_service() {
    let options = ConnectionOptions::new().with_accept_offers(true);
    let (client, server) = pair_with(options, Acceptor::default()).await;
    let serving = spawn(async move {
        let session = next_session(&server).await;
        let receiver = next_receiver(&session, ReceiverOptions::new()).await;
        let responder = Responder::new(&server, receiver).await.unwrap();
        let mut requests = 0;
        while let Some(request) = responder.recv().await.unwrap() {
            requests += 1;
            match request.properties().reply_to {
                Some(_) => drop(request.reply("done").await.unwrap()),
                None if requests == 1 => drop(request),
                None => assert!(matches!(request.reply("done").await, Err(Error::Request(_)))),
            }
        }
        requests
    });
    let sender = client.sender("service").attach().await.unwrap();
    let answers = next_session(&client).await;
    // The service has not replied to the request.
    assert_eq!(sender.send("dropped").await.unwrap(), Outcome::Released);
    assert_eq!(sender.send("for information").await.unwrap(), Outcome::Accepted);
    let mut receivers = Vec::new();
    for number in 0_u64..3 {
        let request = Message::from("work").with_message_id(number).with_reply_to("answers");
        let sent = sender.send_queued(request).await.unwrap();
        if receivers.is_empty() {
            receivers.push(next_receiver(&answers, ReceiverOptions::new().with_auto_accept(true)).await);
        }
        let answer = receivers[0].recv().await.unwrap().unwrap();
        assert_eq!(answer.message().unwrap().properties().unwrap().correlation_id, Some(number.into()));
        drop(answer);
        assert_eq!(sent.outcome().await.unwrap(), Outcome::Accepted);
    }
    sender.close().await.unwrap();
    assert_eq!(serving.join().await.unwrap(), 5);
}
