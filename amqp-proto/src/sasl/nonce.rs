//! [`Nonce`]: the random text of one dialogue, provided by the caller.

use core::fmt;

use alloc::string::String;

use crate::types::Str;

/// A text that is used for one authentication only: 16 to 128 printable ASCII characters without a comma (RFC
/// 5802, section 5.1).
///
/// An attacker who can guess the nonce can replay an old dialogue, so it must come from the system's random
/// numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Str);

impl Nonce {
    /// The least number of characters.
    pub const MIN: usize = 16;
    /// The greatest number of characters.
    pub const MAX: usize = 128;

    /// Returns a nonce of 16 to 64 random octets, written in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`BadNonce`] if there are fewer or more octets.
    pub fn from_random(octets: &[u8]) -> Result<Self, BadNonce> {
        if octets.len() < Self::MIN {
            return Err(BadNonce);
        }
        let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
        let text: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        Self::new(text)
    }

    /// Returns a nonce of this text.
    ///
    /// # Errors
    ///
    /// [`BadNonce`] if the text is too short, too long, or has other characters than allowed.
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

/// Returns `true` for printable ASCII without a comma.
pub(super) fn is_nonce(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// The error of a nonce that is too short, too long, or not printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNonce;

impl fmt::Display for BadNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nonce is 16 to 128 printable characters, or 16 to 64 random octets")
    }
}

impl core::error::Error for BadNonce {}
