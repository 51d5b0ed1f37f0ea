//! Tokens: a handler's names for its connections, listeners, sessions, links, deliveries and transactions.
//!
//! A token is like a key of [`types`](crate::types), with the connection included. A token of a link, a delivery or a transaction
//! exists before the link is attached, the delivery is sent or the transaction is declared.

use core::fmt;

use crate::types::{self, Key};

macro_rules! tokens {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(super) Key);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($label, " {:?}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    )*};
}

tokens! {
    /// A connection, even before it is made.
    ConnectionToken = "connection";
    /// A listener, which accepts connections.
    ListenerToken = "listener";
    /// A link with this end as the sender, even before it is attached.
    SenderToken = "sender";
    /// A link with this end as the receiver, even before it is attached.
    ReceiverToken = "receiver";
}

/// A link in either role.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkToken {
    /// This end sends.
    Sender(SenderToken),
    /// This end receives.
    Receiver(ReceiverToken),
}

impl LinkToken {
    pub(super) fn key(self) -> Key {
        match self {
            Self::Sender(SenderToken(key)) | Self::Receiver(ReceiverToken(key)) => key,
        }
    }
}

impl From<SenderToken> for LinkToken {
    fn from(key: SenderToken) -> Self {
        Self::Sender(key)
    }
}

impl From<ReceiverToken> for LinkToken {
    fn from(key: ReceiverToken) -> Self {
        Self::Receiver(key)
    }
}

/// A session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionToken {
    pub(super) connection: ConnectionToken,
    pub(super) session: types::SessionKey,
}

impl SessionToken {
    /// Returns the connection of the session.
    pub fn connection(self) -> ConnectionToken {
        self.connection
    }
}

/// A delivery. Two deliveries of a container never have the same token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryToken {
    pub(super) connection: ConnectionToken,
    pub(super) name: Name,
}

/// The name of a delivery on its connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    /// The connection's key of the delivery.
    Known(types::DeliveryKey),
    /// The sender and a number, for a delivery that was queued before it got a key.
    Queued { sender: SenderToken, number: u64 },
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(delivery) => fmt::Debug::fmt(delivery, f),
            Self::Queued { number, .. } => write!(f, "queued delivery {number}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(delivery) => fmt::Display::fmt(delivery, f),
            Self::Queued { .. } => fmt::Debug::fmt(self, f),
        }
    }
}

impl DeliveryToken {
    /// Returns the connection of the delivery.
    pub fn connection(self) -> ConnectionToken {
        self.connection
    }

    /// Returns `true` if this end received the delivery, `false` if this end sent the delivery.
    pub fn is_received(self) -> bool {
        matches!(self.name, Name::Known(delivery) if delivery.is_received())
    }
}

/// A transaction that the handler has declared. Two transactions of a container never have the same token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionToken {
    pub(super) connection: ConnectionToken,
    pub(super) number: u64,
}

impl TransactionToken {
    /// Returns the connection of the transaction.
    pub fn connection(self) -> ConnectionToken {
        self.connection
    }
}

impl fmt::Debug for TransactionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} of {:?}", self.connection)
    }
}

impl fmt::Display for TransactionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction {}", self.number)
    }
}

macro_rules! shown {
    ($($name:ident => $($field:ident).+;)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?} of {:?}", self.$($field).+, self.connection)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.$($field).+, f)
            }
        }
    )*};
}

shown! {
    SessionToken => session;
    DeliveryToken => name;
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(key) => fmt::Debug::fmt(key, f),
            Self::Receiver(key) => fmt::Debug::fmt(key, f),
        }
    }
}

impl fmt::Display for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
