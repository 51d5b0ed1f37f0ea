//! [`Login`]: a user name and a password, checked once and wiped at the end.
// Threat E8.

use core::fmt;

use alloc::vec::Vec;
use bytes::Bytes;

use crate::types::Str;

/// A user name, a password, and optionally another identity to act as.
///
/// The texts are used as given. ASCII needs no preparation. Other text should be in Unicode's normalization
/// form C, which is the result of SASLprep except in rare cases. Control characters are refused, as by
/// SASLprep.
///
/// The password's octets are overwritten when the last value with them is dropped: reliably with the feature
/// `scram`, which uses `zeroize`, otherwise as far as safe Rust allows. PLAIN copies the password into the
/// connection's output, where it is not overwritten.
///
/// ```
/// use amqp_proto::sasl::{BadCredential, Login};
///
/// let login = Login::new("user", "pencil").unwrap();
/// assert!(!format!("{login:?}").contains("pencil"));
/// let refused = Login::new("user", "pen\0cil").unwrap_err();
/// assert_eq!(refused, BadCredential::Control);
/// ```
#[derive(Clone)]
pub struct Login {
    user: Str,
    password: Wiped,
    acting_as: Option<Str>,
}

impl Login {
    /// The greatest length of a name, in octets: every PLAIN server accepts that (RFC 4616, section 2).
    pub const MAX_NAME: usize = 255;
    /// The greatest length of a password, in octets. The limit on SASL frames is usually lower [5.3.1].
    pub const MAX_PASSWORD: usize = 65_535;

    /// Returns a login.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the name or the password is empty, too long, or has control characters.
    pub fn new(user: impl Into<Str>, password: &str) -> Result<Self, BadCredential> {
        Ok(Self {
            user: name(user.into())?,
            password: Wiped::from(text(password, Self::MAX_PASSWORD)?.as_bytes()),
            acting_as: None,
        })
    }

    /// Returns a login whose password is a token, which was checked.
    pub(super) fn of_token(user: Str, token: Wiped) -> Self {
        Self { user, password: token, acting_as: None }
    }

    /// Requests the rights of another identity, which the server must allow.
    ///
    /// # Errors
    ///
    /// [`BadCredential`] if the name is empty, too long, or has control characters.
    pub fn with_acting_as(mut self, authorization: impl Into<Str>) -> Result<Self, BadCredential> {
        self.acting_as = Some(name(authorization.into())?);
        Ok(self)
    }

    /// Returns the user name.
    pub fn user(&self) -> &Str {
        &self.user
    }

    /// Returns the other identity to act as, if any.
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

/// The error of a name or a password that cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadCredential {
    /// The text is empty.
    Empty,
    /// The text has control characters.
    Control,
    /// The text is too long.
    TooLong,
    /// The token has other characters than printable ASCII without spaces.
    Token,
}

impl fmt::Display for BadCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the user name, the password or the token is empty",
            Self::Control => "the user name or the password has control characters",
            Self::TooLong => "the user name, the password or the token is too long",
            Self::Token => "the token has spaces, or other characters than printable ASCII",
        })
    }
}

impl core::error::Error for BadCredential {}

/// Checks a name of either end.
pub(super) fn name(name: Str) -> Result<Str, BadCredential> {
    text(&name, Login::MAX_NAME)?;
    Ok(name)
}

/// Checks a text of either end.
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

/// Octets that are overwritten on drop. They are allocated once, since growing would leave a copy behind.
#[derive(Clone)]
pub(super) struct Wiped(Vec<u8>);

impl Wiped {
    /// Returns the concatenation of the parts.
    pub(super) fn concat(parts: &[&[u8]]) -> Self {
        Self(parts.concat())
    }

    /// Converts into shared octets, which are overwritten when the last owner is dropped.
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
    /// Collects an iterator of known length.
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
        // Keeps the compiler from removing the stores.
        core::hint::black_box(&mut self.0);
    }
}
