//! A broker in memory, for demonstrations and tests.
//!
//! It stores nothing: all messages, also durable ones, are lost with it. It has:
//!
//! - **Queues**, made when their address is first used, and removed when they are empty and no link uses them. A
//!   sender to a full queue gets no credit. Consumers compete. Released messages are delivered again, modified ones
//!   with a new delivery-count and annotations. Messages of a lost consumer count as failed deliveries.
//! - **Priorities**: messages of a higher priority come before all of a lower one, those of one priority in the order in which
//!   they came. All 256 priorities differ; a message without one has priority 4.
//! - **Expiry**: a message is not delivered after its `ttl`, or its `absolute-expiry-time` by the clock of this machine, but
//!   becomes a dead letter. A message that is delivered before has the time left as its `ttl`.
//! - **Filters**: selectors of JMS, and no-local, for consumers of queues and topics. A selector sees the failures and
//!   annotations of a message that has come back. One that does not parse refuses the link, with the column of the error.
//! - **Browsing**: a consumer of a queue with the distribution-mode `copy` gets a copy of each message, which stays in the
//!   queue whatever the outcome is. Messages that other consumers have are not shown.
//! - **Topics**, if the first link to an address asks for the capability `topic`. Every consumer gets each message
//!   that arrives while it is attached. A topic is as slow as the slowest link to it.
//! - **Durable subscriptions**: a consumer of a topic whose source outlives the link, such as one with the expiry policy `never`,
//!   gets what arrives meanwhile when it attaches its link again. While a subscription has no link, it slows nobody down: when its
//!   queue is full, its oldest messages of the lowest priority become dead letters. A client ends the subscription when it closes the link
//!   rather than detaching it; an attach without a source finds the link for that.
//! - **Shared subscriptions**, with the capability `shared`: the links of a client, or with `global` of all clients, that have the same
//!   name up to a `|`, share the messages of a topic. One with the expiry policy `never` is durable, in number as many as
//!   [`BrokerBuilder::with_termini`] says; another one ends with its last link.
//! - **Dynamic nodes**: queues, or topics with the capability `temporary-topic`. They end as their lifetime-policy says [3.5.9]: with
//!   the link that made them, which is the default, when they have no links, no messages, or neither.
//! - The **anonymous relay**: a sender without a target, whose messages go to their `to` address.
//! - **Dead letters**: messages that a consumer has rejected, that have expired or have no destination; see
//!   [`Broker::dead_letters`] and [`BrokerBuilder::with_dead_letter_queue`].
//! - **SASL**: ANONYMOUS, or none, while there are no users; with users PLAIN, and SCRAM with the feature `scram`.
//! - **Links that are resumed**: the source or target of a link that asks for a timeout, or for the expiry policy
//!   `connection-close` or `never`, outlives the link, for as long as it asks [3.5.6]. A client of the same container-id
//!   and user that attaches a link of this name to the same address goes on with its unsettled deliveries, also while the
//!   broker has not seen the end of the old connection: then the link is stolen. When a source expires, its messages
//!   return to the queue as failed deliveries. The answer to an attach says what is granted; a link that
//!   makes a dynamic node is not kept.
//! - **Transactions**: the messages of a transaction wait for its commit, and the outcomes of a client apply at the commit. The
//!   end of the control link or of the connection rolls back. Messages that wait count as octets of the broker, not of
//!   their queue. Nothing is acquired in a transaction, and no transaction is distributed.
//! - **Bounds** on the memory that clients can use; see [`BrokerBuilder`].
//! - For tests, the addresses `outcome.accepted`, `.rejected`, `.released`, `.modified` and `.mixed`, which give each
//!   message that outcome, `.mixed` all four in turn; and `source.N`, where each consumer gets N numbered messages.
//!
//! It refuses, with the reason: other filters, and a topic at the address of a queue.
//!
//! ```
//! use amqp_tokio::broker::Broker;
//! use amqp_tokio::{Connection, Listener};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> amqp_tokio::Result<()> {
//! let broker = Broker::builder().with_user("test", "secret")?.build()?;
//! let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await?;
//! let url = format!("amqp://test:secret@{}", listener.local_addr()?);
//! tokio::spawn(async move { broker.serve(listener).await });
//!
//! let connection = Connection::open(&url).await?;
//! connection.sender("jobs").await?.send("job-content").await?;
//! let inbox = connection.receiver("jobs").await?;
//! let delivery = inbox.recv().await?.expect("it was accepted");
//! assert_eq!(delivery.message()?.body()?.as_str(), Some("job-content"));
//! # Ok(())
//! # }
//! ```

