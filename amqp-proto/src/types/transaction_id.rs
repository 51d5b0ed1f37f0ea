//! [`TransactionId`]: the name that a coordinator gives a transaction [4.5.4].

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use super::tag::{LONGEST, TooLong, as_octets};

/// The id of a transaction, chosen by the coordinator [4.5.4].
///
/// The standard allows up to 32 octets. Some coordinators, such as Apache Artemis's, choose longer ids, so an id that a
/// peer sends may have up to [`TransactionId::LONGEST_RECEIVED`] octets.
// All octets lie here, so that an outcome that could hold an id is dropped without a look at the id.
#[derive(Clone)]
pub struct TransactionId {
    len: u8,
    octets: [u8; Self::LONGEST_RECEIVED],
}

impl TransactionId {
    /// The greatest number of octets of an id that a peer sends.
    pub const LONGEST_RECEIVED: usize = 255;

    /// Returns a copy of up to 32 octets.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if there are more than 32 octets [4.5.4].
    pub fn new(octets: &[u8]) -> Result<Self, TooLong> {
        if octets.len() > LONGEST { Err(Self::too_long(octets, LONGEST)) } else { Self::received(octets) }
    }

    /// Returns a copy of an id that a peer has sent, which may be longer than the standard allows.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if there are more than [`TransactionId::LONGEST_RECEIVED`] octets.
    pub fn received(octets: &[u8]) -> Result<Self, TooLong> {
        let mut copy = [0; Self::LONGEST_RECEIVED];
        match (u8::try_from(octets.len()), copy.get_mut(..octets.len())) {
            (Ok(len), Some(place)) => {
                place.copy_from_slice(octets);
                Ok(Self { len, octets: copy })
            }
            _ => Err(Self::too_long(octets, Self::LONGEST_RECEIVED)),
        }
    }

    fn too_long(octets: &[u8], limit: usize) -> TooLong {
        TooLong { octets: octets.len(), limit, clause: "[4.5.4]" }
    }
}

impl Default for TransactionId {
    /// Returns the id without octets.
    fn default() -> Self {
        Self { len: 0, octets: [0; Self::LONGEST_RECEIVED] }
    }
}

impl Deref for TransactionId {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl From<u32> for TransactionId {
    /// Returns the four octets of the number in network order.
    fn from(number: u32) -> Self {
        let mut id = Self { len: 4, ..Self::default() };
        if let Some(place) = id.octets.first_chunk_mut() {
            *place = number.to_be_bytes();
        }
        id
    }
}

as_octets! { TransactionId }
