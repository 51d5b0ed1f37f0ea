//! The protocol header that opens a connection and each layer inside it [2.2].

use core::fmt;

use bytes::Bytes;
use nom::Parser;
use nom::bytes::streaming::tag;
use nom::combinator::map;
use nom::number::streaming::u8 as octet;

use crate::codec::{DecodeError, DecodeErrorKind, Fault};

/// A protocol that a header announces [2.2].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProtocolId {
    /// AMQP itself.
    Amqp,
    /// A TLS security layer.
    Tls,
    /// A SASL security layer.
    Sasl,
    /// A protocol that the standard does not define.
    Other(u8),
}

impl From<u8> for ProtocolId {
    fn from(id: u8) -> Self {
        match id {
            0 => Self::Amqp,
            2 => Self::Tls,
            3 => Self::Sasl,
            other => Self::Other(other),
        }
    }
}

impl From<ProtocolId> for u8 {
    fn from(id: ProtocolId) -> Self {
        match id {
            ProtocolId::Amqp => 0,
            ProtocolId::Tls => 2,
            ProtocolId::Sasl => 3,
            ProtocolId::Other(other) => other,
        }
    }
}

/// Eight octets: `AMQP`, a protocol id, a version.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolHeader {
    /// The protocol that follows the header.
    pub id: ProtocolId,
    /// The major version; 1 for AMQP 1.0.0.
    pub major: u8,
    /// The minor version.
    pub minor: u8,
    /// The revision.
    pub revision: u8,
}

impl ProtocolHeader {
    /// The length of a header in octets.
    pub const LEN: usize = 8;
    /// The header of AMQP 1.0.0.
    pub const AMQP: Self = Self::of(ProtocolId::Amqp);
    /// The header of a TLS layer for AMQP 1.0.0.
    pub const TLS: Self = Self::of(ProtocolId::Tls);
    /// The header of a SASL layer for AMQP 1.0.0.
    pub const SASL: Self = Self::of(ProtocolId::Sasl);

    const fn of(id: ProtocolId) -> Self {
        Self { id, major: 1, minor: 0, revision: 0 }
    }

    /// Returns the octets of the header.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        [b'A', b'M', b'Q', b'P', self.id.into(), self.major, self.minor, self.revision]
    }

    /// Reads a header from the front of `octets`, or returns `None` if `octets` are too few.
    ///
    /// Any id and any version are accepted.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] of kind [`ProtocolHeader`](DecodeErrorKind::ProtocolHeader) at the first wrong octet,
    /// even if the header is incomplete [2.2].
    pub fn decode(octets: &[u8]) -> Result<Option<Self>, DecodeError> {
        let version = map((octet, octet, octet, octet), |(id, major, minor, revision): (u8, u8, u8, u8)| {
            Self { id: id.into(), major, minor, revision }
        });
        let parsed: nom::IResult<&[u8], _, Fault<'_>> = (tag(&b"AMQP"[..]), version).parse(octets);
        match parsed {
            Ok((_, (_, header))) => Ok(Some(header)),
            Err(nom::Err::Incomplete(_)) => Ok(None),
            Err(_) => {
                let right = octets.iter().zip(b"AMQP").take_while(|(got, want)| got == want).count();
                Err(DecodeError::new(DecodeErrorKind::ProtocolHeader, right))
            }
        }
    }
}

impl From<ProtocolHeader> for Bytes {
    fn from(header: ProtocolHeader) -> Self {
        Self::copy_from_slice(&header.to_bytes())
    }
}

/// Prints the protocol and its version, such as `AMQP 1.0.0`.
impl fmt::Display for ProtocolHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            ProtocolId::Amqp => f.write_str("AMQP"),
            ProtocolId::Tls => f.write_str("TLS"),
            ProtocolId::Sasl => f.write_str("SASL"),
            id => write!(f, "protocol {}", u8::from(id)),
        }?;
        write!(f, " {}.{}.{}", self.major, self.minor, self.revision)
    }
}

impl fmt::Debug for ProtocolHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header {:?} {}.{}.{}", self.id, self.major, self.minor, self.revision)
    }
}
