//! [`DeliveryRef`]: a view of an unsettled delivery.

use crate::machine::{Endpoints, StaleKey};
use crate::types::{DeliveryKey, DeliveryTag, LinkKey};
use crate::wire::DeliveryState;

/// A view of an unsettled delivery, sent or received.
#[derive(Debug)]
pub struct DeliveryRef<'a> {
    endpoints: &'a Endpoints,
    key: DeliveryKey,
}

impl<'a> DeliveryRef<'a> {
    pub(crate) fn new(endpoints: &'a Endpoints, key: DeliveryKey) -> Result<Self, StaleKey> {
        endpoints.record(key).map(|_| Self { endpoints, key }).ok_or(StaleKey)
    }

    /// Returns the link of the delivery.
    pub fn link(&self) -> Option<LinkKey> {
        self.endpoints.link_of(self.key)
    }

    /// Returns the delivery tag, which the sender has chosen.
    pub fn tag(&self) -> DeliveryTag {
        self.endpoints.record(self.key).map(|record| DeliveryTag::from(&record.tag)).unwrap_or_default()
    }

    /// Returns the state at this end, as last sent to the peer.
    pub fn local_state(&self) -> Option<DeliveryState> {
        self.endpoints.record(self.key)?.local()
    }

    /// Returns the state at the peer, as last received.
    pub fn remote_state(&self) -> Option<DeliveryState> {
        self.endpoints.record(self.key)?.remote()
    }
}