mod arrival;
mod attached;
mod choice;
mod consumer;
mod ends;
mod expiry;
mod kept;
mod letters;
mod node;
mod nodes;
mod parked;
mod producer;
mod queue;
mod quota;
mod search;
mod service;
mod shared;
mod stored;
mod termini;
mod topic;
mod users;
mod waiters;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use amqp_proto::client::{Acceptor, ConnectionOptions, MemoryPool, Result};
use amqp_proto::message::Payload;
use amqp_proto::symbol;
use amqp_proto::types::{Many, Str, Symbol};
use amqp_proto::wire::ANONYMOUS_RELAY;
use tokio::net::ToSocketAddrs;

use crate::Connection;
use crate::Listener;
use kept::Kept;
pub use letters::{DeadLetter, DeadLetterReason};
use nodes::Nodes;
use quota::{Bounds, Quota};
use shared::Shared;
use users::{Users, random};

/// The capability of a broker whose topics have shared subscriptions, by which clients of JMS know it.
const SHARED_SUBSCRIPTIONS: Symbol = symbol!("SHARED-SUBS");

/// The octets on the way to a client in the same process, in each direction.
const DUPLEX: usize = 1 << 16;

/// A broker in memory; see the [module](self). Clones are cheap handles of the same broker.
#[derive(Debug, Clone)]
pub struct Broker {
    nodes: Arc<Nodes>,
    kept: Arc<Kept>,
    shared: Arc<Shared>,
    users: Arc<Users>,
    options: ConnectionOptions,
    memory: Option<MemoryPool>,
}

impl Broker {
    /// Makes a broker with default settings, which accepts every client.
    ///
    /// # Errors
    ///
    /// See [`BrokerBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder with default settings.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder {
            bounds: Bounds::default(),
            users: Users::default(),
            options: ConnectionOptions::new().with_container_id("amqp-tokio-broker"),
            for_letters: HashMap::new(),
            memory: None,
        }
    }

    /// Returns the settings for connections to the broker, for a [`Listener`] or for other streams.
    pub fn acceptor(&self) -> Acceptor {
        let users = Arc::clone(&self.users);
        let offered = [ANONYMOUS_RELAY, SHARED_SUBSCRIPTIONS].into_iter().collect::<Many<Symbol>>();
        let options = self.options.clone().with_offered_capabilities(offered);
        let acceptor = Acceptor::new(options).with_sasl(move |peer| users.offer(peer));
        match &self.memory {
            Some(pool) => acceptor.with_memory_pool(pool),
            None => acceptor,
        }
    }

    /// Serves all clients of a listener, until this future is dropped. Errors of clients and of the listener do not
    /// end it.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the listener and its connections. The broker keeps its messages.
    pub async fn serve(&self, listener: Listener) -> Infallible {
        service::serve(self, listener).await
    }

    /// Serves all clients at an address such as `127.0.0.1:0`, in a task, and returns the URL.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
    ///
    /// # Cancel safety
    ///
    /// A dropped future listens on nothing.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> Result<String> {
        let listener = Listener::bind_with(address, self.acceptor()).await?;
        let url = format!("amqp://{}", listener.local_addr()?);
        let broker = self.clone();
        tokio::spawn(async move { broker.serve(listener).await });
        Ok(url)
    }

    /// Connects a client in this process to the broker, without a network. A broker with users refuses it.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the broker refuses the client.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the connection.
    pub async fn connect(&self) -> Result<Connection> {
        let (client, server) = tokio::io::duplex(DUPLEX);
        let broker = self.clone();
        tokio::spawn(async move {
            broker.serve_connection(Connection::accept(server, &broker.acceptor()).await?).await
        });
        Connection::over(client, ConnectionOptions::new()).await
    }

    /// Serves one client until its connection has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection has ended with an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the connection.
    pub async fn serve_connection(&self, connection: Connection) -> Result<()> {
        service::serve_connection(self, connection).await
    }

    /// Returns the dead letters, the oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.nodes.letters.all()
    }

    /// Returns the number of queues and topics.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the number of sources and targets that outlive their links, with those whose link is attached. A durable shared
    /// subscription is one.
    pub fn terminus_count(&self) -> usize {
        self.kept.len() + self.shared.durable_len()
    }

    /// Returns the number of waiting messages in a queue, without those that consumers have.
    pub fn len(&self, queue: &str) -> usize {
        self.nodes.queue(queue).map_or(0, |queue| queue.len())
    }

    /// Returns `true` if no message waits in a queue.
    pub fn is_empty(&self, queue: &str) -> bool {
        self.len(queue) == 0
    }

    /// Returns the waiting messages in a queue, in the order in which consumers get them.
    pub fn messages(&self, queue: &str) -> Vec<Payload> {
        self.nodes.queue(queue).map(|queue| queue.messages()).unwrap_or_default()
    }
}

