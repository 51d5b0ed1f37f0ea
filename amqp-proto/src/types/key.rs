//! Keys: what a program holds of a session, a link or a delivery that lives in a connection.
//!
//! A key is a number with a generation. It outlives what it names, and then it names nothing: using it is an
//! error, never a hold on what came after.

use core::fmt;

/// A place in a table, and how often that place had been given out before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Key);

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
    /// A session of a connection.
    SessionKey = "session";
    /// A link on which this end sends.
    SenderKey = "sender";
    /// A link on which this end receives.
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
    pub(crate) fn key(self) -> Key {
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

/// A delivery: its session, which way it goes, and its number there.
///
/// Numbers go on where delivery-ids wrap, so no two deliveries of a session ever have the same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub(crate) session: Key,
    numbered: u64,
}

impl DeliveryKey {
    /// Set for deliveries that were received.
    const RECEIVED: u64 = 1 << 63;

    #[inline]
    pub(crate) fn sent(session: Key, number: u64) -> Self {
        Self { session, numbered: number & !Self::RECEIVED }
    }

    #[inline]
    pub(crate) fn received(session: Key, number: u64) -> Self {
        Self { session, numbered: number | Self::RECEIVED }
    }

    /// Whether this end received the delivery; it sent it, otherwise.
    pub fn is_received(self) -> bool {
        self.numbered & Self::RECEIVED != 0
    }

    /// The number; its low 32 bits are the delivery-id.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.numbered & !Self::RECEIVED
    }
}

impl fmt::Debug for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.is_received() { "received" } else { "sent" };
        write!(f, "{self} {way} on session {:?}", self.session)
    }
}

/// Shows the delivery-id: the number as it stands on the wire.
impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delivery {}", self.number() & u64::from(u32::MAX))
    }
}
