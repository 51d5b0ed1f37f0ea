//! Azure Service Bus and Event Hubs: addresses, sessions, positions, batches, locks, annotations, dead letters.
//!
//! A receiver takes a session with [`Source::with_session`]. Tokens are put by [`Cbs`](crate::policy::Cbs).

mod batch;
mod position;

pub use batch::{Batch, BatchError};
pub use position::EventPosition;

use alloc::string::String;

use crate::message::Message;
use crate::types::{DeliveryTag, Described, Fields, Str, Timestamp, Uuid, Value};
use crate::wire::{AmqpError, FilterKind, Source};

/// The annotation with the number of a message in its queue or partition.
pub const SEQUENCE_NUMBER: &str = "x-opt-sequence-number";

/// The annotation with the time at which a message was enqueued.
pub const ENQUEUED_TIME: &str = "x-opt-enqueued-time";

/// The annotation with the place of an event in its partition.
pub const OFFSET: &str = "x-opt-offset";

/// The annotation with the end of a message's lock.
pub const LOCKED_UNTIL: &str = "x-opt-locked-until";

const SCHEDULED_ENQUEUE_TIME: &str = "x-opt-scheduled-enqueue-time";
const PARTITION_KEY: &str = "x-opt-partition-key";

/// Returns the address of a subscription to a topic of Service Bus.
pub fn subscription(topic: &str, subscription: &str) -> String {
    [topic, "/Subscriptions/", subscription].concat()
}

/// Returns the address of a partition of an event hub, to which events are sent.
pub fn partition(hub: &str, partition: &str) -> String {
    [hub, "/Partitions/", partition].concat()
}

/// Returns the address from which a consumer group receives a partition of an event hub.
///
/// ```
/// use amqp_proto::brokers::azure;
///
/// let address = azure::consumer("readings", "$Default", "0");
/// assert_eq!(address, "readings/ConsumerGroups/$Default/Partitions/0");
/// ```
pub fn consumer(hub: &str, group: &str, partition: &str) -> String {
    [hub, "/ConsumerGroups/", group, "/Partitions/", partition].concat()
}

/// Returns the address of the dead letters of a queue or subscription.
pub fn dead_letters(entity: &str) -> String {
    [entity, "/$DeadLetterQueue"].concat()
}

/// Returns the address of the messages of a queue or subscription that could not be forwarded.
pub fn transfer_dead_letters(entity: &str) -> String {
    [entity, "/$Transfer/$DeadLetterQueue"].concat()
}

/// Returns the address of the management node of a queue, subscription or event hub.
pub fn management(entity: &str) -> String {
    [entity, "/$management"].concat()
}

/// Returns the name of the session that the peer has granted, from the source of its attach; `None` if it names none.
///
/// ```
/// use amqp_proto::brokers::azure;
/// use amqp_proto::wire::Source;
///
/// let answer = Source::at("orders").with_session("customer-7");
/// assert_eq!(azure::granted_session(&answer), Some("customer-7"));
/// ```
pub fn granted_session(answer: &Source) -> Option<&str> {
    let granted = answer.filter.get(FilterKind::Session.name().as_str())?;
    granted.as_described().map_or(granted, Described::value).as_str()
}

/// Returns the property of a link that makes a receiver of an event hub the only one of its consumer group: one with a
/// higher level takes the partition from one with a lower level.
pub fn owner_level(level: i64) -> Fields {
    Fields::from([("com.microsoft:epoch", level)])
}

/// Returns the token that locks a received message, from its delivery tag; `None` if the tag has not 16 octets.
///
/// ```
/// use amqp_proto::brokers::azure;
/// use amqp_proto::types::DeliveryTag;
///
/// let octets: Vec<u8> = (0..16).collect();
/// let tag = DeliveryTag::new(&octets)?;
/// let token = azure::lock_token(&tag).unwrap();
/// assert_eq!(token.to_string(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
/// # Ok::<(), amqp_proto::types::TooLong>(())
/// ```
pub fn lock_token(tag: &DeliveryTag) -> Option<Uuid> {
    let octets = <[u8; 16]>::try_from(&**tag).ok()?;
    // The first three parts have their octets in the reverse order, as GUIDs of .NET have.
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
    let [i, j, k, l, m, n, o, p] = rest;
    Some(Uuid::from_bytes([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]))
}

/// Returns the message with the time at which Service Bus enqueues it.
///
/// ```
/// use amqp_proto::brokers::azure;
/// use amqp_proto::message::Message;
/// use amqp_proto::types::Timestamp;
///
/// let noon = Timestamp::from_millis(1_709_208_000_000);
/// let lunch = Message::from("lunch");
/// let reminder = azure::with_scheduled_enqueue_time(lunch, noon);
/// let annotation = reminder.annotation("x-opt-scheduled-enqueue-time");
/// assert_eq!(annotation, Some(&noon.into()));
/// ```
#[must_use]
pub fn with_scheduled_enqueue_time(message: Message, time: Timestamp) -> Message {
    message.with_annotation(SCHEDULED_ENQUEUE_TIME, time)
}

/// Returns the message with the key that decides its partition.
#[must_use]
pub fn with_partition_key(message: Message, key: impl Into<Str>) -> Message {
    message.with_annotation(PARTITION_KEY, key.into())
}

/// Returns the number of a message in its queue or partition; `None` without one.
pub fn sequence_number(message: &Message) -> Option<i64> {
    message.annotation(SEQUENCE_NUMBER)?.as_i64()
}

/// Returns the time at which a message was enqueued; `None` without one.
pub fn enqueued_time(message: &Message) -> Option<Timestamp> {
    timestamp(message.annotation(ENQUEUED_TIME)?)
}

/// Returns the end of a message's lock; `None` without one.
pub fn locked_until(message: &Message) -> Option<Timestamp> {
    timestamp(message.annotation(LOCKED_UNTIL)?)
}

const fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Timestamp(time) => Some(*time),
        _ => None,
    }
}

/// Returns the error with which a receiver rejects a message to make it a dead letter of Service Bus.
///
/// ```
/// use amqp_proto::brokers::azure;
///
/// let error = azure::dead_letter("malformed", "the order has no lines");
/// assert_eq!(error.condition.as_str(), "com.microsoft:dead-letter");
/// ```
pub fn dead_letter(reason: impl Into<Str>, description: impl Into<Str>) -> AmqpError {
    let info = [("DeadLetterReason", reason.into()), ("DeadLetterErrorDescription", description.into())];
    AmqpError::new("com.microsoft:dead-letter".into()).with_info(Fields::from(info))
}
