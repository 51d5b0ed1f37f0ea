//! Messages with all that brokers carry, and what of it has to be there at the other end.

use amqp_proto::message::{Body, Message};
use amqp_proto::symbol;
use amqp_proto::types::{List, Map, SequenceNo, Timestamp, Uuid, Value};
use amqp_proto::wire::MessageId;
use bytes::Bytes;

use crate::failure::{Done, same};

/// Messages, and what is special about each.
pub(crate) type Messages = Vec<(&'static str, Message)>;

/// The annotation that one of them has.
const NOTE: &str = "x-opt-note";

/// A message about which everything is said that brokers carry.
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

/// When a message was made, and until when it is of use.
pub(crate) fn times() -> Messages {
    let mut times = Message::from("times");
    times.properties_mut().creation_time = Some(Timestamp::from_millis(1_700_000_000_000));
    times.properties_mut().absolute_expiry_time = Some(Timestamp::from_millis(4_000_000_000_000));
    titled(vec![("times", times)])
}

/// Who has sent a message.
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

/// Values that hold others.
pub(crate) fn compound() -> Messages {
    titled(vec![
        ("a list", Message::from(List::from(vec![Value::from("a"), Value::from(false), Value::Null]))),
        ("a map", Message::from(Map::from_iter([(Value::from("key"), Value::from("value"))]))),
    ])
}

/// With subjects, since RabbitMQ gives one to messages that have none.
fn titled(mut messages: Messages) -> Messages {
    messages.iter_mut().for_each(|(name, message)| message.properties_mut().subject = Some((*name).into()));
    messages
}

/// Messages named by each type of id.
pub(crate) fn named() -> Messages {
    let ids = [
        ("text", MessageId::String("id".into())),
        ("a number", MessageId::Ulong(7)),
        ("octets", MessageId::Binary(Bytes::from_static(&[0, 1, 255]))),
        ("a UUID", MessageId::Uuid(Uuid::from_bytes([7; 16]))),
    ];
    ids.into_iter().map(|(name, id)| (name, Message::from(name).with_message_id(id))).collect()
}

/// Octets in no simple order.
pub(crate) fn octets(size: usize) -> Vec<u8> {
    let mut state = u32::try_from(size).unwrap_or(u32::MAX) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

/// Sees that what came is what went, but for what brokers may change.
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

/// A body, by one form of those that mean the same.
fn readable(body: &Body) -> Body {
    match body.as_bytes() {
        Some(octets) => Body::from(octets.clone()),
        None => body.clone(),
    }
}
