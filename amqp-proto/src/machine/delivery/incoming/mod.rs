//! Receiving: transfers are joined to messages, and read as a whole or in pieces [2.6.14] [2.7.5].

mod first;
mod usual;

pub(crate) use first::Arrived;
pub(crate) use usual::UsualTransfer;

use alloc::boxed::Box;

use bytes::Bytes;

use self::first::{First, What};
use super::delivery::{Delivery, Part, PartEnd};
use crate::machine::command_error::ReadError;
use crate::machine::effects::Effects;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault, SessionFault};
use crate::machine::halves::Half;
use crate::machine::link::{Arrival, Held, Link, LinkEnd, LinkHalf, Progress, Receiver, Resumption};
use crate::machine::session::Session;
use crate::message::Payload;
use crate::types::{DeliveryKey, DeliveryTag, Key, Limits, LinkIx, ReceiverKey, SessionIx};
use crate::wire::{Outcome, ReceiverSettleMode, SenderSettleMode, Transfer};

impl Endpoints {
    /// Handles a transfer, which begins or continues a delivery.
    pub(crate) fn on_transfer(
        &mut self,
        index: SessionIx,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Fault> {
        let is_full = self.is_full();
        let Some(session) = self.sessions.at(index) else { return Ok(None) };
        if session.discards || session.local == Half::Ended {
            return Ok(None);
        }
        session.incoming.receive(payload.len())?;
        let handle = transfer.handle.get();
        let Some(at) = session.handles.get(handle) else {
            return Err(SessionFault::UnattachedHandle(handle).into());
        };
        if is_full {
            return Err(LinkFault::Memory(self.limits.memory()).on(at));
        }
        if let Some(hooks) = self.transactions.hooks() {
            return (hooks.take_work)(self, index, at, transfer, payload);
        }
        self.take_transfer(index, at, transfer, payload)
    }

    /// Handles a transfer, whose transaction was looked at.
    pub(crate) fn take_transfer(
        &mut self,
        index: SessionIx,
        at: LinkIx,
        transfer: &Transfer,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Fault> {
        let epoch = self.memory.epoch;
        let Some(session) = self.sessions.at(index) else { return Ok(None) };
        let Some(link) = self.links.at(at) else { return Ok(None) };
        let (mut arrived, mut tops_up) = (None, false);
        match link.halves.local() {
            // Transfers that were on the way when this end detached belong to the suspended link (L-DET-02).
            LinkHalf::Attached | LinkHalf::Detached => {
                arrived = take(transfer, link, session, &self.limits, epoch, payload)?;
                tops_up = self.fx.tell_credit(link, arrived.is_none());
            }
            // This end has not granted any credit yet (L-ATT-13).
            LinkHalf::Unattached => return Err(LinkFault::TransferLimit.on(at)),
            LinkHalf::Closed => {}
        }
        // A dropped transfer, or a joined one, may have left the window low.
        if session.incoming.is_low() {
            self.session_due(index);
        }
        if tops_up {
            self.link_due(at);
        }
        Ok(arrived)
    }

    /// Takes the oldest complete message of a receiver.
    #[cfg_attr(not(feature = "small"), inline)]
    #[cfg_attr(feature = "small", inline(never))]
    pub(crate) fn receive(&mut self, index: LinkIx) -> Option<Delivery> {
        let link = self.links.at(index)?;
        let session = link.session;
        let LinkEnd::Receiver(receiver) = &mut link.end else { return None };
        // An application that reads whole messages does not read aborted ones.
        loop {
            match receiver.inbox.front()?.progress {
                Progress::Complete => break,
                Progress::Aborted => receiver.inbox.pop_front(),
                Progress::Partial => return None,
            };
        }
        // The arrival is looked at in its place, since it is copied no more often than necessary.
        if let (Some(recovery), Some(arrival)) = (link.recovery.get_mut(), receiver.inbox.front()) {
            recovery.note_taken(arrival);
        }
        let arrival = receiver.inbox.pop_front()?;
        let held = arrival.held;
        let delivery = Delivery::new(session, arrival, self.decoding);
        if receiver.is_low() && link.is_complete() && link.receiver().is_some_and(Receiver::top_up) {
            self.link_due(index);
        }
        self.release_frames(session, held);
        Some(delivery)
    }

    /// Releases complete messages that were not taken. Messages that the sender has settled stay readable.
    pub(crate) fn release_untaken(&mut self, index: LinkIx) {
        let Some(link) = self.links.at(index) else { return };
        let (session, LinkEnd::Receiver(receiver)) = (link.session, &mut link.end) else { return };
        receiver.is_paused = true;
        let released = Outcome::Released.into();
        for arrival in receiver.take_unsettled() {
            let delivery = DeliveryKey::received(session, arrival.number);
            // If the link is closed, the sender already treats the delivery as lost.
            let _ = self.dispose(index, delivery, Some(&released), true);
            self.release(session, arrival.held);
        }
    }

    /// Takes the octets of a message that have arrived; it may be incomplete.
    pub(crate) fn read(&mut self, index: LinkIx, delivery: DeliveryKey) -> Result<Part, ReadError> {
        let Some(link) = self.links.at(index) else { return Err(ReadError::NoDelivery) };
        let session = link.session;
        if !delivery.is_received() || delivery.session != session {
            return Err(ReadError::WrongLink);
        }
        let LinkEnd::Receiver(receiver) = &mut link.end else { return Err(ReadError::WrongLink) };
        let at = receiver.find(delivery.number()).ok_or(ReadError::NoDelivery)?;
        let arrival = receiver.inbox.get_mut(at).ok_or(ReadError::NoDelivery)?;
        let payload = core::mem::take(&mut arrival.payload);
        let held = core::mem::take(&mut arrival.held);
        let end = match arrival.progress {
            Progress::Partial => PartEnd::More,
            Progress::Complete => PartEnd::Complete,
            Progress::Aborted => PartEnd::Aborted,
        };
        if end != PartEnd::More {
            receiver.inbox.remove(at);
        }
        self.taken(index, session, held);
        Ok(Part { payload, end })
    }

    /// Frees what a delivery held.
    pub(crate) fn release(&mut self, key: Key<SessionIx>, mut held: Held) {
        if held.frames == 0
            && let Some(session) = self.sessions.get_mut(key)
        {
            session.incoming.release(core::mem::take(&mut held));
        }
        self.release_frames(key, held);
    }

    /// Frees the room that a delivery held in its session's window.
    #[cfg_attr(not(feature = "small"), inline(always))] // for the way of most messages
    #[cfg_attr(feature = "small", inline(never))]
    fn release_frames(&mut self, session: Key<SessionIx>, held: Held) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        session.incoming.release_frames(held);
        if session.incoming.is_low() {
            let index = session.key.index;
            self.session_due(index);
        }
        if self.memory.has_closed {
            self.open_windows();
        }
    }

    /// Frees the room of octets that the application has taken, and renews the credit.
    #[inline]
    fn taken(&mut self, index: LinkIx, session: Key<SessionIx>, held: Held) {
        self.release(session, held);
        let Some(link) = self.links.at(index).filter(|link| link.is_complete()) else { return };
        if link.receiver().is_some_and(Receiver::top_up) {
            self.link_due(index);
        }
    }
}

impl Effects {
    /// Reports a drain that a transfer has completed. Returns `true` if the credit was renewed, since the
    /// sender has aborted a delivery.
    #[cfg_attr(not(feature = "small"), inline(always))]
    #[cfg_attr(feature = "small", inline(never))]
    fn tell_credit(&mut self, link: &mut Link, is_nothing: bool) -> bool {
        let LinkEnd::Receiver(receiver) = &mut link.end else { return false };
        if receiver.is_drained() {
            self.tell(Event::Drained(ReceiverKey(link.key)));
        }
        is_nothing && link.is_complete() && link.receiver().is_some_and(Receiver::top_up)
    }
}

/// Checks and handles the transfer. A fault ends the link.
fn take(
    transfer: &Transfer,
    link: &mut Link,
    session: &mut Session,
    limits: &Limits,
    epoch: u32,
    payload: Bytes,
) -> Result<Option<Arrived>, Fault> {
    let settled = transfer.settled == Some(true);
    let LinkEnd::Receiver(receiver) = &mut link.end else {
        return Err(LinkFault::TransferToSender.on(link.key.index));
    };
    if transfer.rcv_settle_mode == Some(ReceiverSettleMode::Second)
        && link.rcv_settle_mode == ReceiverSettleMode::First
    {
        return Err(LinkFault::Second.on(link.key.index));
    }
    if settled && link.snd_settle_mode == SenderSettleMode::Unsettled && !transfer.aborted {
        return Err(LinkFault::Settled.on(link.key.index));
    }
    if let Some(mut partial) = receiver.take_partial() {
        partial.shares(epoch);
        return take_more(link, session, limits, partial, transfer, payload);
    }
    let Some(tag) = &transfer.delivery_tag else { return Err(LinkFault::NoDeliveryTag.on(link.key.index)) };
    let Some(id) = transfer.delivery_id else { return Err(LinkFault::NoDeliveryId.on(link.key.index)) };
    let first = First {
        id,
        tag,
        message_format: transfer.message_format.unwrap_or(0),
        settled,
        second: transfer.rcv_settle_mode.unwrap_or(link.rcv_settle_mode) == ReceiverSettleMode::Second,
        more: transfer.more,
        resume: transfer.resume,
        aborted: transfer.aborted,
        epoch,
        state: transfer.state.as_ref(),
    };
    first.take(link, session, limits, payload)
}

/// Handles a further transfer of a delivery.
fn take_more(
    link: &mut Link,
    session: &mut Session,
    limits: &Limits,
    partial: Arrival,
    transfer: &Transfer,
    payload: Bytes,
) -> Result<Option<Arrived>, Fault> {
    let (max_size, streaming) = match &link.end {
        LinkEnd::Receiver(receiver) => (receiver.max_message_size, receiver.streaming),
        LinkEnd::Sender(_) => (None, false),
    };
    let mut arrival = partial;
    if let Err(fault) = go_on(link, session, &mut arrival, transfer) {
        push(link, arrival);
        return Err(fault.on(link.key.index));
    }
    arrival.transfers = arrival.transfers.saturating_add(1);
    if transfer.aborted {
        return Ok(abort(link, session, arrival));
    }
    arrival.size = arrival.size.saturating_add(payload.len() as u64);
    let is_unsettled = !arrival.settled && link.snd_settle_mode == SenderSettleMode::Settled;
    let fault = match max_size {
        Some(max) if arrival.size > max => Some(LinkFault::MessageSize(max)),
        _ if arrival.transfers > limits.transfers_per_delivery() => {
            Some(LinkFault::Transfers(limits.transfers_per_delivery()))
        }
        _ if is_unsettled && !transfer.more => Some(LinkFault::NotSettled),
        _ => None,
    };
    if let Some(fault) = fault {
        // The delivery is removed with its link.
        push(link, arrival);
        return Err(fault.on(link.key.index));
    }
    if !transfer.more {
        arrival.progress = Progress::Complete;
    }
    let (number, ignored) = (arrival.number, arrival.resumption.is_ignored());
    let mut payload = payload;
    if arrival.resumption == Resumption::Joined
        && let Some(recovery) = link.recovery.get_mut()
    {
        recovery.skip(&mut payload);
    }
    if !ignored {
        keep(&mut arrival, session, streaming, payload);
    }
    if transfer.more || !ignored {
        push(link, arrival);
    }
    let what = match (streaming, transfer.more) {
        _ if ignored => return Ok(None),
        (true, _) => What::Data,
        (false, true) => return Ok(None),
        (false, false) => What::Message,
    };
    let delivery = DeliveryKey::received(session.key, number);
    Ok(Some(Arrived { what, receiver: link.key, delivery }))
}

/// Keeps the octets of a further transfer; see [`First::take`] for the room in the window.
fn keep(arrival: &mut Arrival, session: &mut Session, streaming: bool, payload: Bytes) {
    let octets = payload.len();
    arrival.payload.push(payload);
    let held = match (streaming, arrival.progress) {
        (true, _) => Held::of(1, octets),
        (false, Progress::Partial) => Held::partial(octets),
        (false, _) => {
            session.incoming.release(core::mem::take(&mut arrival.held));
            Held::of(arrival.transfers, arrival.payload.len())
        }
    };
    arrival.held = arrival.held.and(held);
    session.incoming.hold(held);
}

fn push(link: &mut Link, arrival: Arrival) {
    if let LinkEnd::Receiver(receiver) = &mut link.end {
        receiver.inbox.push_back(arrival);
    }
}

/// Checks a transfer that continues a delivery [2.7.5] [2.6.14].
fn go_on(
    link: &mut Link,
    session: &mut Session,
    arrival: &mut Arrival,
    transfer: &Transfer,
) -> Result<(), LinkFault> {
    let same_id = transfer.delivery_id.is_none_or(|id| id == super::id(arrival.number));
    let same_tag = transfer.delivery_tag.is_none_or(|tag| tag == DeliveryTag::from(&arrival.tag));
    let same_format = transfer.message_format.is_none_or(|format| format == arrival.message_format);
    if !(same_id && same_tag && same_format) {
        return Err(LinkFault::Continuation);
    }
    if let Some(state) = &transfer.state {
        let record = session.received.as_mut().and_then(|ledger| ledger.get_mut(arrival.number));
        if let Some(record) = record {
            record.set_remote(state);
        }
        arrival.state = Some(Box::new(state.clone()));
    }
    if transfer.settled == Some(true) && !arrival.settled {
        arrival.settled = true;
        forget(link, session, arrival.number);
    }
    Ok(())
}

/// Aborts a delivery: its octets are discarded, and it is settled [2.6.14].
fn abort(link: &mut Link, session: &mut Session, mut arrival: Arrival) -> Option<Arrived> {
    let is_told = arrival.transfers > 1
        && !arrival.resumption.is_ignored()
        && link.receiver().is_some_and(|receiver| receiver.streaming);
    let number = arrival.number;
    let held = core::mem::take(&mut arrival.held);
    session.incoming.release(held);
    forget(link, session, number);
    if !is_told {
        return None;
    }
    arrival.payload = Payload::new();
    arrival.progress = Progress::Aborted;
    push(link, arrival);
    let delivery = DeliveryKey::received(session.key, number);
    Some(Arrived { what: What::Aborted, receiver: link.key, delivery })
}

/// Forgets a received delivery that is settled.
pub(super) fn forget(link: &mut Link, session: &mut Session, number: u64) {
    if let Some(ledger) = session.received.as_mut() {
        super::settle::forget(link, ledger, number);
    }
}
