//! [`ManagementRequest`]: one operation on the management node of RabbitMQ 4.

use alloc::string::String;

use crate::brokers::push_encoded;
use crate::message::Message;
use crate::types::{Map, Str, Value};
use crate::wire::Secret;

/// The properties of a queue that is declared.
///
/// ```
/// use amqp_proto::policy::QueueOptions;
///
/// let queue = QueueOptions::quorum()
///     .with_delivery_limit(5)
///     .with_dead_letter_exchange("failed");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueOptions {
    fields: Map,
    arguments: Map,
}

impl QueueOptions {
    /// Returns the options of a durable queue that all connections may use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the options of a quorum queue, whose messages are on several nodes.
    pub fn quorum() -> Self {
        Self::new().with_type("quorum")
    }

    /// Returns the options of a stream, which keeps its messages when they are read.
    pub fn stream() -> Self {
        Self::new().with_type("stream")
    }

    /// Sets whether the queue survives a restart of the broker. Default `true`.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.fields.insert("durable", durable);
        self
    }

    /// Sets whether only this connection may use the queue, which is deleted with it. Default `false`.
    #[must_use]
    pub fn with_exclusive(mut self, exclusive: bool) -> Self {
        self.fields.insert("exclusive", exclusive);
        self
    }

    /// Sets whether the queue is deleted with its last receiver. Default `false`.
    #[must_use]
    pub fn with_auto_delete(mut self, auto_delete: bool) -> Self {
        self.fields.insert("auto_delete", auto_delete);
        self
    }

    /// Sets the type: `classic`, `quorum` or `stream`.
    #[must_use]
    pub fn with_type(self, queue_type: impl Into<Str>) -> Self {
        self.with_argument("x-queue-type", queue_type.into())
    }

    /// Sets the number of nodes that have a quorum queue at first. Default: the broker's.
    #[must_use]
    pub fn with_group_size(self, nodes: u32) -> Self {
        self.with_argument("x-quorum-initial-group-size", nodes)
    }

    /// Sets how often a quorum queue sends a message again that failed, before it is a dead letter. Default 20.
    #[must_use]
    pub fn with_delivery_limit(self, deliveries: u32) -> Self {
        self.with_argument("x-delivery-limit", deliveries)
    }

    /// Sets the exchange that gets dead letters. Default: none, and they are dropped.
    #[must_use]
    pub fn with_dead_letter_exchange(self, exchange: impl Into<Str>) -> Self {
        self.with_argument("x-dead-letter-exchange", exchange.into())
    }

    /// Sets the routing key of dead letters. Default: that of the message.
    #[must_use]
    pub fn with_dead_letter_key(self, key: impl Into<Str>) -> Self {
        self.with_argument("x-dead-letter-routing-key", key.into())
    }

    /// Sets the greatest number of messages. Default: no limit.
    #[must_use]
    pub fn with_max_length(self, messages: u64) -> Self {
        self.with_argument("x-max-length", messages)
    }

    /// Sets the greatest number of octets of all messages. Default: no limit.
    #[must_use]
    pub fn with_max_octets(self, octets: u64) -> Self {
        self.with_argument("x-max-length-bytes", octets)
    }

    /// Sets what happens with a message for a full queue: `drop-head`, `reject-publish` or, for classic queues,
    /// `reject-publish-dlx`. Default `drop-head`.
    #[must_use]
    pub fn with_overflow(self, overflow: impl Into<Str>) -> Self {
        self.with_argument("x-overflow", overflow.into())
    }

    /// Sets how long a stream keeps messages, such as `7D`. The units are `Y`, `M`, `D`, `h`, `m` and `s`.
    #[must_use]
    pub fn with_max_age(self, age: impl Into<Str>) -> Self {
        self.with_argument("x-max-age", age.into())
    }

    /// Sets whether one receiver gets all messages, and the next one when it is gone. Default `false`.
    #[must_use]
    pub fn with_single_active_consumer(self, single: bool) -> Self {
        self.with_argument("x-single-active-consumer", single)
    }

    /// Sets an argument, such as `x-max-length`.
    #[must_use]
    pub fn with_argument(mut self, name: impl Into<Str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.into(), value);
        self
    }
}

