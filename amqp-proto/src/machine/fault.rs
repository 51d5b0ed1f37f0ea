//! Faults of the peer: their scope, and the condition of the answer.

use core::fmt;

use super::reason::Cause;
use crate::codec::DecodeError;
use crate::types::{Limits, LinkIx, Symbol};
use crate::wire::{AmqpError, Condition};

/// A fault of the peer, by the scope that it ends.
#[derive(Debug)]
pub(crate) enum Fault {
    Connection(ConnectionFault),
    Session(SessionFault),
    Link { link: LinkIx, fault: LinkFault },
}

impl From<ConnectionFault> for Fault {
    fn from(fault: ConnectionFault) -> Self {
        Self::Connection(fault)
    }
}

impl From<SessionFault> for Fault {
    fn from(fault: SessionFault) -> Self {
        Self::Session(fault)
    }
}

impl LinkFault {
    /// Returns the fault with its link.
    #[cold]
    #[inline(never)] // out of the path of transfers without a fault
    pub(crate) fn on(self, link: LinkIx) -> Fault {
        Fault::Link { link, fault: self }
    }
}

/// A fault that is answered with a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// Octets that are no frame, or a frame that cannot be decoded.
    Octets(DecodeError),
    /// A frame before the open [2.4.1].
    NotOpen(&'static str),
    /// A second open [2.4.6].
    SecondOpen,
    /// An open on a channel other than 0 [2.4.1].
    OpenChannel(u16),
    /// A channel above this end's channel-max [2.7.1].
    ChannelMax(u16),
    /// A frame other than begin on a channel without a session [2.4].
    Unmapped(u16),
    /// A begin on a channel that has a session [2.5.1].
    ChannelInUse(u16),
    /// A begin that answers none of this end's [2.7.2].
    RemoteChannel(u16),
    /// A handle above this end's handle-max [2.7.2].
    HandleMax(u32),
    /// An idle-time-out that is too short [2.4.5].
    IdleTimeOut(u32),
    /// A missing extension that this end requires [2.7.1].
    Capability(Symbol),
    /// A SASL frame after the security layer [5.3.1].
    SaslFrame,
    /// A session for which the memory, this number of octets, does not suffice.
    Memory(u64),
    /// A memory that is too small for a connection.
    LittleMemory(u64),
    /// A connection for which the memory that others leave, less than this number of octets, does not suffice.
    NoMemory(u64),
    /// No frame within the idle timeout [2.4.5].
    Silence,
    /// No open within the open timeout.
    Unopened,
    /// No octet from a server within the open timeout.
    Mute,
}

/// A fault that is answered with an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionFault {
    /// A transfer beyond the incoming-window [2.8.17].
    Window,
    /// A handle without a link [2.8.17] [2.7.4].
    UnattachedHandle(u32),
    /// A detach with an error on a handle without a link.
    UnattachedDetach(u32, AmqpError),
    /// An attach on a handle that has a link [2.7.3].
    HandleInUse(u32),
    /// A delivery-id that does not follow the previous one [2.6].
    DeliveryOrder(u32),
    /// A disposition whose last delivery comes before its first [2.7.6].
    Range,
    /// A flow without next-incoming-id after this end's begin [2.7.4].
    NextIncomingId,
    /// A flow with credit but without a handle [2.7.4].
    NoHandle,
    /// More links than this end allows.
    Links(u32),
    /// A fault of a link that cannot be answered on the link, since this end cannot attach it.
    Link(LinkFault),
}

