//! The management node of RabbitMQ 4: requests, answers, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::message::{Body, Message};
use amqp_proto::policy::{
    Binding, ExchangeOptions, Management, ManagementAnswer, ManagementError, ManagementRequest, QueueOptions,
    RequestError,
};
use amqp_proto::symbol;
use amqp_proto::testing::Pair;
use amqp_proto::types::{Array, Kind, Limits, LinkKey, List, Map, Moment, Value};
use amqp_proto::wire::{Secret, SenderSettleMode};

/// Asserts the method, the path and the body of a request.
fn assert_request(request: ManagementRequest, method: &str, path: &str, body: impl Into<Value>) {
    let message = Message::from(request);
    assert_eq!((message.subject().unwrap().as_str(), message.to().unwrap().as_str()), (method, path));
    assert_eq!(message.body(), &Body::Value(body.into()), "{path}");
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map {
    pairs.into_iter().collect()
}

#[test]
fn requests_are_those_that_the_node_reads() {
    let options = QueueOptions::new();
    assert_request(ManagementRequest::declare_queue("q", options), "PUT", "/queues/q", Map::new());
    let options = QueueOptions::new()
        .with_durable(false)
        .with_exclusive(true)
        .with_auto_delete(true)
        .with_type("quorum")
        .with_argument("x-max-length", 5_u64);
    let arguments = map([("x-queue-type", "quorum".into()), ("x-max-length", 5_u64.into())]);
    let body = map([
        ("durable", false.into()),
        ("exclusive", true.into()),
        ("auto_delete", true.into()),
        ("arguments", arguments.into()),
    ]);
    assert_request(ManagementRequest::declare_queue("q", options), "PUT", "/queues/q", body);
    assert_request(ManagementRequest::get_queue("q"), "GET", "/queues/q", Value::Null);
    assert_request(ManagementRequest::purge_queue("q"), "DELETE", "/queues/q/messages", Value::Null);
    assert_request(ManagementRequest::delete_queue("q"), "DELETE", "/queues/q", Value::Null);

    let options = ExchangeOptions::new("topic")
        .with_durable(false)
        .with_auto_delete(true)
        .with_internal(true)
        .with_argument("alternate-exchange", "other");
    let body = map([
        ("type", "topic".into()),
        ("durable", false.into()),
        ("auto_delete", true.into()),
        ("internal", true.into()),
        ("arguments", map([("alternate-exchange", "other".into())]).into()),
    ]);
    assert_request(ManagementRequest::declare_exchange("x", options), "PUT", "/exchanges/x", body);
    assert_request(ManagementRequest::delete_exchange("x"), "DELETE", "/exchanges/x", Value::Null);

    let binding = Binding::queue("q", "x", "k");
    let body = |destination, arguments: Map| {
        let names = [("source", "x".into()), (destination, "q".into()), ("binding_key", "k".into())];
        let mut body = map(names);
        body.insert("arguments", arguments);
        body
    };
    assert_request(
        ManagementRequest::bind(&binding),
        "POST",
        "/bindings",
        body("destination_queue", Map::new()),
    );
    assert_request(
        ManagementRequest::unbind(&binding),
        "DELETE",
        "/bindings/src=x;dstq=q;key=k;args=",
        Value::Null,
    );
    assert_request(
        ManagementRequest::get_bindings(&binding),
        "GET",
        "/bindings?src=x&dstq=q&key=k",
        Value::Null,
    );
    let binding = Binding::exchange("q", "x", "k").with_argument("x-match", "all");
    let arguments = map([("x-match", "all".into())]);
    assert_request(
        ManagementRequest::bind(&binding),
        "POST",
        "/bindings",
        body("destination_exchange", arguments),
    );
    assert_request(
        ManagementRequest::unbind(&binding),
        "DELETE",
        "/bindings/src=x;dste=q;key=k;args=",
        Value::Null,
    );
    assert_request(
        ManagementRequest::get_bindings(&binding),
        "GET",
        "/bindings?src=x&dste=q&key=k",
        Value::Null,
    );
    assert_request(ManagementRequest::unbind_at("/bindings/there"), "DELETE", "/bindings/there", Value::Null);

    let token = Secret::from("eyJ");
    let renew = ManagementRequest::renew_token(&token);
    assert_eq!(format!("{renew:?}"), "PUT /auth/tokens <hidden>");
    assert_request(renew, "PUT", "/auth/tokens", token.expose().clone());
}

/// RFC 3986, 2.3: all but the unreserved characters of a name are encoded, octet by octet.
#[test]
fn names_are_percent_encoded() {
    let name = "a/b c%;=&?#ü~-._Z9";
    let encoded = "a%2Fb%20c%25%3B%3D%26%3F%23%C3%BC~-._Z9";
    assert_request(ManagementRequest::get_queue(name), "GET", &format!("/queues/{encoded}"), Value::Null);
    let binding = Binding::queue(name, name, name);
    let path = format!("/bindings/src={encoded};dstq={encoded};key={encoded};args=");
    assert_request(ManagementRequest::unbind(&binding), "DELETE", &path, Value::Null);
    let path = format!("/bindings?src={encoded}&dstq={encoded}&key={encoded}");
    assert_request(ManagementRequest::get_bindings(&binding), "GET", &path, Value::Null);
    let options = ExchangeOptions::new("fanout");
    let body = map([("type", "fanout".into())]);
    assert_request(ManagementRequest::declare_exchange("", options), "PUT", "/exchanges/", body);
}

fn answer(status: &'static str, body: impl Into<Value>) -> Message {
    Message::from(body.into()).with_subject(status)
}

#[test]
fn answers_are_read() {
    let replicas = Array::from_values(Kind::String, ["rabbit@a", "rabbit@b"].map(Value::from)).unwrap();
    let body = map([
        ("leader", "rabbit@a".into()),
        ("message_count", 7_u64.into()),
        ("consumer_count", 2_u32.into()),
        ("name", "q".into()),
        ("vhost", "/".into()),
        ("durable", true.into()),
        ("auto_delete", false.into()),
        ("exclusive", false.into()),
        ("type", "quorum".into()),
        ("arguments", map([("x-queue-type", "quorum".into())]).into()),
        ("replicas", replicas.into()),
    ]);
    let read = ManagementAnswer::read(&answer("201", body)).unwrap();
    assert_eq!((read.status(), read.message_count()), (201, Some(7)));
    let queue = read.queue().unwrap();
    assert_eq!((queue.name.as_str(), queue.queue_type.as_str()), ("q", "quorum"));
    assert_eq!((queue.message_count, queue.consumer_count), (7, 2));
    assert_eq!((queue.durable, queue.auto_delete, queue.exclusive), (true, false, false));
    assert_eq!(queue.arguments.get("x-queue-type").unwrap(), "quorum");
    assert_eq!(
        (queue.leader.as_deref(), &queue.replicas[..]),
        (Some("rabbit@a"), &["rabbit@a".into(), "rabbit@b".into()][..])
    );

    let read = ManagementAnswer::read(&answer("200", map([("message_count", 9_u64.into())]))).unwrap();
    assert_eq!((read.message_count(), read.queue()), (Some(9), None));
    let read = ManagementAnswer::read(&answer("204", Value::Null)).unwrap();
    assert_eq!((read.status(), read.body(), read.message_count()), (204, &Value::Null, None));
    assert!(read.locations().is_empty());
    let bindings = [map([("location", "/bindings/1".into())]), map([("location", "/bindings/2".into())])];
    let bindings: List = bindings.into_iter().collect();
    let read = ManagementAnswer::read(&answer("200", bindings)).unwrap();
    assert_eq!(read.locations(), ["/bindings/1", "/bindings/2"]);
}

/// Whatever the body of an answer is, reading it says so and breaks nothing.
#[test]
fn refusals_have_a_status_and_a_reason() {
    let refused = ManagementAnswer::read(&answer("404", "no queue 'q'\n")).unwrap_err();
    let reason = Some("no queue 'q'\n".into());
    assert_eq!(refused, ManagementError::Refused { status: 404, reason });
    assert_eq!(
        refused.to_string(),
        "the management node refused the request with status 404: no queue \\'q\\'\\n"
    );
    let bare = ManagementAnswer::read(&answer("503", Value::Null)).unwrap_err();
    assert_eq!(bare.to_string(), "the management node refused the request with status 503");
    for message in [
        Message::from("x"),
        answer("", "x"),
        answer("OK", "x"),
        answer("-200", "x"),
        answer("99", "x"),
        answer("600", "x"),
        answer("70000", "x"),
    ] {
        assert_eq!(ManagementAnswer::read(&message), Err(ManagementError::Malformed), "{message:?}");
    }
    let wrong = map([("name", 7.into()), ("message_count", "7".into())]);
    let read = ManagementAnswer::read(&answer("200", wrong)).unwrap();
    assert_eq!((read.queue(), read.message_count(), read.locations().len()), (None, None, 0));
    let odd: List = [Value::from(7), map([("location", 7.into())]).into()].into_iter().collect();
    assert!(ManagementAnswer::read(&answer("200", odd)).unwrap().locations().is_empty());
}

#[test]
fn answers_find_their_requests_and_requests_expire() {
    let mut management = Management::new(2);
    let until = |millis| Some(Moment::from_millis(millis));
    let first = management.request(ManagementRequest::get_queue("a"), until(10), "a").unwrap();
    let second = management.request(ManagementRequest::get_queue("b"), until(20), "b").unwrap();
    assert_eq!(first.reply_to().unwrap(), "$me");
    let full = management.request(ManagementRequest::get_queue("c"), None, "c");
    assert_eq!(full.unwrap_err(), RequestError::Full);
    let to =
        |request: &Message| answer("404", "none").with_correlation_id(request.message_id().unwrap().clone());
    let (about, read) = management.answer(&to(&second)).unwrap();
    assert_eq!(about, "b");
    assert!(matches!(read, Err(ManagementError::Refused { status: 404, .. })));
    assert!(management.answer(&to(&second)).is_none() && management.answer(&answer("200", "")).is_none());
    assert_eq!(management.next_deadline(), until(10));
    assert_eq!(management.expire(Moment::from_millis(9)), None);
    assert_eq!(management.expire(Moment::from_millis(10)), Some("a"));
    assert!(management.answer(&to(&first)).is_none());
    management.request(ManagementRequest::get_queue("d"), None, "d").unwrap();
    assert_eq!(management.clear().collect::<Vec<_>>(), ["d"]);
}

/// OASIS AMQP Link Pair 1.0: both links have the same name, the property `paired`, and mirrored addresses. A request and its
/// answer go over such a pair.
#[test]
fn a_request_and_its_answer_over_a_pair_of_links() {
    let mut pair = Pair::opened();
    let receiver = pair.client.attach_receiver_with("pair", Management::<()>::receiver_options());
    let sender = pair.client.attach_sender_with("pair", Management::<()>::sender_options());
    pair.drive();
    let mut keys = Vec::new();
    for _ in 0..2 {
        let offer = pair.server.expect_attach();
        let key = offer.key();
        match key {
            LinkKey::Receiver(_) => {
                offer.accept_with_credit(10);
            }
            LinkKey::Sender(_) => {
                offer.accept();
            }
        }
        keys.push(key);
    }
    let [LinkKey::Sender(answers), LinkKey::Receiver(requests)] = keys[..] else { panic!("{keys:?}") };
    for attach in [
        pair.server.sender(answers).unwrap().peer_attach().unwrap().clone(),
        pair.server.receiver(requests).unwrap().peer_attach().unwrap().clone(),
    ] {
        assert_eq!(attach.name, "pair");
        assert_eq!(attach.properties.get("paired"), Some(&Value::Boolean(true)));
        assert_eq!(attach.snd_settle_mode, SenderSettleMode::Settled);
        assert_eq!(attach.source.unwrap().address.unwrap(), "/management");
        assert_eq!(attach.target.unwrap().address().unwrap(), "/management");
    }
    pair.client.receiver(receiver).unwrap().add_credit(10).unwrap();
    pair.drive();

    let mut management = Management::new(10);
    let request = management.request(ManagementRequest::delete_exchange("x"), None, 7).unwrap();
    pair.client.sender(sender).unwrap().send(request).unwrap();
    pair.drive();
    let request = pair.server.receiver(requests).unwrap().receive().unwrap();
    let request = Message::decode(request.payload().clone(), &Limits::DEFAULT).unwrap();
    assert_eq!(
        (request.subject().unwrap().as_str(), request.to().unwrap().as_str()),
        ("DELETE", "/exchanges/x")
    );
    let answer = answer("204", Value::Null).with_correlation_id(request.message_id().unwrap().clone());
    let answer = answer.with_property("http:response", symbol!("1.1"));
    pair.server.sender(answers).unwrap().send(answer).unwrap();
    pair.drive();
    let answer = pair.client.receiver(receiver).unwrap().receive().unwrap();
    let answer = Message::decode(answer.payload().clone(), &Limits::DEFAULT).unwrap();
    let (about, read) = management.answer(&answer).unwrap();
    assert_eq!((about, read.unwrap().status()), (7, 204));
}
