//! [`Choice`]: the messages of a node that a consumer wants, by the filters and the distribution mode of its source.

use std::borrow::Cow;

use amqp_proto::message::MessageView;
use amqp_proto::policy::{Candidate, Field, HeaderField, Selector};
use amqp_proto::types::{Limits, Value};
use amqp_proto::wire::{AmqpError, Condition, DistributionMode, Filter, FilterError, FilterKind, Source};

use super::stored::Stored;

/// The messages that a consumer wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    selector: Option<Selector>,
    /// The number of the connection whose messages are not wanted.
    not_from: Option<u64>,
    /// True if the consumer gets copies, and the messages stay in their queue.
    pub(super) is_browsing: bool,
}

impl Choice {
    /// Reads the filters of a source, for a consumer on this connection.
    pub(super) fn of(source: &Source, connection: u64) -> Result<Self, AmqpError> {
        let is_browsing = source.distribution_mode == Some(DistributionMode::Copy);
        let mut choice = Self { is_browsing, ..Self::default() };
        for (name, filter) in source.filters() {
            match filter {
                // More of them would hold more memory than the links of other clients.
                Ok(Filter::Selector(_)) if choice.selector.is_some() => {
                    let words =
                        format!("this broker evaluates one selector, and this is another: {}", text(name));
                    return Err(AmqpError::new(Condition::NotImplemented).with_description(words));
                }
                Ok(Filter::Selector(expression)) => {
                    let selector = Selector::parse(expression).map_err(|error| malformed(name, &error))?;
                    choice.selector = Some(selector);
                }
                Ok(Filter::NoLocal) => choice.not_from = Some(connection),
                Err(error @ FilterError::Value(FilterKind::Selector)) => return Err(malformed(name, &error)),
                Ok(_) | Err(_) => {
                    let words = format!("this broker has no such filter: {}", text(name));
                    return Err(AmqpError::new(Condition::NotImplemented).with_description(words));
                }
            }
        }
        Ok(choice)
    }

    /// Returns the same choice for a listening link of a topic, whose messages are copies anyway.
    pub(super) fn for_topic(&self) -> Self {
        Self { is_browsing: false, ..self.clone() }
    }

    /// Sets the connection of the consumer, which has attached its link again.
    pub(super) fn set_connection(&mut self, connection: u64) {
        self.not_from = self.not_from.map(|_| connection);
    }

    /// Returns true if the choice depends on the connection of the consumer.
    pub(super) fn has_connection(&self) -> bool {
        self.not_from.is_some()
    }

    /// Returns true if all messages are wanted, to be taken in order.
    pub(super) fn is_plain(&self) -> bool {
        self.selector.is_none() && self.not_from.is_none() && !self.is_browsing
    }

    /// Returns true if the message is wanted.
    pub(super) fn wants(&self, stored: &Stored, limits: &Limits) -> bool {
        if self.not_from == Some(stored.from) {
            return false;
        }
        let Some(selector) = &self.selector else { return true };
        // A message of another format has no fields.
        let Ok(view) = MessageView::new(stored.payload.clone(), limits) else { return false };
        selector.matches(&Delivered { view, stored })
    }
}

/// A message as the consumer would get it: with what has happened to it in this broker.
struct Delivered<'a> {
    view: MessageView,
    stored: &'a Stored,
}

impl Candidate for Delivered<'_> {
    fn field(&self, field: &Field) -> Cow<'_, Value> {
        match field {
            Field::Header(HeaderField::DeliveryCount) => {
                let count = self.view.header().map_or(0, |header| header.delivery_count);
                Cow::Owned(count.saturating_add(self.stored.failures).into())
            }
            Field::Annotation(name) => match self.stored.annotation(name) {
                Some(value) => Cow::Borrowed(value),
                None => self.view.field(field),
            },
            other => self.view.field(other),
        }
    }
}

fn text(name: &Value) -> &str {
    name.as_str().unwrap_or_default()
}

fn malformed(name: &Value, error: &dyn std::error::Error) -> AmqpError {
    let words = format!("filter {}: {error}", text(name));
    AmqpError::new(Condition::InvalidField).with_description(words)
}
