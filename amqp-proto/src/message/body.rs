//! [`Body`]: the content of a message [3.2.6-3.2.8].

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::types::{
    Composite, Described, FromValue, List, Many, Map, Str, Symbol, Timestamp, Uuid, Value, WrongValue,
};

/// The body of a message: one of three forms, which do not mix [3.2].
///
/// Text and other values become an amqp-value, octets become data.
///
/// ```
/// use amqp_proto::message::Body;
///
/// assert_eq!(Body::from("job-content").as_str(), Some("job-content"));
/// let octets = Body::from(vec![1, 2, 3]);
/// assert_eq!(octets.as_bytes().unwrap(), &[1, 2, 3][..]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// No body. Some peers send messages without one, although the standard requires a body [3.2]. An empty
    /// body is written as a null value.
    #[default]
    Empty,
    /// Octets, in one or more sections.
    Data(Many<Bytes>),
    /// Lists, in one or more sections.
    Sequence(Many<List>),
    /// One value.
    Value(Value),
}

impl Body {
    /// Returns the text of the body, or `None` if the body is not text.
    ///
    /// Reads a string, and also data or a binary value that is UTF-8, since other clients send text in this way.
    ///
    /// ```
    /// use amqp_proto::message::Body;
    ///
    /// let text = Some("job-content");
    /// assert_eq!(Body::from("job-content").text().as_deref(), text);
    /// assert_eq!(Body::from(b"job-content").text().as_deref(), text);
    /// assert_eq!(Body::from(b"\xff").text(), None);
    /// ```
    pub fn text(&self) -> Option<Str> {
        match self {
            Self::Value(Value::String(text)) => Some(text.clone()),
            Self::Data(_) | Self::Value(Value::Binary(_)) => Str::from_utf8(self.bytes()?).ok(),
            _ => None,
        }
    }

    /// Returns the octets of the body, or `None` if the body is not octets.
    ///
    /// Reads data, of all its sections, and also a binary value or the octets of a string.
    ///
    /// ```
    /// use amqp_proto::message::Body;
    /// use amqp_proto::types::{Many, Value};
    /// use bytes::Bytes;
    ///
    /// let octets = Bytes::from_static(b"abc");
    /// let parts = Many::from([octets.slice(..1), octets.slice(1..)]);
    /// assert_eq!(Body::Data(parts).bytes().unwrap(), octets);
    /// let value = Value::from(octets.clone());
    /// assert_eq!(Body::from(value).bytes().unwrap(), octets);
    /// ```
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Data(sections) => Some(match &**sections {
                [octets] => octets.clone(),
                sections => sections.concat().into(),
            }),
            Self::Value(Value::String(text)) => Some(text.as_bytes().clone()),
            _ => self.as_bytes().cloned(),
        }
    }

    /// Returns the text, if the body is a string. [`text`](Self::text) also reads text in data.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Value(Value::String(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns the octets, if the body is a single section of data or a binary value. [`bytes`](Self::bytes)
    /// also reads several sections.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Data(sections) => match &**sections {
                [octets] => Some(octets),
                _ => None,
            },
            Self::Value(Value::Binary(octets)) => Some(octets),
            _ => None,
        }
    }

    /// Returns the value, if the body is one.
    pub fn as_value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Reads the value of the body as a Rust type, such as a [`Composite`] of the application.
    ///
    /// # Errors
    ///
    /// [`WrongValue`] for a value of another type. A body that is no value is read as null.
    ///
    /// ```
    /// use amqp_proto::message::Body;
    ///
    /// assert_eq!(Body::from(7_u32).read::<u32>(), Ok(7));
    /// ```
    pub fn read<T: FromValue>(&self) -> Result<T, WrongValue> {
        T::from_value(self.as_value().unwrap_or(&Value::Null))
    }
}

impl<T: Composite> From<T> for Body {
    fn from(composite: T) -> Self {
        Self::Value(composite.into())
    }
}

impl From<Bytes> for Body {
    fn from(octets: Bytes) -> Self {
        Self::Data(octets.into())
    }
}

impl From<Vec<u8>> for Body {
    fn from(octets: Vec<u8>) -> Self {
        Self::from(Bytes::from(octets))
    }
}

impl From<&[u8]> for Body {
    fn from(octets: &[u8]) -> Self {
        Self::from(Bytes::copy_from_slice(octets))
    }
}

impl<const N: usize> From<&[u8; N]> for Body {
    fn from(octets: &[u8; N]) -> Self {
        Self::from(octets.as_slice())
    }
}

macro_rules! values {
    ($($type:ty)*) => {$(
        impl From<$type> for Body {
            fn from(value: $type) -> Self {
                Self::Value(value.into())
            }
        }
    )*};
}

values! {
    Value Str &str String &String Symbol List Map Described Timestamp Uuid bool char
    u8 u16 u32 u64 i8 i16 i32 i64 f32 f64
}
