//! [`LinkState`]: what outlives a link, so that it can be resumed [2.6.13].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::position::end_of;
use super::resume::{Ours, Theirs};
use crate::message::Payload;
use crate::types::{DeliveryKey, DeliveryTag, Str};
use crate::wire::{
    DeliveryState, Outcome, Received, ReceiverSettleMode, Role, SenderSettleMode, Source, Terminus,
};

/// The state of a link at one end: what identifies the link, and its unsettled deliveries by tag [2.6.13].
///
/// A link that is attached with its state is *resumed*: both ends compare their unsettled deliveries, and each of
/// these gets its outcome, although the connection was lost on which it was sent. The state comes from
/// [`Event::Suspended`](crate::Event::Suspended) when a link ends, or at any time from
/// [`SenderMut::link_state`](crate::SenderMut::link_state) and
/// [`ReceiverMut::link_state`](crate::ReceiverMut::link_state). It can be kept in memory, or
/// [written](Self::to_bytes) to a file that survives the process. A link is resumed by
/// [`SessionMut::resume_sender`](crate::SessionMut::resume_sender) or
/// [`resume_receiver`](crate::SessionMut::resume_receiver), and by the end that accepts it with
/// [`SenderMut::accept_resumed`](crate::SenderMut::accept_resumed) or
/// [`ReceiverMut::accept_resumed`](crate::ReceiverMut::accept_resumed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    pub(crate) name: Str,
    pub(crate) role: Role,
    pub(crate) source: Option<Box<Source>>,
    pub(crate) target: Option<Box<Terminus>>,
    pub(crate) snd_settle_mode: SenderSettleMode,
    pub(crate) rcv_settle_mode: ReceiverSettleMode,
    /// The number of the next tag that the engine makes.
    pub(crate) next_tag: u32,
    /// The unsettled deliveries, oldest first.
    pub(crate) deliveries: Vec<UnsettledDelivery>,
}

/// An unsettled delivery in a [`LinkState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledDelivery {
    pub(crate) tag: DeliveryTag,
    pub(crate) message_format: u32,
    pub(crate) local: Option<DeliveryState>,
    pub(crate) remote: Option<DeliveryState>,
    /// Of a sender: the message, if it was kept. Of a receiver: the message, or its beginning, if the application
    /// has not received it.
    pub(crate) message: Option<Payload>,
    /// `true` if the message is not whole.
    pub(crate) is_partial: bool,
    pub(crate) key: LastKey,
}

/// The key of a delivery on the link that has ended. It is no part of the state, and is not saved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastKey(pub(crate) Option<DeliveryKey>);

impl PartialEq for LastKey {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastKey {}

impl LinkState {
    /// Returns the name of the link.
    pub fn name(&self) -> &Str {
        &self.name
    }

    /// Returns the role of this end.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the source of the link, as this end attached it.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_deref()
    }

    /// Returns the target of the link, as this end attached it.
    pub fn target(&self) -> Option<&Terminus> {
        self.target.as_deref()
    }

    /// Returns the unsettled deliveries, oldest first.
    pub fn deliveries(&self) -> &[UnsettledDelivery] {
        &self.deliveries
    }

