//! [`TransferHead`]: the first transfer of most deliveries, which says nothing unusual.
#![allow(dead_code, unreachable_pub)] // the table makes what public types have

use crate::codec::composite;
use crate::types::{DeliveryNumber, DeliveryTag, Handle};

composite! {
    /// The fields of a transfer up to the last that most have: it is written like a transfer, in half the time.
    TransferHead = "transfer" 0x14 {
        /// The link.
        handle: Handle, "handle", mandatory;
        /// The delivery, for dispositions to name.
        delivery_id: DeliveryNumber, "delivery-number", mandatory;
        /// The delivery, for the application to name.
        delivery_tag: DeliveryTag, "delivery-tag", mandatory;
        /// How the message is made up.
        message_format: u32, "message-format", mandatory;
        /// Whether the sender has settled the delivery.
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
    fn a_head_is_written_like_the_transfer_it_stands_for() {
        for (number, tag, settled) in [(0, 0, false), (300, 4, true), (u32::MAX, 32, false)] {
            let tag = DeliveryTag::new(&[7; 32][..tag]).unwrap();
            let mut head = TransferHead::new(Handle::new(number), DeliveryNumber::new(number), tag, number);
            head.settled = settled;
            let mut transfer = Transfer::new(Handle::new(number));
            transfer.delivery_id = Some(DeliveryNumber::new(number));
            transfer.delivery_tag = Some(tag);
            transfer.message_format = Some(number);
            transfer.settled = settled.then_some(true);
            let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
            head.encode(&mut ours).unwrap();
            transfer.encode(&mut theirs).unwrap();
            assert_eq!(ours, theirs);
        }
    }
}
