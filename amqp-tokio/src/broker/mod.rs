//! A broker in memory, for demonstrations and for tests of what talks to one.
//!
//! It keeps nothing: when it is gone, so are its messages, and durable ones are no exception. What it has:
//!
//! - **Queues**, made when their address is first used, and forgotten when they are empty and no link uses them. Whoever
//!   sends to a full one runs out of credit. Consumers compete; released messages come again, modified ones with their
//!   delivery-count and annotations, and what a lost consumer had counts as a failed delivery.
//! - **Topics**, where the first link to an address asks for the capability `topic`. Each consumer gets each message that
//!   comes while it listens; a topic is as slow as its slowest consumer.
//! - **Dynamic nodes**, which go with their link: queues, or topics with the capability `temporary-topic`.
//! - The **anonymous relay**: a sender without a target, whose messages go where their `to` says.
//! - **Dead letters**: messages that a consumer rejects, or that have nowhere to go; see [`Broker::dead_letters`].
//! - **SASL**: ANONYMOUS and none at all, until there are users; then PLAIN, and SCRAM with the feature `scram`.
//! - **Bounds** on all that clients can make it hold; see [`BrokerBuilder`].
//! - For tests, the addresses `outcome.accepted`, `.rejected`, `.released`, `.modified` and `.mixed`, which give each
//!   message that outcome, the last all four in turn; and `source.N`, where each consumer gets N numbered messages.
//!
//! It refuses by name: transactions, selectors, no-local and any other filter, browsing, durable and shared
//! subscriptions, lifetimes of dynamic nodes other than delete-on-close, and a topic where there is a queue. It ignores:
//! the priority of messages, and when they expire.
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

mod consumer;
mod letters;
mod node;
mod nodes;
mod producer;
mod queue;
mod quota;
mod service;
mod stored;
mod termini;
mod topic;
mod users;
mod waiters;

use std::sync::Arc;

use amqp_proto::client::{Acceptor, ConnectionOptions, Result, random};
use amqp_proto::message::Payload;
use amqp_proto::wire::ANONYMOUS_RELAY;
use tokio::net::ToSocketAddrs;

use crate::connection::Connection;
use crate::listener::Listener;
pub use letters::{DeadLetter, Reason};
use nodes::Nodes;
use quota::{Bounds, Quota};
use users::Users;

/// How many octets are under way in each direction to a client in the same process.
const DUPLEX: usize = 1 << 16;

/// A broker in memory; see the [module](self). Cheap to clone: all clones are the same broker.
#[derive(Debug, Clone)]
pub struct Broker {
    nodes: Arc<Nodes>,
    users: Arc<Users>,
    options: ConnectionOptions,
}

impl Broker {
    /// With the defaults: anybody may use it.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Says how it is to be.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder {
            bounds: Bounds::default(),
            users: Users::default(),
            options: ConnectionOptions::new().with_container_id("amqp-tokio-broker"),
        }
    }

    /// How connections to it are taken: for a [`Listener`], or for streams of any kind.
    pub fn acceptor(&self) -> Acceptor {
        let users = Arc::clone(&self.users);
        let options = self.options.clone().with_offered_capabilities(ANONYMOUS_RELAY);
        Acceptor::new(options).with_sasl(move |peer| users.offer(peer))
    }

    /// Serves all that connect, until it is dropped. Only what makes listening itself impossible ends it.
    pub async fn serve(&self, listener: Listener) -> Result<()> {
        service::serve(self, listener).await
    }

    /// Serves all that connect to an address, such as `127.0.0.1:0`, and returns the URL to connect to.
    ///
    /// # Errors
    ///
    /// The system's, where it cannot listen there.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> Result<String> {
        let listener = Listener::bind_with(address, self.acceptor()).await?;
        let url = format!("amqp://{}", listener.local_addr()?);
        let broker = self.clone();
        tokio::spawn(async move { broker.serve(listener).await });
        Ok(url)
    }

    /// Serves a client in this process, without a network, and returns the client's connection. A broker that has users
    /// refuses it.
    pub async fn connect(&self) -> Result<Connection> {
        let (client, server) = tokio::io::duplex(DUPLEX);
        let broker = self.clone();
        tokio::spawn(async move {
            broker.serve_connection(Connection::accept(server, &broker.acceptor()).await?).await
        });
        Connection::over(client, ConnectionOptions::new()).await
    }

    /// Serves one client, until it is gone.
    pub async fn serve_connection(&self, connection: Connection) -> Result<()> {
        service::serve_connection(&self.nodes, connection).await
    }

    /// The messages that were kept apart, the oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.nodes.letters.all()
    }

    /// Returns the number of queues and topics.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns how many messages wait in a queue, those not counted that consumers have and have not decided on.
    pub fn len(&self, queue: &str) -> usize {
        self.nodes.queue(queue).map_or(0, |queue| queue.len())
    }

    /// Returns whether no message waits in a queue.
    pub fn is_empty(&self, queue: &str) -> bool {
        self.len(queue) == 0
    }

    /// Returns the messages that wait in a queue, the oldest first.
    pub fn messages(&self, queue: &str) -> Vec<Payload> {
        self.nodes.queue(queue).map(|queue| queue.messages()).unwrap_or_default()
    }
}

