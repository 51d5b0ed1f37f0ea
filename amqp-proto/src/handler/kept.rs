//! [`Kept`]: the deliveries of a link that outlive its connection.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::queue::Waiting;
use crate::machine::{LinkState, Suspension, UnsettledDelivery};
use crate::policy::Recovery;
use crate::types::{DeliveryKey, DeliveryTag};

/// The deliveries of a handler's link without an outcome, and how they go on when the link is attached again.
#[derive(Debug)]
pub(super) struct Kept {
    /// Of a sender: the sent messages without an outcome, by number.
    sent: BTreeMap<u64, Waiting>,
    octets: usize,
    /// The numbers of the messages that wait to be resumed, by tag.
    resuming: BTreeMap<DeliveryTag, u64>,
    /// The state of the link, and the received deliveries that the handler has.
    pub(super) suspension: Suspension,
    /// `true` from the attach with a state until the peer has attached the link.
    pub(super) is_resuming: bool,
    /// `true` once a message was refused since too many are kept.
    is_full: bool,
}

impl Kept {
    /// Returns an empty record; `None` for a link whose deliveries end with the connection.
    pub(super) fn new(mode: Recovery) -> Option<Box<Self>> {
        let kept = Self {
            sent: BTreeMap::new(),
            octets: 0,
            resuming: BTreeMap::new(),
            suspension: Suspension::default(),
            is_resuming: false,
            is_full: false,
        };
        (mode != Recovery::Report).then(|| Box::new(kept))
    }

    /// Returns `true` if a message of this size can be kept, too. A message that is larger than the bound is kept alone.
    pub(super) fn has_room(&mut self, octets: usize, bound: usize) -> bool {
        let has_room = self.sent.is_empty() || self.octets.saturating_add(octets) <= bound;
        self.is_full |= !has_room;
        has_room
    }

    /// Keeps a message that was sent.
    pub(super) fn keep(&mut self, message: Waiting) {
        self.octets = self.octets.saturating_add(message.octets());
        self.sent.insert(message.number, message);
    }

    /// Returns `true` if the message with this number is kept.
    pub(super) fn has(&self, number: u64) -> bool {
        self.sent.contains_key(&number)
    }

    /// Returns `true` if the message with this number waits to be resumed.
    pub(super) fn is_away(&self, number: u64) -> bool {
        self.resuming.values().any(|away| *away == number)
    }

    /// Drops a message that has an outcome. Returns `true` if another one was refused since this one was kept.
    pub(super) fn drop_message(&mut self, number: u64) -> bool {
        let Some(message) = self.sent.remove(&number) else { return false };
        self.octets = self.octets.saturating_sub(message.octets());
        core::mem::take(&mut self.is_full)
    }

    /// Keeps the state of a link that has ended. Returns the deliveries that are lost with the link, since they cannot be
    /// resumed.
    pub(super) fn suspend(&mut self, mut state: LinkState, is_sender: bool) -> Vec<UnsettledDelivery> {
        let mut lost = Vec::new();
        if is_sender {
            let numbers: BTreeMap<_, _> = self
                .sent
                .values()
                .filter_map(|message| Some((message.options.tag?, message.number)))
                .collect();
            self.resuming.clear();
            state.deliveries.retain(|delivery| match numbers.get(&delivery.tag) {
                Some(number) => {
                    self.resuming.insert(delivery.tag, *number);
                    true
                }
                None => {
                    lost.push(delivery.clone());
                    false
                }
            });
        } else {
            self.suspension.suspend(&state.deliveries);
        }
        self.suspension.keep(state);
        lost
    }

    /// Returns the state to attach the link with, and records that it is attached so.
    pub(super) fn attach(&mut self) -> Option<LinkState> {
        let state = self.suspension.state().filter(|state| !state.deliveries.is_empty());
        self.suspension.begin();
        self.is_resuming = state.is_some();
        state
    }

    /// Returns the number of a message that was resumed.
    pub(super) fn resumed(&mut self, tag: &DeliveryTag) -> Option<u64> {
        self.resuming.remove(tag)
    }

    /// Takes the sent messages that are not resumed, to be sent again, the first one first.
    pub(super) fn take_unsent(&mut self) -> Vec<Waiting> {
        let away: Vec<u64> = self.resuming.values().copied().collect();
        let unsent: Vec<u64> = self.sent.keys().copied().filter(|number| !away.contains(number)).collect();
        unsent.into_iter().filter_map(|number| self.take(number)).collect()
    }

    fn take(&mut self, number: u64) -> Option<Waiting> {
        let message = self.sent.remove(&number)?;
        self.octets = self.octets.saturating_sub(message.octets());
        Some(message)
    }

    /// Forgets that deliveries were to be resumed: sent messages are sent again. Returns the received ones, which are
    /// lost.
    pub(super) fn give_up(&mut self) -> Vec<DeliveryKey> {
        self.is_resuming = false;
        self.resuming.clear();
        self.suspension.forget().map(|away| away.first).collect()
    }

    /// Takes all that is kept, since the link has ended: the numbers of sent messages, and received deliveries.
    pub(super) fn take_all(&mut self) -> (Vec<u64>, Vec<DeliveryKey>) {
        let received = self.give_up();
        self.octets = 0;
        (core::mem::take(&mut self.sent).into_keys().collect(), received)
    }
}
