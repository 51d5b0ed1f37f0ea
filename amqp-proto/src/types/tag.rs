//! Short octet strings that the standard bounds at 32: delivery tags and transaction ids [2.8.7] [4.5.4].

use core::fmt;
use core::ops::Deref;

use smallvec::SmallVec;

const LONGEST: usize = 32;

/// More than the 32 octets that a delivery tag or a transaction id may have (E-COMP-13, X-ID-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// How many octets were given.
    pub octets: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets where at most {LONGEST} are allowed [2.8.7] [4.5.4]", self.octets)
    }
}

impl core::error::Error for TooLong {}

macro_rules! short_octets {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(SmallVec<[u8; LONGEST]>);

        impl $name {
            /// Copies up to 32 octets; never allocates.
            pub fn new(octets: &[u8]) -> Result<Self, TooLong> {
                if octets.len() > LONGEST {
                    return Err(TooLong { octets: octets.len() });
                }
                Ok(Self(SmallVec::from_slice(octets)))
            }
        }

        impl Deref for $name {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<u32> for $name {
            /// The four octets of the number in network order.
            fn from(number: u32) -> Self {
                Self(SmallVec::from_slice(&number.to_be_bytes()))
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
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    )*};
}

short_octets! {
    /// The tag that names a delivery on its link: up to 32 octets, unique among the unsettled ones [2.8.7].
    DeliveryTag;
    /// The id of a transaction, chosen by the coordinator: up to 32 octets [4.5.4].
    TransactionId;
}
