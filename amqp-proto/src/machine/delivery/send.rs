//! Sending: whole messages at once, larger ones and streams in as many transfers as they need [2.6.12] [2.6.14].

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};

use bytes::{Buf, Bytes};

use super::head::TransferHead;
use super::record::{Record, Tag};
use crate::codec::{EncodeError, to_usize};
use crate::config::SendOptions;
use crate::machine::core::Core;
use crate::machine::event::Event;
use crate::machine::link::{Link, LinkEnd, Sender, Sending, SendingEnd};
use crate::machine::output::Outbox;
use crate::machine::refusal::SendError;
use crate::machine::session::Session;
use crate::message::{Message, Payload};
use crate::types::{DeliveryKey, DeliveryTag, Handle, SenderKey};
use crate::wire::{ReceiverSettleMode, SenderSettleMode, Transfer};

/// How many octets a frame has before its performative.
const FRAME_HEADER: usize = 8;

/// A delivery that may be sent.
struct Permit {
    tag: DeliveryTag,
    settled: bool,
    /// Whether another delivery has to go out first.
    follows: bool,
}

impl Core {
    /// Sends a message whole.
    pub(crate) fn send(
        &mut self,
        index: u32,
        payload: &Payload,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let permit = self.permit(index, payload.len(), options)?;
        let write = |out: &mut Outbox| payload.chunks().iter().for_each(|chunk| out.payload(chunk));
        self.transmit(index, permit, options, payload.len(), write, || {
            payload.chunks().iter().cloned().collect()
        })
    }

    /// Encodes a message and sends it whole.
    pub(crate) fn send_message(
        &mut self,
        index: u32,
        message: &Message,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        /// Up to which size encoding it beside and copying it costs less than to share its parts.
        const SMALL: usize = 2048;
        if message.encoded_len() > SMALL {
            let payload = message.to_payload().map_err(SendError::Unencodable)?;
            return self.send(index, &payload, options);
        }
        let mut octets = core::mem::take(&mut self.fx.scratch);
        octets.clear();
        let sent = message.encode(&mut octets).map_err(SendError::Unencodable).and_then(|()| {
            let permit = self.permit(index, octets.len(), options)?;
            let write = |out: &mut Outbox| out.tail().extend_from_slice(&octets);
            self.transmit(index, permit, options, octets.len(), write, || {
                [Bytes::copy_from_slice(&octets)].into()
            })
        });
        self.fx.scratch = octets;
        sent
    }

    /// Sends a delivery that is permitted: in one transfer if it fits, else in as many as it takes.
    #[inline]
    fn transmit(
        &mut self,
        index: u32,
        permit: Permit,
        options: &SendOptions,
        octets: usize,
        write: impl FnOnce(&mut Outbox),
        keep: impl FnOnce() -> VecDeque<Bytes>,
    ) -> Result<DeliveryKey, SendError> {
        let Some(link) = self.links.at(index) else { return Err(SendError::Detached) };
        let Some(session) = self.sessions.get_mut(link.session) else { return Err(SendError::Detached) };
        let key = DeliveryKey::sent(session.key, session.sent.next());
        let sent = if options.is_plain() {
            let (id, handle) = (session.sent.next_id(), Handle::new(link.handle));
            let mut head = TransferHead::new(handle, id, permit.tag, options.message_format);
            head.settled = permit.settled;
            self.fx.send_transfer(session.channel, &head, octets)
        } else {
            let transfer = first_transfer(link.handle, session, &permit, options);
            self.fx.send_transfer(session.channel, &transfer, octets)
        };
        if sent.is_ok() {
            write(&mut self.fx.out);
            session.outgoing.send();
            commit(link, session, &permit, options);
            let is_full = self.fx.out.len() >= self.limits.output_octets();
            if is_full || session.outgoing.left() == 0 {
                self.wait_to_send(index);
            }
        } else {
            let transfer = first_transfer(link.handle, session, &permit, options);
            let sending = Sending::new(session.sent.next(), transfer, keep(), SendingEnd::Complete);
            commit(link, session, &permit, options);
            if let Some(sender) = link.sender() {
                sender.sending = Some(Box::new(sending));
            }
            // The first frame waits for no turn: later deliveries may not overtake it (T-XFER-05).
            self.write_frame(index, true);
            self.pump(index);
        }
        Ok(key)
    }