/// Builds a [`Broker`]: its users, its options, and bounds on the memory that clients can use.
#[derive(Debug, Clone)]
pub struct BrokerBuilder {
    bounds: Bounds,
    users: Users,
    options: ConnectionOptions,
    for_letters: HashMap<Str, Str>,
    memory: Option<MemoryPool>,
}

impl BrokerBuilder {
    /// Sets the most messages in a queue or in a subscription to a topic, with those that consumers have; at least 1.
    /// Default: 100,000.
    #[must_use]
    pub fn with_depth(mut self, messages: usize) -> Self {
        self.bounds.messages = messages.max(1);
        self
    }

    /// Sets the most octets of messages in a queue or in a subscription. An empty queue accepts any one message. Default: 64 MiB.
    #[must_use]
    pub fn with_queue_octets(mut self, octets: usize) -> Self {
        self.bounds.queue_octets = octets;
        self
    }

    /// Sets the most octets of messages in all queues; further messages are rejected. Default: 512 MiB.
    #[must_use]
    pub fn with_total_octets(mut self, octets: usize) -> Self {
        self.bounds.octets = octets;
        self
    }

    /// Sets the most dead letters; the oldest are dropped first. Default: 1,000.
    #[must_use]
    pub fn with_dead_letters(mut self, messages: usize) -> Self {
        self.bounds.letters = messages;
        self
    }

    /// Sets the most octets of dead letters. Default: 16 MiB.
    #[must_use]
    pub fn with_dead_letter_octets(mut self, octets: usize) -> Self {
        self.bounds.letter_octets = octets;
        self
    }

