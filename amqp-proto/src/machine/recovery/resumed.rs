//! The receiver's part in resuming a link: transfers that resume its deliveries [2.6.13] [2.7.5].

use alloc::boxed::Box;

use bytes::{Buf, Bytes};

use super::compare::arrival_of;
use super::position::octets_before;
use super::resume::START;
use super::state::UnsettledDelivery;
use crate::machine::delivery::{Arrived, Record, Tag};
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{ConnectionFault, Fault, LinkFault, SessionFault};
use crate::machine::link::{Arrival, Held, LinkEnd, LinkHalf, Progress, Resumption};
use crate::types::{DeliveryKey, LinkIx, ReceiverKey, SessionIx};
use crate::wire::{DeliveryState, ReceiverSettleMode, Role, SenderSettleMode, Transfer};

impl Endpoints {
    /// Handles a transfer that resumes a delivery. Faults of a session or a link are answered here.
    pub(super) fn on_resuming_frame(
        &mut self,
        channel: u16,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, ConnectionFault> {
        let index = self.channels.get(channel.into());
        let known = index.and_then(|index| Some((index, self.resumed_link(index, transfer)?)));
        let Some((index, link)) = known else { return self.on_transfer_frame(channel, transfer, payload) };
        let done = self.on_resumed(index, link, transfer, payload);
        self.answer(index, done).map(|()| None)
    }

    /// Returns the link whose delivery a transfer resumes; `None` if this end does not know the delivery, or if
    /// the transfer continues one.
    fn resumed_link(&mut self, index: SessionIx, transfer: &Transfer) -> Option<LinkIx> {
        let session = self.sessions.at(index).filter(|session| session.listens())?;
        let at = session.handles.get(transfer.handle.get())?;
        let link = self.links.peek(at)?;
        let LinkEnd::Receiver(receiver) = &link.end else { return None };
        let tag = transfer.delivery_tag?;
        let is_known = link.recovery.as_deref().is_some_and(|recovery| recovery.pending.contains(&tag));
        let is_first = receiver.partial().is_none() && link.halves.local() == LinkHalf::Attached;
        (is_known && is_first).then_some(at)
    }

    fn on_resumed(
        &mut self,
        session: SessionIx,
        index: LinkIx,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<(), Fault> {
        let Some(session) = self.sessions.at(session) else { return Ok(()) };
        let session_key = session.key;
        session.incoming.receive(payload.len())?;
        let Some(link) = self.links.at(index) else { return Ok(()) };
        let (key, public) = (link.key, link.public_key());
        let (Some(tag), Some(id)) = (transfer.delivery_tag, transfer.delivery_id) else {
            return Err(LinkFault::NoDeliveryId.on(index));
        };
        let ledger = session.received(id);
        let number = ledger.number(id);
        if number < ledger.next() {
            return Err(SessionFault::DeliveryOrder(id.get()).into());
        }
        let (Some(recovery), LinkEnd::Receiver(receiver)) = (link.recovery.as_deref_mut(), &mut link.end)
        else {
            return Ok(());
        };
        if transfer.rcv_settle_mode == Some(ReceiverSettleMode::Second)
            && link.rcv_settle_mode == ReceiverSettleMode::First
        {
            return Err(LinkFault::Second.on(index));
        }
        let settled = transfer.settled == Some(true);
        if settled && link.snd_settle_mode == SenderSettleMode::Unsettled && !transfer.aborted {
            return Err(LinkFault::Settled.on(index));
        }
        if !receiver.credit.receive() {
            return Err(LinkFault::TransferLimit.on(index));
        }
        let Some(known) = recovery.pending.remove(&tag) else { return Ok(()) };
        let is_told = known.is_known(Role::Receiver);
        let delivery = DeliveryKey::received(session_key, number);
        let resumed = Event::Resumed { link: public, tag: Box::new(tag), delivery, is_new: false };
        let mut arrival = None;
        if !is_told && !transfer.aborted {
            let joined = joined(number, known.clone(), transfer, payload, &mut recovery.overlap);
            let Some(joined) = joined else { return Err(LinkFault::Gap.on(index)) };
            if receiver.max_message_size.is_some_and(|max| joined.size > max) {
                let max = receiver.max_message_size.unwrap_or_default();
                return Err(LinkFault::MessageSize(max).on(index));
            }
            arrival = Some(joined);
        }
        let ends = settled || transfer.aborted;
        if ends {
            ledger.pass(number);
            link.tags.remove(&tag, false);
        } else {
            let mut record = Record::new(Tag::from(tag), index);
            let mode = transfer.rcv_settle_mode.unwrap_or(link.rcv_settle_mode);
            record.second = mode == ReceiverSettleMode::Second;
            if let Some(state) = known.local.as_ref().filter(|state| state.is_terminal()) {
                record.set_local(state);
            } else if let Some(DeliveryState::Received(length)) = &known.local {
                recovery.taken.insert(number, length.clone());
            }
            if let Some(state) = &transfer.state {
                record.set_remote(state);
            }
            ledger.insert(number, record, &mut link.chain);
        }
        if is_told {
            self.fx.tell(resumed);
        }
        if transfer.aborted {
            let state = transfer.state.clone();
            if is_told {
                self.fx.tell(Event::Lost { link: public, delivery, state });
            }
        } else if is_told {
            if transfer.more {
                receiver.inbox.push_back(Arrival {
                    progress: Progress::Partial,
                    settled,
                    resumption: Resumption::Ignored,
                    ..arrival_of(number, UnsettledDelivery { message: None, ..known.clone() })
                });
            }
            self.follow_sender(index, delivery, &known, transfer);
        } else if let Some(mut arrival) = arrival {
            let is_reported = receiver.streaming || arrival.progress == Progress::Complete;
            if is_reported {
                arrival.held = Held::of(1, arrival.payload.len());
            } else {
                arrival.held = Held::partial(arrival.payload.len());
            }
            arrival.epoch = self.memory.epoch;
            session.incoming.hold(arrival.held);
            receiver.inbox.push_back(arrival);
            if is_reported {
                self.fx.tell(Event::Message { receiver: ReceiverKey(key), delivery });
            }
        }
        self.after_resumed(index);
        Ok(())
    }

    /// Renews credit and window after a transfer that may have brought no message.
    fn after_resumed(&mut self, index: LinkIx) {
        let Some(link) = self.links.at(index).filter(|link| link.is_complete()) else { return };
        let session = link.session.index;
        let is_renewed = link.receiver().is_some_and(|receiver| receiver.top_up());
        if link.receiver().is_some_and(|receiver| receiver.is_drained()) {
            let key = link.key;
            self.fx.tell(Event::Drained(ReceiverKey(key)));
        }
        if is_renewed {
            self.link_due(index);
        }
        if self.sessions.at(session).is_some_and(|session| session.incoming.is_low()) {
            self.session_due(session);
        }
    }

    /// Follows the sender's view of a delivery that the application has received [3.4.6].
    fn follow_sender(
        &mut self,
        index: LinkIx,
        delivery: DeliveryKey,
        known: &UnsettledDelivery,
        transfer: &Transfer,
    ) {
        let Some(link) = self.links.at(index) else { return };
        let (public, session) = (link.public_key(), link.session.index);
        let theirs = transfer.state.clone().filter(DeliveryState::is_terminal);
        let ours = known.local.clone().filter(DeliveryState::is_terminal);
        let settled = transfer.settled == Some(true);
        let echoes = !settled && ours.is_some() && theirs.is_some();
        if echoes {
            // The sender's outcome counts; the receiver confirms it and settles.
            let number = delivery.number();
            if let Some((link, session)) = self.link_and_session(index)
                && let Some(ledger) = session.received.as_mut()
            {
                crate::machine::delivery::forget(link, ledger, number);
            }
            self.tell_disposition(session, number, true, true, theirs.as_ref());
        }
        if settled || theirs.is_some() {
            let state = theirs.or(ours);
            self.fx.tell(Event::Updated { link: public, delivery, state, settled: settled || echoes });
        }
    }
}

/// Joins the octets of a resuming transfer with those that were received before; `None` if octets between them are
/// missing.
fn joined(
    number: u64,
    known: UnsettledDelivery,
    transfer: &Transfer,
    mut payload: Bytes,
    overlap: &mut usize,
) -> Option<Arrival> {
    let before = known.message.clone().unwrap_or_default();
    let start = match &transfer.state {
        Some(DeliveryState::Received(start)) => octets_before(&before, known.message_format, start)?,
        // The sender needs no octets any more, so none follow.
        Some(DeliveryState::Outcome(_)) => before.len(),
        _ => octets_before(&before, known.message_format, &START)?,
    };
    let size = start + payload.len();
    let is_whole = !known.is_partial;
    *overlap = if is_whole { usize::MAX } else { before.len() - start };
    skip(&mut payload, overlap);
    let mut arrival = arrival_of(number, known);
    arrival.payload.push(payload);
    arrival.size = if is_whole { arrival.payload.len() } else { size } as u64;
    arrival.settled = transfer.settled == Some(true);
    arrival.state = transfer.state.clone().map(Box::new);
    arrival.resumption = Resumption::Joined;
    if transfer.more {
        arrival.progress = Progress::Partial;
    }
    Some(arrival)
}

/// Drops octets that were received before.
pub(super) fn skip(payload: &mut Bytes, overlap: &mut usize) {
    let dropped = payload.len().min(*overlap);
    payload.advance(dropped);
    *overlap = overlap.saturating_sub(dropped);
}
