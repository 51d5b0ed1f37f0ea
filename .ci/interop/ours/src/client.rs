//! [`Client`]: the interface of the cases to both clients, so that each case is written once. The futures of the
//! blocking client are ready at once.

use std::future::Future;

use amqp_proto::client::ConnectionOptions;
use amqp_proto::message::{Message, MessageView};
use amqp_proto::sasl::ClientProfile;
use amqp_proto::types::{DeliveryKey, Str, Symbol};
use amqp_proto::wire::{self, Open, Outcome, ReceiverSettleMode, SenderSettleMode, StreamOffset};
use std::time::Duration;

use crate::failure::Done;

/// The time within which a peer must answer. A broker that writes to a busy disk may take many seconds.
pub(crate) const REPLY: Duration = Duration::from_secs(30);

/// A client under test.
pub(crate) trait Client {
    /// The name of the client in the matrix.
    const NAME: &'static str;
    type Connection: Connection;

    fn open(opening: Opening) -> impl Future<Output = Done<Self::Connection>>;
}

pub(crate) trait Connection {
    type Session: Session<Sender = Self::Sender, Receiver = Self::Receiver>;
    type Sender: Sender;
    type Receiver: Receiver;

    fn session(&self) -> impl Future<Output = Done<Self::Session>>;
    fn sender(&self, sending: Sending) -> impl Future<Output = Done<Self::Sender>>;
    fn receiver(&self, receiving: Receiving) -> impl Future<Output = Done<Self::Receiver>>;
    fn peer_open(&self) -> Option<Open>;
    fn offers(&self, capability: &Symbol) -> bool {
        self.peer_open().is_some_and(|open| open.offered_capabilities.contains(capability))
    }
    fn close(&self) -> impl Future<Output = Done>;
    fn close_with(&self, error: wire::AmqpError) -> impl Future<Output = Done>;
}

pub(crate) trait Session {
    type Sender;
    type Receiver: Receiver;
    type Transaction: Transaction<Sender = Self::Sender, Delivery = <Self::Receiver as Receiver>::Delivery>;

    fn transaction(&self) -> impl Future<Output = Done<Self::Transaction>>;
    fn sender(&self, sending: Sending) -> impl Future<Output = Done<Self::Sender>>;
    fn receiver(&self, receiving: Receiving) -> impl Future<Output = Done<Self::Receiver>>;
    fn end(&self) -> impl Future<Output = Done>;
}

pub(crate) trait Transaction {
    type Sender;
    type Delivery;

    fn send(&self, sender: &Self::Sender, message: Message) -> impl Future<Output = Done<Outcome>>;
    fn accept(&self, delivery: Self::Delivery) -> Done;
    fn commit(self) -> impl Future<Output = Done>;
    fn rollback(self) -> impl Future<Output = Done>;
}

pub(crate) trait Sender {
    type Sent: Sent;

    fn send(&self, message: Message) -> impl Future<Output = Done<Outcome>>;
    fn send_queued(&self, message: Message) -> impl Future<Output = Done<Self::Sent>>;
    fn send_settled(&self, message: Message) -> impl Future<Output = Done<Self::Sent>>;
    fn address(&self) -> Option<Str>;
    fn close(&self) -> impl Future<Output = Done>;
    fn close_with(&self, error: wire::AmqpError) -> impl Future<Output = Done>;
}

pub(crate) trait Sent {
    fn outcome(&mut self) -> impl Future<Output = Done<Outcome>>;
    fn settle(self) -> Done;
}

pub(crate) trait Receiver {
    type Delivery: Delivery;

    fn recv(&self) -> impl Future<Output = Done<Option<Self::Delivery>>>;
    fn try_recv(&self) -> Done<Option<Self::Delivery>>;
    fn set_credit(&self, messages: u32) -> Done;
    fn credit(&self) -> u32;
    /// Waits until the sender has settled, if the sender settles first.
    fn settled(&self, delivery: DeliveryKey) -> impl Future<Output = Done>;
    fn drain(&self) -> impl Future<Output = Done>;
    fn address(&self) -> Option<Str>;
    fn close(&self) -> impl Future<Output = Done>;
    fn close_with(&self, error: wire::AmqpError) -> impl Future<Output = Done>;
}

pub(crate) trait Delivery {
    fn message(&self) -> Done<MessageView>;
    fn is_settled(&self) -> bool;
    fn key(&self) -> DeliveryKey;
    /// Sets the outcome by the method for that outcome.
    fn end(self, outcome: Outcome) -> Done;
}

/// The settings of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    pub(crate) url: String,
    pub(crate) options: ConnectionOptions,
}

/// The settings of a link on which the client sends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sending {
    pub(crate) to: Node,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    /// `true` if the application settles deliveries that have an outcome.
    pub(crate) settles: bool,
    /// `true` if the link is one of a pair.
    pub(crate) is_paired: bool,
}

/// The settings of a link on which the client receives. No message is accepted automatically unless set.
#[derive(Debug, Clone)]
pub(crate) struct Receiving {
    pub(crate) from: Node,
    pub(crate) snd_settle_mode: Option<SenderSettleMode>,
    pub(crate) rcv_settle_mode: Option<ReceiverSettleMode>,
    pub(crate) prefetch: u32,
    /// `true` if the link is one of a pair.
    pub(crate) is_paired: bool,
    /// The place in a stream at which to begin, which the broker must apply.
    pub(crate) stream_offset: Option<StreamOffset>,
}

/// The node at the other end of a link.
#[derive(Debug, Clone, Default)]
pub(crate) enum Node {
    At(String),
    /// A node that the peer creates for the link.
    Dynamic,
    /// A node that the peer creates for replies, which arrive settled. RabbitMQ 4 creates no other nodes.
    Replies,
    /// No node: each message has its own address.
    #[default]
    None,
}

impl Opening {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), options: ConnectionOptions::new().with_reply_timeout(REPLY) }
    }

    /// Changes the options.
    pub(crate) fn with(mut self, change: impl FnOnce(ConnectionOptions) -> ConnectionOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// Authenticates by the mechanisms of a profile.
    pub(crate) fn sasl(self, profile: ClientProfile) -> Self {
        self.with(|options| options.with_sasl(profile))
    }
}

impl Sending {
    pub(crate) fn to(address: &str) -> Self {
        Self { to: Node::At(address.to_owned()), ..Self::default() }
    }
}

impl Receiving {
    pub(crate) fn from(address: &str) -> Self {
        Self::from_node(Node::At(address.to_owned()))
    }

    pub(crate) fn from_node(from: Node) -> Self {
        Self {
            from,
            snd_settle_mode: None,
            rcv_settle_mode: None,
            prefetch: 10,
            is_paired: false,
            stream_offset: None,
        }
    }

    pub(crate) fn with_prefetch(mut self, messages: u32) -> Self {
        self.prefetch = messages;
        self
    }
}
