//! Reading in place: values as views of their octets, without allocation.

use core::fmt;

use super::code::{Code, Width};
use super::error::{DecodeError, DecodeErrorKind, Fault, Parsed, fail};
use super::leaf::{be_u16, be_u32, be_u64, body, chunk, counted, counted8, octet, sized8, sized32, variable};
use crate::types::{Timestamp, Uuid};

/// A value read in place.
///
/// Scalars are decoded; text and octets are borrowed. A compound is borrowed in its encoded form:
/// [`Value::decode`](crate::types::Value::decode) decodes it.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// 8 bits, unsigned.
    Ubyte(u8),
    /// 16 bits, unsigned.
    Ushort(u16),
    /// 32 bits, unsigned.
    Uint(u32),
    /// 64 bits, unsigned.
    Ulong(u64),
    /// 8 bits, signed.
    Byte(i8),
    /// 16 bits, signed.
    Short(i16),
    /// 32 bits, signed.
    Int(i32),
    /// 64 bits, signed.
    Long(i64),
    /// IEEE 754 binary32.
    Float(f32),
    /// IEEE 754 binary64.
    Double(f64),
    /// One Unicode scalar value.
    Char(char),
    /// A point in time.
    Timestamp(Timestamp),
    /// A universally unique id.
    Uuid(Uuid),
    /// Octets.
    Binary(&'a [u8]),
    /// Unicode text.
    String(&'a str),
    /// A name, 7-bit ASCII.
    Symbol(&'a str),
    /// A decimal, list, map, array or described value: its encoding, constructor included.
    Encoded(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    /// Reads the one value in `octets`.
    ///
    /// The size of a compound is trusted; its items are not checked.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets are not exactly one value.
    pub fn decode(octets: &'a [u8]) -> Result<Self, DecodeError> {
        match Self::parse(octets).map_err(|error| Fault::settle(error, octets))? {
            ([], value) => Ok(value),
            (rest, _) => Err(Fault::new(rest, DecodeErrorKind::Trailing).into_error(octets)),
        }
    }

    /// Returns the text, if the value is a string or a symbol.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::String(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    #[inline(always)]
    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, code) = octet(input)?;
        Ok(match code {
            Code::NULL => (rest, Self::Null),
            Code::TRUE => (rest, Self::Boolean(true)),
            Code::FALSE => (rest, Self::Boolean(false)),
            Code::BOOLEAN => match octet(rest)? {
                (rest, value @ (0 | 1)) => (rest, Self::Boolean(value == 1)),
                (_, other) => return Err(fail(rest, DecodeErrorKind::Boolean(other))),
            },
            Code::UINT0 => (rest, Self::Uint(0)),
            Code::ULONG0 => (rest, Self::Ulong(0)),
            Code::UBYTE => octet(rest).map(|(rest, n)| (rest, Self::Ubyte(n)))?,
            Code::BYTE => octet(rest).map(|(rest, n)| (rest, Self::Byte(n.cast_signed())))?,
            Code::SMALL_UINT => octet(rest).map(|(rest, n)| (rest, Self::Uint(n.into())))?,
            Code::SMALL_ULONG => octet(rest).map(|(rest, n)| (rest, Self::Ulong(n.into())))?,
            Code::SMALL_INT => octet(rest).map(|(rest, n)| (rest, Self::Int(n.cast_signed().into())))?,
            Code::SMALL_LONG => octet(rest).map(|(rest, n)| (rest, Self::Long(n.cast_signed().into())))?,
            Code::USHORT => be_u16(rest).map(|(rest, n)| (rest, Self::Ushort(n)))?,
            Code::SHORT => be_u16(rest).map(|(rest, n)| (rest, Self::Short(n.cast_signed())))?,
            Code::UINT => be_u32(rest).map(|(rest, n)| (rest, Self::Uint(n)))?,
            Code::INT => be_u32(rest).map(|(rest, n)| (rest, Self::Int(n.cast_signed())))?,
            Code::FLOAT => be_u32(rest).map(|(rest, n)| (rest, Self::Float(f32::from_bits(n))))?,
            Code::ULONG => be_u64(rest).map(|(rest, n)| (rest, Self::Ulong(n)))?,
            Code::LONG => be_u64(rest).map(|(rest, n)| (rest, Self::Long(n.cast_signed())))?,
            Code::DOUBLE => be_u64(rest).map(|(rest, n)| (rest, Self::Double(f64::from_bits(n))))?,
            Code::TIMESTAMP => be_u64(rest)
                .map(|(rest, n)| (rest, Self::Timestamp(Timestamp::from_millis(n.cast_signed()))))?,
            Code::UUID => chunk(rest).map(|(rest, n)| (rest, Self::Uuid(Uuid::from_bytes(n))))?,
            Code::CHAR => {
                let (after, n) = be_u32(rest)?;
                (after, Self::Char(char::from_u32(n).ok_or_else(|| fail(rest, DecodeErrorKind::Char(n)))?))
            }
            Code::BINARY8 | Code::BINARY32 => {
                variable(code, rest).map(|(rest, n)| (rest, Self::Binary(n)))?
            }
            Code::STRING8 => text(sized8(rest)?)?,
            Code::STRING32 => text(sized32(rest)?)?,
            Code::SYMBOL8 | Code::SYMBOL32 => {
                let (after, octets) = variable(code, rest)?;
                match core::str::from_utf8(octets) {
                    Ok(text) if text.is_ascii() => (after, Self::Symbol(text)),
                    _ => return Err(fail(octets, DecodeErrorKind::Ascii)),
                }
            }
            _ => {
                let (after, ()) = skip(input)?;
                (after, Self::Encoded(input.get(..input.len() - after.len()).unwrap_or_default()))
            }
        })
    }
}

#[inline]
fn text<'a>((rest, octets): (&'a [u8], &'a [u8])) -> Parsed<'a, ValueRef<'a>> {
    match core::str::from_utf8(octets) {
        Ok(text) => Ok((rest, ValueRef::String(text))),
        Err(error) => Err(fail(octets.get(error.valid_up_to()..).unwrap_or(octets), DecodeErrorKind::Utf8)),
    }
}

