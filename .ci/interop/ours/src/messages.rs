//! Messages with everything that brokers carry, and the parts of them that must arrive.

use amqp_proto::message::{Body, Message};
use amqp_proto::symbol;
use amqp_proto::types::{List, Map, SequenceNo, Timestamp, Uuid, Value};
use amqp_proto::wire::MessageId;
use bytes::Bytes;

use crate::failure::{Done, same};

/// Returns messages, and the special feature of each.
pub(crate) type Messages = Vec<(&'static str, Message)>;

/// The annotation of one of the messages.
const NOTE: &str = "x-opt-note";

/// Returns a message with all fields that brokers carry.
pub(crate) fn said() -> Messages {
    let mut said = Message::from("said about")
        .with_durable(true)
        .with_priority(7)
        .with_message_id(MessageId::String("id-1".into()))
        .with_correlation_id(MessageId::String("id-0".into()))
        .with_reply_to("answers")
        .with_content_type(symbol!("text/plain"))
        .with_group_id("group")
        .with_property("text", "value")
        .with_property("more text", "\u{fc}\u{20ac}\u{1f600}")
        .with_property("flag", true)
        .with_annotation(symbol!("x-opt-note"), "for the whole way");
    // Proton's clients always have a number in the group.
    said.properties_mut().group_sequence = Some(SequenceNo::new(4_000_000_000));
    titled(vec![("what is said about a message", said)])
}

/// Sets the creation time and the expiry time of a message.
pub(crate) fn times() -> Messages {
    let mut times = Message::from("times");
    times.properties_mut().creation_time = Some(Timestamp::from_millis(1_700_000_000_000));
    times.properties_mut().absolute_expiry_time = Some(Timestamp::from_millis(4_000_000_000_000));
    titled(vec![("times", times)])
}

/// Sets the sender of a message.
pub(crate) fn user() -> Messages {
    let mut user = Message::from("user");
    user.properties_mut().user_id = Some(Bytes::from_static(b"guest"));
    titled(vec![("user", user)])
}

/// Octets.
pub(crate) fn data() -> Messages {
    titled(vec![("data", Message::from(octets(1_000))), ("no octets", Message::from(Vec::new()))])
}

/// Text as a value.
pub(crate) fn texts() -> Messages {
    titled(vec![("no text", Message::from("")), ("long text", Message::from("\u{20ac}".repeat(1_000)))])
}

/// A value of one octet.
pub(crate) fn boolean() -> Messages {
    titled(vec![("true", Message::from(Value::Boolean(true)))])
}

/// Values that contain other values.
pub(crate) fn compound() -> Messages {
    titled(vec![
        ("a list", Message::from(List::from(vec![Value::from("a"), Value::from(false), Value::Null]))),
        ("a map", Message::from(Map::from_iter([(Value::from("key"), Value::from("value"))]))),
    ])
}

/// Messages with subjects, since RabbitMQ adds a subject to a message without one.
fn titled(mut messages: Messages) -> Messages {
    messages.iter_mut().for_each(|(name, message)| message.properties_mut().subject = Some((*name).into()));
    messages
}

/// Messages with an id of each type.
pub(crate) fn named() -> Messages {
    let ids = [
        ("text", MessageId::String("id".into())),
        ("a number", MessageId::Ulong(7)),
        ("octets", MessageId::Binary(Bytes::from_static(&[0, 1, 255]))),
        ("a UUID", MessageId::Uuid(Uuid::from_bytes([7; 16]))),
    ];
    ids.into_iter().map(|(name, id)| (name, Message::from(name).with_message_id(id))).collect()
}

/// Returns octets without a simple pattern.
pub(crate) fn octets(size: usize) -> Vec<u8> {
    let mut state = u32::try_from(size).unwrap_or(u32::MAX) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Asserts that the received message equals the sent one, except for fields that brokers may change.
pub(crate) fn agree(name: &str, went: &Message, came: &Message) -> Done {
    let field = |field: &str| format!("{field} of {name}");
    same(&field("body"), readable(came.body()), readable(went.body()))?;
    same(&field("durable"), came.header().durable, went.header().durable)?;
    same(&field("priority"), came.header().priority, went.header().priority)?;
    same(&field("properties"), came.properties(), went.properties())?;
    same(&field("application properties"), came.application_properties(), went.application_properties())?;
    let note = |message: &Message| message.message_annotations().get(NOTE).cloned();
    same(&field("annotation"), note(came), note(went))
}

/// Returns the body in one of its equivalent forms.
fn readable(body: &Body) -> Body {
    match body.as_bytes() {
        Some(octets) => Body::from(octets.clone()),
        None => body.clone(),
    }
}
