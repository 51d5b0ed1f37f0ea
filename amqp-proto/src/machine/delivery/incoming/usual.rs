//! [`UsualTransfer`]: a short way for most transfers, which are whole messages without rare fields.

use super::first::{Arrived, What};
use crate::codec::{Code, Composite};
use crate::machine::delivery::record::{Record, Tag};
use crate::machine::delivery::send_check::live_tags;
use crate::machine::endpoints::Endpoints;
use crate::machine::halves::Half;
use crate::machine::input::Input;
use crate::machine::link::{Arrival, Held, LinkEnd, LinkHalf, Progress, Resumption};
use crate::types::{DeliveryKey, DeliveryNumber, DeliveryTag, Handle};
use crate::wire::{ReceiverSettleMode, SenderSettleMode, Transfer};

/// The fields of a transfer that is a whole message and has no rare fields.
#[derive(Debug)]
pub(crate) struct UsualTransfer {
    handle: Handle,
    delivery_id: DeliveryNumber,
    tag: Tag,
    message_format: u32,
    settled: bool,
}

impl UsualTransfer {
    /// Reads the body of a frame in the forms that most writers use, and returns the offset of the payload, too.
    ///
    /// `None` if the body is another performative, has other fields, or is malformed.
    #[inline(always)] // called in one place
    pub(crate) fn read(body: &[u8]) -> Option<(Self, usize)> {
        let &[Code::DESCRIBED, Code::SMALL_ULONG, Transfer::CODE, Code::LIST8, size, count, ref fields @ ..] =
            body
        else {
            return None;
        };
        let (handle, rest) = uint(fields)?;
        let (delivery_id, rest) = uint(rest)?;
        let [Code::BINARY8, len, rest @ ..] = rest else { return None };
        let (tag, rest) = Tag::read(*len, rest)?;
        let (message_format, rest) = uint(rest)?;
        let (settled, rest) = match (count, rest) {
            (4, rest) => (false, rest),
            (5, [Code::FALSE, rest @ ..]) => (false, rest),
            (5, [Code::TRUE, rest @ ..]) => (true, rest),
            _ => return None,
        };
        let len = fields.len() - rest.len();
        // The size counts the octet of the count, too. With another size the fields are malformed.
        if len + 1 != usize::from(size) {
            return None;
        }
        let (handle, delivery_id) = (Handle::new(handle), DeliveryNumber::new(delivery_id));
        Some((Self { handle, delivery_id, tag, message_format, settled }, body.len() - fields.len() + len))
    }
}

/// Reads a number, and returns the rest.
#[inline(always)]
fn uint(items: &[u8]) -> Option<(u32, &[u8])> {
    match items {
        [Code::UINT0, rest @ ..] => Some((0, rest)),
        [Code::SMALL_UINT, small, rest @ ..] => Some(((*small).into(), rest)),
        [Code::UINT, a, b, c, d, rest @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), rest)),
        _ => None,
    }
}

