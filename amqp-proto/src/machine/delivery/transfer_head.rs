//! [`TransferHead`]: a shortcut to write the first transfer of most deliveries, which has no rare fields.
#![allow(dead_code, unreachable_pub)] // the table makes what public types have

use crate::codec::composite;
use crate::types::{DeliveryNumber, DeliveryTag, Handle};

composite! {
    /// The fields of a transfer up to the last that most have. Written in half the time of a whole transfer.
    frequent TransferHead = "transfer" 0x14 {
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

#[cfg(test)]
mod tests {
    use super::TransferHead;
    use crate::types::{DeliveryNumber, DeliveryTag, Handle};
    use crate::wire::Transfer;
    use bytes::BytesMut;

    #[test]
    fn a_head_encodes_like_its_transfer() {
        for (number, tag, settled) in [(0, 0, false), (300, 4, true), (u32::MAX, 32, false)] {
            let tag = DeliveryTag::new(&[7; 32][..tag]).unwrap();
            let mut head = TransferHead::new(Handle::new(number), DeliveryNumber::new(number), tag, number);
            head.settled = settled;
            let mut transfer = Transfer::new(head.handle);
            transfer.delivery_id = Some(head.delivery_id);
            transfer.delivery_tag = Some(head.delivery_tag);
            transfer.message_format = Some(head.message_format);
            transfer.settled = head.settled.then_some(true);
            let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
            head.encode(&mut ours).unwrap();
            transfer.encode(&mut theirs).unwrap();
            assert_eq!(ours, theirs);
        }
    }
}
