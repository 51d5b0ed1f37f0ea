//! [`ManagementAnswer`]: the answer to a request, or the broker's refusal.

use core::fmt;

use alloc::vec::Vec;

use crate::message::{Body, Message};
use crate::types::{Escaped, Map, Str, Value};

/// The answer of a management node to a request that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagementAnswer {
    status: u16,
    body: Value,
}

/// A queue, as the broker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// The name of the queue.
    pub name: Str,
    /// The type: `classic`, `quorum` or `stream`.
    pub queue_type: Str,
    /// The number of messages.
    pub message_count: u64,
    /// The number of receivers.
    pub consumer_count: u32,
    /// `true` if the queue survives a restart of the broker.
    pub durable: bool,
    /// `true` if only one connection may use the queue.
    pub exclusive: bool,
    /// `true` if the queue is deleted with its last receiver.
    pub auto_delete: bool,
    /// The arguments of the declaration.
    pub arguments: Map,
    /// The node that leads the replicas.
    pub leader: Option<Str>,
    /// The nodes that have replicas.
    pub replicas: Vec<Str>,
}

/// The error of a request that a management node has refused, or that has no proper answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManagementError {
    /// The node has refused the request, with a status of HTTP.
    Refused {
        /// The status, such as 404 if there is no such queue, or 409 if there is a different one.
        status: u16,
        /// The explanation of the node.
        reason: Option<Str>,
    },
    /// The answer has no status.
    Malformed,
}

impl fmt::Display for ManagementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, reason } => {
                write!(f, "the management node refused the request with status {status}")?;
                match reason {
                    Some(reason) => write!(f, ": {}", Escaped::new(reason)),
                    None => Ok(()),
                }
            }
            Self::Malformed => f.write_str("the answer of the management node has no status"),
        }
    }
}

impl core::error::Error for ManagementError {}

impl ManagementAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// [`ManagementError`] if the node has refused the request, or if the message is no answer.
    pub fn read(message: &Message) -> Result<Self, ManagementError> {
        let status = message.subject().and_then(|subject| subject.parse().ok());
        let status: u16 =
            status.filter(|status| (100..600).contains(status)).ok_or(ManagementError::Malformed)?;
        let body = match message.body() {
            Body::Value(value) => value.clone(),
            _ => Value::Null,
        };
        match status {
            200..300 => Ok(Self { status, body }),
            _ => Err(ManagementError::Refused { status, reason: message.text() }),
        }
    }

    /// Returns the status: 200 or 204 for success, 201 if something was created.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the body, null if there is none.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Returns the number of messages that a queue has, had, or has lost.
    pub fn message_count(&self) -> Option<u64> {
        self.body.as_map()?.get("message_count")?.as_u64()
    }

    /// Returns the queue that was declared or asked for.
    pub fn queue(&self) -> Option<QueueInfo> {
        let map = self.body.as_map()?;
        let text = |key| map.get(key).and_then(to_text);
        let is = |key| map.get(key).and_then(Value::as_bool).unwrap_or_default();
        let replicas: &[Value] = match map.get("replicas") {
            Some(Value::Array(array)) => array.elements(),
            Some(Value::List(list)) => list,
            _ => &[],
        };
        Some(QueueInfo {
            name: text("name")?,
            queue_type: text("type").unwrap_or_default(),
            message_count: self.message_count()?,
            consumer_count: map.get("consumer_count")?.as_u64()?.try_into().ok()?,
            durable: is("durable"),
            exclusive: is("exclusive"),
            auto_delete: is("auto_delete"),
            arguments: map.get("arguments").and_then(Value::as_map).cloned().unwrap_or_default(),
            leader: text("leader"),
            replicas: replicas.iter().filter_map(to_text).collect(),
        })
    }

    /// Returns the locations of the bindings that were asked for.
    pub fn locations(&self) -> Vec<Str> {
        let bindings: &[Value] = self.body.as_list().map_or(&[], |list| list);
        let location = |binding: &Value| to_text(binding.as_map()?.get("location")?);
        bindings.iter().filter_map(location).collect()
    }
}

fn to_text(value: &Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
