//! The fields of a composite: read in order, and written without trailing nulls [1.4].

use core::fmt::Debug;

use super::code::{Code, Width};
use super::decode::{Decode, Decoder, expected};
use super::encode::{Encode, Writer, compound_len, is_narrow, octet as size_octet};
use super::error::{DecodeErrorKind, Fault, FieldName, Parsed, fail};
use super::leaf::{counted, counted8, octet, sized8};
use super::view::skip;
use crate::types::{Annotations, ApplicationProperties, Array, Fields, Kind, Many, Symbol, Value};

/// The result of reading a field: the reader at the next field, and the value.
type Read<'a, T> = Result<(FieldReader<'a>, T), nom::Err<Fault<'a>>>;

/// Reads the fields of one composite, in the order of its table.
///
/// Every method takes the reader and returns it, so that the position stays in registers.
pub(crate) struct FieldReader<'a> {
    pub(super) rest: &'a [u8],
    /// The number of fields that were sent and not yet read.
    left: u32,
}

impl<'a> FieldReader<'a> {
    /// Reads the header of a list of at most `most` fields. The caller has consumed the descriptor.
    #[inline(always)]
    pub(crate) fn of_list(input: &'a [u8], most: usize) -> Parsed<'a, Self> {
        let (rest, (count, items)) = match octet(input)? {
            (rest, Code::LIST8) => counted8(rest)?,
            // The position for errors: an empty slice at this place in the input.
            (rest, Code::LIST0) => (rest, (0, rest.split_at(0).0)),
            (rest, Code::LIST32) => counted(Code::LIST32, rest)?,
            (_, code) => return Err(expected("list", code, input)),
        };
        if usize::try_from(count).is_ok_and(|count| count <= most) {
            Ok((rest, Self { rest: items, left: count }))
        } else {
            Err(fail(input, DecodeErrorKind::TooManyFields))
        }
    }

    /// Reads the constructor of the next field; null if the field is absent [1.4].
    ///
    /// Fields are absent after the last octet. [`finish`](Self::finish) compares their number with the count.
    #[inline(always)]
    pub(super) fn code(self) -> (Self, u8) {
        match self.rest.split_first() {
            Some((code, rest)) => (Self { rest, left: self.left.wrapping_sub(1) }, *code),
            None => (self, Code::NULL),
        }
    }

    #[inline(always)]
    fn value<T>(
        mut self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
        code: u8,
        read: impl FnOnce(&mut Decoder<'a>, u8, &'a [u8]) -> Parsed<'a, T>,
    ) -> Read<'a, T> {
        match read(decoder, code, self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok((self, value))
            }
            Err(error) => Err(of_field(error, self.rest, decoder, field)),
        }
    }

    /// Reads a field that must be present [1.3.4].
    #[cfg(not(feature = "small"))]
    #[inline(always)]
    pub(crate) fn mandatory<T: Decode>(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
    ) -> Read<'a, T> {
        match self.code() {
            (this, Code::NULL) => Err(missing(this.rest, field)),
            (this, code) => this.value(decoder, field, code, T::decode),
        }
    }

    /// Reads a field that may be absent.
    #[inline(always)]
    pub(crate) fn optional<F: Field>(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
    ) -> Read<'a, F> {
        match self.code() {
            (this, Code::NULL) => Ok((this, F::default())),
            (this, code) => this.value(decoder, field, code, F::present),
        }
    }

    /// Reads a field that has the value `default` if it is absent [1.3.4].
    #[cfg(not(feature = "small"))]
    #[inline(always)]
    pub(crate) fn default<T: Decode>(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
        default: T,
    ) -> Read<'a, T> {
        match self.code() {
            (this, Code::NULL) => Ok((this, default)),
            (this, code) => this.value(decoder, field, code, T::decode),
        }
    }

    /// Reads a field with a default as `None` if it is absent, to distinguish a default that was sent from an
    /// absent field.
    #[cfg(not(feature = "small"))]
    #[inline(always)]
    pub(crate) fn stated<T: Decode + Debug>(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
        _: T,
    ) -> Read<'a, Option<T>> {
        self.optional(decoder, field)
    }

    /// Skips `count` fields by their sizes, without checking their values.
    #[inline]
    pub(crate) fn skip(mut self, count: usize) -> Result<Self, nom::Err<Fault<'a>>> {
        for _ in 0..count {
            let at = self.rest;
            let (after, code) = self.code();
            self = after;
            if code != Code::NULL {
                self.rest =
                    if Code::width(code) == Width::Sized8 { sized8(self.rest)?.0 } else { skip(at)?.0 };
            }
        }
        Ok(self)
    }

    /// Checks that size, count and fields agree as far as the fields were read [1.2.3].
    #[inline]
    pub(crate) fn pause(self) -> Result<(), nom::Err<Fault<'a>>> {
        let left = self.left.cast_signed();
        if left >= 0 && self.rest.is_empty() == (left == 0) { Ok(()) } else { Err(self.disagreement()) }
    }

    /// Checks that size, count and fields agree [1.2.3].
    #[inline]
    pub(crate) fn finish(self) -> Result<(), nom::Err<Fault<'a>>> {
        if self.rest.is_empty() && self.left == 0 { Ok(()) } else { Err(self.disagreement()) }
    }

    #[cold]
    fn disagreement(self) -> nom::Err<Fault<'a>> {
        let short = self.rest.is_empty() && self.left.cast_signed() > 0;
        fail(self.rest, if short { DecodeErrorKind::Truncated } else { DecodeErrorKind::Size })
    }
}

