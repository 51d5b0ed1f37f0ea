//! The names in a selector: those of JMS, those of AMQP, and properties.

use super::field::{Field, HeaderField, PropertiesField};
use super::token::ANNOTATION;

/// The reading of a field: JMS sees some fields of AMQP in another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it is.
    Plain,
    /// Octets that are text.
    Text,
    /// `PERSISTENT` or `NON_PERSISTENT`.
    DeliveryMode,
    /// One more.
    Next,
    /// True if it is more than zero.
    IsPositive,
}

/// Returns the field of a name. `None` for a name of the form `amqp.NAME` that is no field.
pub(super) fn resolve(name: &str) -> Option<(Field, Reading)> {
    if let Some(annotation) = name.strip_prefix(ANNOTATION) {
        return Some((Field::Annotation(annotation.into()), Reading::Plain));
    }
    let known = NAMES.iter().find(|(own, ..)| *own == name);
    if let Some((_, field, reading)) = known {
        return Some((field.clone(), *reading));
    }
    (!name.starts_with("amqp.")).then(|| (Field::Property(name.into()), Reading::Plain))
}

const fn header(name: &'static str, field: HeaderField, reading: Reading) -> (&'static str, Field, Reading) {
    (name, Field::Header(field), reading)
}

const fn properties(name: &'static str, field: PropertiesField) -> (&'static str, Field, Reading) {
    let reading = match field {
        PropertiesField::UserId => Reading::Text,
        _ => Reading::Plain,
    };
    (name, Field::Properties(field), reading)
}

static NAMES: [(&str, Field, Reading); 32] = [
    header("JMSDeliveryMode", HeaderField::Durable, Reading::DeliveryMode),
    header("JMSPriority", HeaderField::Priority, Reading::Plain),
    header("JMSRedelivered", HeaderField::DeliveryCount, Reading::IsPositive),
    header("JMSXDeliveryCount", HeaderField::DeliveryCount, Reading::Next),
    properties("JMSCorrelationID", PropertiesField::CorrelationId),
    properties("JMSDestination", PropertiesField::To),
    properties("JMSExpiration", PropertiesField::AbsoluteExpiryTime),
    properties("JMSMessageID", PropertiesField::MessageId),
    properties("JMSReplyTo", PropertiesField::ReplyTo),
    properties("JMSTimestamp", PropertiesField::CreationTime),
    properties("JMSType", PropertiesField::Subject),
    properties("JMSXGroupID", PropertiesField::GroupId),
    properties("JMSXGroupSeq", PropertiesField::GroupSequence),
    properties("JMSXUserID", PropertiesField::UserId),
    header("amqp.durable", HeaderField::Durable, Reading::Plain),
    header("amqp.priority", HeaderField::Priority, Reading::Plain),
    header("amqp.ttl", HeaderField::Ttl, Reading::Plain),
    header("amqp.first_acquirer", HeaderField::FirstAcquirer, Reading::Plain),
    header("amqp.delivery_count", HeaderField::DeliveryCount, Reading::Plain),
    properties("amqp.message_id", PropertiesField::MessageId),
    properties("amqp.user_id", PropertiesField::UserId),
    properties("amqp.to", PropertiesField::To),
    properties("amqp.subject", PropertiesField::Subject),
    properties("amqp.reply_to", PropertiesField::ReplyTo),
    properties("amqp.correlation_id", PropertiesField::CorrelationId),
    properties("amqp.content_type", PropertiesField::ContentType),
    properties("amqp.content_encoding", PropertiesField::ContentEncoding),
    properties("amqp.absolute_expiry_time", PropertiesField::AbsoluteExpiryTime),
    properties("amqp.creation_time", PropertiesField::CreationTime),
    properties("amqp.group_id", PropertiesField::GroupId),
    properties("amqp.group_sequence", PropertiesField::GroupSequence),
    properties("amqp.reply_to_group_id", PropertiesField::ReplyToGroupId),
];
