//! Keys: what a program holds of a session, a link or a delivery that lives in a connection.
//!
//! A key is a place and a number that no other key of the process has. It outlives what it names, and then it names
//! nothing: using it is an error, never a hold on what came after, nor on something of another connection.

use core::fmt;

/// A place in a table, and the number under which it was given out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// Numbers for keys, no two of them the same in a process until 2^32 have been given out.
///
/// Each table takes a block of them at a time, so that tables of different connections never share one. Where the target
/// has no compare-and-swap there is no counter for all: numbers then tell apart what one table has named, and no more.
#[derive(Debug, Default)]
pub(crate) struct KeyNumbers {
    next: u32,
    left: u32,
}

impl KeyNumbers {
    const BLOCK: u32 = 64;

    pub(crate) fn take(&mut self) -> u32 {
        if self.left == 0 {
            self.next = self.block();
            self.left = Self::BLOCK;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.left -= 1;
        number
    }

    #[cfg(target_has_atomic = "32")]
    #[allow(clippy::unused_self)] // the other one needs it
    fn block(&self) -> u32 {
        use core::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        NEXT.fetch_add(Self::BLOCK, Ordering::Relaxed)
    }

    #[cfg(not(target_has_atomic = "32"))]
    fn block(&self) -> u32 {
        self.next
    }
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

    /// Returns whether this end received the delivery; it sent it, otherwise.
    pub fn is_received(self) -> bool {
        self.numbered & Self::RECEIVED != 0
    }

    /// Returns the number; its low 32 bits are the delivery-id.
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
