//! Keys: a program's names for the sessions, links and deliveries of a connection.
//!
//! A key holds an index into a table and a number that no other key of the process has. A key may outlive the
//! object it names. Using the key afterwards is an error: it never reaches a later object in the same place,
//! nor an object of another connection.

use core::fmt;

/// An index into a table, and the number under which the entry was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key<I = u32> {
    pub(crate) index: I,
    pub(crate) generation: u32,
}

/// An index into a table, of a type that only this table has.
pub(crate) trait Index: Copy + PartialEq {
    /// An index that no entry has.
    const NONE: Self;

    fn new(index: u32) -> Self;

    fn get(self) -> u32;
}

impl Index for u32 {
    const NONE: Self = Self::MAX;

    #[inline]
    fn new(index: u32) -> Self {
        index
    }

    #[inline]
    fn get(self) -> u32 {
        self
    }
}

macro_rules! indexes {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(u32);

        impl Index for $name {
            const NONE: Self = Self(u32::NONE);

            #[inline]
            fn new(index: u32) -> Self {
                Self(index)
            }

            #[inline]
            fn get(self) -> u32 {
                self.0
            }
        }
    )*};
}

indexes! {
    /// The index of a session of a connection.
    SessionIx;
    /// The index of a link of a connection.
    LinkIx;
    /// The index of a transaction of a connection.
    TransactionIx;
}

/// A source of unique numbers for keys; numbers repeat after 2^32.
///
/// Each table takes a block of numbers at a time from a counter of the process, so tables of different
/// connections never use the same number. On targets without compare-and-swap there is no common counter, and
/// numbers are unique within one table only.
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

impl<I: Index> fmt::Debug for Key<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index.get(), self.generation)
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident($index:ident) = $label:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Key<$index>);

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
    SessionKey(SessionIx) = "session";
    /// A link with this end as the sender.
    SenderKey(LinkIx) = "sender";
    /// A link with this end as the receiver.
    ReceiverKey(LinkIx) = "receiver";
    /// A transaction that this end has declared, or that the peer has declared at this end's coordinator.
    TransactionKey(TransactionIx) = "transaction";
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
    pub(crate) fn key(self) -> Key<LinkIx> {
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

/// A delivery: its session, its direction, and its number in the session.
///
/// The number continues to count where delivery-ids wrap, so two deliveries of a session never have the same
/// key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryKey {
    pub(crate) session: Key<SessionIx>,
    numbered: u64,
}

impl DeliveryKey {
    /// The bit that is set for received deliveries.
    const RECEIVED: u64 = 1 << 63;

    #[inline]
    pub(crate) fn sent(session: Key<SessionIx>, number: u64) -> Self {
        Self { session, numbered: number & !Self::RECEIVED }
    }

    #[inline]
    pub(crate) fn received(session: Key<SessionIx>, number: u64) -> Self {
        Self { session, numbered: number | Self::RECEIVED }
    }

    /// Returns `true` if this end received the delivery, `false` if this end sent the delivery.
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

/// Shows the delivery-id, as on the wire.
impl fmt::Display for DeliveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delivery {}", self.number() & u64::from(u32::MAX))
    }
}