    /// Sends the dead letters of a queue or topic to another queue: the messages that are rejected there, expire, or exceed
    /// the bounds of a subscription without a link.
    ///
    /// They have the message-annotations `x-opt-dead-letter-queue`, the address of the queue;
    /// `x-opt-dead-letter-reason`, which is `rejected`, `expired` or `overflow`; and from the error of a rejection
    /// `x-opt-dead-letter-condition` and `x-opt-dead-letter-description`. They do not expire again. If the other queue is
    /// full, or a topic, they are [`Broker::dead_letters`].
    ///
    /// ```
    /// use amqp_tokio::broker::Broker;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> amqp_tokio::Result<()> {
    /// let broker = Broker::builder()
    ///     .with_dead_letter_queue("jobs", "jobs.dead")
    ///     .build()?;
    /// let connection = broker.connect().await?;
    /// connection.sender("jobs").await?.send("not-a-job").await?;
    /// let jobs = connection.receiver("jobs").await?;
    /// jobs.recv().await?.expect("it was accepted").reject(None)?;
    ///
    /// let dead = connection.receiver("jobs.dead").await?;
    /// let letter = dead.recv().await?.expect("it was rejected");
    /// let why = letter.message()?.annotation("x-opt-dead-letter-reason")?;
    /// assert_eq!(why.unwrap().as_str(), Some("rejected"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_dead_letter_queue(mut self, queue: impl Into<Str>, dead_letters: impl Into<Str>) -> Self {
        self.for_letters.insert(queue.into(), dead_letters.into());
        self
    }

    /// Sets the most queues and topics at a time; links that need another are refused. Default: 10,000.
    #[must_use]
    pub fn with_nodes(mut self, nodes: usize) -> Self {
        self.bounds.nodes = nodes;
        self
    }

    /// Sets the longest address of a queue or topic. Default: 1,024 octets.
    #[must_use]
    pub fn with_address_octets(mut self, octets: usize) -> Self {
        self.bounds.address_octets = octets;
        self
    }

    /// Sets the most octets of annotations that consumers add to one message by the outcome `modified`; also, at most
    /// 64 annotations. A link that adds more is closed. Default: 4,096.
    #[must_use]
    pub fn with_annotation_octets(mut self, octets: usize) -> Self {
        self.bounds.annotation_octets = octets;
        self
    }

    /// Sets the most sources and targets that outlive their links. Default: 1,000.
    ///
    /// A further link gets the expiry policy `link-detach` in the answer: nothing of it is kept. No source or target that
    /// was granted before goes for it.
    #[must_use]
    pub fn with_termini(mut self, termini: usize) -> Self {
        self.bounds.termini = termini;
        self
    }

    /// Sets the most octets of the unsettled deliveries of links that are not attached. Default: 64 MiB.
    ///
    /// A link whose deliveries do not fit is kept without their messages. When it is resumed, the client sends again the
    /// messages that it had sent. Messages that the client had received return to their queue, unless it has decided on
    /// them.
    #[must_use]
    pub fn with_terminus_octets(mut self, octets: u64) -> Self {
        self.bounds.terminus_octets = octets;
        self
    }

    /// Sets the most sources and targets that outlive their links which one client has, and the most octets of their
    /// unsettled deliveries while they are not attached. Default: 100, and 16 MiB.
    ///
    /// A client is a user, or a container if the broker has no users. A further link that asks to outlive its connection
    /// is refused with `resource-limit-exceeded`; a link that does not ask is accepted.
    #[must_use]
    pub fn with_terminus_share(mut self, termini: usize, octets: u64) -> Self {
        self.bounds.terminus_share = (termini, octets);
        self
    }

    /// Sets the longest time that a source or target outlives the event of its expiry policy. The answer to a link that
    /// asks for more has this time, rounded down to seconds. Default: 1 hour.
    #[must_use]
    pub fn with_terminus_timeout(mut self, longest: Duration) -> Self {
        self.bounds.terminus_timeout = longest;
        self
    }

    /// Sets the most connections of [`Broker::serve`] at a time; further ones are dropped. Default: 1,000.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.bounds.clients = connections;
        self
    }

    /// Makes all connections take their memory from a pool; further clients are refused. Default: each connection has
    /// the memory of its limits.
    ///
    /// Messages in queues have bounds of their own.
    #[must_use]
    pub fn with_memory_pool(mut self, pool: &MemoryPool) -> Self {
        self.memory = Some(pool.clone());
        self
    }

    /// Adds a user. With users, clients must authenticate.
    ///
    /// # Errors
    ///
    /// The name or the password is not allowed, or there is no randomness for its salt.
    pub fn with_user(mut self, name: &str, password: &str) -> Result<Self> {
        self.users.add(name, password)?;
        Ok(self)
    }

    /// Also accepts anonymous clients, beside the users.
    #[must_use]
    pub fn with_anonymous(mut self) -> Self {
        self.users.allow_anonymous();
        self
    }

    /// Sets the options of connections: limits, idle timeout, container-id.
    #[must_use]
    pub fn with_options(mut self, options: ConnectionOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the broker.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn build(self) -> Result<Broker> {
        let name = format!("{:016x}", u64::from_ne_bytes(random()?));
        let kept = Arc::new(Kept::new(&self.bounds));
        let shared = Arc::new(Shared::new(&self.bounds));
        let quota = Quota::new(self.bounds, self.options.limits().clone());
        Ok(Broker {
            kept,
            shared,
            nodes: Arc::new(Nodes::new(quota, &name, self.for_letters)),
            users: Arc::new(self.users),
            options: self.options,
            memory: self.memory,
        })
    }
}
