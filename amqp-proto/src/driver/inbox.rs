//! The messages of a receiving link, including those from before its end.

use super::state::State;
use super::wake::Wake;
use crate::machine::{Part, PartEnd, ReadError};
use crate::types::{DeliveryKey, DeliveryTag, Key};

impl<W: Wake> State<W> {
    /// Returns the tag of a delivery that the sender has not settled.
    pub(super) fn unsettled_tag(&self, slot: Key, delivery: DeliveryKey) -> Option<DeliveryTag> {
        if let Ok(delivery) = self.engine.delivery(delivery) {
            return Some(delivery.tag());
        }
        let mut rest = self.links.get(slot)?.rest.iter();
        Some(rest.find(|left| left.key() == delivery && !left.is_settled())?.tag())
    }

    /// Reads the available octets of a message, which may be left from before the end of its link.
    pub(super) fn read(&mut self, slot: Key, delivery: DeliveryKey) -> Result<Part, ReadError> {
        let receiver = self.receiver_key(slot).and_then(|key| self.engine.receiver(key).ok());
        let part = receiver.map_or(Err(ReadError::NoDelivery), |mut receiver| receiver.read(delivery));
        part.or_else(|error| {
            let rest = self.links.get_mut(slot).map(|link| &mut link.rest);
            let left =
                rest.and_then(|rest| rest.remove(rest.iter().position(|left| left.key() == delivery)?));
            let left = left.ok_or(error)?;
            Ok(Part { payload: left.into_payload(), end: PartEnd::Complete })
        })
    }

    /// Releases messages that have arrived and were not taken; on a streaming link, also incomplete ones.
    pub(super) fn release_untaken(&mut self, slot: Key) {
        let Some(key) = self.receiver_key(slot) else { return };
        let begun = self.links.get_mut(slot).map(|link| core::mem::take(&mut link.begun));
        let Ok(mut receiver) = self.engine.receiver(key) else { return };
        if !receiver.is_streaming() {
            return receiver.release_untaken();
        }
        for delivery in begun.into_iter().flatten() {
            let released = self.engine.receiver(key).is_ok_and(|mut link| link.release(delivery).is_ok());
            if released {
                self.drop_rest(key, delivery);
            } else if let Some(link) = self.links.get_mut(slot) {
                // Messages that the sender has settled stay readable.
                link.begun.push_back(delivery);
            }
        }
    }
}
