//! Calls as a newcomer writes them: literals for symbols, text in either form, secrets from text, printed keys.
#![allow(clippy::type_complexity)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use amqp_proto::bytes::Bytes;
use amqp_proto::config::Options;
use amqp_proto::message::{Body, Message, MessageView, Payload};
use amqp_proto::testing::Pair;
use amqp_proto::types::{
    Annotations, ApplicationProperties, DeliveryTag, Fields, Limits, List, Many, Map, SequenceNo, Str,
    Symbol, Timestamp, Value,
};
use amqp_proto::wire::{Condition, MessageId, Secret};

fn view(message: &Message) -> MessageView {
    MessageView::new(message.to_payload().unwrap(), &Limits::DEFAULT).unwrap()
}

/// [1.6.21]: a literal is a symbol where one is wanted, and one that is not ASCII is found at once.
#[test]
fn e_enc_09_a_literal_is_a_symbol() {
    let message = Message::from("{}").with_content_type("application/json").with_annotation("x-opt-tries", 1);
    assert_eq!(message.properties().content_type, Some(Symbol::new("application/json").unwrap()));
    assert_eq!(message.message_annotations().get("x-opt-tries").unwrap().as_i64(), Some(1));
    assert!(std::panic::catch_unwind(|| Symbol::from("größe")).is_err());
    assert!(Symbol::new("größe").is_err());
}

/// [3.2.6] [3.2.8]: a reader gets text from a string or from data, and octets from data or from a binary.
#[test]
fn m_sec_02_text_and_octets_are_read_in_both_forms() {
    let binary = || Value::from(Bytes::from_static(b"job"));
    let parts = Body::Data([Bytes::from_static(b"j"), Bytes::from_static(b"ob")].into_iter().collect());
    let rows: [(Body, Option<&str>, Option<&[u8]>); 8] = [
        ("job".into(), Some("job"), Some(b"job")),
        (b"job".into(), Some("job"), Some(b"job")),
        (parts, Some("job"), Some(b"job")),
        (binary().into(), Some("job"), Some(b"job")),
        (Value::from(b"\xff").into(), None, Some(b"\xff")),
        (b"\xff".into(), None, Some(b"\xff")),
        (7_i32.into(), None, None),
        (Body::Sequence(List::new().into()), None, None),
    ];
    for (body, text, octets) in rows {
        let message = Message::new(body);
        assert_eq!((message.text().as_deref(), message.bytes().as_deref()), (text, octets), "{message:?}");
        let view = view(&message);
        assert_eq!(view.text().unwrap().as_deref(), text, "{message:?}");
        assert_eq!(view.bytes().unwrap().as_deref(), octets, "{message:?}");
    }
}

#[test]
fn secrets_are_made_of_text() {
    for secret in [Secret::from("token"), String::from("token").into(), b"token".to_vec().into()] {
        assert_eq!(
            (&secret.expose()[..], format!("{secret:?}")),
            (&b"token"[..], "<5 octets hidden>".into())
        );
    }
}

/// [2.8.5]: a delivery is printed by its delivery-id, as it stands in a trace.
#[test]
fn t_xfer_05_keys_of_deliveries_print_the_delivery_id() {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    let jobs = pair.client.attach_sender("jobs");
    pair.drive();
    let key = pair.client.sender(jobs).unwrap().send("job").unwrap();
    assert_eq!(key.to_string(), "delivery 0");
    assert_eq!(format!("{key:?}"), format!("delivery 0 sent on {:?}", pair.client.default_session()));
}