/// The properties of an exchange that is declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeOptions {
    fields: Map,
    arguments: Map,
}

impl ExchangeOptions {
    /// Returns the options of a durable exchange of this type, such as `direct`, `fanout` or `topic`.
    pub fn new(exchange_type: impl Into<Str>) -> Self {
        Self { fields: Map::from([("type", exchange_type.into())]), arguments: Map::new() }
    }

    /// Sets whether the exchange survives a restart of the broker. Default `true`.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.fields.insert("durable", durable);
        self
    }

    /// Sets whether the exchange is deleted with its last binding. Default `false`.
    #[must_use]
    pub fn with_auto_delete(mut self, auto_delete: bool) -> Self {
        self.fields.insert("auto_delete", auto_delete);
        self
    }

    /// Sets whether only other exchanges can send to the exchange. Default `false`.
    #[must_use]
    pub fn with_internal(mut self, internal: bool) -> Self {
        self.fields.insert("internal", internal);
        self
    }

    /// Sets an argument, such as `alternate-exchange`.
    #[must_use]
    pub fn with_argument(mut self, name: impl Into<Str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.into(), value);
        self
    }
}

fn with_arguments(mut fields: Map, arguments: Map) -> Map {
    if !arguments.is_empty() {
        fields.insert("arguments", arguments);
    }
    fields
}

/// A binding of a queue or an exchange to an exchange: messages go from the source to the destination.
///
/// ```
/// use amqp_proto::policy::Binding;
///
/// let binding = Binding::queue("jobs", "events", "order.#");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    destination: Str,
    is_exchange: bool,
    source: Str,
    key: Str,
    arguments: Map,
}

impl Binding {
    /// Returns the binding of a queue to a source exchange.
    pub fn queue(queue: impl Into<Str>, source: impl Into<Str>, key: impl Into<Str>) -> Self {
        let (destination, source, key) = (queue.into(), source.into(), key.into());
        Self { destination, is_exchange: false, source, key, arguments: Map::new() }
    }

    /// Returns the binding of an exchange to a source exchange.
    pub fn exchange(exchange: impl Into<Str>, source: impl Into<Str>, key: impl Into<Str>) -> Self {
        Self { is_exchange: true, ..Self::queue(exchange, source, key) }
    }

    /// Sets an argument, such as a header that a headers exchange looks for.
    #[must_use]
    pub fn with_argument(mut self, name: impl Into<Str>, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.into(), value);
        self
    }

    fn to_body(&self) -> Map {
        let destination = if self.is_exchange { "destination_exchange" } else { "destination_queue" };
        let mut body = Map::from([("source", self.source.clone()), (destination, self.destination.clone())]);
        body.insert("binding_key", self.key.clone());
        // The broker needs this field, even if it is empty.
        body.insert("arguments", self.arguments.clone());
        body
    }

    /// Returns the path of the binding, which has no arguments.
    fn path(&self) -> String {
        let destination = if self.is_exchange { ";dste=" } else { ";dstq=" };
        let parts =
            [("/bindings/src=", &self.source), (destination, &self.destination), (";key=", &self.key)];
        let mut path = String::new();
        for (before, name) in parts {
            path.push_str(before);
            push_encoded(&mut path, name);
        }
        path.push_str(";args=");
        path
    }

    /// Returns the query for the bindings between the two, with this key and any arguments.
    fn query(&self) -> String {
        let destination = if self.is_exchange { "&dste=" } else { "&dstq=" };
        let parts =
            [("/bindings?src=", &self.source), (destination, &self.destination), ("&key=", &self.key)];
        let mut path = String::new();
        for (before, name) in parts {
            path.push_str(before);
            push_encoded(&mut path, name);
        }
        path
    }
}