/// Sets the field of a fault, and moves the fault to the field's constructor if the constructor is wrong.
#[cold]
pub(super) fn of_field<'a>(
    error: nom::Err<Fault<'a>>,
    at: &'a [u8],
    decoder: &Decoder<'a>,
    field: &FieldName,
) -> nom::Err<Fault<'a>> {
    error.map(|fault| fault.of_constructor(at, decoder).within(field))
}

#[cold]
pub(super) fn missing<'a>(at: &'a [u8], field: &FieldName) -> nom::Err<Fault<'a>> {
    fail(at, DecodeErrorKind::Missing).map(|fault| fault.within(field))
}

/// The Rust type of a field that may be absent.
pub(crate) trait Field: Default {
    /// Reads a field that is present.
    fn present<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self>;
    /// Returns `true` if the field is written.
    fn is_set(&self) -> bool;
    /// Returns the value to print.
    fn shown(&self) -> &dyn Debug;
}

impl<T: Decode + Debug> Field for Option<T> {
    #[inline]
    fn present<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        T::decode(decoder, code, input).map(|(rest, value)| (rest, Some(value)))
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.as_ref().is_some_and(|value| !value.is_null())
    }

    fn shown(&self) -> &dyn Debug {
        match self {
            Some(value) => value,
            None => &"null",
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        T::decode(decoder, code, input).map(|(rest, value)| (rest, Some(value)))
    }

    fn is_null(&self) -> bool {
        self.as_ref().is_none_or(T::is_null)
    }
}

impl<T: Encode> Encode for Option<T> {
    const MOST: usize = T::MOST;

    #[inline]
    fn extra(&self) -> usize {
        self.as_ref().map_or(0, Encode::extra)
    }

    #[inline]
    fn size(&self) -> usize {
        self.as_ref().map_or(1, Encode::size)
    }

    #[inline]
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        match self {
            Some(value) => value.write(writer),
            None => writer.octet(Code::NULL),
        }
    }
}

/// Collections whose empty value means the same as an absent field.
macro_rules! collections {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn present<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                Self::decode(decoder, code, input)
            }

            #[inline]
            fn is_set(&self) -> bool {
                !self.is_empty()
            }

            fn shown(&self) -> &dyn Debug {
                self
            }
        }
    )*};
}

