//! Commands that cannot be carried out: one enum for each kind. A refused command has changed nothing.

use core::fmt;

use crate::codec::EncodeError;
use crate::types::DeliveryTag;

/// A key whose session, link or delivery no longer exists, or is of another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StaleKey;

impl fmt::Display for StaleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session, link or delivery no longer exists")
    }
}

impl core::error::Error for StaleKey {}

macro_rules! command_errors {
    ($($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident $(($inner:ty))? = $text:literal;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant $(($inner))?,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(command_errors!(@pattern $variant $(inner $inner)?) => command_errors!(@write f $text $(inner $inner)?),)*
                }
            }
        }

        impl core::error::Error for $name {}
    )*};
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $inner:ident $type:ty) => { Self::$variant($inner) };
    (@write $f:ident $text:literal) => { $f.write_str($text) };
    (@write $f:ident $text:literal $inner:ident $type:ty) => { write!($f, "{}: {:?}", $text, $inner) };
}

command_errors! {
    /// Why a session is not begun, accepted or ended.
    SessionError {
        /// The connection is not open yet, or not any more.
        NotOpen = "the connection is not open";
        /// The peer takes no more sessions [2.7.1].
        Channels = "all channels that the peer takes are in use";
        /// The session was begun by this end, or accepted already.
        NotOffered = "the session was not offered, or is accepted";
        /// This end has ended it.
        Ended = "the session is ended";
        /// The begin does not fit in a frame that the peer takes.
        TooLarge(EncodeError) = "the begin does not fit a frame";
    }

    /// Why a link is not attached, accepted or detached.
    LinkError {
        /// The session is not begun by this end, or is over.
        NoSession = "the session is not begun, or is over";
        /// There is a link of that name and direction already [2.6.1].
        NameInUse = "the name is in use";
        /// The peer takes no more links on the session [2.7.2].
        Handles = "all handles that the peer takes are in use";
        /// This end keeps no more links.
        Limit = "the limit on links is reached";
        /// The link was attached by this end, or accepted already.
        NotOffered = "the link was not offered, or is accepted";
        /// The peer asks for no terminus at this end, and the options bring none [2.7.3]: the link is to be refused.
        NoTerminus = "the peer's attach names no terminus for this end, and no option does";
        /// The link is attached, and so cannot be attached again.
        Attached = "the link is attached";
        /// This end has detached it.
        Detached = "the link is detached";
        /// The attach does not fit in a frame that the peer takes.
        TooLarge(EncodeError) = "the attach does not fit a frame";
    }

    /// Why a message is not sent.
    SendError {
        /// The link is not attached at both ends, or the peer has no terminus for it [2.6.3].
        Detached = "the link is not attached";
        /// There is no credit [2.6.7].
        NoCredit = "there is no credit";
        /// The peer's session takes no transfer now [2.5.6].
        WindowClosed = "the session's window is closed";
        /// More output waits than the limits allow.
        Full = "the output is full";
        /// The delivery before is not complete [2.6.14].
        Incomplete = "another delivery of the link is not complete";
        /// Messages that were sent before wait in the queue of a handler's sender, and go first.
        Queued = "messages that were sent before it wait";
        /// There is no delivery to be continued.
        NoDelivery = "no delivery of the link is being sent";
        /// The message is larger than the peer takes, which is this many octets [2.7.3].
        TooLarge(u64) = "the message is larger than the peer takes";
        /// The link's snd-settle-mode leaves no such choice [2.8.2].
        SettleMode = "the link's settle mode does not allow it";
        /// An unsettled delivery of the link has this tag [2.6.12].
        TagInUse(DeliveryTag) = "the tag is in use";
        /// As many deliveries are unsettled as the limits allow.
        Unsettled(u32) = "the limit on unsettled deliveries is reached";
        /// The state or the message does not fit in a frame that the peer takes, or in any.
        Unencodable(EncodeError) = "the message cannot be encoded";
    }

    /// Why a delivery is not settled, or its state not told.
    SettleError {
        /// It is settled [2.6], or was never unsettled.
        Settled = "the delivery is settled";
        /// Its outcome was told and cannot change [2.7.5].
        Decided = "the delivery has an outcome";
        /// It belongs to another link, or goes the other way.
        WrongLink = "the delivery is not of this link";
        /// It waits in the queue of a handler's sender.
        Queued = "the delivery is not sent yet";
        /// This end has closed the link, or ended its session or connection: there is no way to tell the peer.
        Ended = "the link is closed, or its session ended";
        /// The receiver settles second: only when the sender has settled, which settles it here, too [2.8.3].
        Second = "the sender has to settle the delivery first";
    }

    /// Why a delivery cannot be read.
    ReadError {
        /// It has been read to its end, or was never there.
        NoDelivery = "the delivery has nothing left to be read";
        /// It goes the other way, or belongs to another link.
        WrongLink = "the delivery is not of this link";
    }

    /// Why a link's credit or state is not told.
    FlowError {
        /// The link is not attached by this end, or not any more.
        Detached = "the link is not attached";
    }
}
