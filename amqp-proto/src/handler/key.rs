//! Keys of what handlers deal with: like those of [`types`](crate::types), and they say which connection it is on.

use core::fmt;

use crate::types::{self, Key};

macro_rules! keys {
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

keys! {
    /// A connection, also one that is not made yet.
    ConnectionKey = "connection";
    /// Something that takes connections.
    ListenerKey = "listener";
    /// A link on which this end sends, also one that is not attached yet.
    SenderKey = "sender";
    /// A link on which this end receives, also one that is not attached yet.
    ReceiverKey = "receiver";
}

/// A link, whichever end of it this is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinkKey {
    /// This end sends.
    Sender(SenderKey),
    /// This end receives.
    Receiver(ReceiverKey),
}

impl LinkKey {
    pub(super) fn key(self) -> Key {
        match self {
            Self::Sender(SenderKey(key)) | Self::Receiver(ReceiverKey(key)) => key,
        }
    }
}

impl From<SenderKey> for LinkKey {
    fn from(key: SenderKey) -> Self {
        Self::Sender(key)
    }
}

impl From<ReceiverKey> for LinkKey {
    fn from(key: ReceiverKey) -> Self {
        Self::Receiver(key)
    }
}

/// A session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    pub(super) connection: ConnectionKey,
    pub(super) session: types::SessionKey,
}

impl SessionKey {
    /// The connection that it is on.
    pub fn connection(self) -> ConnectionKey {
        self.connection
    }
}

/// A delivery. No two deliveries of a container ever have the same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub(super) connection: ConnectionKey,
    pub(super) name: Name,
}

/// What a delivery is known by on its connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    /// The key that it has there.
    Known(types::DeliveryKey),
    /// It was queued before it had one.
    Queued { sender: SenderKey, number: u64 },
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

impl DeliveryKey {
    /// Returns the connection that it came or goes over.
    pub fn connection(self) -> ConnectionKey {
        self.connection
    }

    /// Returns whether this end received the delivery; it sent it, otherwise.
    pub fn is_received(self) -> bool {
        matches!(self.name, Name::Known(delivery) if delivery.is_received())
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
    SessionKey => session;
    DeliveryKey => name;
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(key) => fmt::Debug::fmt(key, f),
            Self::Receiver(key) => fmt::Debug::fmt(key, f),
        }
    }
}

impl fmt::Display for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