/// A fault that is answered with a closing detach [2.6.5].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkFault {
    /// A delivery beyond the credit [2.8.18].
    TransferLimit,
    /// A message larger than the link accepts [2.7.3].
    MessageSize(u64),
    /// A delivery in too many frames.
    // Threat D15.
    Transfers(u32),
    /// More unsettled deliveries than this end allows.
    Unsettled(u32),
    /// A transfer on a link on which this end sends.
    // Threat D11.
    TransferToSender,
    /// A delivery begins without a delivery-id [2.7.5].
    NoDeliveryId,
    /// A delivery begins without a delivery-tag [2.7.5].
    NoDeliveryTag,
    /// A delivery that continues with another id, tag or format [2.7.5].
    Continuation,
    /// An unsettled map with a key that is no delivery-tag [2.7.3].
    NoTag,
    /// A request to resume a link to a coordinator [4.2].
    Coordinator,
    /// A declare or a discharge that is sent settled [4.2] [4.3].
    SettledRequest,
    /// Transactional work on a control link [4.1].
    WorkOnControl,
    /// Work in a transaction that does not exist [4.1].
    UnknownTransaction,
    /// A delivery whose transfers name several transactions [4.4.1].
    OtherTransaction,
    /// The discharge of a transaction with an incomplete posting [4.4.1].
    PartialPosting,
    /// A flow that acquires messages in a transaction [4.4.3].
    Acquisition,
    /// An outcome in another transaction than the one that the delivery belongs to [4.4.2].
    RetiredElsewhere,
    /// A new delivery on a link whose unsettled map was incomplete [2.7.3].
    Incomplete,
    /// A link that is resumed in rounds which settle nothing.
    Rounds,
    /// A delivery that is resumed behind the first octet that this end lacks [3.4.6].
    Gap,
    /// A tag of another unsettled delivery of the link [2.6.12].
    TagInUse,
    /// A delivery without a settled transfer, on a link of mode settled [2.7.5].
    NotSettled,
    /// A settled transfer on a link of mode unsettled [2.7.5].
    Settled,
    /// A transfer that requests mode second on a link of mode first [2.7.5].
    Second,
    /// A sender's attach without an initial delivery-count [2.7.3].
    NoDeliveryCount,
    /// A message or a link for which the memory, this number of octets, does not suffice.
    Memory(u64),
    /// An attach larger than this end allows.
    AttachSize(u32),
    /// Another attach of the link's name [2.6.1].
    Stolen,
    /// An attach of a name that belongs to another session, where the link is not attached yet or is detached
    /// [2.6.1].
    Elsewhere,
}

impl ConnectionFault {
    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::Octets(error) => error.condition(),
            Self::NotOpen(_) | Self::SecondOpen | Self::ChannelInUse(_) => Condition::IllegalState,
            Self::OpenChannel(_) | Self::Unmapped(_) | Self::RemoteChannel(_) | Self::IdleTimeOut(_) => {
                Condition::NotAllowed
            }
            Self::ChannelMax(_) | Self::HandleMax(_) | Self::SaslFrame => Condition::FramingError,
            Self::Capability(_) => Condition::PreconditionFailed,
            Self::Silence | Self::Unopened | Self::Mute => Condition::ResourceLimitExceeded,
            Self::Memory(_) | Self::LittleMemory(_) | Self::NoMemory(_) => Condition::ResourceLimitExceeded,
        }
    }
}

impl ConnectionFault {
    /// Returns the cause of the end that programs can handle specially.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Unopened => Some(Cause::OpenTimedOut),
            Self::Mute => Some(Cause::NoAnswer),
            Self::Silence => Some(Cause::IdleTimedOut),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Octets(error) => write!(f, "{error}"),
            Self::NotOpen(frame) => write!(f, "{frame} before open"),
            Self::SecondOpen => f.write_str("a second open"),
            Self::OpenChannel(channel) => write!(f, "open on channel {channel}"),
            Self::ChannelMax(channel) => write!(f, "channel {channel} is above channel-max"),
            Self::Unmapped(channel) => write!(f, "no session on channel {channel}"),
            Self::ChannelInUse(channel) => write!(f, "channel {channel} is in use"),
            Self::RemoteChannel(channel) => write!(f, "no begin was sent on channel {channel}"),
            Self::HandleMax(handle) => write!(f, "handle {handle} is above handle-max"),
            Self::IdleTimeOut(millis) => write!(f, "an idle-time-out of {millis} ms is too short"),
            Self::Capability(name) => write!(f, "the extension {} is required", name.as_str()),
            Self::SaslFrame => f.write_str("a SASL frame after the security layer"),
            Self::Memory(limit) => write!(f, "the connection holds its {limit} octets of memory"),
            Self::LittleMemory(limit) => write!(
                f,
                "{limit} octets of memory are too few for a connection, which needs {}",
                Limits::LEAST_MEMORY
            ),
            Self::NoMemory(needed) => {
                write!(f, "other connections hold the memory: {needed} octets are needed")
            }
            Self::Silence => f.write_str("no frame within the idle time-out"),
            Self::Unopened => write!(f, "{}", Cause::OpenTimedOut),
            Self::Mute => write!(f, "{}", Cause::NoAnswer),
        }
    }
}

impl SessionFault {
    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::Window => Condition::WindowViolation,
            Self::UnattachedHandle(_) | Self::UnattachedDetach(..) => Condition::UnattachedHandle,
            Self::HandleInUse(_) => Condition::HandleInUse,
            Self::DeliveryOrder(_) | Self::Range | Self::NextIncomingId | Self::NoHandle => {
                Condition::InvalidField
            }
            Self::Links(_) => Condition::ResourceLimitExceeded,
            Self::Link(fault) => fault.condition(),
        }
    }
}