/// [3.2.1-3.2.10]: each field that people set has one call to set it and one to get it, and crosses the wire.
#[test]
fn m_sec_02_each_field_of_a_message_has_a_setter_and_a_getter() {
    let made = Timestamp::from_millis(1_700_000_000_000);
    let message = Message::from(b"job")
        .with_durable(true)
        .with_priority(7)
        .with_ttl(Duration::from_secs(60))
        .with_message_id("m-1")
        .with_user_id("guest")
        .with_to("jobs")
        .with_subject("print")
        .with_reply_to("answers")
        .with_correlation_id(7)
        .with_content_type("text/plain")
        .with_absolute_expiry_time(made + Duration::from_secs(60))
        .with_creation_time(made)
        .with_group_id("g")
        .with_group_sequence(SequenceNo::new(3))
        .with_reply_to_group_id("h")
        .with_property("copies", 2)
        .with_annotation("x-opt-a", "a")
        .with_delivery_annotation("x-opt-b", "b")
        .with_footer("x-opt-c", "c")
        .with_content_encoding("gzip")
        .unwrap();
    let message = view(&message).to_message().unwrap();
    assert_eq!(
        (message.durable(), message.priority(), message.ttl()),
        (true, 7, Some(Duration::from_secs(60)))
    );
    let texts = [message.to(), message.subject(), message.reply_to(), message.group_id()];
    assert_eq!(texts.map(Option::unwrap), ["jobs", "print", "answers", "g"]);
    assert_eq!(message.reply_to_group_id().unwrap(), "h");
    assert_eq!(message.message_id().unwrap(), &MessageId::from("m-1"));
    assert_eq!(message.correlation_id(), Some(&MessageId::Ulong(7)));
    assert_eq!(message.user_id().unwrap(), "guest");
    assert_eq!(message.content_type().unwrap(), "text/plain");
    assert_eq!(message.content_encoding().unwrap(), "gzip");
    assert_eq!(message.creation_time(), Some(made));
    assert_eq!(message.absolute_expiry_time(), Some(made + Duration::from_secs(60)));
    assert_eq!(message.group_sequence(), Some(SequenceNo::new(3)));
    assert_eq!(message.property("copies"), Some(&Value::Int(2)));
    assert_eq!(message.annotation("x-opt-a").unwrap(), "a");
    assert_eq!(message.delivery_annotation("x-opt-b").unwrap(), "b");
    assert_eq!(message.footer().get("x-opt-c").unwrap(), "c");
    let bare = Message::from("job");
    assert_eq!((bare.durable(), bare.priority(), bare.ttl(), bare.to()), (false, 4, None, None));
}

/// [3.2.1]: what the wire cannot hold of a time to live is rounded, never to none.
#[test]
fn a_time_to_live_is_whole_milliseconds() {
    let rows = [(Duration::ZERO, 0), (Duration::from_nanos(1), 1), (Duration::MAX, u64::from(u32::MAX))];
    for (ttl, millis) in rows {
        assert_eq!(Message::from("job").with_ttl(ttl).ttl(), Some(Duration::from_millis(millis)), "{ttl:?}");
    }
}

#[test]
fn plain_types_are_values() {
    let text = String::from("red");
    let reds: [Value; 4] = ["red".into(), text.clone().into(), (&text).into(), Symbol::from("red").into()];
    for red in reds {
        assert_eq!(red, "red");
    }
    let octets: [Value; 4] =
        [b"job".into(), b"job"[..].into(), b"job".to_vec().into(), Bytes::from_static(b"job").into()];
    assert!(octets.iter().all(|value| value.as_bytes().unwrap() == "job"));
    assert_eq!([Value::from(Some(7)), Value::from(None::<i32>)], [Value::Int(7), Value::Null]);
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(5);
    assert_eq!(Value::from(time), Value::Timestamp(Timestamp::from_millis(5)));
    let message = Message::from("job")
        .with_property("made", time)
        .with_property("octets", b"job")
        .with_property("name", &text);
    assert_eq!(message.property("made"), Some(&Value::from(time)));
}

