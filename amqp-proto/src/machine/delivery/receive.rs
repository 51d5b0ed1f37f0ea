//! Receiving: transfers are put together to messages, and taken whole or in pieces [2.6.14] [2.7.5].

use bytes::Bytes;

use super::delivery::{Delivery, Part, PartEnd};
use super::record::{Record, Tag};
use super::send::live_tags;
use crate::machine::core::Core;
use crate::machine::effects::Effects;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault, SessionFault};
use crate::machine::halves::{Half, LinkHalf};
use crate::machine::link::{Arrival, Held, Link, LinkEnd, Progress, Receiver};
use crate::machine::refusal::ReadError;
use crate::machine::session::Session;
use crate::message::Payload;
use crate::types::{DeliveryKey, DeliveryTag, Key, Limits, ReceiverKey};
use crate::wire::{ReceiverSettleMode, SenderSettleMode, Transfer};

impl Core {
    /// A transfer: a delivery begins, or goes on.
    #[inline]
    pub(crate) fn on_transfer(
        &mut self,
        index: u32,
        transfer: Transfer,
        payload: Bytes,
    ) -> Result<(), (u32, Fault)> {
        let Some(session) = self.sessions.at(index) else { return Ok(()) };
        if session.discards || session.local == Half::Ended {
            return Ok(());
        }
        session.incoming.receive().map_err(|fault| (0, fault.into()))?;
        let handle = transfer.handle.get();
        let Some(at) = session.handles.get(handle) else {
            return Err((0, SessionFault::UnattachedHandle(handle).into()));
        };
        let Some(link) = self.links.at(at) else { return Ok(()) };
        let mut tops_up = false;
        match link.local {
            // What was on the way when this end detached is part of what stays (L-DET-02).
            LinkHalf::Attached | LinkHalf::Detached => {
                let news = take_transfer(link, session, &self.limits, transfer, payload);
                tops_up = self.fx.tell_arrival(link, news.map_err(|fault| (at, fault))?);
            }
            // Nobody has granted credit yet (L-ATT-13).
            LinkHalf::Unattached => return Err((at, LinkFault::TransferLimit.into())),
            LinkHalf::Closed => {}
        }
        // What was dropped, or put together beside the window, may have left it low.
        if session.incoming.is_low() {
            self.session_due(index);
        }
        if tops_up {
            self.link_due(at);
        }
        Ok(())
    }

    /// Takes the oldest complete message of a receiver.
    #[inline]
    pub(crate) fn receive(&mut self, index: u32) -> Option<Delivery> {
        let link = self.links.at(index)?;
        let session = link.session;
        let LinkEnd::Receiver(receiver) = &mut link.end else { return None };
        // Who takes messages whole does not read those that were given up.
        while receiver.inbox.front()?.progress == Progress::Aborted {
            receiver.inbox.pop_front();
        }
        if receiver.inbox.front()?.progress != Progress::Complete {
            return None;
        }
        let arrival = receiver.inbox.pop_front()?;
        self.taken(index, session, arrival.held);
        Some(Delivery {
            key: DeliveryKey::received(session, arrival.number),
            tag: arrival.tag,
            message_format: arrival.message_format,
            settled: arrival.settled,
            state: arrival.state,
            payload: arrival.payload,
        })
    }

