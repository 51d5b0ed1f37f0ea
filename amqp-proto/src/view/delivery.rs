//! [`DeliveryRef`]: what is known of an unsettled delivery.

use crate::machine::{Endpoints, StaleKey};
use crate::types::{DeliveryKey, DeliveryTag, LinkKey};
use crate::wire::DeliveryState;

/// An unsettled delivery.
#[derive(Debug)]
pub struct DeliveryRef<'a> {
    endpoints: &'a Endpoints,
    key: DeliveryKey,
}

impl<'a> DeliveryRef<'a> {
    pub(crate) fn new(endpoints: &'a Endpoints, key: DeliveryKey) -> Result<Self, StaleKey> {
        endpoints.record(key).map(|_| Self { endpoints, key }).ok_or(StaleKey)
    }

    /// Returns the link that it came or goes over.
    pub fn link(&self) -> Option<LinkKey> {
        self.endpoints.link_of(self.key)
    }

    /// Returns the sender's name for it.
    pub fn tag(&self) -> DeliveryTag {
        self.endpoints.record(self.key).map(|record| DeliveryTag::from(&record.tag)).unwrap_or_default()
    }

    /// Its state at this end, as the peer was told.
    pub fn local_state(&self) -> Option<DeliveryState> {
        self.endpoints.record(self.key)?.local()
    }

    /// Its state at the peer, as this end was told.
    pub fn remote_state(&self) -> Option<DeliveryState> {
        self.endpoints.record(self.key)?.remote()
    }
}