collections! { Fields Annotations ApplicationProperties Many<Symbol> }

impl Decode for Many<Symbol> {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        if !matches!(code, Code::ARRAY8 | Code::ARRAY32) {
            return Symbol::decode(decoder, code, input).map(|(rest, name)| (rest, Self::bare(name)));
        }
        let (rest, value) = Value::decode_from(decoder, code, input)?;
        match value.as_array().filter(|array| is_symbols(array)) {
            Some(array) => Ok((rest, array.elements().iter().map(as_symbol).collect())),
            None => Err(fail(input, DecodeErrorKind::Expected("array of symbols"))),
        }
    }

    fn is_null(&self) -> bool {
        self.is_empty()
    }
}

fn is_symbols(array: &Array) -> bool {
    array.kind() == Kind::Symbol && array.descriptors().is_empty()
}

fn as_symbol(value: &Value) -> Symbol {
    match value {
        Value::Symbol(name) => name.clone(),
        _ => Symbol::default(),
    }
}

/// Returns the length of an array's symbols, without the array's own header, and `true` if 8-bit sizes are
/// enough.
fn symbols(names: &[Symbol]) -> (usize, bool) {
    let narrow = names.iter().all(|name| name.len() <= usize::from(u8::MAX));
    let octets: usize = names.iter().map(|name| name.len() + if narrow { 1 } else { 4 }).sum();
    (octets + 1, narrow)
}

impl Encode for Many<Symbol> {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    fn size(&self) -> usize {
        match &**self {
            [] => 1,
            names => compound_len(symbols(names).0, names.len()),
        }
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        match &**self {
            [] => writer.octet(Code::NULL),
            // A single name is written as an array, too, since some brokers accept nothing else (E-COMP-06).
            names => {
                let (octets, narrow) = symbols(names);
                let writer = writer.compound(Code::ARRAY8, Code::ARRAY32, octets, names.len());
                let writer = writer.octet(if narrow { Code::SYMBOL8 } else { Code::SYMBOL32 });
                names.iter().fold(writer, |writer, name| {
                    let writer = if narrow { writer.size8(name.len()) } else { writer.size32(name.len()) };
                    writer.slice(name.as_bytes())
                })
            }
        }
    }
}

/// The number and length of a composite's fields, without trailing nulls.
#[derive(Clone, Copy, Default)]
pub(crate) struct FieldSizes {
    /// The number of written fields.
    pub(crate) count: usize,
    /// The length of the written fields, including the nulls among them.
    pub(crate) octets: usize,
    nulls: usize,
}

impl FieldSizes {
    #[inline]
    pub(crate) fn set(&mut self, octets: usize) {
        self.octets += self.nulls + octets;
        self.count += self.nulls + 1;
        self.nulls = 0;
    }

    #[inline]
    pub(crate) fn null(&mut self) {
        self.nulls += 1;
    }

    /// Returns the length of the whole list, its constructor included.
    #[inline]
    pub(crate) fn list_len(self) -> usize {
        if self.count == 0 { 1 } else { compound_len(self.octets, self.count) }
    }

    /// Writes the descriptor and the list header.
    #[inline]
    pub(crate) fn write_opening<'w>(self, code: u8, writer: Writer<'w>) -> Writer<'w> {
        if self.count == 0 {
            writer.octets([Code::DESCRIBED, Code::SMALL_ULONG, code, Code::LIST0])
        } else if is_narrow(self.octets, self.count) {
            let (size, count) = (size_octet(self.octets + 1), size_octet(self.count));
            writer.octets([Code::DESCRIBED, Code::SMALL_ULONG, code, Code::LIST8, size, count])
        } else {
            let writer = writer.octets([Code::DESCRIBED, Code::SMALL_ULONG, code]);
            writer.compound(Code::LIST8, Code::LIST32, self.octets, self.count)
        }
    }
}