/// Skips one value by its size, without checking its items. Descriptors cost no recursion.
pub(crate) fn skip(input: &[u8]) -> Parsed<'_, ()> {
    let mut rest = input;
    let mut values = 1_usize;
    while values > 0 {
        let (after, code) = octet(rest)?;
        if code == Code::DESCRIBED {
            // The descriptor and the described value replace the one value.
            values += 1;
            rest = after;
        } else {
            if Code::kind(code).is_none() {
                return Err(fail(rest, DecodeErrorKind::Constructor(code)));
            }
            values -= 1;
            rest = body(code, after)?.0;
        }
    }
    Ok((rest, ()))
}

/// Returns the octets of an encoded map from the value on whose key is the text `name`, a string or a symbol.
///
/// The entries before it are skipped; their keys and values are not checked.
#[inline]
pub(crate) fn find_entry<'a>(name: &str, octets: &'a [u8]) -> Result<Option<&'a [u8]>, nom::Err<Fault<'a>>> {
    let (mut left, mut rest) = items(octets)?;
    while left > 0 {
        let (after, code) = octet(rest)?;
        let (value, key) = match code {
            Code::STRING8 => sized8(after)?,
            Code::STRING32 | Code::SYMBOL8 | Code::SYMBOL32 => variable(code, after)?,
            _ => {
                (rest, ()) = skip(skip(rest)?.0)?;
                left -= 2;
                continue;
            }
        };
        if key == name.as_bytes() {
            return Ok(Some(value));
        }
        rest = match octet(value)? {
            (after, code) if Code::width(code) == Width::Sized8 => sized8(after)?.0,
            _ => skip(value)?.0,
        };
        left -= 2;
    }
    if rest.is_empty() { Ok(None) } else { Err(fail(rest, DecodeErrorKind::Size)) }
}

/// Returns the number of keys and values of an encoded map, which is even, and their octets.
#[inline]
fn items(octets: &[u8]) -> Result<(u32, &[u8]), nom::Err<Fault<'_>>> {
    let (rest, code) = octet(octets)?;
    let split = match code {
        Code::MAP8 => counted8(rest)?,
        Code::MAP32 => counted(code, rest)?,
        _ => return Err(fail(octets, DecodeErrorKind::Expected("map"))),
    };
    match split {
        (_, (0, rest)) if !rest.is_empty() => Err(fail(rest, DecodeErrorKind::Size)),
        (_, items) if items.0 % 2 == 0 => Ok(items),
        _ => Err(fail(octets, DecodeErrorKind::OddMap)),
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
            octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Ubyte(n) => write!(f, "ubyte {n}"),
            Self::Ushort(n) => write!(f, "ushort {n}"),
            Self::Uint(n) => write!(f, "uint {n}"),
            Self::Ulong(n) => write!(f, "ulong {n}"),
            Self::Byte(n) => write!(f, "byte {n}"),
            Self::Short(n) => write!(f, "short {n}"),
            Self::Int(n) => write!(f, "int {n}"),
            Self::Long(n) => write!(f, "long {n}"),
            Self::Float(n) => write!(f, "float {n:?}"),
            Self::Double(n) => write!(f, "double {n:?}"),
            Self::Char(c) => write!(f, "char {c:?}"),
            Self::Timestamp(time) => write!(f, "{time:?}"),
            Self::Uuid(id) => write!(f, "{id:?}"),
            Self::Binary(octets) => {
                f.write_str("0x")?;
                hex(octets, f)
            }
            Self::String(text) => write!(f, "{text:?}"),
            Self::Symbol(text) => write!(f, ":{text}"),
            Self::Encoded(octets) => {
                f.write_str("encoded ")?;
                hex(octets, f)
            }
        }
    }
}

/// The pairs of an encoded map, read in place.
///
/// Keys are not checked for duplicates, unlike when decoding a [`Map`](crate::types::Map). The iteration ends
/// after the first error.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    /// The number of keys and values that are not yet read.
    left: u32,
}

impl<'a> Entries<'a> {
    /// Returns the pairs of a map; `octets` begin with its constructor.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets do not begin with the header of a map.
    pub fn new(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let (left, rest) = items(octets).map_err(|error| Fault::settle(error, octets))?;
        Ok(Self { whole: octets, rest, left })
    }

    #[inline(always)]
    fn pair(&mut self) -> Result<(ValueRef<'a>, ValueRef<'a>), nom::Err<Fault<'a>>> {
        let (rest, key) = ValueRef::parse(self.rest)?;
        let (rest, value) = ValueRef::parse(rest)?;
        self.rest = rest;
        self.left -= 2;
        if self.left == 0 && !rest.is_empty() {
            return Err(fail(rest, DecodeErrorKind::Size));
        }
        Ok((key, value))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(ValueRef<'a>, ValueRef<'a>), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let pair = self.pair();
        if pair.is_err() {
            self.left = 0;
        }
        Some(pair.map_err(|error| Fault::settle(error, self.whole)))
    }
}
