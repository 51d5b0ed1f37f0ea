//! [`Nonce`]: the randomness of one dialogue, brought by the caller.

use core::fmt;

use alloc::string::String;

use crate::types::Str;

/// A text that is used for one authentication and never again, of at least 16 and at most 128 printable ASCII
/// characters without a comma [RFC 5802, 5.1].
///
/// Who can guess it can replay an old dialogue, so it has to come from the system's randomness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Str);

impl Nonce {
    /// The fewest characters.
    pub const MIN: usize = 16;
    /// The most characters.
    pub const MAX: usize = 128;

    /// From random octets, 16 to 64 of them, written in hexadecimal digits.
    pub fn from_random(octets: &[u8]) -> Result<Self, BadNonce> {
        if octets.len() < Self::MIN {
            return Err(BadNonce);
        }
        let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
        let text: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        Self::new(text)
    }

    /// From text of the caller's own making.
    pub fn new(text: impl Into<Str>) -> Result<Self, BadNonce> {
        let text = text.into();
        let fits = (Self::MIN..=Self::MAX).contains(&text.len());
        if fits && is_nonce(&text) { Ok(Self(text)) } else { Err(BadNonce) }
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Printable ASCII without a comma.
pub(super) fn is_nonce(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// The nonce is too short, too long, or not printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNonce;

impl fmt::Display for BadNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nonce is 16 to 128 printable characters, or 16 to 64 random octets")
    }
}

impl core::error::Error for BadNonce {}