/// Says how a [`Broker`] is to be, bounds on what clients can make it hold included.
#[derive(Debug, Clone)]
pub struct BrokerBuilder {
    bounds: Bounds,
    users: Users,
    options: ConnectionOptions,
}

impl BrokerBuilder {
    /// Sets how many messages a queue holds, those included that consumers have and have not decided on; never
    /// below 1. Default 100,000.
    #[must_use]
    pub fn with_depth(mut self, messages: usize) -> Self {
        self.bounds.messages = messages.max(1);
        self
    }

    /// Sets how many octets of messages a queue holds. An empty one holds any one message. Default 64 MiB.
    #[must_use]
    pub fn with_queue_octets(mut self, octets: usize) -> Self {
        self.bounds.queue_octets = octets;
        self
    }

    /// Sets how many octets of messages all queues hold. What would be more is rejected. Default 512 MiB.
    #[must_use]
    pub fn with_total_octets(mut self, octets: usize) -> Self {
        self.bounds.octets = octets;
        self
    }

    /// Sets how many dead letters are kept: one more, and the oldest is gone. Default 1,000.
    #[must_use]
    pub fn with_dead_letters(mut self, messages: usize) -> Self {
        self.bounds.letters = messages;
        self
    }

    /// Sets how many octets of dead letters are kept. Default 16 MiB.
    #[must_use]
    pub fn with_dead_letter_octets(mut self, octets: usize) -> Self {
        self.bounds.letter_octets = octets;
        self
    }

    /// Sets how many queues and topics there are at a time. A link that needs one more is refused. Default 10,000.
    #[must_use]
    pub fn with_nodes(mut self, nodes: usize) -> Self {
        self.bounds.nodes = nodes;
        self
    }

    /// Sets how long the addresses of queues and topics are at most. Default 1,024 octets.
    #[must_use]
    pub fn with_address_octets(mut self, octets: usize) -> Self {
        self.bounds.address_octets = octets;
        self
    }

    /// Sets how many octets of annotations consumers add to one message, by the outcome `modified`; they add 64 at most,
    /// however short. A link that adds more is closed. Default 4,096.
    #[must_use]
    pub fn with_annotation_octets(mut self, octets: usize) -> Self {
        self.bounds.annotation_octets = octets;
        self
    }

    /// Sets how many connections [`Broker::serve`] has open at a time: one more is hung up on. Default 1,000.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.bounds.clients = connections;
        self
    }

    /// Adds a user. From then on clients have to say who they are.
    pub fn with_user(mut self, name: &str, password: &str) -> Result<Self> {
        self.users.add(name, password)?;
        Ok(self)
    }

    /// Lets anonymous clients in, too, though there are users.
    #[must_use]
    pub fn with_anonymous(mut self) -> Self {
        self.users.allow_anonymous();
        self
    }

    /// Sets how connections are opened: limits, idle time-out, container id.
    #[must_use]
    pub fn with_options(mut self, options: ConnectionOptions) -> Self {
        self.options = options;
        self
    }

    /// Makes the broker.
    pub fn build(self) -> Result<Broker> {
        let name = format!("{:016x}", u64::from_ne_bytes(random()?));
        let quota = Quota::new(self.bounds, self.options.limits().clone());
        Ok(Broker {
            nodes: Arc::new(Nodes::new(quota, &name)),
            users: Arc::new(self.users),
            options: self.options,
        })
    }
}