impl fmt::Display for SessionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.write_str("a transfer beyond the incoming-window"),
            Self::UnattachedHandle(handle) => write!(f, "no link on handle {handle}"),
            Self::UnattachedDetach(handle, error) => {
                write!(f, "no link on handle {handle}; its detach had the error {}", error.condition)?;
                match &error.description {
                    Some(description) => write!(f, ": {}", description.as_str()),
                    None => Ok(()),
                }
            }
            Self::HandleInUse(handle) => write!(f, "handle {handle} is in use"),
            Self::DeliveryOrder(id) => write!(f, "delivery-id {id} does not follow the ones before"),
            Self::Range => f.write_str("disposition.last comes before disposition.first"),
            Self::NextIncomingId => f.write_str("flow.next-incoming-id is missing"),
            Self::NoHandle => f.write_str("flow has link state but no handle"),
            Self::Links(limit) => write!(f, "more than {limit} links"),
            Self::Link(fault) => write!(f, "{fault}"),
        }
    }
}

impl LinkFault {
    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::TransferLimit => Condition::TransferLimitExceeded,
            Self::MessageSize(_) | Self::Transfers(_) => Condition::MessageSizeExceeded,
            Self::Unsettled(_) | Self::AttachSize(_) | Self::Rounds | Self::Memory(_) => {
                Condition::ResourceLimitExceeded
            }
            Self::TransferToSender
            | Self::TagInUse
            | Self::NotSettled
            | Self::Incomplete
            | Self::Settled
            | Self::Elsewhere
            | Self::WorkOnControl
            | Self::Coordinator => Condition::NotAllowed,
            Self::NoDeliveryId
            | Self::NoDeliveryTag
            | Self::Continuation
            | Self::Second
            | Self::NoDeliveryCount
            | Self::Gap
            | Self::OtherTransaction
            | Self::NoTag => Condition::InvalidField,
            Self::SettledRequest => Condition::IllegalState,
            Self::Acquisition => Condition::NotImplemented,
            Self::UnknownTransaction => Condition::UnknownTransaction,
            Self::PartialPosting | Self::RetiredElsewhere => Condition::TransactionRollback,
            Self::Stolen => Condition::Stolen,
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TransferLimit => f.write_str("a delivery beyond the link's credit"),
            Self::MessageSize(limit) => write!(f, "a message of more than {limit} octets"),
            Self::Transfers(limit) => write!(f, "a delivery in more than {limit} transfers"),
            Self::Unsettled(limit) => write!(f, "more than {limit} unsettled deliveries"),
            Self::TransferToSender => f.write_str("a transfer to the sending end of the link"),
            Self::NoDeliveryId => f.write_str("transfer.delivery-id is missing"),
            Self::NoDeliveryTag => f.write_str("transfer.delivery-tag is missing"),
            Self::Continuation => f.write_str("a transfer that does not continue the delivery before it"),
            Self::NoTag => f.write_str("attach.unsettled has a key that is no delivery-tag"),
            Self::Coordinator => f.write_str("a link to a coordinator cannot be resumed"),
            Self::SettledRequest => f.write_str("a settled message to the coordinator"),
            Self::WorkOnControl => f.write_str("transactional work on the control link"),
            Self::UnknownTransaction => f.write_str("the transaction does not exist"),
            Self::OtherTransaction => f.write_str("transfers of one delivery name several transactions"),
            Self::PartialPosting => {
                f.write_str("a transaction is discharged before a message in it is complete")
            }
            Self::Acquisition => f.write_str("messages are not acquired in transactions"),
            Self::RetiredElsewhere => f.write_str("a delivery gets outcomes in several transactions"),
            Self::Incomplete => f.write_str("a new delivery, although attach.unsettled was incomplete"),
            Self::Rounds => f.write_str("the link is resumed again and again, and nothing is settled"),
            Self::Gap => f.write_str("a delivery is resumed behind the first missing octet"),
            Self::TagInUse => f.write_str("transfer.delivery-tag is that of an unsettled delivery"),
            Self::NotSettled => f.write_str("an unsettled delivery on a link of settled ones"),
            Self::Settled => f.write_str("a settled transfer on a link of unsettled deliveries"),
            Self::Second => f.write_str("transfer.rcv-settle-mode is second on a link of mode first"),
            Self::NoDeliveryCount => f.write_str("attach.initial-delivery-count is missing"),
            Self::Memory(limit) => write!(f, "the connection holds its {limit} octets of memory"),
            Self::AttachSize(limit) => write!(f, "an attach of more than {limit} octets"),
            Self::Stolen => f.write_str("the link was attached once more"),
            Self::Elsewhere => f.write_str("the name is taken on another session"),
        }
    }
}

/// Returns the error for the peer and the application.
macro_rules! into_error {
    ($($fault:ty)*) => {$(
        impl From<$fault> for AmqpError {
            fn from(fault: $fault) -> Self {
                Self::described(fault.condition(), format_args!("{fault}"))
            }
        }
    )*};
}

into_error! { ConnectionFault SessionFault LinkFault }
