//! [`Login`]: a user's name and password, checked once and wiped in the end (threat E8).

use core::fmt;

use alloc::vec::Vec;
use bytes::Bytes;

use crate::types::Str;

/// A user's name, the password, and whom to act as.
///
/// The texts are used as they are given: ASCII needs no preparation, and other text should come in Unicode's
/// normalization form C, which is what SASLprep makes of it in all but rare cases. Control characters are refused,
/// as SASLprep does.
///
/// The password's octets are overwritten when the last value with them is dropped: surely with the feature `scram`,
/// which brings `zeroize`; without it as far as safe Rust can ask the compiler for. What PLAIN has put into a
/// connection's output is a copy that this does not reach.
///
/// ```
/// use amqp_proto::sasl::{BadCredential, Login};
///
/// let login = Login::new("user", "pencil").unwrap();
/// assert!(!format!("{login:?}").contains("pencil"));
/// assert_eq!(Login::new("user", "pen\0cil").unwrap_err(), BadCredential::Control);
/// ```
#[derive(Clone)]
pub struct Login {
    user: Str,
    password: Wiped,
    acting_as: Option<Str>,
}

impl Login {
    /// The longest name, in octets: what every PLAIN server takes [RFC 4616, 2].
    pub const MAX_NAME: usize = 255;
    /// The longest password, in octets. The SASL frames' limit is usually lower [5.3.1].
    pub const MAX_PASSWORD: usize = 65_535;

    /// Returns a user and a password, neither of them empty.
    pub fn new(user: impl Into<Str>, password: &str) -> Result<Self, BadCredential> {
        Ok(Self {
            user: name(user.into())?,
            password: Wiped::from(text(password, Self::MAX_PASSWORD)?.as_bytes()),
            acting_as: None,
        })
    }

    /// Asks for the rights of somebody else, the authorization identity, which the server has to allow.
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Result<Self, BadCredential> {
        self.acting_as = Some(name(authorization.into())?);
        Ok(self)
    }

    /// Returns the user.
    pub fn user(&self) -> &Str {
        &self.user
    }

    /// Whom to act as; none means as the user.
    pub fn acting_as(&self) -> Option<&Str> {
        self.acting_as.as_ref()
    }

    pub(super) fn password(&self) -> &[u8] {
        self.password.as_ref()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("acting_as", &self.acting_as)
            .finish_non_exhaustive()
    }
}

/// A name or a password that no mechanism could send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCredential {
    /// It has no characters.
    Empty,
    /// It has control characters.
    Control,
    /// It is too long.
    TooLong,
}

impl fmt::Display for BadCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the user name or the password is empty",
            Self::Control => "the user name or the password has control characters",
            Self::TooLong => "the user name or the password is too long",
        })
    }
}

impl core::error::Error for BadCredential {}

/// Checks a name, ours or the peer's.
pub(super) fn name(name: Str) -> Result<Str, BadCredential> {
    text(&name, Login::MAX_NAME)?;
    Ok(name)
}

/// Checks any text, ours or the peer's.
pub(super) fn text(text: &str, most: usize) -> Result<&str, BadCredential> {
    if text.is_empty() {
        Err(BadCredential::Empty)
    } else if text.len() > most {
        Err(BadCredential::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(BadCredential::Control)
    } else {
        Ok(text)
    }
}

/// Octets that are overwritten when they are dropped. They are allocated once: growing would leave a copy behind.
#[derive(Clone)]
pub(super) struct Wiped(Vec<u8>);

impl Wiped {
    /// Returns the parts, one after the other.
    pub(super) fn concat(parts: &[&[u8]]) -> Self {
        Self(parts.concat())
    }

    /// Shared octets, overwritten when the last one who shares them is gone.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl From<&[u8]> for Wiped {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

#[cfg(feature = "scram")]
impl From<Vec<u8>> for Wiped {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

#[cfg(feature = "scram")]
impl FromIterator<u8> for Wiped {
    /// Of an iterator that knows its length.
    fn from_iter<I: IntoIterator<Item = u8>>(octets: I) -> Self {
        Self(octets.into_iter().collect())
    }
}

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Wiped {
    #[cfg(feature = "scram")]
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }

    #[cfg(not(feature = "scram"))]
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the stores: for all the compiler knows, somebody reads them.
        core::hint::black_box(&mut self.0);
    }
}
