//! What a receiving link has taken in: how it is read, and what is told about it.

use amqp_proto::config::OnDrop;
use amqp_proto::endpoint::{Error, Result};
use amqp_proto::machine::{LinkError, Part, PartEnd, ReadError};
use amqp_proto::types::{DeliveryKey, DeliveryTag};
use amqp_proto::wire::DeliveryState;

use crate::link::ReceiverGuard;
use crate::state::State;

impl ReceiverGuard {
    /// What is told about a message whose handle is dropped undecided.
    pub(crate) fn on_drop(&self, state: &mut State) -> OnDrop {
        state.engine.receiver(self.key).map_or(OnDrop::Keep, |receiver| receiver.on_drop())
    }

    /// The tag of a delivery that the sender has not settled.
    pub(crate) fn unsettled_tag(&self, state: &State, delivery: DeliveryKey) -> Option<DeliveryTag> {
        if let Ok(delivery) = state.engine.delivery(delivery) {
            return Some(delivery.tag());
        }
        let mut rest = state.links.get(&self.link())?.rest.iter();
        Some(rest.find(|left| left.key() == delivery && !left.is_settled())?.tag())
    }

    /// Reads what there is of a message, which may be left from before its link ended.
    pub(crate) fn read(&self, state: &mut State, delivery: DeliveryKey) -> Result<Part, ReadError> {
        let part = match state.engine.receiver(self.key) {
            Ok(mut receiver) => receiver.read(delivery),
            Err(_) => Err(ReadError::NoDelivery),
        };
        part.or_else(|error| {
            let rest = state.links.get_mut(&self.link()).map(|link| &mut link.rest);
            let left =
                rest.and_then(|rest| rest.remove(rest.iter().position(|left| left.key() == delivery)?));
            let left = left.ok_or(error)?;
            Ok(Part { payload: left.into_payload(), end: PartEnd::Complete })
        })
    }

    pub(crate) fn settle(&self, delivery: DeliveryKey) -> Result<()> {
        self.shared().with(|state| Ok(self.engine(state)?.settle(delivery)?))
    }

    pub(crate) fn dispose(&self, delivery: DeliveryKey, outcome: &DeliveryState) -> Result<()> {
        self.shared().with(|state| {
            let told = match state.engine.receiver(self.key) {
                Ok(mut receiver) => receiver.dispose(delivery, outcome).map_err(Error::from),
                Err(_) => Err(LinkError::Detached.into()),
            };
            // A link that is over tells better why not.
            told.map_err(|error| self.over(state).unwrap_or(error))
        })
    }
}