#[test]
fn maps_and_lists_are_made_of_and_read_as_what_rust_has() {
    let map = Map::from([("a", 1), ("b", 2)]);
    assert_eq!(Map::from(BTreeMap::from([("b", 2), ("a", 1)])), map);
    assert_eq!(Map::from(HashMap::from([("a", 1)])), Map::from([("a", 1)]));
    let mut sum = 0;
    for (key, value) in &map {
        assert!(key == "a" || key == "b");
        sum += value.as_i64().unwrap();
    }
    assert_eq!((sum, map.iter().len()), (3, 2));
    let pairs: Vec<(Value, Value)> = map.into_iter().collect();
    assert_eq!(pairs, [("a".into(), 1.into()), ("b".into(), 2.into())]);
    let fields = Fields::from([("port", 5672_u16)]);
    assert_eq!((&fields).into_iter().count(), 1);
    assert_eq!(Map::from(fields).get("port"), Some(&Value::Ushort(5672)));
    assert_eq!(Annotations::from([("x-opt-a", true)]).len(), 1);
    assert_eq!(ApplicationProperties::from([("copies", 2)]).into_iter().count(), 1);
    let mut list = List::from([1, 2]);
    list.extend(["three"]);
    assert_eq!(list.into_iter().collect::<Vec<_>>(), [1.into(), 2.into(), Value::from("three")]);
}

#[test]
fn capabilities_are_made_of_literals() {
    let many: Many<Symbol> = ["queue", "topic"].into();
    assert_eq!(many, ["queue", "topic"]);
    assert_eq!(Many::from(&many[..]), many);
    assert_eq!(Many::from(many.to_vec()), many);
    let _ = Options::new("c").with_offered_capabilities("one").with_desired_capabilities(["two", "three"]);
}

#[test]
fn text_compares_both_ways_and_becomes_a_string() {
    let (text, name) = (Str::from("jobs"), Symbol::from("jobs"));
    let string = String::from("jobs");
    assert_eq!(text, string);
    assert_eq!(string, text);
    assert_eq!("jobs", text);
    assert!(*"jobs" == text);
    assert_eq!(name, string);
    assert_eq!(string, name);
    assert_eq!("jobs", name);
    assert_eq!((String::from(text.clone()), String::from(name.clone())), (string.clone(), string.clone()));
    assert_eq!(Symbol::try_from(string), Ok(name.clone()));
    assert_eq!(Symbol::try_from(text), Ok(name.clone()));
    assert_eq!("jobs".parse(), Ok(name));
    assert_eq!(Condition::from("amqp:not-found"), Condition::NotFound);
    assert_eq!(DeliveryTag::try_from("tag").unwrap().as_ref(), b"tag");
}

#[test]
fn payloads_are_octets() {
    let mut payload = Payload::from(b"ab".to_vec());
    payload.extend([Bytes::from_static(b"cd")]);
    assert_eq!(payload, b"abcd"[..]);
    assert_eq!((&payload).into_iter().count(), 2);
    assert_eq!(payload, Payload::from(&b"abcd"[..]));
    assert_eq!(Bytes::from(payload), "abcd");
}

/// [3.2.11]: an id of any type is shown, and compares with text.
#[test]
fn message_ids_are_shown() {
    let ids: [MessageId; 3] = ["m-1".into(), 7.into(), vec![0xab, 0x01].into()];
    assert_eq!(ids.each_ref().map(ToString::to_string), ["m-1", "7", "ab01"]);
    assert!(ids[0] == "m-1" && ids[1] != "7");
}

/// [1.6.17]: times before and after the epoch, to the ends of their range.
#[test]
fn timestamps_are_times_of_the_system() {
    for millis in [0, 1, -1, 1_700_000_000_123, -86_400_000] {
        let time = Timestamp::from_millis(millis);
        assert_eq!(Timestamp::from(SystemTime::try_from(time).unwrap()), time);
    }
    let [first, last] = [i64::MIN, i64::MAX].map(Timestamp::from_millis);
    assert_eq!((last + Duration::MAX, first - Duration::MAX), (last, first));
    assert_eq!(last - first, Duration::from_millis(u64::MAX));
    assert_eq!(first - last, Duration::ZERO);
    let mut time = Timestamp::from_millis(10);
    time += Duration::from_millis(5);
    time -= Duration::from_millis(1);
    assert_eq!(time.as_millis(), 14);
}
