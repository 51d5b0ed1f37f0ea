//! The five bodies of SASL frames [5.3.3]. Their secrets are never printed.

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::SaslCode;
use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Encode, Names, Parsed, Writer, composite,
    fail, vacant,
};
use crate::types::{Many, Str, Symbol};

/// Octets that may be a credential. `Debug` prints their number only.
///
/// ```
/// use amqp_proto::wire::Secret;
///
/// let secret = Secret::from(b"\0user\0password");
/// assert_eq!(format!("{secret:?}"), "<14 octets hidden>");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Bytes);

impl Secret {
    /// Returns the octets, to check or send them.
    pub fn expose(&self) -> &Bytes {
        &self.0
    }
}

impl From<Bytes> for Secret {
    fn from(octets: Bytes) -> Self {
        Self(octets)
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(octets))
    }
}

impl<const LEN: usize> From<&[u8; LEN]> for Secret {
    fn from(octets: &[u8; LEN]) -> Self {
        Self::from(octets.as_slice())
    }
}

macro_rules! from_text {
    ($($text:ty)*) => {$(
        impl From<$text> for Secret {
            fn from(text: $text) -> Self {
                Self(Bytes::from(Vec::from(text)))
            }
        }
    )*};
}

from_text! { String &str }

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} octets hidden>", self.0.len())
    }
}

vacant! { Secret }

impl Decode for Secret {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        Bytes::decode(decoder, code, input).map(|(rest, octets)| (rest, Self(octets)))
    }
}

impl Encode for Secret {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        Encode::size(&self.0)
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        self.0.write(writer)
    }
}

composite! {
    /// Announces the server's mechanisms [5.3.3.1].
    rare SaslMechanisms = "sasl-mechanisms" 0x40 {
        /// The mechanisms, the server's preferred one first; at least one.
        sasl_server_mechanisms: Many<Symbol>, "symbol", required;
    }

    /// Chooses a mechanism and begins the dialogue, sent by the client [5.3.3.2].
    rare SaslInit = "sasl-init" 0x41 {
        /// The mechanism.
        mechanism: Symbol, "symbol", mandatory;
        /// The first message of the mechanism. An empty response differs from an absent one [5.3.3.2].
        initial_response: Option<Secret>, "binary", optional;
        /// The virtual host that the client wants to connect to.
        hostname: Option<Str>, "string", optional;
    }

    /// A challenge from the server [5.3.3.3].
    rare SaslChallenge = "sasl-challenge" 0x42 {
        /// The challenge of the mechanism.
        challenge: Secret, "binary", mandatory;
    }

    /// The client's response to a challenge [5.3.3.4].
    rare SaslResponse = "sasl-response" 0x43 {
        /// The response of the mechanism.
        response: Secret, "binary", mandatory;
    }

    /// The server's decision [5.3.3.5].
    rare SaslOutcome = "sasl-outcome" 0x44 {
        /// The result.
        code: SaslCode, "sasl-code", mandatory;
        /// The last message of the mechanism.
        additional_data: Option<Secret>, "binary", optional;
    }
}

/// The body of a SASL frame [5.3.2].
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each holds the type of its own name
pub enum SaslBody {
    Mechanisms(SaslMechanisms),
    Init(SaslInit),
    Challenge(SaslChallenge),
    Response(SaslResponse),
    Outcome(SaslOutcome),
}

const TYPES: [Names; 5] =
    [SaslMechanisms::NAMES, SaslInit::NAMES, SaslChallenge::NAMES, SaslResponse::NAMES, SaslOutcome::NAMES];

/// Evaluates the expression with the type inside any body.
macro_rules! each_sasl {
    ($body:expr, $inner:ident => $do:expr) => {
        match $body {
            SaslBody::Mechanisms($inner) => $do,
            SaslBody::Init($inner) => $do,
            SaslBody::Challenge($inner) => $do,
            SaslBody::Response($inner) => $do,
            SaslBody::Outcome($inner) => $do,
        }
    };
}

pub(crate) use each_sasl;

impl SaslBody {
    /// Reads the body of a SASL frame.
    pub(crate) fn parse<'a>(decoder: &mut Decoder<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let [Code::DESCRIBED, rest @ ..] = input else {
            return Err(fail(input, DecodeErrorKind::Expected("sasl-frame")));
        };
        let (rest, descriptor) = Descriptor::parse(rest)?;
        match descriptor.among(&TYPES) {
            Some(0x40) => {
                SaslMechanisms::decode_list(decoder, rest).map(|(rest, body)| (rest, Self::Mechanisms(body)))
            }
            Some(0x41) => SaslInit::decode_list(decoder, rest).map(|(rest, body)| (rest, Self::Init(body))),
            Some(0x42) => {
                SaslChallenge::decode_list(decoder, rest).map(|(rest, body)| (rest, Self::Challenge(body)))
            }
            Some(0x43) => {
                SaslResponse::decode_list(decoder, rest).map(|(rest, body)| (rest, Self::Response(body)))
            }
            Some(0x44) => {
                SaslOutcome::decode_list(decoder, rest).map(|(rest, body)| (rest, Self::Outcome(body)))
            }
            _ => Err(fail(input, DecodeErrorKind::Descriptor)),
        }
    }
}

impl fmt::Debug for SaslBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each_sasl!(self, inner => fmt::Debug::fmt(inner, f))
    }
}

macro_rules! from {
    ($($type:ident => $variant:ident;)*) => {$(
        impl From<$type> for SaslBody {
            fn from(body: $type) -> Self {
                Self::$variant(body)
            }
        }
    )*};
}

from! {
    SaslMechanisms => Mechanisms;
    SaslInit => Init;
    SaslChallenge => Challenge;
    SaslResponse => Response;
    SaslOutcome => Outcome;
}
