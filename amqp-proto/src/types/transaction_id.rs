//! [`TransactionId`]: the name that a coordinator gives a transaction [4.5.4].

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use bytes::Bytes;

use super::tag::{DeliveryTag, TooLong, as_octets};

/// The id of a transaction, chosen by the coordinator [4.5.4].
///
/// The standard allows up to 32 octets. Some coordinators, such as Apache Artemis's, choose longer ids, so an id that a
/// peer sends may have up to [`TransactionId::LONGEST_RECEIVED`] octets. More than 32 octets are kept on the heap.
#[derive(Clone)]
pub struct TransactionId(Octets);

#[derive(Clone)]
enum Octets {
    /// Up to 32 octets.
    Short(DeliveryTag),
    Long(Bytes),
}

impl TransactionId {
    /// The greatest number of octets of an id that a peer sends.
    pub const LONGEST_RECEIVED: usize = 255;

    /// Returns a copy of up to 32 octets; never allocates.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if there are more than 32 octets [4.5.4].
    pub fn new(octets: &[u8]) -> Result<Self, TooLong> {
        match DeliveryTag::new(octets) {
            Ok(short) => Ok(Self(Octets::Short(short))),
            Err(error) => Err(TooLong { clause: "[4.5.4]", ..error }),
        }
    }

    /// Returns a copy of an id that a peer has sent, which may be longer than the standard allows.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if there are more than [`TransactionId::LONGEST_RECEIVED`] octets.
    pub fn received(octets: &[u8]) -> Result<Self, TooLong> {
        Self::new(octets).or_else(|error| match octets.len() <= Self::LONGEST_RECEIVED {
            true => Ok(Self(Octets::Long(Bytes::copy_from_slice(octets)))),
            false => Err(TooLong { limit: Self::LONGEST_RECEIVED, ..error }),
        })
    }

    /// Returns the number of octets on the heap.
    pub(crate) fn heap_octets(&self) -> usize {
        match &self.0 {
            Octets::Short(_) => 0,
            Octets::Long(octets) => octets.len(),
        }
    }
}

impl Default for TransactionId {
    /// Returns the id without octets.
    fn default() -> Self {
        Self(Octets::Short(DeliveryTag::default()))
    }
}

impl Deref for TransactionId {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::Short(octets) => octets,
            Octets::Long(octets) => octets,
        }
    }
}

impl From<u32> for TransactionId {
    /// Returns the four octets of the number in network order.
    fn from(number: u32) -> Self {
        Self(Octets::Short(number.into()))
    }
}

as_octets! { TransactionId }