    /// Begins a delivery of which the octets come later.
    pub(crate) fn begin_delivery(
        &mut self,
        index: u32,
        options: &SendOptions,
    ) -> Result<DeliveryKey, SendError> {
        let permit = self.permit(index, 0, options)?;
        let Some((link, session)) = self.link_and_session(index) else { return Err(SendError::Detached) };
        let key = DeliveryKey::sent(session.key, session.sent.next());
        let transfer = first_transfer(link.handle, session, &permit, options);
        let sending = Sending::new(session.sent.next(), transfer, VecDeque::new(), SendingEnd::Open);
        commit(link, session, &permit, options);
        session.unsent = Some(index);
        if let Some(sender) = link.sender() {
            sender.sending = Some(Box::new(sending));
        }
        Ok(key)
    }

    /// Adds octets to the delivery that was begun.
    pub(crate) fn send_part(&mut self, index: u32, octets: Bytes) -> Result<(), SendError> {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let limit = self.limits.output_octets();
        let sender = self.open_sender(index)?;
        let max = sender.max_message_size.unwrap_or(u64::MAX);
        let Some(sending) = &mut sender.sending else { return Err(SendError::NoDelivery) };
        let size = sending.size.saturating_add(octets.len() as u64);
        if size > max {
            return Err(SendError::TooLarge(max));
        }
        if sending.waiting >= limit || (is_full && sending.waiting > 0) {
            sending.is_refused = true;
            return Err(SendError::Full);
        }
        sending.size = size;
        sending.waiting += octets.len();
        if !octets.is_empty() {
            sending.chunks.push_back(octets);
        }
        self.pump(index);
        Ok(())
    }

    /// Ends the delivery that was begun: it is complete, or given up.
    pub(crate) fn end_delivery(&mut self, index: u32, end: SendingEnd) -> Result<(), SendError> {
        let sender = self.open_sender(index)?;
        let Some(sending) = &mut sender.sending else { return Err(SendError::NoDelivery) };
        sending.end = end;
        let number = sending.number;
        if end == SendingEnd::Aborted {
            sending.chunks.clear();
            sending.waiting = 0;
            self.forget_sent(index, number);
        }
        self.pump(index);
        Ok(())
    }

    /// The sender whose delivery may be continued.
    fn open_sender(&mut self, index: u32) -> Result<&mut Sender, SendError> {
        let session = self.links.at(index).map(|link| link.session);
        if !session.is_some_and(|session| self.may_send_on(session)) {
            return Err(SendError::Detached);
        }
        let link = self.links.at(index).filter(|link| link.is_complete()).ok_or(SendError::Detached)?;
        let sender = link.sender().ok_or(SendError::Detached)?;
        match &sender.sending {
            Some(sending) if sending.end == SendingEnd::Open => Ok(sender),
            _ => Err(SendError::NoDelivery),
        }
    }

    /// An aborted delivery is settled by that (T-XFER-13).
    fn forget_sent(&mut self, index: u32, number: u64) {
        let Some((link, session)) = self.link_and_session(index) else { return };
        super::settle::forget(link, &mut session.sent, number);
    }

    /// Whether a delivery of so many octets may begin, and how; nothing has changed yet.
    #[inline]
    fn permit(&mut self, index: u32, octets: usize, options: &SendOptions) -> Result<Permit, SendError> {
        let permitted = self.permitted(index, octets, options);
        if let Err(SendError::NoCredit | SendError::WindowClosed | SendError::Full | SendError::Incomplete) =
            permitted
        {
            self.wait_to_send(index);
        }
        if matches!(permitted, Ok(Permit { follows: true, .. }))
            && let Some(first) = self.unsent_before(index)
        {
            self.write_frame(first, true);
        }
        permitted
    }

    /// The sender on the same session whose delivery has to go out first (T-XFER-05).
    #[cold]
    fn unsent_before(&self, index: u32) -> Option<u32> {
        let link = self.links.peek(index)?;
        let first = self.sessions.get(link.session)?.unsent.filter(|first| *first != index)?;
        let LinkEnd::Sender(sender) = &self.links.peek(first)?.end else { return None };
        sender.sending.as_ref().is_some_and(|sending| !sending.begun).then_some(first)
    }

