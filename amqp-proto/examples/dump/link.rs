//! [`Link`]: a link as both ends have told of it.

use amqp_proto::wire::{Attach, Flow, Role};

use super::label::{short, source_address, target_address};
use super::step::{Both, Side};

/// A link, and its credit.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: usize,
    pub(crate) name: String,
    /// The end that sends messages.
    pub(crate) sender: Side,
    /// The end that attached first.
    initiator: Side,
    /// The address of the node at the other end, if any end has told it.
    pub(crate) address: Option<String>,
    pub(crate) is_attached: Both<bool>,
    pub(crate) is_detached: Both<bool>,
    /// The steps that attach and detach it.
    pub(crate) first: usize,
    pub(crate) last: Option<usize>,
    /// The delivery whose transfers are not complete.
    pub(crate) current: Option<usize>,
    /// True once there was credit.
    pub(crate) has_had_credit: bool,
    /// The number of messages that the sender says it has.
    pub(crate) available: u32,
    /// The delivery-count of the sender.
    count: u32,
    /// The delivery-count that the receiver allows.
    limit: Option<u32>,
}

/// Returns the end that sends messages on the link of this attach.
pub(crate) fn sender_of(from: Side, attach: &Attach) -> Side {
    if attach.role == Role::Sender { from } else { from.other() }
}

impl Link {
    pub(crate) fn new(session: usize, from: Side, attach: &Attach, first: usize) -> Self {
        Self {
            session,
            name: attach.name.to_string(),
            sender: sender_of(from, attach),
            initiator: from,
            address: None,
            is_attached: Both::default(),
            is_detached: Both::default(),
            first,
            last: None,
            current: None,
            has_had_credit: false,
            available: 0,
            count: 0,
            limit: None,
        }
    }

    /// Takes an attach.
    pub(crate) fn attach(&mut self, from: Side, attach: &Attach) {
        *self.is_attached.of_mut(from) = true;
        let address =
            if self.initiator == self.sender { target_address(attach) } else { source_address(attach) };
        self.address = address.or_else(|| self.address.take());
        if let Some(count) = attach.initial_delivery_count.filter(|_| from == self.sender) {
            // Credit that was given before counts from here on.
            let credit = self.credit();
            self.count = count.get();
            self.limit = credit.map(|credit| self.count.wrapping_add_signed(credit));
        }
    }

    /// Takes the credit of a flow.
    pub(crate) fn flow(&mut self, from: Side, flow: &Flow) {
        if from == self.sender {
            self.count = flow.delivery_count.map_or(self.count, |count| count.get());
            self.available = flow.available.unwrap_or(self.available);
        } else {
            let count = flow.delivery_count.map_or(self.count, |count| count.get());
            self.limit = Some(count.wrapping_add(flow.link_credit.unwrap_or(0)));
            self.has_had_credit |= self.credit() > Some(0);
        }
    }

    /// Takes the first transfer of a delivery. Returns false if there is no credit for it.
    pub(crate) fn deliver(&mut self) -> bool {
        let has_credit = self.credit().is_none_or(|credit| credit > 0);
        self.count = self.count.wrapping_add(1);
        self.available = self.available.saturating_sub(1);
        has_credit
    }

    /// Returns the number of deliveries that the sender may send, if the receiver has granted any so far.
    pub(crate) fn credit(&self) -> Option<i32> {
        self.limit.map(|limit| limit.wrapping_sub(self.count).cast_signed())
    }

    /// Returns whether the sender is known to have no credit.
    pub(crate) fn is_dry(&self) -> bool {
        self.credit().is_none_or(|credit| credit <= 0)
    }

    /// Returns the name by which a reader knows the link: the address, or else the name.
    pub(crate) fn title(&self) -> String {
        self.address.clone().unwrap_or_else(|| short(&self.name))
    }
}
