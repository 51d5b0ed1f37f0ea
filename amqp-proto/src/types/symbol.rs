//! The AMQP `symbol`: a name from a constrained domain, 7-bit ASCII [1.6.21].

use core::fmt;
use core::str::FromStr;

use alloc::string::String;
use bytes::Bytes;

use super::escaped::Escaped;
use super::str::{Str, is_ascii};

/// A symbolic value such as `amqp:accepted:list`, cheap to clone.
///
/// A string literal converts into a symbol. [`symbol!`](crate::symbol) checks a literal while compiling;
/// [`Symbol::new`] takes text that is known only at run time.
///
/// ```
/// use amqp_proto::{symbol, types::Symbol};
///
/// assert_eq!(Symbol::new("queue").unwrap(), symbol!("queue"));
/// assert!(Symbol::new("größe").is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(Bytes);

/// The error of making a symbol of text that is not 7-bit ASCII [1.6.21].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAscii;

impl Symbol {
    /// Returns a symbol with this text.
    ///
    /// # Errors
    ///
    /// [`NotAscii`] if the text is not 7-bit ASCII.
    pub fn new(text: impl Into<Str>) -> Result<Self, NotAscii> {
        Self::from_ascii(text.into().into_bytes())
    }

    /// Returns the octets as a symbol, without a copy.
    ///
    /// # Errors
    ///
    /// [`NotAscii`] if the octets are not 7-bit ASCII.
    pub fn from_ascii(octets: Bytes) -> Result<Self, NotAscii> {
        if is_ascii(&octets) { Ok(Self(octets)) } else { Err(NotAscii) }
    }

    /// Returns a constant symbol. [`symbol!`](crate::symbol) calls this function while compiling.
    #[doc(hidden)]
    pub const fn checked(text: &'static str) -> Self {
        assert!(text.is_ascii(), "a symbol is 7-bit ASCII");
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Returns a symbol of this crate's own tables. The caller ensures that the text is ASCII.
    pub(crate) const fn known(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the octets, which share the symbol's buffer.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the length in octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` for the empty symbol.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Makes a constant [`Symbol`](crate::types::Symbol); text that is not ASCII does not compile.
///
/// ```
/// use amqp_proto::symbol;
///
/// assert_eq!(symbol!("x-opt-jms-dest").as_str(), "x-opt-jms-dest");
/// ```
/// ```compile_fail
/// let _ = amqp_proto::symbol!("größe");
/// ```
#[macro_export]
macro_rules! symbol {
    ($text:expr) => {
        const { $crate::types::Symbol::checked($text) }
    };
}

impl AsRef<str> for Symbol {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Makes a symbol of a literal, such as `"application/json"`. Use [`Symbol::new`] for other text.
///
/// # Panics
///
/// If the literal is not 7-bit ASCII; [`symbol!`](crate::symbol) reports that while compiling.
impl From<&'static str> for Symbol {
    fn from(text: &'static str) -> Self {
        Self::checked(text)
    }
}

impl TryFrom<String> for Symbol {
    type Error = NotAscii;

    fn try_from(text: String) -> Result<Self, NotAscii> {
        Self::new(text)
    }
}

impl TryFrom<Str> for Symbol {
    type Error = NotAscii;

    fn try_from(text: Str) -> Result<Self, NotAscii> {
        Self::from_ascii(text.into_bytes())
    }
}

impl FromStr for Symbol {
    type Err = NotAscii;

    fn from_str(text: &str) -> Result<Self, NotAscii> {
        Self::new(text)
    }
}

impl PartialEq<str> for Symbol {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Symbol {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", Escaped::new(self.as_str()))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for NotAscii {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a symbol holds 7-bit ASCII only [1.6.21]")
    }
}

impl core::error::Error for NotAscii {}
