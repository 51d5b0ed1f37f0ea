//! [`Event`]: what a connection has to tell.

use alloc::boxed::Box;

use super::reason::Reason;
use crate::types::{DeliveryKey, LinkKey, ReceiverKey, SenderKey, SessionKey};
use crate::wire::DeliveryState;

/// Something that happened. What an event tells of can also be asked for, so one that is not looked at does no harm;
/// only what has ended can no longer be asked about.
///
/// Nothing comes after [`Closed`](Self::Closed), nothing about a session after it has ended, nothing about a link
/// after it was detached, until it is attached again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both ends have opened the connection.
    Opened,
    /// The connection is over: closed, or lost. Its sessions have ended before.
    Closed(Box<Reason>),
    /// The peer has begun a session, which is to be accepted or refused.
    SessionOffered(SessionKey),
    /// A session that this end has begun is mapped: the peer has answered.
    SessionBegun(SessionKey),
    /// A session is over. Its links have been detached, and its deliveries reported, before.
    SessionEnded {
        /// Which one.
        session: SessionKey,
        /// Who ended it, and why; where the connection is over, without the info of that error.
        reason: Box<Reason>,
    },
    /// The peer has attached a link, which is to be accepted or refused. A link that was suspended comes under its
    /// old key.
    LinkOffered(LinkKey),
    /// A link that this end has attached is complete: the peer has answered, and has a terminus for it.
    LinkAttached(LinkKey),
    /// A link is detached, at both ends or because its session is over.
    LinkDetached {
        /// Which one. Unless it is suspended, the key names nothing any more.
        link: LinkKey,
        /// Whether it is gone for good; otherwise it is suspended.
        closed: bool,
        /// Who detached it, and why; where its session is over, without the info of that error.
        reason: Box<Reason>,
    },
    /// A sender may send: there is credit, and room in the session's window and the output. Told once, and again
    /// after one of them was used up or a send was refused for want of it, or when a receiver wants credit back of a
    /// link that does not drain by itself. Of a sender in the middle of a delivery: more can be written.
    Sendable(SenderKey),
    /// All credit of a receiver that was to be drained is used up or given back [2.6.7].
    Drained(ReceiverKey),
    /// The sender has answered a [stop](crate::view::ReceiverMut::stop): no message is on its way any more.
    Stopped(ReceiverKey),
    /// A message is there to be received; on a streaming link, its first frame.
    Message {
        /// On which link.
        receiver: ReceiverKey,
        /// Which one.
        delivery: DeliveryKey,
    },
    /// More of a message is there to be read, on a streaming link.
    Data {
        /// On which link.
        receiver: ReceiverKey,
        /// Of which one.
        delivery: DeliveryKey,
    },
    /// The sender has given up a delivery of which the application was told already [2.6.14].
    Aborted {
        /// On which link.
        receiver: ReceiverKey,
        /// Which one.
        delivery: DeliveryKey,
    },
    /// The peer has told the state of a delivery, or settled it.
    Updated {
        /// On which link.
        link: LinkKey,
        /// Which one.
        delivery: DeliveryKey,
        /// Its state at the peer; of a settled one that has none, the source's default outcome [2.7.6].
        state: Option<DeliveryState>,
        /// Whether it is settled at both ends now, and so forgotten.
        settled: bool,
    },
    /// Nothing yet: dispositions of the peer name so many deliveries of which nothing is to be told that others may want
    /// their turn. More is looked at with the next poll; a driver with other work may do that first.
    Busy,
    /// An unsettled delivery is gone with its link or session: the peer may know its outcome, or not.
    Lost {
        /// On which link.
        link: LinkKey,
        /// Which one.
        delivery: DeliveryKey,
        /// Its last known state at the peer.
        state: Option<DeliveryState>,
    },
}
