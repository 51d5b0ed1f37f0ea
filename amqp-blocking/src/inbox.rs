//! What a receiving link has taken in: how it is read, and what becomes of what nobody takes.

use amqp_proto::Origin;
use amqp_proto::config::OnDrop;
use amqp_proto::machine::{Part, PartEnd, ReadError};
use amqp_proto::types::{DeliveryKey, DeliveryTag, LinkKey, ReceiverKey};

use crate::state::State;

impl State {
    /// A link is about to be forgotten, unless it is only suspended: messages that came over it and were not taken are
    /// kept for the application. All are, where the peer has ended it: it may have sent and closed at once, and forgotten
    /// them. Else only those that the sender has settled, which exist nowhere else any more.
    pub(crate) fn keep_inbox(&mut self, key: ReceiverKey, origin: Origin) {
        let (Ok(mut receiver), Some(link)) =
            (self.connection.receiver(key), self.links.get_mut(&LinkKey::Receiver(key)))
        else {
            return;
        };
        if receiver.is_suspended() {
            return;
        }
        let left = std::iter::from_fn(|| receiver.receive());
        link.left.extend(left.filter(|left| origin == Origin::Remote || left.is_settled()));
    }

    /// Whether the sender of a link that was stopped has said so.
    pub(crate) fn is_stopped(&self, key: ReceiverKey) -> bool {
        self.links.get(&key.into()).is_some_and(|link| link.is_stopped)
    }

    pub(crate) fn set_stopped(&mut self, key: ReceiverKey, is_stopped: bool) {
        if let Some(link) = self.links.get_mut(&key.into()) {
            link.is_stopped = is_stopped;
        }
    }

    /// What is told about a message whose handle is dropped undecided.
    pub(crate) fn on_drop(&mut self, key: ReceiverKey) -> OnDrop {
        self.connection.receiver(key).map_or(OnDrop::Keep, |receiver| receiver.on_drop())
    }

    /// The tag of a delivery that the sender has not settled.
    pub(crate) fn unsettled_tag(&self, key: ReceiverKey, delivery: DeliveryKey) -> Option<DeliveryTag> {
        if let Ok(delivery) = self.connection.delivery(delivery) {
            return Some(delivery.tag());
        }
        let mut left = self.links.get(&key.into())?.left.iter();
        Some(left.find(|left| left.key() == delivery && !left.is_settled())?.tag())
    }

    /// Reads what there is of a message, which may be left from before its link ended.
    pub(crate) fn read(&mut self, key: ReceiverKey, delivery: DeliveryKey) -> Result<Part, ReadError> {
        let part = match self.connection.receiver(key) {
            Ok(mut receiver) => receiver.read(delivery),
            Err(_) => Err(ReadError::NoDelivery),
        };
        part.or_else(|error| {
            let left = self.links.get_mut(&key.into()).map(|link| &mut link.left);
            let left =
                left.and_then(|left| left.remove(left.iter().position(|left| left.key() == delivery)?));
            let left = left.ok_or(error)?;
            Ok(Part { payload: left.into_payload(), end: PartEnd::Complete })
        })
    }

    /// Releases messages that have come and nobody has taken; on a streaming link, also those that have only begun.
    pub(crate) fn release_untaken(&mut self, key: ReceiverKey) {
        let begun = self.links.get_mut(&key.into()).map(|link| std::mem::take(&mut link.begun));
        let Ok(mut receiver) = self.connection.receiver(key) else { return };
        if !receiver.is_streaming() {
            return receiver.release_untaken();
        }
        for delivery in begun.into_iter().flatten() {
            let released = self.connection.receiver(key).is_ok_and(|mut link| link.release(delivery).is_ok());
            if released {
                self.drop_rest(key, delivery);
            } else if let Some(link) = self.links.get_mut(&key.into()) {
                // What the sender has settled stays to be read.
                link.begun.push_back(delivery);
            }
        }
    }

    /// Reads what there is of a delivery that nobody wants.
    pub(crate) fn drop_rest(&mut self, key: ReceiverKey, delivery: DeliveryKey) {
        let part = self.connection.receiver(key).ok().and_then(|mut link| link.read(delivery).ok());
        self.unwanted.retain(|unwanted| *unwanted != delivery);
        if part.is_some_and(|part| part.end == PartEnd::More) {
            self.unwanted.push(delivery);
        }
    }
}