impl Endpoints {
    /// Handles a transfer, if nothing about it is unusual, and takes its frame from the input: so many octets,
    /// and then a payload of so many.
    ///
    /// Otherwise changes nothing and returns `None`: the transfer is at fault, or is dropped, or continues a
    /// delivery, or ends a drain. The general way handles that. Each check of the general way is made here, too.
    #[inline(always)] // called in one place
    pub(crate) fn take_usual(
        &mut self,
        channel: u16,
        transfer: UsualTransfer,
        (head, octets): (usize, usize),
        input: &mut Input,
    ) -> Option<Arrived> {
        let UsualTransfer { handle, delivery_id, tag, message_format, settled } = transfer;
        if self.memory.is_full {
            return None;
        }
        let index = self.channels.get(channel.into())?;
        let session = self.sessions.at(index)?;
        let link = self.links.at(session.handles.get(handle.get())?)?;
        let LinkEnd::Receiver(receiver) = &mut link.end else { return None };
        let ledger = session.received.as_mut()?;
        let number = ledger.next();
        let is_next = delivery_id == ledger.next_id();
        let is_attached =
            link.halves.local() == LinkHalf::Attached && session.local == Half::Open && !session.discards;
        let fits_mode = match link.snd_settle_mode {
            SenderSettleMode::Mixed => true,
            SenderSettleMode::Unsettled => !settled,
            SenderSettleMode::Settled => settled,
        };
        let is_small = receiver.max_message_size.is_none_or(|max| octets as u64 <= max);
        let is_permitted = session.incoming.left() > 0 && receiver.credit.permits();
        let goes_on = receiver.only_resumed
            || receiver.drains
            || receiver.is_coordinator
            || receiver.partial().is_some();
        if !(is_next && is_attached && fits_mode && is_small && is_permitted) || goes_on {
            return None;
        }
        if settled {
            ledger.pass(number);
        } else {
            if ledger.live() >= self.limits.unsettled() {
                return None;
            }
            let (live, chain) = (&*ledger, &link.chain);
            if !link.tags.insert(tag.number(), || DeliveryTag::from(&tag), || live_tags(live, chain)) {
                return None;
            }
            let mut record = Record::new(tag.clone(), link.key.index);
            record.second = link.rcv_settle_mode == ReceiverSettleMode::Second;
            ledger.insert_inlined(number, record, &mut link.chain);
        }
        receiver.credit.take();
        session.incoming.take(octets);
        let held = Held::of(1, octets);
        session.incoming.hold(held);
        receiver.inbox.push_back(Arrival {
            number,
            tag,
            message_format,
            transfers: 1,
            held,
            size: octets as u64,
            payload: input.take(head, octets).into(),
            settled,
            epoch: self.memory.epoch,
            progress: Progress::Complete,
            resumption: Resumption::None,
            state: None,
        });
        let (receiver, delivery) = (link.key, DeliveryKey::received(session.key, number));
        if session.incoming.is_low() {
            self.session_due(index);
        }
        Some(Arrived { what: What::Message, receiver, delivery })
    }
}

#[cfg(test)]
mod tests {
    use super::UsualTransfer;
    use crate::types::{DeliveryNumber, DeliveryTag, Handle, Limits};
    use crate::wire::Transfer;
    use bytes::BytesMut;
    use proptest::prelude::*;

    proptest! {
        /// A transfer that is read the short way equals one that is read as any other.
        #[test]
        fn a_usual_transfer_is_read_like_any_other(
            numbers in prop::array::uniform3(prop_oneof![Just(0), 0_u32..300, any::<u32>()]),
            tag in prop::collection::vec(any::<u8>(), 0..34),
            settled in any::<Option<bool>>(),
            payload in prop::collection::vec(any::<u8>(), 0..20),
            damage in prop::option::of((0_usize..60, any::<u8>())),
        ) {
            let mut transfer = Transfer::new(Handle::new(numbers[0]));
            transfer.delivery_id = Some(DeliveryNumber::new(numbers[1]));
            transfer.delivery_tag = DeliveryTag::new(&tag).ok();
            transfer.message_format = Some(numbers[2]);
            transfer.settled = settled;
            let mut octets = BytesMut::new();
            transfer.encode(&mut octets).unwrap();
            octets.extend_from_slice(&payload);
            if let Some((at, octet)) = damage
                && let Some(place) = octets.get_mut(at)
            {
                *place = octet;
            }
            if let Some((usual, offset)) = UsualTransfer::read(&octets) {
                let mut rest = octets.freeze();
                let whole = rest.len();
                let read = Transfer::decode(&mut rest, &Limits::default()).unwrap();
                prop_assert_eq!(offset, whole - rest.len());
                prop_assert_eq!(usual.settled, read.settled == Some(true));
                let mut same = Transfer::new(usual.handle);
                same.delivery_id = Some(usual.delivery_id);
                same.delivery_tag = Some(DeliveryTag::from(&usual.tag));
                same.message_format = Some(usual.message_format);
                same.settled = read.settled;
                prop_assert_eq!(read, same);
            } else {
                prop_assert!(damage.is_some() || tag.len() > 32);
            }
        }
    }
}