    /// Takes what has come of a message, complete or not.
    pub(crate) fn read(&mut self, index: u32, delivery: DeliveryKey) -> Result<Part, ReadError> {
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

    /// Room that a link held of its session's window is free.
    pub(crate) fn release(&mut self, session: Key, held: Held) {
        let Some(session) = self.sessions.get_mut(session) else { return };
        session.incoming.release(held.frames, held.octets);
        if session.incoming.is_low() {
            let index = session.key.index;
            self.session_due(index);
        }
    }

    /// The application has taken something.
    #[inline]
    fn taken(&mut self, index: u32, session: Key, held: Held) {
        self.release(session, held);
        let Some(link) = self.links.at(index).filter(|link| link.is_complete()) else { return };
        if link.receiver().is_some_and(Receiver::top_up) {
            self.link_due(index);
        }
    }
}

impl Effects {
    /// Tells what a transfer has come to; whether credit was topped up, since the sender has given a delivery up.
    #[inline]
    fn tell_arrival(&mut self, link: &mut Link, event: Option<Event>) -> bool {
        let is_nothing = event.is_none();
        if let Some(event) = event {
            self.tell(event);
        }
        let (is_complete, key) = (link.is_complete(), ReceiverKey(link.key));
        let Some(receiver) = link.receiver() else { return false };
        if receiver.is_drained() {
            self.tell(Event::Drained(key));
        }
        is_nothing && is_complete && receiver.top_up()
    }
}

/// Checks a transfer and takes it; on a fault nothing has changed but the numbers that it used up.
#[inline]
fn take_transfer(
    link: &mut Link,
    session: &mut Session,
    limits: &Limits,
    transfer: Transfer,
    payload: Bytes,
) -> Result<Option<Event>, Fault> {
    let LinkEnd::Receiver(receiver) = &mut link.end else { return Err(LinkFault::TransferToSender.into()) };
    if transfer.rcv_settle_mode == Some(ReceiverSettleMode::Second)
        && link.rcv_settle_mode == ReceiverSettleMode::First
    {
        return Err(LinkFault::Second.into());
    }
    let is_settled = transfer.settled == Some(true);
    if is_settled && link.snd_settle_mode == SenderSettleMode::Unsettled && !transfer.aborted {
        return Err(LinkFault::Settled.into());
    }
    let (more, aborted) = (transfer.more, transfer.aborted);
    if receiver.partial().is_some() {
        go_on(link, session, transfer)?;
    } else {
        begin(link, session, limits, transfer)?;
    }
    let LinkEnd::Receiver(receiver) = &mut link.end else { return Ok(None) };
    let (max_size, streaming) = (receiver.max_message_size, receiver.streaming);
    let Some(arrival) = receiver.partial() else { return Ok(None) };
    arrival.transfers = arrival.transfers.saturating_add(1);
    arrival.size = arrival.size.saturating_add(payload.len() as u64);
    if aborted {
        return Ok(abort(link, session));
    }
    if let Some(max) = max_size.filter(|max| arrival.size > *max) {
        return Err(LinkFault::MessageSize(max).into());
    }
    if arrival.transfers > limits.transfers_per_delivery() {
        return Err(LinkFault::Transfers(limits.transfers_per_delivery()).into());
    }
    if !more && !arrival.settled && link.snd_settle_mode == SenderSettleMode::Settled {
        return Err(LinkFault::NotSettled.into());
    }
    arrival.progress = if more { Progress::Partial } else { Progress::Complete };
    if arrival.ignored {
        if !more {
            receiver.inbox.pop_back();
        }
        return Ok(None);
    }
    let octets = payload.len();
    arrival.payload.push(payload);
    // A message that is put together has its own bound; once it is complete it takes room in the window.
    let held = match (streaming, more) {
        (true, _) => Held { frames: 1, octets },
        (false, true) => Held::default(),
        (false, false) => Held { frames: arrival.transfers, octets: arrival.payload.len() },
    };
    arrival.held.frames += held.frames;
    arrival.held.octets += held.octets;
    session.incoming.hold(held.frames, held.octets);
    let key = ReceiverKey(link.key);
    let delivery = DeliveryKey::received(session.key, arrival.number);
    let is_first = arrival.transfers == 1;
    Ok(match (streaming, more) {
        (false, true) => None,
        (true, _) if !is_first => Some(Event::Data { receiver: key, delivery }),
        _ => Some(Event::Message { receiver: key, delivery }),
    })
}

/// The first transfer of a delivery.
#[inline]
fn begin(link: &mut Link, session: &mut Session, limits: &Limits, transfer: Transfer) -> Result<(), Fault> {
    let LinkEnd::Receiver(receiver) = &mut link.end else { return Ok(()) };
    let id = transfer.delivery_id.ok_or(LinkFault::NoDeliveryId)?;
    let tag = transfer.delivery_tag.ok_or(LinkFault::NoDeliveryTag)?;
    let ledger = session.received(id);
    let number = ledger.number(id);
    if number < ledger.next() {
        return Err(SessionFault::DeliveryOrder(id.get()).into());
    }
    let settled = transfer.settled == Some(true);
    // A delivery that is resumed was unsettled before, and is not known here (T-RES-10).
    let (ignored, keep) = (transfer.resume, !settled && !transfer.resume && !transfer.aborted);
    if keep && ledger.live() >= limits.unsettled() {
        return Err(LinkFault::Unsettled(limits.unsettled()).into());
    }
    if !receiver.credit.receive() {
        return Err(LinkFault::TransferLimit.into());
    }
    let chain = &link.chain;
    if keep && !link.tags.insert(&tag, || live_tags(ledger, chain)) {
        return Err(LinkFault::TagInUse.into());
    }
    let tag = Tag::from(tag);
    if keep {
        let mut record = Record::new(tag.clone(), link.key.index);
        let mode = transfer.rcv_settle_mode.unwrap_or(link.rcv_settle_mode);
        record.second = mode == ReceiverSettleMode::Second;
        if let Some(state) = &transfer.state {
            record.set_remote(state);
        }
        ledger.insert(number, record, &mut link.chain);
    } else {
        ledger.pass(number);
    }
    receiver.inbox.push_back(Arrival {
        number,
        tag,
        message_format: transfer.message_format.unwrap_or(0),
        transfers: 0,
        held: Held::default(),
        size: 0,
        payload: Payload::new(),
        settled,
        progress: Progress::Partial,
        ignored,
        state: transfer.state.map(alloc::boxed::Box::new),
    });
    Ok(())
}

/// A transfer that continues a delivery (T-XFER-02, T-XFER-03, T-XFER-04, T-XFER-07, T-XFER-11).
fn go_on(link: &mut Link, session: &mut Session, transfer: Transfer) -> Result<(), Fault> {
    let LinkEnd::Receiver(receiver) = &mut link.end else { return Ok(()) };
    let Some(arrival) = receiver.partial() else { return Ok(()) };
    let same_id = transfer.delivery_id.is_none_or(|id| id == super::id(arrival.number));
    let same_tag = transfer.delivery_tag.is_none_or(|tag| tag == DeliveryTag::from(&arrival.tag));
    let same_format = transfer.message_format.is_none_or(|format| format == arrival.message_format);
    if !(same_id && same_tag && same_format) {
        return Err(LinkFault::Continuation.into());
    }
    if let Some(state) = transfer.state {
        let record = session.received.as_mut().and_then(|ledger| ledger.get_mut(arrival.number));
        if let Some(record) = record {
            record.set_remote(&state);
        }
        arrival.state = Some(alloc::boxed::Box::new(state));
    }
    if transfer.settled == Some(true) && !arrival.settled {
        arrival.settled = true;
        let number = arrival.number;
        forget(link, session, number);
    }
    Ok(())
}

/// The sender gives the delivery up: what came of it is void, and it is settled (T-XFER-13).
fn abort(link: &mut Link, session: &mut Session) -> Option<Event> {
    let LinkEnd::Receiver(receiver) = &mut link.end else { return None };
    let streaming = receiver.streaming;
    let arrival = receiver.partial()?;
    let number = arrival.number;
    let is_told = streaming && arrival.transfers > 1 && !arrival.ignored;
    let held = core::mem::take(&mut arrival.held);
    arrival.payload = Payload::new();
    arrival.progress = Progress::Aborted;
    if !is_told {
        receiver.inbox.pop_back();
    }
    session.incoming.release(held.frames, held.octets);
    forget(link, session, number);
    let delivery = DeliveryKey::received(session.key, number);
    is_told.then_some(Event::Aborted { receiver: ReceiverKey(link.key), delivery })
}

/// A received delivery is settled.
pub(super) fn forget(link: &mut Link, session: &mut Session, number: u64) -> Option<Record> {
    let record = session.received.as_mut()?.remove(number, &mut link.chain)?;
    link.tags.remove(|| DeliveryTag::from(&record.tag), link.chain.len() == 0);
    Some(record)
}
