//! The errors of commands, one enum for each kind of command. A refused command has changed nothing.

use core::fmt;

use crate::codec::EncodeError;
use crate::types::DeliveryTag;

/// The error of a key whose session, link, delivery or transaction no longer exists, or belongs to another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StaleKey;

impl fmt::Display for StaleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session, link, delivery or transaction no longer exists")
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
    /// The error of a session that cannot be begun, accepted or ended.
    SessionError {
        /// The connection is not open yet, or no longer open.
        NotOpen = "the connection is not open";
        /// The peer accepts no more sessions [2.7.1].
        Channels = "all channels that the peer accepts are in use";
        /// This end has begun or already accepted the session.
        NotOffered = "the session was not begun by the peer, or is already accepted";
        /// This end has ended the session.
        Ended = "the session has ended";
        /// The begin does not fit in a frame that the peer accepts.
        TooLarge(EncodeError) = "the begin does not fit in a frame";
    }

    /// The error of a link that cannot be attached, accepted or detached.
    LinkError {
        /// The session has not begun at this end, or is over.
        NoSession = "the session has not begun, or is over";
        /// A link with this name and role is attached already [2.6.1].
        NameInUse = "a link with this name is already attached";
        /// The peer accepts no more links on the session [2.7.2].
        Handles = "all handles that the peer accepts are in use";
        /// The limit on this end's links is reached.
        Limit = "the limit on links is reached";
        /// This end has attached or already accepted the link.
        NotOffered = "the link was not attached by the peer, or is already accepted";
        /// Neither the peer's attach nor the options name a terminus at this end [2.7.3]. Refuse the link.
        NoTerminus = "neither the peer's attach nor the options name a terminus of this end";
        /// The link is attached; only a suspended link can be attached again.
        Attached = "the link is already attached";
        /// This end has detached the link.
        Detached = "the link is detached";
        /// The state is that of another link: its name, role or address is another one.
        OtherLink = "the state belongs to another link";
        /// A link to a transaction coordinator cannot be resumed [4.2].
        Coordinator = "a link to a coordinator cannot be resumed";
        /// The attach does not fit in a frame that the peer accepts.
        TooLarge(EncodeError) = "the attach does not fit in a frame";
    }

    /// The error of a message that cannot be sent.
    SendError {
        /// The link is not attached at both ends, or the peer has no terminus for it [2.6.3].
        Detached = "the link is not attached";
        /// The receiver has granted no credit [2.6.7].
        NoCredit = "the link has no credit";
        /// The peer's session accepts no transfer now [2.5.6].
        WindowClosed = "the session's window is closed";
        /// The queued output has reached its limit.
        Full = "the output is full";
        /// The previous delivery of the link is not complete [2.6.14].
        Incomplete = "another delivery of the link is not complete";
        /// Earlier messages wait in the queue of a handler's sender.
        Queued = "earlier messages wait to be sent";
        /// No delivery of the link is begun.
        NoDelivery = "no delivery of the link has been begun";
        /// The link keeps the messages of its unsettled deliveries, and they would exceed this number of octets.
        Kept(u64) = "the limit on the octets of unsettled messages is reached";
        /// The state is one that only a receiver sends, except when a delivery is resumed [3.4.1].
        Received = "a sender cannot send the state received";
        /// The message is larger than the peer's maximum, this number of octets [2.7.3].
        TooLarge(u64) = "the message is larger than the peer accepts";
        /// The link's snd-settle-mode does not allow this choice [2.8.2].
        SettleMode = "the link's snd-settle-mode does not allow this choice";
        /// An unsettled delivery of the link has this tag [2.6.12].
        TagInUse(DeliveryTag) = "an unsettled delivery already has this tag";
        /// The transaction of the message is over, or is being discharged [4.4.1].
        Discharged = "the transaction is over, or is being discharged";
        /// The limit on unsettled deliveries, this number, is reached.
        Unsettled(u32) = "the limit on unsettled deliveries is reached";
        /// The message or its state does not fit in a frame that the peer accepts, or in any frame.
        Unencodable(EncodeError) = "the message cannot be encoded";
    }

    /// The error of a delivery that cannot be settled or change its state.
    SettleError {
        /// The delivery is settled [2.6], or was sent settled.
        Settled = "the delivery is settled";
        /// This end has sent an outcome, which cannot change [2.7.5].
        Decided = "the delivery already has an outcome";
        /// The delivery belongs to another link, or has the other direction.
        WrongLink = "the delivery belongs to another link";
        /// The state is one that only a receiver sends, except when a delivery is resumed [3.4.1].
        Received = "a sender cannot send the state received";
        /// The transaction of the outcome is over, or is being discharged [4.4.2].
        Discharged = "the transaction is over, or is being discharged";
        /// The delivery waits in the queue of a handler's sender.
        Queued = "the delivery is not sent yet";
        /// This end has closed the link, its session or the connection, so the peer cannot be informed.
        Ended = "the link is closed, or its session ended";
        /// The receiver settles second: the engine settles the delivery after the sender has settled it
        /// [2.8.3].
        Second = "the sender must settle the delivery first";
    }

    /// The error of a transaction that cannot be declared or discharged.
    TransactionError {
        /// The control link is not attached at this end.
        Detached = "the control link is not attached";
        /// The link does not lead to a transaction coordinator [4.5.1].
        NotCoordinator = "the link does not lead to a transaction coordinator";
        /// The limit on transactions, this number, is reached.
        Limit(u32) = "the limit on transactions is reached";
        /// The coordinator has not declared the transaction yet.
        Undeclared = "the transaction is not declared yet";
        /// A part of the transaction has failed, so the transaction can only be rolled back.
        RollbackOnly = "a part of the transaction has failed, so it can only be rolled back";
        /// The transaction is being discharged already.
        Discharged = "the transaction is being discharged";
        /// The link or the delivery is on another connection than the transaction.
        Elsewhere = "the link is on another connection than the transaction";
        /// The controller has not asked for the commit.
        NotAsked = "the controller has not asked for the commit";
    }

    /// The error of a delivery that cannot be read.
    ReadError {
        /// The delivery was read to its end, or does not exist.
        NoDelivery = "the delivery does not exist, or was read to its end";
        /// The delivery belongs to another link, or has the other direction.
        WrongLink = "the delivery belongs to another link";
    }

    /// The error of a credit or state that cannot be sent.
    FlowError {
        /// The link is not attached at this end.
        Detached = "the link is not attached";
        /// The output is full.
        Full = "the output is full";
        /// The properties do not fit in a frame that the peer accepts.
        TooLarge(EncodeError) = "the properties do not fit in a frame";
    }
}
