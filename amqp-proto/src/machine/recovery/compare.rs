//! The comparison of the unsettled maps of both ends, when a link is attached with its state [2.6.13] [2.7.3].

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use super::memory::Step;
use super::resume::{Action, Theirs, decide};
use super::state::UnsettledDelivery;
use crate::codec::{Encode, decode_one, fill};
use crate::machine::delivery::Tag;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{Arrival, Held, LinkEnd, Progress, Resumption};
use crate::types::{DeliveryKey, DeliveryTag, Limits, LinkIx, Map, ReceiverKey, Tree, TreeSet, Value};
use crate::wire::{Attach, DeliveryState, Role};

impl Endpoints {
    /// Compares the peer's unsettled map with the deliveries of a link that this end resumes.
    pub(super) fn compare_maps(&mut self, index: LinkIx, attach: &Attach) {
        let (theirs, is_incomplete) = (attach.unsettled.as_ref(), attach.incomplete_unsettled);
        let Some(link) = self.links.at(index) else { return };
        let public = link.public_key();
        let Some(recovery) = link.recovery.as_deref_mut().filter(|recovery| recovery.awaits_map) else {
            return;
        };
        recovery.awaits_map = false;
        let is_first = !core::mem::replace(
            &mut recovery.rounds.is_open,
            is_incomplete || recovery.rounds.is_ours_incomplete,
        );
        let is_open = recovery.rounds.is_open;
        if is_first && !is_incomplete && theirs.is_none_or(Map::is_empty) && !recovery.pending.is_empty() {
            self.fx.tell(Event::Unremembered(public));
        }
        let theirs = read_map(theirs, &self.limits);
        recovery.rounds.named = if is_open { theirs.keys().copied().collect() } else { TreeSet::default() };
        if let LinkEnd::Receiver(receiver) = &mut link.end {
            receiver.only_resumed = recovery.rounds.is_ours_incomplete;
        }
        match link.end {
            LinkEnd::Sender(_) => self.plan(index, &theirs, is_incomplete),
            LinkEnd::Receiver(_) if is_incomplete => {}
            LinkEnd::Receiver(_) => self.settle_unknown(index, &theirs),
        }
        if is_open {
            self.begin_round(index);
        }
    }

    /// Decides about each delivery of a sender.
    fn plan(
        &mut self,
        index: LinkIx,
        theirs: &Tree<DeliveryTag, Option<DeliveryState>>,
        is_incomplete: bool,
    ) {
        let Some(link) = self.links.at(index) else { return };
        let (Some(recovery), LinkEnd::Sender(sender)) = (link.recovery.as_deref_mut(), &mut link.end) else {
            return;
        };
        let is_open = recovery.rounds.is_open;
        for delivery in recovery.pending.take(|tag| !is_incomplete || theirs.contains_key(tag)) {
            let known = theirs.get(&delivery.tag);
            let theirs = known.map_or(Theirs::Absent, |state| Theirs::of(state.clone()));
            let action = decide(&delivery.ours(), &theirs);
            if is_open && action == Action::SendAnew {
                recovery.rounds.unknown.push_back(delivery);
            } else {
                recovery.steps.push_back(Step { delivery, action });
            }
        }
        if !is_open {
            for delivery in recovery.rounds.unknown.drain(..).rev() {
                recovery.steps.push_front(Step { delivery, action: Action::SendAnew });
            }
        }
        sender.resumes = is_open || !recovery.steps.is_empty();
    }

    /// Settles the deliveries that the sender does not consider unsettled [2.6.13].
    fn settle_unknown(&mut self, index: LinkIx, theirs: &Tree<DeliveryTag, Option<DeliveryState>>) {
        let Some(link) = self.links.at(index) else { return };
        let (key, public, Some(recovery)) = (link.key, link.public_key(), link.recovery.as_deref_mut())
        else {
            return;
        };
        let session = link.session;
        let LinkEnd::Receiver(receiver) = &mut link.end else { return };
        for (number, delivery) in (0..).zip(recovery.pending.take(|tag| !theirs.contains_key(tag))) {
            link.tags.remove(&delivery.tag, false);
            if delivery.is_known(Role::Receiver) {
                let (tag, state) = (Box::new(delivery.tag), outcome_of(delivery));
                self.fx.tell(Event::Unresumed { link: public, tag, state });
            } else if !delivery.is_partial {
                // It came whole before it was settled. Its number is one that no delivery-id has.
                receiver.inbox.push_back(Arrival { settled: true, ..arrival_of(number, delivery) });
                let delivery = DeliveryKey::received(session, number);
                self.fx.tell(Event::Message { receiver: ReceiverKey(key), delivery });
            }
        }
    }
}

/// Returns the outcome of a delivery at this end.
pub(super) fn outcome_of(delivery: UnsettledDelivery) -> Option<DeliveryState> {
    delivery.local.filter(DeliveryState::is_terminal)
}

/// Returns the arrival of a message that was received before.
pub(super) fn arrival_of(number: u64, delivery: UnsettledDelivery) -> Arrival {
    let payload = delivery.message.unwrap_or_default();
    Arrival {
        number,
        tag: Tag::from(delivery.tag),
        message_format: delivery.message_format,
        transfers: 1,
        held: Held::default(),
        size: payload.len() as u64,
        payload,
        settled: false,
        epoch: 0,
        progress: Progress::Complete,
        resumption: Resumption::None,
        state: None,
    }
}

/// Reads the peer's unsettled map, whose keys are tags. A value that is no state counts as null.
fn read_map(map: Option<&Map>, limits: &Limits) -> Tree<DeliveryTag, Option<DeliveryState>> {
    let tag = |key: &Value| match key {
        Value::Binary(octets) => DeliveryTag::new(octets).ok(),
        _ => None,
    };
    let entries = map.into_iter().flat_map(Map::iter);
    entries.filter_map(|(key, value)| Some((tag(key)?, read_state(value, limits)))).collect()
}

/// Returns the state that a value in an unsettled map stands for; `None` for null and for values that are no
/// state.
pub(crate) fn read_state(value: &Value, limits: &Limits) -> Option<DeliveryState> {
    let mut octets = BytesMut::new();
    value.encode(&mut octets).ok()?;
    decode_one(&mut octets.freeze(), limits).ok()
}

/// Returns the key and the value of a delivery in this end's unsettled map.
pub(super) fn map_entry(delivery: &UnsettledDelivery, role: Role) -> (Value, Value) {
    let value = delivery.in_map(role).and_then(|state| {
        let mut octets = BytesMut::new();
        fill(&mut octets, state.size(), |writer| state.write(writer));
        Value::decode(&mut octets.freeze(), &Limits::DEFAULT).ok()
    });
    (Value::Binary(Bytes::copy_from_slice(&delivery.tag)), value.unwrap_or(Value::Null))
}
