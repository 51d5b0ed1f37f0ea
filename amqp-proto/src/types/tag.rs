//! [`DeliveryTag`], and the error of octets that exceed the standard's bound.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// The greatest number of octets of a delivery tag [2.8.7], and of a transaction id [4.5.4].
pub(super) const LONGEST: usize = 32;

/// The error of a delivery tag [2.8.7] or a transaction id [4.5.4] with too many octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLong {
    /// The number of octets that were given.
    pub octets: usize,
    /// The greatest number of octets.
    pub limit: usize,
    pub(super) clause: &'static str,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { octets, limit, clause } = self;
        write!(f, "{octets} octets where at most {limit} are allowed {clause}")
    }
}

impl core::error::Error for TooLong {}

/// The tag that names a delivery on its link: up to 32 octets, unique among the unsettled ones [2.8.7].
#[derive(Clone, Copy, Default)]
pub struct DeliveryTag {
    len: u8,
    octets: [u8; LONGEST],
}

impl DeliveryTag {
    /// Returns a copy of up to 32 octets; never allocates.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if there are more than 32 octets.
    #[inline]
    pub fn new(octets: &[u8]) -> Result<Self, TooLong> {
        if let Ok(four) = <[u8; 4]>::try_from(octets) {
            return Ok(Self::from(u32::from_be_bytes(four)));
        }
        let mut copy = [0; LONGEST];
        match (u8::try_from(octets.len()), copy.get_mut(..octets.len())) {
            (Ok(len), Some(place)) => {
                place.copy_from_slice(octets);
                Ok(Self { len, octets: copy })
            }
            _ => Err(TooLong { octets: octets.len(), limit: LONGEST, clause: "[2.8.7]" }),
        }
    }

    /// Returns the octets, padded to 32, and the number of octets without the padding.
    #[inline]
    pub(crate) const fn padded(&self) -> (&[u8; LONGEST], u8) {
        (&self.octets, self.len)
    }
}

impl Deref for DeliveryTag {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl From<u32> for DeliveryTag {
    /// Returns the four octets of the number in network order.
    #[inline]
    fn from(number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        let mut tag = Self { len: 4, octets: [0; LONGEST] };
        if let Some(place) = tag.octets.first_chunk_mut() {
            *place = [a, b, c, d];
        }
        tag
    }
}

/// Implements for a type that derefs to octets, and is made of them by `new`, what follows from the octets.
macro_rules! as_octets {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                **self == **other
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                (**self).cmp(&**other)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }

        impl TryFrom<&str> for $name {
            type Error = TooLong;

            fn try_from(text: &str) -> Result<Self, TooLong> {
                Self::new(text.as_bytes())
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = TooLong;

            fn try_from(octets: &[u8]) -> Result<Self, TooLong> {
                Self::new(octets)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("0x")?;
                self.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    };
}

as_octets! { DeliveryTag }
pub(super) use as_octets;
