//! The fields of a composite: read in order, written without trailing nulls [1.4].

use core::fmt::Debug;

use super::code::Code;
use super::decode::{Decode, Decoder};
use super::encode::{Encode, Writer, compound_len, is_narrow};
use super::error::{DecodeErrorKind, Fault, Parsed, fail};
use super::leaf::octet;
use crate::types::{Annotations, ApplicationProperties, Array, Fields, Kind, Many, Symbol, Value};

type Outcome<'a, T> = Result<T, nom::Err<Fault<'a>>>;

/// Reads the fields of one composite, in the order of its table.
pub(crate) struct FieldReader<'r, 'a> {
    decoder: &'r mut Decoder<'a>,
    rest: &'a [u8],
    /// How many fields were sent and are not read yet.
    left: u32,
    /// The composite's name, for complaints.
    of: &'static str,
}

impl<'r, 'a> FieldReader<'r, 'a> {
    pub(crate) fn new(decoder: &'r mut Decoder<'a>, rest: &'a [u8], left: u32, of: &'static str) -> Self {
        Self { decoder, rest, left, of }
    }

    /// The constructor of the next field; `None` if the field is null or was left out (E-COMP-02).
    #[inline]
    fn code(&mut self) -> Outcome<'a, Option<u8>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let (rest, code) = octet(self.rest)?;
        self.rest = rest;
        Ok((code != Code::NULL).then_some(code))
    }

    #[inline]
    fn value<T>(
        &mut self,
        field: &'static str,
        code: u8,
        read: impl FnOnce(&mut Decoder<'a>, u8, &'a [u8]) -> Parsed<'a, T>,
    ) -> Outcome<'a, T> {
        match read(self.decoder, code, self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(error) => Err(self.name(error, field)),
        }
    }

    #[cold]
    fn name(&self, error: nom::Err<Fault<'a>>, field: &'static str) -> nom::Err<Fault<'a>> {
        error.map(|fault| fault.within(self.of, field))
    }

    /// A field that must be there (E-COMP-03).
    #[inline]
    pub(crate) fn mandatory<T: Decode>(&mut self, field: &'static str) -> Outcome<'a, T> {
        match self.code()? {
            Some(code) => self.value(field, code, T::decode),
            None => Err(self.missing(field)),
        }
    }

    #[cold]
    fn missing(&self, field: &'static str) -> nom::Err<Fault<'a>> {
        self.name(fail(self.rest, DecodeErrorKind::Missing), field)
    }

    /// A field that may be left out.
    #[inline]
    pub(crate) fn optional<F: Field>(&mut self, field: &'static str) -> Outcome<'a, F> {
        match self.code()? {
            Some(code) => self.value(field, code, F::present),
            None => Ok(F::default()),
        }
    }

    /// A field that reads as `default` where it is left out (E-COMP-04).
    #[inline]
    pub(crate) fn default<T: Decode>(&mut self, field: &'static str, default: T) -> Outcome<'a, T> {
        match self.code()? {
            Some(code) => self.value(field, code, T::decode),
            None => Ok(default),
        }
    }

    /// A field of any number of values (E-COMP-06, E-COMP-07).
    pub(crate) fn multiple(&mut self, field: &'static str) -> Outcome<'a, Many<Symbol>> {
        self.optional(field)
    }

    /// A field of at least one value (E-COMP-08).
    pub(crate) fn required(&mut self, field: &'static str) -> Outcome<'a, Many<Symbol>> {
        let values = self.multiple(field)?;
        if values.is_empty() { Err(self.missing(field)) } else { Ok(values) }
    }

    /// Checks that size, count and fields agree (E-SIZE-03).
    #[inline]
    pub(crate) fn finish(self) -> Outcome<'a, ()> {
        if self.rest.is_empty() { Ok(()) } else { Err(fail(self.rest, DecodeErrorKind::Size)) }
    }
}

/// What a field that may be left out is in Rust.
pub(crate) trait Field: Default {
    /// Reads a field that is there.
    fn present<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self>;
    /// Whether there is anything to write.
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
        self.is_some()
    }

    fn shown(&self) -> &dyn Debug {
        match self {
            Some(value) => value,
            None => &"null",
        }
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn size(&self) -> usize {
        self.as_ref().map_or(1, Encode::size)
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>) {
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
            return Symbol::decode(decoder, code, input).map(|(rest, name)| (rest, Self::from(name)));
        }
        let (rest, value) = Value::decode_from(decoder, code, input)?;
        match value.as_array().filter(|array| is_symbols(array)) {
            Some(array) => Ok((rest, array.elements().iter().filter_map(as_symbol).cloned().collect())),
            None => Err(fail(input, DecodeErrorKind::Expected("array of symbols"))),
        }
    }
}

fn is_symbols(array: &Array) -> bool {
    array.kind() == Kind::Symbol && array.descriptors().is_empty()
}

fn as_symbol(value: &Value) -> Option<&Symbol> {
    match value {
        Value::Symbol(name) => Some(name),
        _ => None,
    }
}

/// The elements of an array of symbols, without its constructor, and whether 8-bit sizes do for each.
fn symbols(names: &[Symbol]) -> (usize, bool) {
    let narrow = names.iter().all(|name| name.len() <= usize::from(u8::MAX));
    let octets: usize = names.iter().map(|name| name.len() + if narrow { 1 } else { 4 }).sum();
    (octets + 1, narrow)
}

impl Encode for Many<Symbol> {
    fn size(&self) -> usize {
        match &**self {
            [] => 1,
            [name] => Encode::size(name),
            names => compound_len(symbols(names).0, names.len()),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match &**self {
            [] => writer.octet(Code::NULL),
            [name] => name.write(writer),
            names => {
                let (octets, narrow) = symbols(names);
                writer.compound(Code::ARRAY8, Code::ARRAY32, octets, names.len());
                writer.octet(if narrow { Code::SYMBOL8 } else { Code::SYMBOL32 });
                for name in names {
                    if narrow {
                        writer.size8(name.len())
                    } else {
                        writer.size32(name.len())
                    }
                    writer.slice(name.as_bytes());
                }
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

    /// The octets of the whole list, its constructor included.
    #[inline]
    pub(crate) fn list_len(self) -> usize {
        if self.count == 0 { 1 } else { compound_len(self.octets, self.count) }
    }

    /// Descriptor and list header, in one piece where everything is short.
    #[inline]
    pub(crate) fn write_opening(self, code: u8, writer: &mut Writer<'_>) {
        let described = [Code::DESCRIBED, Code::SMALL_ULONG, code];
        if self.count == 0 {
            let [a, b, c] = described;
            writer.octets([a, b, c, Code::LIST0]);
        } else if is_narrow(self.octets, self.count) {
            let [a, b, c] = described;
            let narrow = |size| u8::try_from(size).unwrap_or(u8::MAX);
            writer.octets([a, b, c, Code::LIST8, narrow(self.octets + 1), narrow(self.count)]);
        } else {
            writer.octets(described);
            writer.compound(Code::LIST8, Code::LIST32, self.octets, self.count);
        }
    }
}
