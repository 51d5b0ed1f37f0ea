//! The AMQP `string`: UTF-8 that shares the buffer it was read from [1.6.20].

use core::fmt;
use core::ops::Deref;
use core::str::Utf8Error;

use alloc::string::String;
use bytes::Bytes;

/// An immutable UTF-8 string, cheap to clone.
///
/// A `Str` decoded from a frame is a slice of that frame's buffer: the text is not copied. The octets are
/// validated once, when the value is made.
///
/// ```
/// use amqp_proto::types::Str;
///
/// const QUEUE: Str = Str::from_static("orders");
/// assert_eq!(QUEUE, "orders");
/// assert_eq!(Str::from("orders").len(), 6);
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    /// The empty string.
    pub const EMPTY: Self = Self::from_static("");

    /// Returns a string with static text; never allocates.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Returns a text for people; without the feature `texts` an empty one, and nothing of the text is linked.
    #[cfg_attr(not(feature = "texts"), inline(always))]
    pub(crate) fn told(text: fmt::Arguments<'_>) -> Self {
        if cfg!(feature = "texts") { Self::from(alloc::fmt::format(text)) } else { Self::EMPTY }
    }

    /// Returns the octets as a string, without a copy.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if the octets are not UTF-8.
    pub fn from_utf8(octets: Bytes) -> Result<Self, Utf8Error> {
        Self::check(&octets)?;
        Ok(Self(octets))
    }

    /// Checks that octets are UTF-8.
    #[inline]
    pub(crate) fn check(octets: &[u8]) -> Result<(), Utf8Error> {
        if is_ascii(octets) { Ok(()) } else { core::str::from_utf8(octets).map(drop) }
    }

    /// Returns octets that have passed [`check`](Self::check) as a string.
    #[inline]
    pub(crate) fn checked(octets: Bytes) -> Self {
        Self(octets)
    }

    /// Returns the text.
    ///
    /// The crate forbids `unsafe`, so each call validates the octets again. Use [`as_bytes`](Self::as_bytes)
    /// where octets are enough; all comparisons of this type do.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the octets, which share the string's buffer.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Converts into the octets, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Returns the length in octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` for the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Returns `true` for ASCII. Names are short: two words that may overlap cover them.
#[inline]
pub(super) fn is_ascii(octets: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    match (octets.first_chunk(), octets.last_chunk()) {
        (Some(a), Some(b)) if octets.len() <= 16 => {
            (u64::from_ne_bytes(*a) | u64::from_ne_bytes(*b)) & HIGH == 0
        }
        (None, _) => match (octets.first_chunk(), octets.last_chunk()) {
            (Some(a), Some(b)) => u64::from(u32::from_ne_bytes(*a) | u32::from_ne_bytes(*b)) & HIGH == 0,
            _ => octets.is_ascii(),
        },
        _ => octets.is_ascii(),
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
