//! [`Decoder`], the budget of one decoding, and the readers of Rust types.

use bytes::Bytes;
use nom::Offset;

use super::code::Code;
use super::error::{DecodeError, DecodeErrorKind, Fault, LimitKind, Parsed, fail};
use super::leaf::{be_u16, be_u32, be_u64, chunk, octet, variable};
use crate::types::{
    Annotations, ApplicationProperties, DecodingLimits, DeliveryNumber, DeliveryTag, Fields, Handle, Limits,
    List, Map, SequenceNo, Str, Symbol, Timestamp, TransactionId, TransferNumber, Uuid, Value,
};

/// The state of one decoding: the shared source buffer and the remaining budget.
pub(crate) struct Decoder<'a> {
    source: &'a Bytes,
    depth: u16,
    value_octets: u32,
    budget: Budget,
}

/// The number of values that may still be decoded. A frame has one budget; all sections of a message share
/// one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    elements: u32,
    zero_width: u32,
}

impl Budget {
    #[inline]
    pub(crate) fn of(limits: DecodingLimits) -> Self {
        Self { elements: limits.elements, zero_width: limits.zero_width_elements }
    }
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(source: &'a Bytes, limits: &Limits) -> Self {
        let limits = limits.of_decoding();
        Self::with_budget(source, limits, Budget::of(limits))
    }

    /// Returns a decoder that continues with the remaining budget of another decoder.
    #[inline]
    pub(crate) fn with_budget(source: &'a Bytes, limits: DecodingLimits, budget: Budget) -> Self {
        Self { source, depth: limits.depth, value_octets: limits.value_octets, budget }
    }