    #[inline]
    fn permitted(&mut self, index: u32, octets: usize, options: &SendOptions) -> Result<Permit, SendError> {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let unsettled = self.limits.unsettled();
        let max_frame_size = to_usize(self.fx.max_frame_size);
        let is_open = self.is_open;
        let Some((_, session)) = self.link_and_session(index) else { return Err(SendError::Detached) };
        let follows =
            session.unsent.is_some_and(|first| first != index) && self.unsent_before(index).is_some();
        let Some((link, session)) = self.link_and_session(index) else { return Err(SendError::Detached) };
        if !is_open || !link.is_complete() || !session.is_mapped() {
            return Err(SendError::Detached);
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return Err(SendError::Detached) };
        if sender.sending.is_some() {
            return Err(SendError::Incomplete);
        }
        if sender.max_message_size.is_some_and(|max| octets as u64 > max) {
            return Err(SendError::TooLarge(sender.max_message_size.unwrap_or_default()));
        }
        if sender.credit.credit() == 0 {
            return Err(SendError::NoCredit);
        }
        if session.outgoing.left() <= u32::from(follows) {
            return Err(SendError::WindowClosed);
        }
        if is_full {
            return Err(SendError::Full);
        }
        let settled = match (link.snd_settle_mode, options.settled) {
            (SenderSettleMode::Settled, Some(false)) | (SenderSettleMode::Unsettled, Some(true)) => {
                return Err(SendError::SettleMode);
            }
            (SenderSettleMode::Settled, _) => true,
            (SenderSettleMode::Unsettled, _) => false,
            (SenderSettleMode::Mixed, settled) => settled.unwrap_or(false),
        };
        let asks_second = options.rcv_settle_mode == Some(ReceiverSettleMode::Second);
        if asks_second && link.rcv_settle_mode == ReceiverSettleMode::First {
            return Err(SendError::SettleMode);
        }
        if !settled && session.sent.live() >= unsettled {
            return Err(SendError::Unsettled(unsettled));
        }
        let mut permit = Permit { tag: options.tag.unwrap_or_else(|| sender.next_tag()), settled, follows };
        // Room for one octet of payload at least, or it would take frames without end.
        if options.state.is_some() {
            let octets = FRAME_HEADER + first_transfer(link.handle, session, &permit, options).encoded_len();
            if octets >= max_frame_size {
                return Err(SendError::Unencodable(EncodeError::TooLarge { octets, limit: max_frame_size }));
            }
        }
        // Entering the tag is the last thing that can fail.
        let (sent, chain) = (&session.sent, &link.chain);
        let live = || live_tags(sent, chain);
        while !settled && !link.tags.insert(&permit.tag, live) {
            if options.tag.is_some() {
                return Err(SendError::TagInUse(permit.tag));
            }
            // The application has chosen it before; there are fewer of those than there are tags.
            sender.tag_used();
            permit.tag = sender.next_tag();
        }
        Ok(permit)
    }

    #[inline]
    fn link_and_session(&mut self, index: u32) -> Option<(&mut Link, &mut Session)> {
        let link = self.links.at(index)?;
        let session = self.sessions.get_mut(link.session)?;
        Some((link, session))
    }

    /// Has a sender told when it may send again: it was refused, or has used up what it takes to send.
    #[cold]
    fn wait_to_send(&mut self, index: u32) {
        let Some((link, session)) = self.link_and_session(index) else { return };
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        sender.told = false;
        // Credit comes with a flow of the link's own, and the end of the delivery before with that.
        if sender.waits || sender.credit.credit() == 0 || sender.sending.is_some() {
            return;
        }
        sender.waits = true;
        if session.outgoing.left() == 0 {
            session.waiting.push_back(index);
        } else {
            self.blocked.push_back(index);
        }
    }

    /// Whether a message would be taken now.
    pub(crate) fn is_sendable(&self, index: u32) -> bool {
        let Some(link) = self.links.key(index).and_then(|key| self.links.get(key)) else { return false };
        let LinkEnd::Sender(sender) = &link.end else { return false };
        let reserved = u32::from(self.unsent_before(index).is_some());
        let has_window = self
            .sessions
            .get(link.session)
            .is_some_and(|session| session.is_mapped() && session.outgoing.left() > reserved);
        let has_room = self.is_open && self.fx.out.len() < self.limits.output_octets();
        link.is_complete() && has_window && has_room && sender.credit.credit() > 0 && sender.sending.is_none()
    }

