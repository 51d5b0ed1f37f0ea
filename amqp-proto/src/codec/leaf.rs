//! The parsers of single numbers and octet runs, in nom's form.
//!
//! nom's own number parsers cost more than twice the instructions unless the user turns on link-time
//! optimisation, which a library cannot demand.

use super::code::{Code, Width};
use super::error::{DecodeErrorKind, Parsed, fail};

/// Reads N octets.
#[inline]
pub(crate) fn chunk<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    match input.split_first_chunk() {
        Some((octets, rest)) => Ok((rest, *octets)),
        None => Err(fail(input, DecodeErrorKind::Truncated)),
    }
}

/// Reads one octet.
#[inline]
pub(crate) fn octet(input: &[u8]) -> Parsed<'_, u8> {
    match input.split_first() {
        Some((octet, rest)) => Ok((rest, *octet)),
        None => Err(fail(input, DecodeErrorKind::Truncated)),
    }
}

/// Reads `count` octets.
#[inline]
pub(crate) fn take(count: usize, input: &[u8]) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(count) {
        Some((octets, rest)) => Ok((rest, octets)),
        None => Err(fail(input, DecodeErrorKind::Truncated)),
    }
}

/// Reads two octets as a number in network order [1.2].
#[inline]
pub(crate) fn be_u16(input: &[u8]) -> Parsed<'_, u16> {
    chunk(input).map(|(rest, octets)| (rest, u16::from_be_bytes(octets)))
}

/// Reads four octets as a number in network order [1.2].
#[inline]
pub(crate) fn be_u32(input: &[u8]) -> Parsed<'_, u32> {
    chunk(input).map(|(rest, octets)| (rest, u32::from_be_bytes(octets)))
}

/// Reads eight octets as a number in network order [1.2].
#[inline]
pub(crate) fn be_u64(input: &[u8]) -> Parsed<'_, u64> {
    chunk(input).map(|(rest, octets)| (rest, u64::from_be_bytes(octets)))
}

/// Converts a size. On a small target a size may exceed the address space; such a size exceeds the input,
/// too.
#[inline]
pub(crate) fn to_usize(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// Reads a size of one octet, and as many octets.
#[inline]
pub(crate) fn sized8(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, size) = octet(input)?;
    take(usize::from(size), rest)
}

/// Reads a size of four octets, and as many octets.
#[inline]
pub(crate) fn sized32(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, size) = be_u32(input)?;
    take(to_usize(size), rest)
}

/// Reads the octets after constructor `code`, without their size field.
#[inline]
pub(crate) fn body(code: u8, input: &[u8]) -> Parsed<'_, &[u8]> {
    match Code::width(code) {
        Width::Sized8 => sized8(input),
        Width::Sized32 => sized32(input),
        Width::Fixed(octets) => take(usize::from(octets), input),
        Width::None => Err(fail(input, DecodeErrorKind::Constructor(code))),
    }
}

/// Reads a size whose width constructor `code` gives, and as many octets.
#[inline]
pub(crate) fn variable(code: u8, input: &[u8]) -> Parsed<'_, &[u8]> {
    if code & 0x10 == 0 { sized8(input) } else { sized32(input) }
}

/// Splits a list, map or array with constructor `code` into its count and its items [1.2.3] [1.2.4].
pub(crate) fn counted(code: u8, input: &[u8]) -> Parsed<'_, (u32, &[u8])> {
    if code & 0x10 == 0 {
        return counted8(input);
    }
    let (rest, body) = sized32(input)?;
    match be_u32(body) {
        Ok((items, count)) => Ok((rest, (count, items))),
        Err(_) => Err(fail(body, DecodeErrorKind::Size)),
    }
}

/// Splits a list, map or array with a size and a count of one octet each.
#[inline]
pub(crate) fn counted8(input: &[u8]) -> Parsed<'_, (u32, &[u8])> {
    let (rest, body) = sized8(input)?;
    match body.split_first() {
        Some((count, items)) => Ok((rest, (u32::from(*count), items))),
        None => Err(fail(body, DecodeErrorKind::Size)),
    }
}
