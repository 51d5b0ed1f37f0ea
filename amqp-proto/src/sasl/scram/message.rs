//! The four messages of SCRAM, parsed into their parts (RFC 5802, section 7).
//!
//! Optional extensions are ignored. The mandatory extension `m=` stands in the place of another attribute, so
//! it is refused as malformed, as is any message with its attributes in another order.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Encoding};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, satisfy};
use nom::combinator::{all_consuming, consumed, opt};
use nom::error::Error;
use nom::multi::many0_count;
use nom::sequence::{preceded, separated_pair, terminated};
use nom::{IResult, Parser};

use super::super::login::{name, text};
use super::super::mechanism::MechanismError;
use super::super::nonce::is_nonce;
use super::ScramLimits;
use crate::types::Str;

/// Returns the text of a message. The length is checked before any other work.
pub(super) fn readable<'a>(octets: &'a [u8], limits: &ScramLimits) -> Result<&'a str, MechanismError> {
    if octets.len() > limits.message_octets() {
        return Err(MechanismError::TooLong);
    }
    let message = core::str::from_utf8(octets).map_err(|_| MechanismError::Malformed)?;
    text(message, limits.message_octets()).map_err(|_| MechanismError::Malformed)
}

/// The client's first message.
pub(super) struct ClientFirst<'a> {
    /// The header with the channel binding flag and the authorization identity, unparsed.
    pub(super) gs2_header: &'a str,
    /// The identity to act as.
    pub(super) acting_as: Option<Str>,
    /// The message without the header.
    pub(super) bare: &'a str,
    /// The user.
    pub(super) user: Str,
    /// The client's nonce.
    pub(super) nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    pub(super) fn parse(message: &'a str, limits: &ScramLimits) -> Result<Self, MechanismError> {
        // "y" means that the client supports channel binding and the server has not offered it, which is
        // true.
        let gs2 = (alt((tag("n"), tag("y"))), char(','), opt(attribute("a=")), char(','));
        let bare = (terminated(attribute("n="), char(',')), terminated(attribute("r="), extensions));
        let ((gs2_header, (_, _, acting_as, _)), (bare, (user, nonce))) =
            whole((consumed(gs2), consumed(bare)), message)?;
        let acting_as = acting_as.map(unescape).transpose()?;
        check_nonce(nonce, limits)?;
        Ok(Self { gs2_header, acting_as, bare, user: unescape(user)?, nonce })
    }
}

/// The server's first message.
pub(super) struct ServerFirst<'a> {
    /// Both nonces.
    pub(super) nonce: &'a str,
    /// The salt.
    pub(super) salt: Vec<u8>,
    /// The number of iterations, within the limits.
    pub(super) iterations: u32,
}

impl<'a> ServerFirst<'a> {
    pub(super) fn parse(message: &'a str, limits: &ScramLimits) -> Result<Self, MechanismError> {
        let head = separated_pair(attribute("r="), char(','), attribute("s="));
        let parts = terminated(separated_pair(head, char(','), attribute("i=")), extensions);
        let ((nonce, salt), iterations) = whole(parts, message)?;
        check_nonce(nonce, limits)?;
        let salt = octets(salt)?;
        if salt.len() > limits.salt_octets() {
            return Err(MechanismError::TooLong);
        }
        let iterations = number(iterations)?;
        if !(limits.fewest_iterations()..=limits.most_iterations()).contains(&iterations) {
            return Err(MechanismError::Iterations(iterations));
        }
        Ok(Self { nonce, salt, iterations })
    }
}

/// The client's final message.
pub(super) struct ClientFinal<'a> {
    /// The message without the proof.
    pub(super) without_proof: &'a str,
    /// The header of the first message, in base64.
    pub(super) binding: &'a str,
    /// Both nonces.
    pub(super) nonce: &'a str,
    /// The proof.
    pub(super) proof: Vec<u8>,
}

impl<'a> ClientFinal<'a> {
    pub(super) fn parse(message: &'a str) -> Result<Self, MechanismError> {
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(MechanismError::Malformed)?;
        let parts = terminated(separated_pair(attribute("c="), char(','), attribute("r=")), extensions);
        let (binding, nonce) = whole(parts, without_proof)?;
        Ok(Self { without_proof, binding, nonce, proof: octets(proof)? })
    }
}

/// Returns the signature in the server's final message. An error in that message is a refusal.
pub(super) fn server_final(message: &str) -> Result<Vec<u8>, MechanismError> {
    if message.starts_with("e=") {
        return Err(MechanismError::Refused);
    }
    octets(whole(terminated(attribute("v="), extensions), message)?)
}

/// Returns a name with the two special characters escaped.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(escaped: &str) -> Result<Str, MechanismError> {
    let mut pieces = escaped.split('=');
    let mut plain = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (sign, rest) = match (piece.strip_prefix("3D"), piece.strip_prefix("2C")) {
            (Some(rest), _) => ('=', rest),
            (None, Some(rest)) => (',', rest),
            (None, None) => return Err(MechanismError::Malformed),
        };
        plain.push(sign);
        plain.push_str(rest);
    }
    name(plain.into()).map_err(|_| MechanismError::Malformed)
}

fn whole<'a, O>(
    parser: impl Parser<&'a str, Output = O, Error = Error<&'a str>>,
    message: &'a str,
) -> Result<O, MechanismError> {
    all_consuming(parser).parse(message).map(|(_, parts)| parts).map_err(|_| MechanismError::Malformed)
}

fn value(input: &str) -> IResult<&str, &str> {
    take_while1(|c| c != ',').parse(input)
}

fn attribute<'a>(named: &'static str) -> impl Parser<&'a str, Output = &'a str, Error = Error<&'a str>> {
    preceded(tag(named), value)
}

fn extensions(input: &str) -> IResult<&str, usize> {
    many0_count((char(','), satisfy(|c| c.is_ascii_alphabetic()), char('='), value)).parse(input)
}

fn check_nonce(nonce: &str, limits: &ScramLimits) -> Result<(), MechanismError> {
    if nonce.len() > limits.nonce_octets() {
        Err(MechanismError::TooLong)
    } else if is_nonce(nonce) {
        Ok(())
    } else {
        Err(MechanismError::Malformed)
    }
}

/// Parses a number without sign and leading zeros.
fn number(digits: &str) -> Result<u32, MechanismError> {
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    if !plain {
        return Err(MechanismError::Malformed);
    }
    // A number that exceeds the type exceeds every limit.
    Ok(digits.parse().unwrap_or(u32::MAX))
}

/// Decodes base64 of at least one octet.
fn octets(base64: &str) -> Result<Vec<u8>, MechanismError> {
    let octets = Base64::decode_vec(base64).map_err(|_| MechanismError::Malformed)?;
    if octets.is_empty() { Err(MechanismError::Malformed) } else { Ok(octets) }
}
