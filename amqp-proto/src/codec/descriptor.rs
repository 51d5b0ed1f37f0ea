//! The descriptors of the standard's types, as codes and as symbols [1.5].

use super::code::Code;
use super::composite::Schema;
use super::decode::expected;
use super::error::{DecodeErrorKind, Fault, Parsed, fail};
use super::leaf::{be_u64, octet, variable};

/// The length of a descriptor of the standard: the announcing octet, the constructor, the number.
pub(crate) const DESCRIPTOR_LEN: usize = 3;

/// Both descriptors of a described type, for a search among types without the tables of their fields.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    code: u8,
    symbol: &'static str,
}

impl Names {
    pub(crate) const fn of(schema: &Schema) -> Self {
        assert!(schema.code <= u8::MAX as u64, "all descriptors of the standard fit an octet");
        Self { code: schema.code.to_le_bytes()[0], symbol: schema.symbol }
    }
}

/// The descriptor of a received value [1.5].
#[derive(Clone, Copy)]
pub(crate) enum Descriptor<'a> {
    Code(u64),
    Symbol(&'a [u8]),
    /// A descriptor of a reserved type, which names no type of the standard [1.5].
    Reserved,
}

impl<'a> Descriptor<'a> {
    /// Reads a descriptor. The caller has consumed the octet that announces the descriptor.
    #[inline]
    pub(crate) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        match octet(input)? {
            (rest, Code::SMALL_ULONG) => octet(rest).map(|(rest, n)| (rest, Self::Code(u64::from(n)))),
            (rest, Code::ULONG0) => Ok((rest, Self::Code(0))),
            (rest, Code::ULONG) => be_u64(rest).map(|(rest, n)| (rest, Self::Code(n))),
            (rest, code @ (Code::SYMBOL8 | Code::SYMBOL32)) => {
                variable(code, rest).map(|(rest, name)| (rest, Self::Symbol(name)))
            }
            _ => Ok((input, Self::Reserved)),
        }
    }

    pub(crate) fn is(self, names: Names) -> bool {
        match self {
            Self::Code(code) => code == u64::from(names.code),
            Self::Symbol(name) => name == names.symbol.as_bytes(),
            Self::Reserved => false,
        }
    }

    /// Returns the code of the one of `types` that has this descriptor. A code is returned as it is.
    #[inline]
    pub(crate) fn among(self, types: &[Names]) -> Option<u64> {
        match self {
            Self::Code(code) => Some(code),
            _ => types.iter().find(|names| self.is(**names)).map(|names| u64::from(names.code)),
        }
    }
}

/// Reads the descriptor of the type `wanted`, and returns the octets behind it.
pub(crate) fn described<'a>(
    code: u8,
    input: &'a [u8],
    wanted: &'static str,
    names: Names,
) -> Result<&'a [u8], nom::Err<Fault<'a>>> {
    if code != Code::DESCRIBED {
        return Err(expected(wanted, code, input));
    }
    let (rest, descriptor) = Descriptor::parse(input)?;
    if descriptor.is(names) { Ok(rest) } else { Err(fail(input, DecodeErrorKind::Descriptor)) }
}