    /// Tells the application once that a sender may send.
    pub(crate) fn look_sendable(&mut self, index: u32) {
        let is_full = self.fx.out.len() >= self.limits.output_octets();
        let is_open = self.is_open;
        let reserved = u32::from(self.unsent_before(index).is_some());
        let Some((link, session)) = self.link_and_session(index) else { return };
        if !is_open || !link.is_complete() || !session.is_mapped() {
            return;
        }
        let window = session.outgoing.left().saturating_sub(reserved);
        let key = SenderKey(link.key);
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        if sender.told || sender.credit.credit() == 0 {
            return;
        }
        if window > 0 && !is_full && sender.sending.is_none() {
            sender.told = true;
            self.fx.tell(Event::Sendable(key));
        } else {
            self.wait_to_send(index);
        }
    }

    /// The window of a session has opened: everyone who waits for it gets a frame in turn, until it is closed
    /// again; who has nothing under way is told.
    pub(crate) fn window_opens(&mut self, index: u32) {
        let Some(session) = self.sessions.at(index) else { return };
        let waiting = core::mem::take(&mut session.waiting);
        self.blocked.extend(waiting);
        self.unblock();
    }

    /// Goes on with whoever waits for room in the output.
    pub(crate) fn unblock(&mut self) {
        // Those that wait now, and in turn with them those of which a frame was written and more is there.
        let mut left = self.blocked.len();
        while left > 0 && self.fx.out.len() < self.limits.output_octets() {
            let Some(index) = self.blocked.pop_front() else { return };
            left -= 1;
            let Some(sender) = self.links.at(index).and_then(Link::sender) else { continue };
            sender.waits = false;
            let wrote = self.write_frame(index, false);
            left += usize::from(self.queue(index, wrote) && wrote);
        }
    }

    /// Writes as much of a delivery as may be written, if it does not have to wait for its turn.
    fn pump(&mut self, index: u32) {
        let waits = self.links.at(index).and_then(Link::sender).is_none_or(|sender| sender.waits);
        if waits {
            return;
        }
        while self.fx.out.len() < self.limits.output_octets() && self.write_frame(index, false) {}
        self.queue(index, false);
    }

    /// Has a delivery that is not written to its end wait for what it lacks, or behind all others that wait if it has
    /// had its turn; true if it is to be looked at again when there is room in the output.
    fn queue(&mut self, index: u32, had_turn: bool) -> bool {
        let Some((link, session)) = self.link_and_session(index) else { return false };
        if !link.is_complete() || !session.is_begun() {
            return false;
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return false };
        let Some(sending) = &mut sender.sending else {
            // Done: it may be the next one's turn, or a drain's.
            if self.is_sendable(index) {
                self.look_sendable(index);
            } else {
                self.wait_to_send(index);
            }
            self.finish_drain(index);
            return false;
        };
        if !sending.has_frame() {
            // All that more was refused for is on its way.
            if core::mem::take(&mut sending.is_refused) {
                let key = SenderKey(link.key);
                self.fx.tell(Event::Sendable(key));
            }
            return false;
        }
        if sender.waits {
            return false;
        }
        sender.waits = true;
        let is_open = had_turn || session.outgoing.left() > 0;
        if is_open {
            self.blocked.push_back(index);
        } else {
            session.waiting.push_back(index);
        }
        is_open
    }

    /// A drain waited for the delivery that is written now (T-DRAIN-07).
    fn finish_drain(&mut self, index: u32) {
        let drains = self.links.at(index).and_then(Link::sender).is_some_and(|sender| sender.drain_due);
        if drains {
            self.link_due(index);
        }
    }

