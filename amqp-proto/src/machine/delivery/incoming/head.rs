//! [`TransferHead`]: a shortcut for the first transfer of most deliveries, which has no rare fields.
#![allow(dead_code, unreachable_pub)] // the table makes what public types have

use crate::codec::{Code, composite};
use crate::types::{DeliveryNumber, DeliveryTag, Handle};
use crate::wire::Transfer;

composite! {
    /// The fields of a transfer up to the last that most have. Written in half the time of a whole transfer.
    TransferHead = "transfer" 0x14 {
        /// The handle of the link.
        handle: Handle, "handle", mandatory;
        /// The id of the delivery.
        delivery_id: DeliveryNumber, "delivery-number", mandatory;
        /// The tag of the delivery.
        delivery_tag: DeliveryTag, "delivery-tag", mandatory;
        /// The format of the message.
        message_format: u32, "message-format", mandatory;
        /// `true` if the sender has settled the delivery.
        settled: bool, "boolean", default(false, "false");
    }
}

impl TransferHead {
    /// Reads the list of a transfer in the forms that most writers use, and returns its length, too.
    ///
    /// `None` if the transfer has other fields, or is malformed.
    #[inline(always)]
    pub(crate) fn read(list: &[u8]) -> Option<(Self, usize)> {
        let [Code::LIST8, size, count, rest @ ..] = list else { return None };
        let (items, _) = rest.split_at_checked(usize::from(*size).checked_sub(1)?)?;
        let (handle, items) = uint(items)?;
        let (delivery_id, items) = uint(items)?;
        let [Code::BINARY8, len, items @ ..] = items else { return None };
        let (tag, items) = items.split_at_checked(usize::from(*len))?;
        let (message_format, items) = uint(items)?;
        let settled = match (*count, items) {
            (4, []) | (5, [Code::FALSE]) => false,
            (5, [Code::TRUE]) => true,
            _ => return None,
        };
        let (handle, delivery_id) = (Handle::new(handle), DeliveryNumber::new(delivery_id));
        let delivery_tag = DeliveryTag::new(tag).ok()?;
        Some((Self { handle, delivery_id, delivery_tag, message_format, settled }, 2 + usize::from(*size)))
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

impl From<&TransferHead> for Transfer {
    fn from(head: &TransferHead) -> Self {
        let mut transfer = Self::new(head.handle);
        transfer.delivery_id = Some(head.delivery_id);
        transfer.delivery_tag = Some(head.delivery_tag);
        transfer.message_format = Some(head.message_format);
        transfer.settled = head.settled.then_some(true);
        transfer
    }
}

#[cfg(test)]
mod tests {
    use super::TransferHead;
    use crate::types::{DeliveryNumber, DeliveryTag, Handle, Limits};
    use crate::wire::Transfer;
    use bytes::BytesMut;
    use proptest::prelude::*;

    #[test]
    fn a_head_encodes_like_its_transfer() {
        for (number, tag, settled) in [(0, 0, false), (300, 4, true), (u32::MAX, 32, false)] {
            let tag = DeliveryTag::new(&[7; 32][..tag]).unwrap();
            let mut head = TransferHead::new(Handle::new(number), DeliveryNumber::new(number), tag, number);
            head.settled = settled;
            let transfer = Transfer::from(&head);
            let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
            head.encode(&mut ours).unwrap();
            transfer.encode(&mut theirs).unwrap();
            assert_eq!(ours, theirs);
            assert_eq!(TransferHead::read(&theirs[3..]), Some((head, theirs.len() - 3)));
        }
    }

    proptest! {
        /// A transfer read as a head equals one read as a transfer.
        #[test]
        fn a_head_decodes_like_its_transfer(
            numbers in prop::array::uniform3(prop_oneof![Just(0), 0_u32..300, any::<u32>()]),
            tag in prop::collection::vec(any::<u8>(), 0..34),
            settled in any::<Option<bool>>(),
            damage in prop::option::of((0_usize..60, any::<u8>())),
        ) {
            let mut transfer = Transfer::new(Handle::new(numbers[0]));
            transfer.delivery_id = Some(DeliveryNumber::new(numbers[1]));
            transfer.delivery_tag = DeliveryTag::new(&tag).ok();
            transfer.message_format = Some(numbers[2]);
            transfer.settled = settled;
            let mut octets = BytesMut::new();
            transfer.encode(&mut octets).unwrap();
            if let Some((at, octet)) = damage
                && let Some(place) = octets[3..].get_mut(at)
            {
                *place = octet;
            }
            if let Some((head, len)) = TransferHead::read(&octets[3..]) {
                let mut rest = octets.freeze();
                let whole = rest.len();
                let mut read = Transfer::decode(&mut rest, &Limits::default()).unwrap();
                read.settled = read.settled.filter(|settled| *settled);
                prop_assert_eq!((read, whole - rest.len() - 3), (Transfer::from(&head), len));
            } else {
                prop_assert!(damage.is_some() || tag.len() > 32);
            }
        }
    }
}
