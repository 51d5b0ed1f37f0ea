//! Scalars without a Rust type of their own: timestamp, uuid and the decimals [1.6.13-18].

use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};
use core::str::FromStr;
use core::time::Duration;

/// A point in time: milliseconds since the Unix epoch, UTC; negative before 1970 [1.6.17].
///
/// ```
/// use core::time::Duration;
///
/// use amqp_proto::types::Timestamp;
///
/// let made = Timestamp::from_millis(1_700_000_000_000);
/// let expires = made + Duration::from_secs(60);
/// assert_eq!(expires.as_millis(), 1_700_000_060_000);
/// assert_eq!(expires - made, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Returns the time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// Returns a later time. A part of a millisecond is left out, and the last time is 2^63 - 1 milliseconds.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

/// Returns an earlier time. A part of a millisecond is left out, and the first time is -2^63 milliseconds.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

impl SubAssign<Duration> for Timestamp {
    fn sub_assign(&mut self, span: Duration) {
        *self = *self - span;
    }
}

/// Returns the time from an earlier timestamp to this one, or zero if the other one is later.
impl Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        match self > earlier {
            true => Duration::from_millis(self.0.abs_diff(earlier.0)),
            false => Duration::ZERO,
        }
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timestamp {}", self.0)
    }
}

/// A universally unique id: sixteen octets in the order of RFC 4122, 4.1.2 [1.6.18].
///
/// ```
/// use amqp_proto::types::Uuid;
///
/// let id: Uuid = "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d".parse().unwrap();
/// assert_eq!(id.as_bytes()[0], 0x3f);
/// assert_eq!(id.to_string(), "3f1c2a7e-88d1-4b60-9a5c-0d6f1e2b3c4d");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Returns the uuid of these octets.
    pub const fn from_bytes(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Returns the sixteen octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The error of parsing text that is not a uuid: 32 hexadecimal digits in groups of 8-4-4-4-12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a uuid is 32 hexadecimal digits in groups of 8-4-4-4-12")
    }
}

impl core::error::Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let well_formed = text.len() == 36
            && text.bytes().enumerate().all(|(at, c)| match at {
                8 | 13 | 18 | 23 => c == b'-',
                _ => c.is_ascii_hexdigit(),
            });
        if !well_formed {
            return Err(ParseUuidError);
        }
        let number = text
            .bytes()
            .filter_map(|c| char::from(c).to_digit(16))
            .fold(0u128, |sum, digit| sum << 4 | u128::from(digit));
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uuid {self}")
    }
}

macro_rules! decimals {
    ($($name:ident $label:literal $octets:literal $clause:literal;)*) => {$(
        #[doc = concat!("An IEEE 754-2008 ", $label, " in BID encoding; its octets are kept as received ", $clause, ".")]
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $octets]);

        impl $name {
            /// Returns the decimal of these octets, in network order.
            pub const fn from_be_bytes(octets: [u8; $octets]) -> Self {
                Self(octets)
            }

            /// Returns the octets in network order.
            pub const fn to_be_bytes(self) -> [u8; $octets] {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($label, " 0x"))?;
                self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    )*};
}

decimals! {
    Decimal32 "decimal32" 4 "[1.6.13]";
    Decimal64 "decimal64" 8 "[1.6.14]";
    Decimal128 "decimal128" 16 "[1.6.15]";
}

/// The error of a timestamp that the type of time it is converted into cannot represent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timestamp is out of the range of the type it is converted into")
    }
}

impl core::error::Error for OutOfRange {}

#[cfg(feature = "std")]
mod clock {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::{OutOfRange, Timestamp, millis};

    /// Leaves out a part of a millisecond; a time out of range becomes the nearest representable one.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use amqp_proto::types::Timestamp;
    ///
    /// let now = Timestamp::from(SystemTime::now());
    /// let again = Timestamp::from(SystemTime::try_from(now)?);
    /// assert_eq!(again, now);
    /// # Ok::<(), amqp_proto::types::OutOfRange>(())
    /// ```
    impl From<SystemTime> for Timestamp {
        fn from(time: SystemTime) -> Self {
            match time.duration_since(UNIX_EPOCH) {
                Ok(after) => Self(millis(after)),
                Err(before) => Self(-millis(before.duration())),
            }
        }
    }

    impl TryFrom<Timestamp> for SystemTime {
        type Error = OutOfRange;

        fn try_from(time: Timestamp) -> Result<Self, OutOfRange> {
            let span = Duration::from_millis(time.0.unsigned_abs());
            match time.0 < 0 {
                true => UNIX_EPOCH.checked_sub(span),
                false => UNIX_EPOCH.checked_add(span),
            }
            .ok_or(OutOfRange)
        }
    }
}