    /// Returns the remaining budget.
    #[inline]
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// Runs a parser over the whole source.
    pub(crate) fn run<T>(
        source: &'a Bytes,
        limits: &Limits,
        parser: impl FnOnce(&mut Self, &'a [u8]) -> Parsed<'a, T>,
    ) -> Result<(&'a [u8], T), DecodeError> {
        parser(&mut Self::new(source, limits), source).map_err(|error| Fault::settle(error, source))
    }

    /// Returns a part of the source as a `Bytes` value, without a copy.
    #[inline(always)]
    pub(crate) fn share(&self, part: &'a [u8]) -> Bytes {
        if part.is_empty() {
            return Bytes::new();
        }
        // As `slice_ref`, which is not inlined.
        let at = part.as_ptr().addr().wrapping_sub(self.source.as_ptr().addr());
        self.source.slice(at..at.wrapping_add(part.len()))
    }

    /// Returns the position of the constructor before `input`, for errors about the constructor.
    #[cold]
    pub(crate) fn constructor(&self, input: &'a [u8]) -> &'a [u8] {
        let at = self.source.offset(input).checked_sub(1);
        at.and_then(|at| self.source.get(at..)).unwrap_or(input)
    }

    /// Subtracts `count` values from the budget. Called before memory is reserved for the values [1.2].
    pub(crate) fn spend(&mut self, count: u32, at: &'a [u8]) -> Result<(), nom::Err<Fault<'a>>> {
        self.budget.elements =
            self.budget.elements.checked_sub(count).ok_or_else(|| over(at, LimitKind::Elements))?;
        Ok(())
    }

    /// Subtracts `count` values without octets from the budget [1.2.4].
    pub(crate) fn spend_zero_width(&mut self, count: u32, at: &'a [u8]) -> Result<(), nom::Err<Fault<'a>>> {
        self.budget.zero_width = self
            .budget
            .zero_width
            .checked_sub(count)
            .ok_or_else(|| over(at, LimitKind::ZeroWidthElements))?;
        Ok(())
    }

    /// Checks the depth of nesting against the limit [1.2].
    pub(crate) fn check_depth(&self, levels: usize, at: &'a [u8]) -> Result<(), nom::Err<Fault<'a>>> {
        if levels < usize::from(self.depth) { Ok(()) } else { Err(over(at, LimitKind::Depth)) }
    }

    /// Checks the length of a single value against the limit.
    pub(crate) fn check_octets(&self, part: &'a [u8]) -> Result<(), nom::Err<Fault<'a>>> {
        match u32::try_from(part.len()) {
            Ok(octets) if octets <= self.value_octets => Ok(()),
            _ => Err(over(part, LimitKind::ValueOctets)),
        }
    }

    /// Reads a string, and checks that it is UTF-8.
    #[inline(never)] // one call for each string
    pub(crate) fn text(&self, code: u8, input: &'a [u8]) -> Parsed<'a, Str> {
        let (rest, octets) = self.variable(code, input)?;
        match Str::check(octets) {
            Ok(()) => Ok((rest, Str::checked(self.share(octets)))),
            Err(error) => {
                Err(fail(octets.get(error.valid_up_to()..).unwrap_or(octets), DecodeErrorKind::Utf8))
            }
        }
    }

    /// Reads the octets of a binary, string or symbol.
    #[inline(always)]
    fn variable(&self, code: u8, input: &'a [u8]) -> Parsed<'a, &'a [u8]> {
        let (rest, octets) = variable(code, input)?;
        self.check_octets(octets)?;
        Ok((rest, octets))
    }
}

fn over(at: &[u8], limit: LimitKind) -> nom::Err<Fault<'_>> {
    fail(at, DecodeErrorKind::Limit(limit))
}

/// A type that can be decoded.
pub(crate) trait Decode: Sized {
    /// Reads the octets after constructor `code`. The caller has consumed the constructor, which is not null.
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self>;

    /// Returns `true` if the value means the same as an absent one.
    #[inline]
    fn is_null(&self) -> bool {
        false
    }
}

/// Returns the error about a constructor that is not one of the type `wanted`. An unassigned constructor gets
/// an error of its own.
#[cold]
pub(crate) fn expected<'a>(wanted: &'static str, code: u8, at: &'a [u8]) -> nom::Err<Fault<'a>> {
    match Code::kind(code) {
        None if code != Code::DESCRIBED => fail(at, DecodeErrorKind::Constructor(code)),
        _ => fail(at, DecodeErrorKind::Expected(wanted)),
    }
}

/// Converts the number of a narrow form into the wider type of the value.
#[inline]
fn widen<T, U: From<T>>((rest, number): (&[u8], T)) -> (&[u8], U) {
    (rest, U::from(number))
}

macro_rules! decode {
    ($($type:ty as $label:literal: |$decoder:pat_param, $code_in:pat_param, $input:ident| { $($code:pat => $parser:expr,)* })*) => {$(
        impl Decode for $type {
            #[inline]
            fn decode<'a>($decoder: &mut Decoder<'a>, constructor: u8, $input: &'a [u8]) -> Parsed<'a, Self> {
                let $code_in = constructor;
                match constructor {
                    $($code => $parser,)*
                    _ => Err(expected($label, constructor, $input)),
                }
            }
        }
    )*};
}

decode! {
    bool as "boolean": |_, _, input| {
        Code::TRUE => Ok((input, true)),
        Code::FALSE => Ok((input, false)),
        Code::BOOLEAN => match octet(input)? {
            (rest, 0) => Ok((rest, false)),
            (rest, 1) => Ok((rest, true)),
            (_, other) => Err(fail(input, DecodeErrorKind::Boolean(other))),
        },
    }
    u8 as "ubyte": |_, _, input| { Code::UBYTE => octet(input), }
    u16 as "ushort": |_, _, input| { Code::USHORT => be_u16(input), }
    u32 as "uint": |_, _, input| {
        Code::UINT0 => Ok((input, 0)),
        Code::SMALL_UINT => octet(input).map(widen),
        Code::UINT => be_u32(input),
    }
    u64 as "ulong": |_, _, input| {
        Code::ULONG0 => Ok((input, 0)),
        Code::SMALL_ULONG => octet(input).map(widen),
        Code::ULONG => be_u64(input),
    }
    i8 as "byte": |_, _, input| { Code::BYTE => signed_octet(input), }
    i16 as "short": |_, _, input| { Code::SHORT => chunk(input).map(|(rest, n)| (rest, i16::from_be_bytes(n))), }
    i32 as "int": |_, _, input| {
        Code::SMALL_INT => signed_octet(input).map(widen),
        Code::INT => chunk(input).map(|(rest, n)| (rest, i32::from_be_bytes(n))),
    }
    i64 as "long": |_, _, input| {
        Code::SMALL_LONG => signed_octet(input).map(widen),
        Code::LONG => chunk(input).map(|(rest, n)| (rest, i64::from_be_bytes(n))),
    }
    f32 as "float": |_, _, input| { Code::FLOAT => be_u32(input).map(|(rest, n)| (rest, f32::from_bits(n))), }
    f64 as "double": |_, _, input| { Code::DOUBLE => be_u64(input).map(|(rest, n)| (rest, f64::from_bits(n))), }
    char as "char": |_, _, input| {
        Code::CHAR => {
            let (rest, number) = be_u32(input)?;
            match char::from_u32(number) {
                Some(char) => Ok((rest, char)),
                None => Err(fail(input, DecodeErrorKind::Char(number))),
            }
        },
    }
    Timestamp as "timestamp": |_, _, input| {
        Code::TIMESTAMP => chunk(input).map(|(rest, n)| (rest, Timestamp::from_millis(i64::from_be_bytes(n)))),
    }
    Uuid as "uuid": |_, _, input| { Code::UUID => chunk(input).map(|(rest, n)| (rest, Uuid::from_bytes(n))), }
    Bytes as "binary": |decoder, code, input| {
        Code::BINARY8 | Code::BINARY32 => {
            let (rest, octets) = decoder.variable(code, input)?;
            Ok((rest, decoder.share(octets)))
        },
    }
    Str as "string": |decoder, code, input| {
        Code::STRING8 | Code::STRING32 => {
            decoder.text(code, input)
        },
    }
    Symbol as "symbol": |decoder, code, input| {
        Code::SYMBOL8 | Code::SYMBOL32 => {
            let (rest, octets) = decoder.variable(code, input)?;
            match Symbol::from_ascii(decoder.share(octets)) {
                Ok(name) => Ok((rest, name)),
                Err(_) => {
                    let ascii = octets.iter().take_while(|octet| octet.is_ascii()).count();
                    Err(fail(octets.get(ascii..).unwrap_or(octets), DecodeErrorKind::Ascii))
                }
            }
        },
    }
    DeliveryTag as "binary": |_, code, input| {
        Code::BINARY8 | Code::BINARY32 => {
            let (rest, octets) = variable(code, input)?;
            DeliveryTag::new(octets).map(|tag| (rest, tag)).map_err(|_| fail(octets, DecodeErrorKind::TooLong))
        },
    }
    TransactionId as "binary": |_, code, input| {
        Code::BINARY8 | Code::BINARY32 => {
            let (rest, octets) = variable(code, input)?;
            match TransactionId::received(octets) {
                Ok(id) => Ok((rest, id)),
                Err(_) => Err(fail(octets, DecodeErrorKind::TransactionIdTooLong)),
            }
        },
    }
}

super::any::vacant! { u32 u64 Str Symbol DeliveryTag TransactionId Handle DeliveryNumber TransferNumber }

#[inline]
fn signed_octet(input: &[u8]) -> Parsed<'_, i8> {
    octet(input).map(|(rest, value)| (rest, value.cast_signed()))
}

macro_rules! decode_number {
    ($($type:ident)*) => {$(
        impl Decode for $type {
            #[inline]
            fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                u32::decode(decoder, code, input).map(|(rest, number)| (rest, $type::new(number)))
            }
        }
    )*};
}

decode_number! { Handle SequenceNo DeliveryNumber TransferNumber }

macro_rules! decode_compound {
    ($($type:ident as $label:literal)*) => {$(
        impl Decode for $type {
            fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                match Value::decode_from(decoder, code, input)? {
                    (rest, Value::$type(value)) => Ok((rest, value)),
                    _ => Err(expected($label, code, input)),
                }
            }
        }
    )*};
}

decode_compound! { List as "list" Map as "map" }

macro_rules! decode_named {
    ($($type:ident)*) => {$(
        impl Decode for $type {
            fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                let (rest, map) = Map::decode(decoder, code, input)?;
                match $type::try_from(map) {
                    Ok(map) => Ok((rest, map)),
                    Err(error) => Err(fail(input, DecodeErrorKind::NotAllowed(error.map))),
                }
            }

            fn is_null(&self) -> bool {
                self.is_empty()
            }
        }
    )*};
}

decode_named! { Fields Annotations }

impl Decode for ApplicationProperties {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        Map::decode(decoder, code, input).map(|(rest, map)| (rest, Self::received(map)))
    }

    fn is_null(&self) -> bool {
        self.is_empty()
    }
}
