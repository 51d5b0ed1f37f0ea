//! [`Event`]: the reports of a connection.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::delivery::Delivery;
use super::reason::Reason;
use super::recovery::LinkState;
use crate::types::{DeliveryKey, DeliveryTag, LinkKey, ReceiverKey, SenderKey, SessionKey, TransactionKey};
use crate::wire::{AmqpError, DeliveryState};

/// Something that has happened on a connection.
///
/// Everything that an event reports can also be queried, so ignoring an event does no harm; only an ended
/// session, link or delivery can no longer be queried.
///
/// No event follows [`Closed`](Self::Closed), no event of a session follows its end, and no event of a link
/// follows its detach until it is attached again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both ends have opened the connection.
    Opened,
    /// The connection is over: closed, or lost. The ends of its sessions were reported before.
    Closed(Box<Reason>),
    /// The peer has begun a session; accept or refuse it.
    SessionOffered(SessionKey),
    /// The peer has answered the begin of this end: the session is usable.
    SessionBegun(SessionKey),
    /// A session is over. The detach of its links and the loss of its deliveries were reported before.
    SessionEnded {
        /// The session.
        session: SessionKey,
        /// The end that ended the session, and the reason. If the connection is over, the error's info is
        /// omitted.
        reason: Box<Reason>,
    },
    /// The peer has attached a link; accept or refuse it. A suspended link has its old key.
    LinkOffered(LinkKey),
    /// The peer has answered the attach of this end and has a terminus: the link is usable.
    LinkAttached(LinkKey),
    /// A link is detached at both ends, or its session is over.
    LinkDetached {
        /// The link. The key of a closed link is stale now.
        link: LinkKey,
        /// `true` if the link is closed for good, `false` if it is suspended.
        closed: bool,
        /// The end that detached the link, and the reason. If the session is over, the error's info is
        /// omitted.
        reason: Box<Reason>,
        /// The complete messages that the application has not received, the oldest first. Empty if the link is
        /// suspended: a suspended link keeps its messages, and they can be received as before.
        unread: Vec<Delivery>,
    },
    /// A sender can send: it has credit, and room in the session's window, in the output and among the
    /// unsettled deliveries.
    ///
    /// Reported once, and again after one of them was used up or a send was refused for lack of it. On a link
    /// without auto-drain, also reported when the receiver asks for the return of credit. In the middle of a
    /// delivery: more octets can be written.
    Sendable(SenderKey),
    /// The sender has used or returned all credit that the receiver asked to drain [2.6.7].
    Drained(ReceiverKey),
    /// The sender has answered a [stop](crate::view::ReceiverMut::stop): no message is on the way.
    Stopped(ReceiverKey),
    /// The peer has sent properties of a link's state [2.7.4]; `flow_properties` of the link's view returns them.
    FlowProperties(LinkKey),
    /// A message can be received; on a streaming link, its first frame has arrived.
    Message {
        /// The link.
        receiver: ReceiverKey,
        /// The delivery.
        delivery: DeliveryKey,
    },
    /// More of a message can be read, on a streaming link.
    Data {
        /// The link.
        receiver: ReceiverKey,
        /// The delivery.
        delivery: DeliveryKey,
    },
    /// The sender has aborted a delivery that was already reported [2.6.14].
    Aborted {
        /// The link.
        receiver: ReceiverKey,
        /// The delivery.
        delivery: DeliveryKey,
    },
    /// The peer has changed the state of a delivery, or settled it.
    Updated {
        /// The link.
        link: LinkKey,
        /// The delivery.
        delivery: DeliveryKey,
        /// The state at the peer. If the peer has settled without a state, the source's default outcome
        /// [2.7.6].
        state: Option<DeliveryState>,
        /// `true` if the delivery is now settled at both ends; its key is stale then.
        settled: bool,
    },
    /// A [resumable](crate::config::SenderOptions::with_resumable) link has ended, and this is its state. Its
    /// unsettled deliveries are not lost: they go on when the link is resumed. The detach of the link follows.
    Suspended {
        /// The link.
        link: LinkKey,
        /// The state of the link.
        state: Box<LinkState>,
    },
    /// A delivery of a resumed link goes on [2.6.13].
    Resumed {
        /// The link.
        link: LinkKey,
        /// The tag, which stays the same.
        tag: Box<DeliveryTag>,
        /// The new key of the delivery.
        delivery: DeliveryKey,
        /// `true` if the receiver did not know the delivery, or could not go on with it, and it was sent again as a
        /// new one.
        is_new: bool,
    },
    /// A delivery of a resumed link is over without being resumed [2.6.13].
    Unresumed {
        /// The link.
        link: LinkKey,
        /// The tag.
        tag: Box<DeliveryTag>,
        /// The outcome. Without one, the message of a sender is not delivered and was not sent again; a delivery of
        /// a receiver is settled, since the sender no longer considers it unsettled.
        state: Option<DeliveryState>,
    },
    /// The peer resumes the link without any unsettled delivery, although this end has some: it keeps no state of
    /// the link, or has settled all of them. The report of each delivery follows.
    Unremembered(LinkKey),
    /// A transaction exists: the coordinator has answered this end's declare, or the peer has declared it at this end's
    /// coordinator [4.2].
    Declared(TransactionKey),
    /// The coordinator has refused to declare a transaction, or its link is over. The key is stale now.
    Undeclared {
        /// The transaction.
        transaction: TransactionKey,
        /// The error of the coordinator.
        error: Box<AmqpError>,
    },
    /// The peer asks this end's coordinator for a commit; commit the transaction or roll it back [4.3].
    ///
    /// Everything that the peer has posted before is received and has an outcome, except what was sent settled.
    Discharge(TransactionKey),
    /// The coordinator has committed a transaction of this end. The key is stale now.
    Committed(TransactionKey),
    /// A transaction is rolled back: by the controller, by the coordinator, or with the end of the control link. The key
    /// is stale now.
    RolledBack {
        /// The transaction.
        transaction: TransactionKey,
        /// The error, unless the controller has asked for it.
        error: Option<Box<AmqpError>>,
    },
    /// The control link has ended after this end had asked for a commit, and before the answer: the transaction may be
    /// committed or rolled back. The key is stale now.
    InDoubt {
        /// The transaction.
        transaction: TransactionKey,
        /// The reason of the end.
        reason: Box<Reason>,
    },
    /// The engine has interrupted its work on a very large range of deliveries, without an event for the
    /// application.
    ///
    /// The next poll continues. A driver with other work may do that work first.
    Busy,
    /// An unsettled delivery is lost with its link or session. The peer may have processed it or not.
    Lost {
        /// The link.
        link: LinkKey,
        /// The delivery.
        delivery: DeliveryKey,
        /// The last known state at the peer.
        state: Option<DeliveryState>,
    },
}
