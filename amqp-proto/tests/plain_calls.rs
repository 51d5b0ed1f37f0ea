//! Calls as a newcomer writes them: literals for symbols, text in either form, secrets from text, printed keys.
#![allow(clippy::type_complexity)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::bytes::Bytes;
use amqp_proto::config::Options;
use amqp_proto::message::{Body, Message, MessageView};
use amqp_proto::testing::Pair;
use amqp_proto::types::{Limits, Symbol, Value};
use amqp_proto::wire::Secret;

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
    let rows: [(Body, Option<&str>, Option<&[u8]>); 6] = [
        ("job".into(), Some("job"), None),
        (b"job".into(), Some("job"), Some(b"job")),
        (parts, Some("job"), Some(b"job")),
        (binary().into(), None, Some(b"job")),
        (b"\xff".into(), None, Some(b"\xff")),
        (7_i32.into(), None, None),
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
    assert_eq!(format!("{key}; {key:?}"), "delivery 0; delivery 0 sent on session 0.0");
}