/// One operation on the management node of RabbitMQ 4.
///
/// Names are percent-encoded where that is needed.
///
/// ```
/// use amqp_proto::message::Message;
/// use amqp_proto::policy::ManagementRequest;
///
/// let purge = ManagementRequest::purge_queue("jobs of today");
/// let message = Message::from(purge);
/// assert_eq!(message.subject().unwrap(), "DELETE");
/// assert_eq!(message.to().unwrap(), "/queues/jobs%20of%20today/messages");
/// ```
#[derive(Clone, PartialEq)]
pub struct ManagementRequest {
    method: &'static str,
    path: Str,
    body: Value,
    is_secret: bool,
}

impl ManagementRequest {
    fn new(method: &'static str, path: impl Into<Str>, body: impl Into<Value>) -> Self {
        Self { method, path: path.into(), body: body.into(), is_secret: false }
    }

    /// Declares a queue. The answer is a [`QueueInfo`](super::QueueInfo).
    ///
    /// The broker answers 201 if it has created the queue, 200 if there was an equal one, and refuses the request with
    /// 409 if there was a different one.
    pub fn declare_queue(name: &str, options: QueueOptions) -> Self {
        Self::new("PUT", path("/queues/", name, ""), with_arguments(options.fields, options.arguments))
    }

    /// Asks for a queue. The answer is a [`QueueInfo`](super::QueueInfo).
    pub fn get_queue(name: &str) -> Self {
        Self::new("GET", path("/queues/", name, ""), Value::Null)
    }

    /// Removes all messages of a queue. The answer has their
    /// [number](super::ManagementAnswer::message_count). Streams cannot be purged.
    pub fn purge_queue(name: &str) -> Self {
        Self::new("DELETE", path("/queues/", name, "/messages"), Value::Null)
    }

    /// Deletes a queue. The answer has the [number](super::ManagementAnswer::message_count) of its messages.
    pub fn delete_queue(name: &str) -> Self {
        Self::new("DELETE", path("/queues/", name, ""), Value::Null)
    }

    /// Declares an exchange.
    pub fn declare_exchange(name: &str, options: ExchangeOptions) -> Self {
        let body = with_arguments(options.fields, options.arguments);
        Self::new("PUT", path("/exchanges/", name, ""), body)
    }

    /// Deletes an exchange. Deleting one that does not exist succeeds.
    pub fn delete_exchange(name: &str) -> Self {
        Self::new("DELETE", path("/exchanges/", name, ""), Value::Null)
    }

    /// Binds a queue or an exchange to an exchange.
    pub fn bind(binding: &Binding) -> Self {
        Self::new("POST", "/bindings", binding.to_body())
    }

    /// Asks for the bindings between the same two, with the same key and any arguments. The answer has their
    /// [locations](super::ManagementAnswer::locations).
    pub fn get_bindings(binding: &Binding) -> Self {
        Self::new("GET", binding.query(), Value::Null)
    }

    /// Removes the binding without arguments. Removing one that does not exist succeeds.
    pub fn unbind(binding: &Binding) -> Self {
        Self::new("DELETE", binding.path(), Value::Null)
    }

    /// Removes the binding at a location, which the answer to [`get_bindings`](Self::get_bindings) has.
    pub fn unbind_at(location: impl Into<Str>) -> Self {
        Self::new("DELETE", location, Value::Null)
    }

    /// Replaces the token by which the connection was authenticated, before that expires.
    ///
    /// `Debug` does not print the token.
    pub fn renew_token(token: &Secret) -> Self {
        Self { is_secret: true, ..Self::new("PUT", "/auth/tokens", token.expose().clone()) }
    }
}

fn path(before: &str, name: &str, after: &str) -> String {
    let mut path = String::from(before);
    push_encoded(&mut path, name);
    path.push_str(after);
    path
}

/// Makes the message of a request, without its id. The answer comes over the other link of the pair.
impl From<ManagementRequest> for Message {
    fn from(request: ManagementRequest) -> Self {
        Self::from(request.body).with_subject(request.method).with_to(request.path).with_reply_to("$me")
    }
}

impl core::fmt::Debug for ManagementRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        match self.is_secret {
            true => f.write_str(" <hidden>"),
            false => write!(f, " {:?}", self.body),
        }
    }
}
