//! [`First`]: the first transfer of a delivery.

use alloc::boxed::Box;

use bytes::Bytes;

use super::forget;
use crate::machine::delivery::record::{Record, Tag};
use crate::machine::delivery::send_check::live_tags;
use crate::machine::event::Event;
use crate::machine::fault::{Fault, LinkFault, SessionFault};
use crate::machine::link::{Arrival, Held, Link, LinkEnd, Progress, Resumption};
use crate::machine::session::Session;
use crate::message::Payload;
use crate::types::{DeliveryKey, DeliveryNumber, DeliveryTag, Key, Limits, LinkIx, ReceiverKey};
use crate::wire::{DeliveryState, SenderSettleMode};

/// The event of a transfer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    pub(super) what: What,
    pub(super) receiver: Key<LinkIx>,
    pub(super) delivery: DeliveryKey,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Message,
    Data,
    Aborted,
}

impl From<Arrived> for Event {
    #[inline]
    fn from(arrived: Arrived) -> Self {
        let (receiver, delivery) = (ReceiverKey(arrived.receiver), arrived.delivery);
        match arrived.what {
            What::Message => Self::Message { receiver, delivery },
            What::Data => Self::Data { receiver, delivery },
            What::Aborted => Self::Aborted { receiver, delivery },
        }
    }
}

/// The fields of the first transfer of a delivery.
pub(super) struct First<'a> {
    pub(super) id: DeliveryNumber,
    pub(super) tag: &'a DeliveryTag,
    pub(super) message_format: u32,
    pub(super) settled: bool,
    /// `true` if this end settles second.
    pub(super) second: bool,
    pub(super) more: bool,
    pub(super) resume: bool,
    pub(super) aborted: bool,
    /// The epoch of the blocks of input that its payload is in.
    pub(super) epoch: u32,
    pub(super) state: Option<&'a DeliveryState>,
}

impl First<'_> {
    /// Handles the transfer if it fits the modes of the link and no other delivery is incomplete.
    pub(super) fn take(
        self,
        link: &mut Link,
        session: &mut Session,
        limits: &Limits,
        payload: Bytes,
    ) -> Result<Option<Arrived>, Fault> {
        let tag = Tag::from(*self.tag);
        let number = self.admit(link, session, limits, &tag)?;
        if self.aborted {
            // The delivery has no earlier octets, and none are kept.
            return Ok(None);
        }
        let octets = payload.len();
        let LinkEnd::Receiver(receiver) = &mut link.end else { return Ok(None) };
        let is_unsettled = !self.settled && !self.more && link.snd_settle_mode == SenderSettleMode::Settled;
        if is_unsettled || receiver.max_message_size.is_some_and(|max| octets as u64 > max) {
            let max = receiver.max_message_size.unwrap_or_default();
            // The application has not seen the delivery, and will not.
            forget(link, session, number);
            let fault = if is_unsettled { LinkFault::NotSettled } else { LinkFault::MessageSize(max) };
            return Err(fault.on(link.key.index));
        }
        if self.resume && !self.more {
            return Ok(None);
        }
        // An incomplete message has a bound of its own. It takes room in the session's window once it is
        // complete, or piece by piece if it is read as it arrives.
        let counts = (receiver.streaming || !self.more) && !self.resume;
        let held = match counts {
            true => Held::of(1, octets),
            false if self.resume => Held::default(),
            false => Held::partial(octets),
        };
        session.incoming.hold(held);
        receiver.inbox.push_back(Arrival {
            number,
            tag,
            message_format: self.message_format,
            transfers: 1,
            held,
            size: octets as u64,
            payload: if self.resume { Payload::new() } else { payload.into() },
            settled: self.settled,
            epoch: self.epoch,
            progress: if self.more { Progress::Partial } else { Progress::Complete },
            resumption: if self.resume { Resumption::Ignored } else { Resumption::None },
            state: self.state.cloned().map(Box::new),
        });
        if !counts {
            return Ok(None);
        }
        let delivery = DeliveryKey::received(session.key, number);
        Ok(Some(Arrived { what: What::Message, receiver: link.key, delivery }))
    }

    /// Checks the transfer against the link and the session, and returns the number of the delivery.
    fn admit(
        &self,
        link: &mut Link,
        session: &mut Session,
        limits: &Limits,
        tag: &Tag,
    ) -> Result<u64, Fault> {
        let ledger = session.received(self.id);
        let number = ledger.number(self.id);
        if number < ledger.next() {
            return Err(SessionFault::DeliveryOrder(self.id.get()).into());
        }
        // A resumed delivery was unsettled on an earlier link, and is unknown here (T-RES-10).
        let keep = !self.settled && !self.resume && !self.aborted;
        if keep && ledger.live() >= limits.unsettled() {
            return Err(LinkFault::Unsettled(limits.unsettled()).on(link.key.index));
        }
        let LinkEnd::Receiver(receiver) = &mut link.end else {
            return Err(LinkFault::TransferToSender.on(link.key.index));
        };
        if receiver.only_resumed && !self.resume {
            return Err(LinkFault::Incomplete.on(link.key.index));
        }
        if !receiver.credit.receive() {
            return Err(LinkFault::TransferLimit.on(link.key.index));
        }
        if !keep {
            ledger.pass(number);
            return Ok(number);
        }
        let chain = &link.chain;
        if !link.tags.insert(tag.number(), || *self.tag, || live_tags(ledger, chain)) {
            return Err(LinkFault::TagInUse.on(link.key.index));
        }
        let mut record = Record::new(tag.clone(), link.key.index);
        record.second = self.second;
        if let Some(state) = self.state {
            record.set_remote(state);
        }
        ledger.insert(number, record, &mut link.chain);
        Ok(number)
    }
}