    /// Writes one more frame of the delivery that is being sent, its first even if it has no octets yet; false if
    /// there is none to be written now.
    fn write_frame(&mut self, index: u32, first: bool) -> bool {
        let max_frame_size = to_usize(self.fx.max_frame_size);
        let Some(link) = self.links.at(index) else { return false };
        let Some(session) = self.sessions.get_mut(link.session) else { return false };
        if !self.is_open || !link.is_complete() || !session.is_begun() || session.outgoing.left() == 0 {
            return false;
        }
        let LinkEnd::Sender(sender) = &mut link.end else { return false };
        let Some(sending) = sender.sending.as_mut().filter(|sending| first || sending.has_frame()) else {
            return false;
        };
        if sending.end == SendingEnd::Aborted && !sending.begun {
            // The delivery-id is given out, and the peer expects the next one to follow.
            sending.transfer.settled = Some(true);
        }
        let transfer = &mut sending.transfer;
        transfer.aborted = sending.end == SendingEnd::Aborted;
        transfer.more = true;
        if FRAME_HEADER + transfer.encoded_len() >= max_frame_size {
            // One that came too late to be refused; without it there is room.
            transfer.state = None;
        }
        let room = max_frame_size.saturating_sub(FRAME_HEADER + transfer.encoded_len()).max(1);
        let octets = sending.waiting.min(room);
        transfer.more = !transfer.aborted && (octets < sending.waiting || sending.end == SendingEnd::Open);
        if self.fx.send_transfer(session.channel, transfer, octets).is_err() {
            return false;
        }
        session.outgoing.send();
        let mut left = octets;
        while left > 0 {
            let Some(chunk) = sending.chunks.front_mut() else { break };
            let piece = chunk.split_to(left.min(chunk.len()));
            left -= piece.len();
            self.fx.out.payload(&piece);
            if !chunk.has_remaining() {
                sending.chunks.pop_front();
            }
        }
        sending.waiting -= octets;
        sending.begun = true;
        let settled = core::mem::take(&mut sending.settles).then_some(sending.number);
        if sending.transfer.more {
            sending.go_on();
        } else {
            sender.sending = None;
        }
        if let Some(number) = settled {
            let session = session.key.index;
            self.tell_disposition(session, number, false, true, None);
        }
        true
    }
}

impl Sending {
    fn new(number: u64, transfer: Transfer, chunks: VecDeque<Bytes>, end: SendingEnd) -> Self {
        let waiting = chunks.iter().map(Bytes::len).sum();
        Self {
            number,
            transfer,
            begun: false,
            chunks,
            waiting,
            size: waiting as u64,
            end,
            is_refused: false,
            settles: false,
        }
    }

    /// Whether there is a frame to be written.
    fn has_frame(&self) -> bool {
        self.waiting > 0 || self.end != SendingEnd::Open
    }
}

/// A delivery begins: credit, window and ledger move together.
#[inline(always)]
fn commit(link: &mut Link, session: &mut Session, permit: &Permit, options: &SendOptions) {
    let (number, index) = (session.sent.next(), link.key.index);
    if permit.settled {
        session.sent.pass(number);
    } else {
        let mut record = Record::new(Tag::from(permit.tag), index);
        if let Some(state) = &options.state {
            record.set_local(state);
        }
        session.sent.insert(number, record, &mut link.chain);
    }
    if let LinkEnd::Sender(sender) = &mut link.end {
        sender.credit.send();
        // Told again when there is more, whether a send is tried before that or not.
        sender.told &= sender.credit.credit() > 0;
        if options.tag.is_none() {
            sender.tag_used();
        }
    }
}

/// The first transfer of a delivery.
#[inline]
fn first_transfer(handle: u32, session: &Session, permit: &Permit, options: &SendOptions) -> Transfer {
    let mut transfer = Transfer::new(Handle::new(handle));
    transfer.delivery_id = Some(session.sent.next_id());
    transfer.delivery_tag = Some(permit.tag);
    transfer.message_format = Some(options.message_format);
    transfer.settled = permit.settled.then_some(true);
    transfer.rcv_settle_mode = options.rcv_settle_mode;
    transfer.state = options.state.clone();
    transfer.batchable = options.batchable;
    transfer
}

/// The tags of a link's unsettled deliveries.
pub(super) fn live_tags(ledger: &super::Ledger, chain: &super::Chain) -> BTreeSet<DeliveryTag> {
    let numbers = core::iter::successors(chain.first(), |number| ledger.after(*number));
    numbers.filter_map(|number| ledger.get(number)).map(|record| (&record.tag).into()).collect()
}
