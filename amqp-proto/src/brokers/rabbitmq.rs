//! RabbitMQ 4: addresses, streams, replies, the priority of a receiver, the reasons of refusals.
//!
//! Offsets and filters of streams are filters of a source: [`Source::with_stream_offset`],
//! [`Source::with_stream_filter`], [`Source::with_sql_filter`]. Queues are declared with
//! [`QueueOptions`](crate::policy::QueueOptions).

use alloc::string::String;
use core::time::Duration;

use super::push_encoded;
use crate::message::Message;
use crate::types::{Fields, Many, Str, Symbol};
use crate::wire::{AmqpError, ExpiryPolicy, Source};

/// The annotation of a message from a stream with its offset.
pub const STREAM_OFFSET: &str = "x-stream-offset";

/// The annotation of a message to a stream with its filter value.
pub const STREAM_FILTER_VALUE: &str = "x-stream-filter-value";

/// Returns the address of a queue.
///
/// ```
/// use amqp_proto::brokers::rabbitmq;
///
/// assert_eq!(rabbitmq::queue("jobs/1 of ü"), "/queues/jobs%2F1%20of%20%C3%BC");
/// ```
pub fn queue(name: &str) -> String {
    let mut address = String::from("/queues/");
    push_encoded(&mut address, name);
    address
}

/// Returns the address of an exchange, to which messages go with an empty routing key.
pub fn exchange(name: &str) -> String {
    let mut address = String::from("/exchanges/");
    push_encoded(&mut address, name);
    address
}

/// Returns the address of an exchange, to which messages go with this routing key.
///
/// ```
/// use amqp_proto::brokers::rabbitmq;
///
/// let address = rabbitmq::exchange_with_key("events", "order/new");
/// assert_eq!(address, "/exchanges/events/order%2Fnew");
/// ```
pub fn exchange_with_key(name: &str, key: &str) -> String {
    let mut address = exchange(name);
    address.push('/');
    push_encoded(&mut address, key);
    address
}

/// Returns the hostname of an open that selects a virtual host.
///
/// ```
/// use amqp_proto::brokers::rabbitmq;
///
/// assert_eq!(rabbitmq::virtual_host("billing"), "vhost:billing");
/// ```
pub fn virtual_host(name: &str) -> String {
    let mut hostname = String::from("vhost:");
    hostname.push_str(name);
    hostname
}

/// Returns the source of a receiver of replies, for which the broker keeps no queue. Its link has the snd-settle-mode
/// settled, and the answer has the address for `reply-to`.
///
/// ```
/// use amqp_proto::brokers::rabbitmq;
/// use amqp_proto::config::ReceiverOptions;
/// use amqp_proto::wire::SenderSettleMode;
///
/// let replies = ReceiverOptions::new()
///     .with_source(rabbitmq::direct_reply_to())
///     .with_snd_settle_mode(SenderSettleMode::Settled);
/// ```
pub fn direct_reply_to() -> Source {
    Source {
        dynamic: true,
        expiry_policy: ExpiryPolicy::LinkDetach,
        capabilities: Many::from(Symbol::known("rabbitmq:volatile-queue")),
        ..Source::default()
    }
}

/// Returns the offset of a message from a stream; `None` without one.
///
/// A program that saves it goes on behind it, with [`StreamOffset::Offset`](crate::wire::StreamOffset::Offset) of the
/// next one.
///
/// ```
/// use amqp_proto::brokers::rabbitmq;
/// use amqp_proto::message::Message;
///
/// let message = Message::from("event")
///     .with_annotation(rabbitmq::STREAM_OFFSET, 7_u64);
/// assert_eq!(rabbitmq::stream_offset(&message), Some(7));
/// ```
pub fn stream_offset(message: &Message) -> Option<u64> {
    message.annotation(STREAM_OFFSET)?.as_u64()
}

/// Returns the message with the value by which receivers filter the stream.
#[must_use]
pub fn with_stream_filter_value(message: Message, value: impl Into<Str>) -> Message {
    message.with_annotation(STREAM_FILTER_VALUE, value.into())
}

/// The properties of a link on which a client receives.
///
/// ```
/// use amqp_proto::brokers::rabbitmq::ConsumerProperties;
/// use amqp_proto::config::ReceiverOptions;
///
/// let first = ConsumerProperties::new().with_priority(10);
/// let options =
///     ReceiverOptions::from("/queues/jobs").with_properties(first.into());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerProperties {
    fields: Fields,
}

impl ConsumerProperties {
    /// Returns the properties of a usual receiver.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the priority: receivers with a higher one get messages first. Default 0.
    #[must_use]
    pub fn with_priority(mut self, priority: i32) -> Self {
        self.fields.insert("rabbitmq:priority", priority);
        self
    }

    /// Sets the time within which a message must be settled, in whole milliseconds, at most 49 days. Default: the broker's.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        self.fields.insert("rabbitmq:consumer-timeout", millis);
        self
    }
}

impl From<ConsumerProperties> for Fields {
    fn from(properties: ConsumerProperties) -> Self {
        properties.fields
    }
}

/// The reason of a rejection, as the info of its error says it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The queue that refused the message.
    pub queue: Str,
    /// The reason, such as `maxlen` for a full queue, or `unavailable`.
    pub reason: Str,
}

impl Rejection {
    /// Reads the error of a rejected message; `None` if it does not name both parts.
    ///
    /// ```
    /// use amqp_proto::brokers::rabbitmq::Rejection;
    /// use amqp_proto::types::Fields;
    /// use amqp_proto::wire::{AmqpError, Condition};
    ///
    /// let error = AmqpError::new(Condition::ResourceLimitExceeded)
    ///     .with_info(Fields::from([("queue", "jobs"), ("reason", "maxlen")]));
    /// let rejection = Rejection::of(&error).unwrap();
    /// assert_eq!(rejection.queue, "jobs");
    /// assert_eq!(rejection.reason, "maxlen");
    /// ```
    pub fn of(error: &AmqpError) -> Option<Self> {
        let part = |name| error.info.get(name)?.as_str().map(Str::from);
        Some(Self { queue: part("queue")?, reason: part("reason")? })
    }
}
