//! The capture of a link's state, and the suspension of a resumable link.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::hooks::Resumable;
use super::state::{LastKey, LinkState, UnsettledDelivery};
use crate::machine::command_error::LinkError;
use crate::machine::delivery::forget;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::LinkFault;
use crate::machine::link::{Arrival, Held, Link, LinkEnd, LinkHalf, Progress, Receiver};
use crate::types::{DeliveryKey, DeliveryTag, LinkIx};
use crate::wire::DeliveryState;

impl Endpoints {
    /// Returns the state of a link: its unsettled deliveries, and those that wait to be resumed.
    pub(crate) fn link_state(&self, index: LinkIx) -> Option<LinkState> {
        let link = self.links.peek(index)?;
        let mut state = LinkState::new(link.name.clone(), link.end.role());
        state.snd_settle_mode = link.snd_settle_mode;
        state.rcv_settle_mode = link.rcv_settle_mode;
        if let LinkEnd::Sender(sender) = &link.end {
            state.next_tag = sender.next_tag_number();
        }
        let recovery = link.recovery.as_deref();
        if let Some(recovery) = recovery {
            state.source.clone_from(&recovery.source);
            state.target.clone_from(&recovery.target);
        }
        if state.is_coordinated() {
            return Some(state);
        }
        state.deliveries =
            self.unsettled(index).filter_map(|key| self.unsettled_delivery(link, key)).collect();
        state.deliveries.extend(recovery.into_iter().flat_map(|recovery| recovery.unresumed()).cloned());
        Some(state)
    }

    fn unsettled_delivery(&self, link: &Link, key: DeliveryKey) -> Option<UnsettledDelivery> {
        let record = self.record(key)?;
        let number = key.number();
        let mut delivery = UnsettledDelivery {
            tag: DeliveryTag::from(&record.tag),
            message_format: 0,
            local: record.local(),
            remote: record.remote(),
            message: None,
            is_partial: false,
            key: LastKey(Some(key)),
        };
        let recovery = link.recovery.as_deref();
        match &link.end {
            LinkEnd::Sender(_) => {
                if let Some(kept) = recovery.and_then(|recovery| recovery.kept(number)) {
                    delivery.message_format = kept.message_format;
                    delivery.is_partial = kept.is_partial;
                    delivery.message = Some(kept.message.clone());
                }
            }
            LinkEnd::Receiver(receiver) => {
                match receiver.arrival(number).filter(|a| !a.resumption.is_ignored()) {
                    Some(arrival) => {
                        if !can_wait(receiver, arrival) {
                            return None;
                        }
                        delivery.message_format = arrival.message_format;
                        delivery.is_partial = arrival.progress == Progress::Partial;
                        delivery.message = Some(arrival.payload.clone());
                    }
                    None if record.has_local_outcome() => {}
                    None => {
                        let taken = recovery.and_then(|recovery| recovery.taken.get(&number));
                        delivery.local = taken.cloned().map(DeliveryState::Received);
                    }
                }
            }
        }
        Some(delivery)
    }

    /// Captures the state of a resumable link that ends. Returns the event that hands it over.
    ///
    /// Its deliveries are forgotten without a report, except those that the application reads in pieces.
    pub(super) fn suspend(&mut self, index: LinkIx, closed: bool) -> Option<Event> {
        // A link that is closed for good has no state. A peer that refuses to resume it has not seen the state.
        if closed && !self.links.at(index)?.recovery.as_deref()?.awaits_map {
            return None;
        }
        self.links.at(index)?.recovery.as_deref()?;
        self.finish_updates();
        let mut state = self.link_state(index)?;
        let live = self.captured(index);
        let link = self.links.at(index)?;
        let public = link.public_key();
        let recovery = link.recovery.as_deref_mut()?;
        state.deliveries = live;
        state.deliveries.extend(recovery.rounds.unknown.drain(..));
        recovery.clear();
        recovery.awaits_map = false;
        Some(Event::Suspended { link: public, state: Box::new(state) })
    }

    /// Closes a link that the peer attaches on another connection, which goes on with its state [2.6.1].
    pub(crate) fn give_away(&mut self, index: LinkIx) -> Result<(), LinkError> {
        let Some(link) = self.links.at(index).filter(|link| link.halves.local() == LinkHalf::Attached) else {
            return Err(LinkError::Detached);
        };
        let session = link.session.index;
        self.begun_session(session)?;
        let suspended = self.resumption.and_then(|hooks| (hooks.suspend)(self, index, false));
        self.fx.tell_any(suspended);
        if self.fail_link(index, &LinkFault::Stolen) { Ok(()) } else { Err(LinkError::NoSession) }
    }

    /// Takes the deliveries of a link that can be resumed: they are forgotten without a report. Leaves those that a
    /// sender knows to be unknown to the receiver.
    pub(super) fn captured(&mut self, index: LinkIx) -> Vec<UnsettledDelivery> {
        let Some(link) = self.links.peek(index) else { return Vec::new() };
        let session = link.session;
        let live: Vec<_> = self
            .unsettled(index)
            .filter_map(|key| Some((key.number(), self.unsettled_delivery(link, key)?)))
            .collect();
        let waiting = link.recovery.as_deref().into_iter().flat_map(|recovery| {
            let steps = recovery.steps.iter().map(|step| &step.delivery);
            steps.chain(recovery.pending.iter()).cloned()
        });
        let waiting: Vec<_> = waiting.collect();
        let numbers: Vec<u64> = live.iter().map(|(number, _)| *number).collect();
        for held in self.forget_quietly(index, &numbers) {
            self.release(session, held);
        }
        live.into_iter().map(|(_, delivery)| delivery).chain(waiting).collect()
    }

    /// Forgets these deliveries of a link without a report. Returns the room that they held.
    fn forget_quietly(&mut self, index: LinkIx, numbers: &[u64]) -> Vec<Held> {
        let mut held = Vec::new();
        let Some(link) = self.links.at(index) else { return held };
        let Some(session) = self.sessions.get_mut(link.session) else { return held };
        for number in numbers {
            let ledger = match &mut link.end {
                LinkEnd::Sender(_) => Some(&mut session.sent),
                LinkEnd::Receiver(receiver) => {
                    if let Some(at) = receiver.find(*number)
                        && let Some(arrival) = receiver.inbox.remove(at)
                    {
                        held.push(arrival.held);
                    }
                    session.received.as_mut()
                }
            };
            if let Some(ledger) = ledger {
                forget(link, ledger, *number);
            }
        }
        held
    }

    /// Forgets all deliveries of a suspended link, whose state the application has.
    pub(super) fn forget_all_quietly(&mut self, index: LinkIx) {
        let numbers: Vec<u64> = self.unsettled(index).map(DeliveryKey::number).collect();
        let held = self.forget_quietly(index, &numbers);
        if let Some(session) = self.links.at(index).map(|link| link.session) {
            held.into_iter().for_each(|held| self.release(session, held));
        }
    }
}

/// Returns `true` if a message, or its beginning, can be handed over after the link is resumed: the application
/// has seen nothing of it, and there is something to keep.
fn can_wait(receiver: &Receiver, arrival: &Arrival) -> bool {
    match arrival.progress {
        Progress::Partial => !receiver.streaming && !arrival.payload.is_empty(),
        Progress::Complete => arrival.size == arrival.payload.len() as u64,
        Progress::Aborted => false,
    }
}