    /// Sets the message of an unsettled delivery of a sender, for an application that keeps its messages itself.
    /// Returns `false` if there is no such delivery.
    pub fn set_message(&mut self, tag: &DeliveryTag, message: Payload) -> bool {
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.tag == *tag);
        match delivery.filter(|_| self.role == Role::Sender) {
            Some(delivery) => {
                delivery.message = Some(message);
                delivery.is_partial = false;
                true
            }
            None => false,
        }
    }

    /// Adds a delivery that this end is about to send with this tag. Returns `false` if the tag is in use, or if the link
    /// receives.
    ///
    /// A state that is saved before the message is sent then knows it, whenever the process ends: a receiver that does not
    /// have the delivery gets it when the link is resumed.
    pub fn add_message(&mut self, tag: DeliveryTag, message: Payload) -> bool {
        let is_new = self.role == Role::Sender && self.deliveries.iter().all(|delivery| delivery.tag != tag);
        if is_new {
            self.deliveries.push(UnsettledDelivery {
                tag,
                message_format: 0,
                local: None,
                remote: None,
                message: Some(message),
                is_partial: false,
                key: LastKey::default(),
            });
        }
        is_new
    }

    /// Returns the number of octets of the messages in the state.
    pub fn octets(&self) -> u64 {
        self.deliveries.iter().filter_map(|delivery| delivery.message.as_ref()).map(|m| m.len() as u64).sum()
    }

    /// Returns the memory of the state: the octets of its messages, and 256 for each delivery.
    pub fn footprint(&self) -> u64 {
        self.octets() + self.deliveries.len() as u64 * 256
    }

    /// Sets the outcome of a delivery of a receiver, for an application that has decided after the end of the link.
    /// Returns `false` if there is no such delivery, or if it has an outcome.
    pub fn set_outcome(&mut self, tag: &DeliveryTag, outcome: impl Into<Outcome>) -> bool {
        let delivery = self.deliveries.iter_mut().find(|delivery| delivery.tag == *tag);
        let is_open =
            |delivery: &UnsettledDelivery| !delivery.local.as_ref().is_some_and(DeliveryState::is_terminal);
        match delivery.filter(|delivery| self.role == Role::Receiver && is_open(delivery)) {
            Some(delivery) => {
                delivery.local = Some(outcome.into().into());
                delivery.message = None;
                delivery.is_partial = false;
                true
            }
            None => false,
        }
    }

    /// Forgets a delivery. Returns `false` if there is none with this tag.
    ///
    /// The sender of a delivery that the receiver has forgotten sends the message again. A receiver settles a delivery
    /// that the sender has forgotten.
    pub fn forget(&mut self, tag: &DeliveryTag) -> bool {
        let before = self.deliveries.len();
        self.deliveries.retain(|delivery| delivery.tag != *tag);
        self.deliveries.len() < before
    }

    /// Drops the messages, so that the state takes little memory.
    ///
    /// A receiver forgets the deliveries of these messages, which its application has not received: the sender sends
    /// them again. Of a sender, the deliveries that the receiver has decided on are still settled, and the others end as
    /// [`Event::Unresumed`](crate::Event::Unresumed).
    pub fn drop_messages(&mut self) {
        match self.role {
            Role::Sender => self.deliveries.iter_mut().for_each(|delivery| delivery.message = None),
            Role::Receiver => self.deliveries.retain(|delivery| delivery.message.is_none()),
        }
    }

    /// Returns an empty state, of a link that has never been attached.
    pub(crate) fn new(name: Str, role: Role) -> Self {
        Self {
            name,
            role,
            source: None,
            target: None,
            snd_settle_mode: SenderSettleMode::default(),
            rcv_settle_mode: ReceiverSettleMode::default(),
            next_tag: 0,
            deliveries: Vec::new(),
        }
    }

    /// Returns `true` if the link leads to a transaction coordinator, and so cannot be resumed [4.2].
    pub(crate) fn is_coordinated(&self) -> bool {
        matches!(self.target.as_deref(), Some(Terminus::Coordinator(_)))
    }

    /// Returns `true` if a link between these nodes is the link of the state.
    pub(crate) fn leads(&self, source: Option<&Source>, target: Option<&Terminus>) -> bool {
        fn same(ours: Option<&Str>, theirs: Option<&Str>) -> bool {
            ours.is_none() || theirs.is_none() || ours == theirs
        }
        let ours = self.source.as_deref().and_then(|source| source.address.as_ref());
        let is_same_source = same(ours, source.and_then(|source| source.address.as_ref()));
        let ours = self.target.as_deref().and_then(Terminus::address);
        is_same_source && same(ours, target.and_then(Terminus::address))
    }
}

impl UnsettledDelivery {
    /// Returns the tag, which names the delivery at both ends and on every attach of the link.
    pub fn tag(&self) -> DeliveryTag {
        self.tag
    }

    /// Returns the format of the message.
    pub fn message_format(&self) -> u32 {
        self.message_format
    }

    /// Returns the state at this end, as last sent to the peer.
    pub fn local_state(&self) -> Option<&DeliveryState> {
        self.local.as_ref()
    }

    /// Returns the state at the peer, as last received.
    pub fn remote_state(&self) -> Option<&DeliveryState> {
        self.remote.as_ref()
    }

    /// Returns the message, if it is whole: of a sender, the message that was sent, if the engine keeps it; of a
    /// receiver, a message that the application has not received.
    pub fn message(&self) -> Option<&Payload> {
        self.message.as_ref().filter(|_| !self.is_partial)
    }

    /// Returns `true` if the application knows the delivery: it has sent it, or received it.
    pub(crate) fn is_known(&self, role: Role) -> bool {
        role == Role::Sender || self.message.is_none()
    }

    /// Returns the outcome of the delivery at the sender, or the point from which it can be resumed.
    pub(crate) fn ours(&self) -> Ours {
        let outcome = [&self.local, &self.remote].into_iter().flatten().find_map(outcome);
        match outcome {
            // The receiver's outcome shows that it needs no octets any more [3.4.6].
            Some(outcome) => Ours::Outcome(outcome),
            None if self.message().is_some() => match &self.local {
                // A sender that has given up the beginning can resume from this point on [3.4.1].
                Some(DeliveryState::Received(from)) => Ours::From(from.clone()),
                _ => Ours::WHOLE,
            },
            // Nothing of the message can be sent again: only the end of the delivery.
            None => Ours::From(Received::new(u32::MAX, u64::MAX)),
        }
    }

    /// Returns the state of the delivery in this end's unsettled map; `None` for null.
    pub(crate) fn in_map(&self, role: Role) -> Option<DeliveryState> {
        if role == Role::Sender {
            return match self.ours() {
                Ours::Outcome(outcome) => Some(outcome.into()),
                ours if ours == Ours::WHOLE => None,
                Ours::From(from) => Some(DeliveryState::Received(from)),
            };
        }
        match (&self.local, &self.message) {
            (Some(state), None) => Some(state.clone()),
            (_, Some(message)) => Some(DeliveryState::Received(end_of(message, self.message_format))),
            (None, None) => None,
        }
    }
}

fn outcome(state: &DeliveryState) -> Option<Outcome> {
    match Theirs::of(Some(state.clone())) {
        Theirs::Outcome(outcome) => Some(outcome),
        Theirs::Absent | Theirs::Upto(_) => None,
    }
}
