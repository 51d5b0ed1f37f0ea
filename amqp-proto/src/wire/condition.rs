//! Every error condition of the standard, as one table [2.8.15-2.8.18] [4.5.8].

use core::fmt;

use crate::codec::{Decode, Decoder, Encode, Parsed, Writer};
use crate::types::Symbol;

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident = $symbol:literal;)*) => {
        /// Why something failed: a condition of the standard, or any other symbol [2.8.14].
        ///
        /// ```
        /// use amqp_proto::{symbol, wire::Condition};
        ///
        /// assert_eq!(Condition::from(symbol!("amqp:not-found")), Condition::NotFound);
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

            /// Returns the symbol as text.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $symbol,)*
                    Self::Other(name) => name.as_str(),
                }
            }
        }

        impl From<Symbol> for Condition {
            fn from(name: Symbol) -> Self {
                match name.as_str() {
                    $($symbol => Self::$name,)*
                    _ => Self::Other(name),
                }
            }
        }

        impl From<Condition> for Symbol {
            fn from(condition: Condition) -> Self {
                match condition {
                    $(Condition::$name => Self::known($symbol),)*
                    Condition::Other(name) => name,
                }
            }
        }
    };
}

conditions! {
    /// The peer is at fault in some way that has no condition of its own.
    InternalError = "amqp:internal-error";
    /// The node or the resource does not exist.
    NotFound = "amqp:not-found";
    /// The peer may not do what it asked for.
    UnauthorizedAccess = "amqp:unauthorized-access";
    /// Octets could not be decoded.
    DecodeError = "amqp:decode-error";
    /// A limit is reached.
    ResourceLimitExceeded = "amqp:resource-limit-exceeded";
    /// A frame was used against the rules.
    NotAllowed = "amqp:not-allowed";
    /// A field holds what it must not.
    InvalidField = "amqp:invalid-field";
    /// Something optional is not there.
    NotImplemented = "amqp:not-implemented";
    /// Somebody else has what was asked for.
    ResourceLocked = "amqp:resource-locked";
    /// Something that was asked for cannot be guaranteed.
    PreconditionFailed = "amqp:precondition-failed";
    /// The node or the resource in use was deleted.
    ResourceDeleted = "amqp:resource-deleted";
    /// A frame is not permitted now.
    IllegalState = "amqp:illegal-state";
    /// A frame cannot be made small enough.
    FrameSizeTooSmall = "amqp:frame-size-too-small";
    /// An operator closed the connection.
    ConnectionForced = "amqp:connection:forced";
    /// No valid frame header could be formed.
    FramingError = "amqp:connection:framing-error";
    /// The peer is to connect elsewhere.
    ConnectionRedirect = "amqp:connection:redirect";
    /// More transfers came than the window has room for.
    WindowViolation = "amqp:session:window-violation";
    /// Input came for a link that was detached for an error.
    ErrantLink = "amqp:session:errant-link";
    /// An attach uses a handle that is in use.
    HandleInUse = "amqp:session:handle-in-use";
    /// A frame other than attach uses a handle that is not.
    UnattachedHandle = "amqp:session:unattached-handle";
    /// An operator detached the link.
    DetachForced = "amqp:link:detach-forced";
    /// More messages came than there was credit for.
    TransferLimitExceeded = "amqp:link:transfer-limit-exceeded";
    /// A message is larger than the link takes.
    MessageSizeExceeded = "amqp:link:message-size-exceeded";
    /// The peer is to attach elsewhere.
    LinkRedirect = "amqp:link:redirect";
    /// The link was attached somewhere else.
    Stolen = "amqp:link:stolen";
    /// No such transaction.
    UnknownTransaction = "amqp:transaction:unknown-id";
    /// The transaction was rolled back.
    TransactionRollback = "amqp:transaction:rollback";
    /// The transaction took too long.
    TransactionTimeout = "amqp:transaction:timeout";
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
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
