//! Keys of a handler's objects: like those of [`types`](crate::types), with the connection included.

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
    /// A connection, even before it is made.
    ConnectionKey = "connection";
    /// A listener, which accepts connections.
    ListenerKey = "listener";
    /// A link with this end as the sender, even before it is attached.
    SenderKey = "sender";
    /// A link with this end as the receiver, even before it is attached.
    ReceiverKey = "receiver";
}

/// A link in either role.
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
    /// Returns the connection of the session.
    pub fn connection(self) -> ConnectionKey {
        self.connection
    }
}

/// A delivery. Two deliveries of a container never have the same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub(super) connection: ConnectionKey,
    pub(super) name: Name,
}

/// The name of a delivery on its connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    /// The connection's key of the delivery.
    Known(types::DeliveryKey),
    /// The sender and a number, for a delivery that was queued before it got a key.
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
    /// Returns the connection of the delivery.
    pub fn connection(self) -> ConnectionKey {
        self.connection
    }

    /// Returns `true` if this end received the delivery, `false` if this end sent the delivery.
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
