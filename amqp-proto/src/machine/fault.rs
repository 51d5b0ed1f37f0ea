//! What a peer does wrong: how far it reaches, and which condition it is answered with.

use core::fmt;

use super::reason::Cause;
use crate::codec::DecodeError;
use crate::types::{Str, Symbol};
use crate::wire::{AmqpError, Condition};

/// A fault of the peer, by what has to end because of it.
#[derive(Debug)]
pub(crate) enum Fault {
    Connection(ConnectionFault),
    Session(SessionFault),
    Link(LinkFault),
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

impl From<LinkFault> for Fault {
    fn from(fault: LinkFault) -> Self {
        Self::Link(fault)
    }
}

/// The peer is answered with a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// Octets that are no frame, or none that can be read.
    Octets(DecodeError),
    /// A frame before the open [2.4.1].
    NotOpen(&'static str),
    /// A second open [2.4.6].
    SecondOpen,
    /// An open on a channel other than 0 [2.4.1].
    OpenChannel(u16),
    /// A channel above this end's channel-max [2.7.1].
    ChannelMax(u16),
    /// A frame other than begin on a channel of no session [2.4].
    Unmapped(u16),
    /// A begin on the channel of a session [2.5.1].
    ChannelInUse(u16),
    /// A begin in answer to none [2.7.2].
    RemoteChannel(u16),
    /// A handle above this end's handle-max [2.7.2].
    HandleMax(u32),
    /// An idle-time-out too short to be kept [2.4.5].
    IdleTimeOut(u32),
    /// An extension is not offered that this end requires [2.7.1].
    Capability(Symbol),
    /// A SASL frame after the security layer [5.3.1].
    SaslFrame,
    /// No frame for too long [2.4.5].
    Silence,
    /// No open for too long.
    Unopened,
    /// A server has not said anything in time.
    Mute,
}

/// The peer is answered with an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionFault {
    /// A transfer beyond the incoming-window [2.8.17].
    Window,
    /// A handle of no link [2.8.17] [2.7.4].
    UnattachedHandle(u32),
    /// A detach on a handle of no link, and the error that it tells.
    UnattachedDetach(u32, AmqpError),
    /// An attach on the handle of a link [2.7.3].
    HandleInUse(u32),
    /// A delivery-id that does not follow the ones before [2.6].
    DeliveryOrder(u32),
    /// A disposition of which the last delivery comes before the first [2.7.6].
    Range,
    /// A flow that does not say what it expects, though it has the begin [2.7.4].
    NextIncomingId,
    /// A flow with credit and no handle [2.7.4].
    NoHandle,
    /// More links than this end keeps.
    Links(u32),
    /// A fault of a link that cannot be answered on it, as there is no attach of this end that would fit.
    Link(LinkFault),
}

/// The peer is answered with a closing detach [2.6.5].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkFault {
    /// A delivery beyond the credit [2.8.18].
    TransferLimit,
    /// A message larger than the link takes [2.7.3].
    MessageSize(u64),
    /// A delivery in too many frames (threat D15).
    Transfers(u32),
    /// More unsettled deliveries than this end keeps.
    Unsettled(u32),
    /// A transfer on a link on which this end sends (threat D11).
    TransferToSender,
    /// A delivery begins without a delivery-id [2.7.5].
    NoDeliveryId,
    /// A delivery begins without a delivery-tag [2.7.5].
    NoDeliveryTag,
    /// A delivery goes on under another id, tag or format [2.7.5].
    Continuation,
    /// A map of the unsettled has a key that is no delivery-tag [2.7.3].
    NoTag,
    /// A link to a coordinator is to be resumed [4.2].
    Coordinator,
    /// A tag that an unsettled delivery of the link has [2.6.12].
    TagInUse,
    /// No transfer of a delivery is settled, though the link's mode is settled [2.7.5].
    NotSettled,
    /// A transfer is settled, though the link's mode is unsettled [2.7.5].
    Settled,
    /// A transfer asks for second, though the link's mode is first [2.7.5].
    Second,
    /// A sender that does not say where its delivery-count starts [2.7.3].
    NoDeliveryCount,
    /// An attach larger than this end keeps.
    AttachSize(u32),
    /// The name was attached once more [2.6.1].
    Stolen,
    /// The name is taken on another session, where the link is not attached yet or detached [2.6.1].
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
        }
    }
}

impl ConnectionFault {
    /// Returns the finding that a program may want to tell from other errors.
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
                write!(f, "no link on handle {handle} to detach for {error}")
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
            Self::Unsettled(_) | Self::AttachSize(_) => Condition::ResourceLimitExceeded,
            Self::TransferToSender
            | Self::TagInUse
            | Self::NotSettled
            | Self::Settled
            | Self::Elsewhere
            | Self::Coordinator => Condition::NotAllowed,
            Self::NoDeliveryId
            | Self::NoDeliveryTag
            | Self::Continuation
            | Self::Second
            | Self::NoDeliveryCount
            | Self::NoTag => Condition::InvalidField,
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
            Self::TagInUse => f.write_str("transfer.delivery-tag is that of an unsettled delivery"),
            Self::NotSettled => f.write_str("an unsettled delivery on a link of settled ones"),
            Self::Settled => f.write_str("a settled transfer on a link of unsettled deliveries"),
            Self::Second => f.write_str("transfer.rcv-settle-mode is second on a link of mode first"),
            Self::NoDeliveryCount => f.write_str("attach.initial-delivery-count is missing"),
            Self::AttachSize(limit) => write!(f, "an attach of more than {limit} octets"),
            Self::Stolen => f.write_str("the link was attached once more"),
            Self::Elsewhere => f.write_str("the name is taken on another session"),
        }
    }
}

/// What goes on the wire, and to the application.
macro_rules! into_error {
    ($($fault:ty)*) => {$(
        impl From<$fault> for AmqpError {
            fn from(fault: $fault) -> Self {
                Self::new(fault.condition()).with_description(Str::from(alloc::format!("{fault}")))
            }
        }
    )*};
}

into_error! { ConnectionFault SessionFault LinkFault }
