//! JSON in the body of a message, behind the feature `json`.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use serde_core::Serialize;
use serde_core::de::DeserializeOwned;

use super::{Body, Message, MessageView};
use crate::codec::DecodeError;
use crate::types::Symbol;

/// The content-type of a message in JSON.
const JSON: Symbol = Symbol::known("application/json");

impl Message {
    /// Makes a message whose body is a value in JSON, with the content-type `application/json`. Needs the feature `json`.
    ///
    /// # Errors
    ///
    /// serde_json's error, if the value cannot be written, such as a map whose keys are not text.
    ///
    /// # Examples
    ///
    /// ```
    /// use amqp_proto::message::{Message, MessageView};
    /// use amqp_proto::types::Limits;
    ///
    /// let message = Message::json(&("job", 7))?;
    /// assert_eq!(message.text().as_deref(), Some(r#"["job",7]"#));
    ///
    /// // At the receiver:
    /// let received = MessageView::new(message.to_payload()?, &Limits::DEFAULT)?;
    /// let (name, number): (String, u32) = received.json()?;
    /// assert_eq!((name.as_str(), number), ("job", 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        let octets: Vec<u8> = serde_json::to_vec(value)?;
        Ok(Self::new(Body::from(Bytes::from(octets))).with_content_type(JSON))
    }
}

impl MessageView {
    /// Reads a body in JSON: data, a binary value or a string. The content-type is not looked at, because many senders
    /// leave it out. Needs the feature `json`.
    ///
    /// # Errors
    ///
    /// [`JsonError`], if the body has no octets, or they are not JSON for this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        let octets = self.bytes().map_err(JsonError::Message)?.ok_or(JsonError::NoOctets)?;
        serde_json::from_slice(&octets).map_err(JsonError::Json)
    }
}

/// The error of a body that cannot be read as JSON.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError {
    /// The octets are not a message of the standard's format.
    Message(DecodeError),
    /// The body is neither data, a binary value nor a string.
    NoOctets,
    /// The octets are not JSON, or not for this type.
    Json(serde_json::Error),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(error) => write!(f, "the body cannot be decoded: {error}"),
            Self::NoOctets => f.write_str("the body is neither data, a binary value nor a string"),
            Self::Json(error) => write!(f, "the body is not the expected JSON: {error}"),
        }
    }
}

impl core::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Message(error) => Some(error),
            Self::NoOctets => None,
            Self::Json(error) => Some(error),
        }
    }
}
