//! The fields of a composite: read in order, written without trailing nulls [1.4].

use core::fmt::Debug;

use super::code::Code;
use super::decode::{Decode, Decoder};
use super::encode::{Encode, Writer, compound_len, is_narrow, octet as size_octet};
use super::error::{DecodeErrorKind, Fault, FieldName, Parsed, fail};
use crate::types::{Annotations, ApplicationProperties, Array, Fields, Kind, Many, Symbol, Value};

/// What reading a field gives: where the next one begins, and the value.
type Read<'a, T> = Result<(FieldReader<'a>, T), nom::Err<Fault<'a>>>;

/// Reads the fields of one composite, in the order of its table.
///
/// Every call takes the reader and gives it back: the position stays in registers that way.
pub(crate) struct FieldReader<'a> {
    rest: &'a [u8],
    /// How many fields were sent and are not read yet.
    left: u32,
}

impl<'a> FieldReader<'a> {
    #[inline]
    pub(crate) fn new(rest: &'a [u8], left: u32) -> Self {
        Self { rest, left }
    }

    /// Returns the constructor of the next field; null if the field was left out [1.4].
    ///
    /// Fields are left out where octets end; whether as many were there as were counted is seen at the end.
    #[inline(always)]
    fn code(self) -> (Self, u8) {
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

    /// A field that must be there [1.3.4].
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

    /// A field that may be left out.
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

    /// A field that reads as `default` where it is left out [1.3.4].
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

    /// Returns a field with a default that reads as `None` where it is left out, so that a default that was stated
    /// can be told from one that was not.
    #[inline(always)]
    pub(crate) fn stated<T: Decode + Debug>(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
        _: T,
    ) -> Read<'a, Option<T>> {
        self.optional(decoder, field)
    }

    /// Returns a field of any number of values [1.4].
    pub(crate) fn multiple(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
    ) -> Read<'a, Many<Symbol>> {
        self.optional(decoder, field)
    }

    /// Returns a field of at least one value [1.4].
    pub(crate) fn required(
        self,
        decoder: &mut Decoder<'a>,
        field: &'static FieldName,
    ) -> Read<'a, Many<Symbol>> {
        match self.multiple(decoder, field)? {
            (this, values) if values.is_empty() => Err(missing(this.rest, field)),
            found => Ok(found),
        }
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

/// Names the field in which a fault lies, and points at its constructor if that is what is wrong.
#[cold]
fn of_field<'a>(
    error: nom::Err<Fault<'a>>,
    at: &'a [u8],
    decoder: &Decoder<'a>,
    field: &'static FieldName,
) -> nom::Err<Fault<'a>> {
    error.map(|fault| fault.of_constructor(at, decoder).within(field))
}

#[cold]
fn missing<'a>(at: &'a [u8], field: &'static FieldName) -> nom::Err<Fault<'a>> {
    fail(at, DecodeErrorKind::Missing).map(|fault| fault.within(field))
}

/// What a field that may be left out is in Rust.
pub(crate) trait Field: Default {
    /// Reads a field that is there.
    fn present<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self>;
    /// Returns whether there is anything to write.
    fn is_set(&self) -> bool;
    /// What to print of it.
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

/// Collections of which an empty one means the same as none.
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

/// Returns the elements of an array of symbols, without its constructor, and whether 8-bit sizes do for each.
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
            // One name is written as an array, too: some brokers take nothing else (E-COMP-06).
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

/// Counts fields and octets of a composite, trailing nulls left out.
#[derive(Clone, Copy, Default)]
pub(crate) struct FieldSizes {
    /// How many fields are written.
    pub(crate) count: usize,
    /// How many octets they take, nulls among them included.
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

    /// Returns the octets of the whole list, its constructor included.
    #[inline]
    pub(crate) fn list_len(self) -> usize {
        if self.count == 0 { 1 } else { compound_len(self.octets, self.count) }
    }

    /// Descriptor and list header.
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
