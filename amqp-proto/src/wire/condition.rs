//! The error conditions of the standard, as one table [2.8.15-2.8.18] [4.5.8].

use core::fmt;

use crate::codec::{Decode, Decoder, Encode, Parsed, Vacant, Writer};
use crate::types::{Escaped, Symbol};

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $symbol:literal;)*) => {
        /// The reason of an error: a condition of the standard, or any other symbol [2.8.14].
        ///
        /// ```
        /// use amqp_proto::wire::Condition;
        ///
        /// let not_found = Condition::from("amqp:not-found");
        /// assert_eq!(not_found, Condition::NotFound);
        /// assert_eq!(Condition::NotFound.as_str(), "amqp:not-found");
        /// ```
        #[derive(Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Condition {
            $($(#[$doc])* $name,)*
            /// A condition that the standard does not define.
            Other(Symbol),
        }

        impl Condition {
            /// The conditions that the standard defines, in its order.
            pub const STANDARD: &'static [Self] = &[$(Self::$name),*];

            /// Returns the symbol, if the standard defines the condition.
            #[inline(never)] // one table for all conversions
            fn standard_symbol(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($symbol),)*
                    Self::Other(_) => None,
                }
            }
        }

        /// The conditions of the standard without the room for any other, for a table that is searched.
        #[derive(Clone, Copy)]
        enum Standard {
            $($name,)*
        }

        impl Standard {
            const SYMBOLS: &'static [(Self, &'static str)] = &[$((Self::$name, $symbol)),*];
        }

        impl From<Standard> for Condition {
            fn from(condition: Standard) -> Self {
                match condition {
                    $(Standard::$name => Self::$name,)*
                }
            }
        }
    };
}

conditions! {
    /// An internal error, without a condition of its own.
    InternalError = "amqp:internal-error";
    /// The node or the resource does not exist.
    NotFound = "amqp:not-found";
    /// The peer is not allowed to do what it asked for.
    UnauthorizedAccess = "amqp:unauthorized-access";
    /// Octets could not be decoded.
    DecodeError = "amqp:decode-error";
    /// A limit is exceeded.
    ResourceLimitExceeded = "amqp:resource-limit-exceeded";
    /// A frame was used against the rules.
    NotAllowed = "amqp:not-allowed";
    /// A field has a value that is not allowed.
    InvalidField = "amqp:invalid-field";
    /// The peer used an optional feature that is not implemented.
    NotImplemented = "amqp:not-implemented";
    /// Another client holds an exclusive lock on the resource.
    ResourceLocked = "amqp:resource-locked";
    /// A guarantee that the peer asked for cannot be given.
    PreconditionFailed = "amqp:precondition-failed";
    /// The node or the resource in use was deleted.
    ResourceDeleted = "amqp:resource-deleted";
    /// The frame is not permitted in the current state.
    IllegalState = "amqp:illegal-state";
    /// The frame cannot be made small enough for the peer.
    FrameSizeTooSmall = "amqp:frame-size-too-small";
    /// An operator closed the connection.
    ConnectionForced = "amqp:connection:forced";
    /// The octets do not form a valid frame header.
    FramingError = "amqp:connection:framing-error";
    /// The peer should connect to another address.
    ConnectionRedirect = "amqp:connection:redirect";
    /// The peer sent more transfers than the session's window allows.
    WindowViolation = "amqp:session:window-violation";
    /// The peer used a link after this end had detached it for an error.
    ErrantLink = "amqp:session:errant-link";
    /// An attach uses a handle that is already in use.
    HandleInUse = "amqp:session:handle-in-use";
    /// A frame other than attach uses a handle that is not in use.
    UnattachedHandle = "amqp:session:unattached-handle";
    /// An operator detached the link.
    DetachForced = "amqp:link:detach-forced";
    /// The peer sent more messages than the link's credit allows.
    TransferLimitExceeded = "amqp:link:transfer-limit-exceeded";
    /// The message is larger than the link's maximum.
    MessageSizeExceeded = "amqp:link:message-size-exceeded";
    /// The peer should attach to another address.
    LinkRedirect = "amqp:link:redirect";
    /// The link was attached by another connection or session.
    Stolen = "amqp:link:stolen";
    /// The transaction does not exist.
    UnknownTransaction = "amqp:transaction:unknown-id";
    /// The transaction was rolled back.
    TransactionRollback = "amqp:transaction:rollback";
    /// The transaction took too long.
    TransactionTimeout = "amqp:transaction:timeout";
}

impl Condition {
    /// Returns the symbol as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name.as_str(),
            standard => standard.standard_symbol().unwrap_or_default(),
        }
    }
}

impl From<Symbol> for Condition {
    fn from(name: Symbol) -> Self {
        match Standard::SYMBOLS.iter().find(|(_, symbol)| name == *symbol) {
            Some((condition, _)) => Self::from(*condition),
            None => Self::Other(name),
        }
    }
}

/// Makes a condition of a literal.
///
/// # Panics
///
/// If the literal is not 7-bit ASCII.
impl From<&'static str> for Condition {
    fn from(name: &'static str) -> Self {
        Self::from(Symbol::from(name))
    }
}

impl From<Condition> for Symbol {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Other(name) => name,
            standard => Self::known(standard.standard_symbol().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Escaped::new(self.as_str()), f)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Vacant for Condition {
    fn vacant() -> Self {
        Self::InternalError
    }
}

impl Decode for Condition {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        Symbol::decode(decoder, code, input).map(|(rest, name)| (rest, name.into()))
    }
}

impl Encode for Condition {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        Encode::size(&Symbol::from(self.clone()))
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        Symbol::from(self.clone()).write(writer)
    }
}
