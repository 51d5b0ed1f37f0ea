//! Apache ActiveMQ Artemis: routing types, queues of an address, delayed messages, the priority of a receiver.

use alloc::string::String;
use core::fmt;
use core::time::Duration;

use crate::message::Message;
use crate::types::{Fields, Symbol, Timestamp};

const ROUTING_TYPE: &str = "x-opt-routing-type";
const DELIVERY_DELAY: &str = "x-opt-delivery-delay";
const DELIVERY_TIME: &str = "x-opt-delivery-time";

/// The way in which an address hands on its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutingType {
    /// Each message goes to one queue: point to point.
    Anycast,
    /// Each message goes to all queues: publish and subscribe.
    Multicast,
}

impl RoutingType {
    /// Returns the capability of a source or target whose address is created with this type.
    ///
    /// ```
    /// use amqp_proto::brokers::artemis::RoutingType;
    /// use amqp_proto::wire::Target;
    ///
    /// let target = Target {
    ///     capabilities: RoutingType::Anycast.capability().into(),
    ///     ..Target::at("jobs")
    /// };
    /// ```
    pub const fn capability(self) -> Symbol {
        match self {
            Self::Anycast => Symbol::known("queue"),
            Self::Multicast => Symbol::known("topic"),
        }
    }

    /// Returns the type in a message's annotation; `None` without one, or if it is of no known type.
    pub fn of(message: &Message) -> Option<Self> {
        match message.annotation(ROUTING_TYPE)?.as_i64()? {
            0 => Some(Self::Multicast),
            1 => Some(Self::Anycast),
            _ => None,
        }
    }

    const fn to_wire(self) -> i8 {
        match self {
            Self::Multicast => 0,
            Self::Anycast => 1,
        }
    }
}

/// Returns the message with the routing type of the address to which it goes, which the anonymous relay creates with it.
///
/// ```
/// use amqp_proto::brokers::artemis::{self, RoutingType};
/// use amqp_proto::message::Message;
///
/// let job = Message::from("job").with_to("jobs");
/// let job = artemis::with_routing_type(job, RoutingType::Anycast);
/// assert_eq!(RoutingType::of(&job), Some(RoutingType::Anycast));
/// ```
#[must_use]
pub fn with_routing_type(message: Message, routing_type: RoutingType) -> Message {
    message.with_annotation(ROUTING_TYPE, routing_type.to_wire())
}

/// Returns the message with the time for which the broker keeps it back, in whole milliseconds.
///
/// The broker counts from the message's arrival.
#[must_use]
pub fn with_delivery_delay(message: Message, delay: Duration) -> Message {
    message.with_annotation(DELIVERY_DELAY, i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
}

/// Returns the message with the time before which the broker does not hand it on. It goes before a delay.
///
/// ```
/// use amqp_proto::brokers::artemis;
/// use amqp_proto::message::Message;
/// use amqp_proto::types::Timestamp;
///
/// let noon = Timestamp::from_millis(1_709_208_000_000);
/// let reminder = artemis::with_delivery_time(Message::from("lunch"), noon);
/// ```
#[must_use]
pub fn with_delivery_time(message: Message, time: Timestamp) -> Message {
    message.with_annotation(DELIVERY_TIME, time.as_millis())
}

/// Returns the property of a link that gives a receiver a priority: receivers with a higher one get messages first.
pub fn priority(priority: i32) -> Fields {
    Fields::from([("priority", priority)])
}

/// Returns the fully qualified name of a queue, which is the address of one of several queues of an address.
///
/// ```
/// use amqp_proto::brokers::artemis;
///
/// assert_eq!(artemis::queue_of("orders", "audit")?, "orders::audit");
/// # Ok::<(), artemis::NotQualifiable>(())
/// ```
///
/// # Errors
///
/// [`NotQualifiable`] if one of the names is empty or has two colons in a row, which would name another queue.
pub fn queue_of(address: &str, queue: &str) -> Result<String, NotQualifiable> {
    // A colon at the seam makes three in a row.
    let is_cut = |name: &str| name.is_empty() || name.contains("::");
    if is_cut(address) || is_cut(queue) || address.ends_with(':') || queue.starts_with(':') {
        return Err(NotQualifiable);
    }
    Ok([address, "::", queue].concat())
}

/// The error of names that make no fully qualified name of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotQualifiable;

impl fmt::Display for NotQualifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address or the queue is empty, or has colons that would name another queue")
    }
}

impl core::error::Error for NotQualifiable {}
