//! Reading any [`Value`] at any depth, without recursion.

use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

use super::code::{Code, Width};
use super::decode::{Decode, Decoder};
use super::encode::{Encode, append};
use super::error::{DecodeError, DecodeErrorKind, EncodeError, Fault, Parsed, fail};
use super::leaf::{chunk, counted, octet, to_usize};
use crate::types::{
    Array, Decimal32, Decimal64, Decimal128, Described, Few, Items, Kind, Limits, List, Map, Str, Symbol,
    Timestamp, Uuid, Value,
};

impl Value {
    /// Reads one value and advances `octets` past it.
    ///
    /// Text and octets in the value share the buffer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the octets do not begin with a value within `limits`. Then `octets` stay as they
    /// were.
    pub fn decode(octets: &mut Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        let (left, value) = Decoder::run(octets, limits, |decoder, input| {
            let (rest, code) = octet(input)?;
            Self::decode_from(decoder, code, rest)
        })
        .map(|(rest, value)| (rest.len(), value))?;
        octets.advance(octets.len() - left);
        Ok(value)
    }

    /// Returns the number of octets that [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        self.size()
    }

    /// Appends the shortest encoding of the value.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLarge`] if the encoding exceeds the 4 GiB that a size field can express. Nothing is
    /// appended then.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        append(self, out)
    }

    /// Reads the octets after constructor `code`.
    pub(crate) fn decode_from<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        if code == Code::STRING8 {
            return Str::decode(decoder, code, input).map(|(rest, text)| (rest, text.into()));
        }
        // Most values are scalars, which need no level; every code from that of a short list on is a compound.
        if code < Code::LIST8
            && code != Code::LIST0
            && let Some(kind) = Code::kind(code)
        {
            return scalar(decoder, kind, code, input);
        }
        let (rest, mut level) = match start(decoder, 0, code, input)? {
            (rest, Start::Whole(value)) => return Ok((rest, value)),
            (rest, Start::Open(level)) => (rest, level),
        };
        let (mut rest, ()) = level.scalars(decoder, rest)?;
        if level.is_full() {
            let value = level.close(&mut rest)?;
            return Ok((rest, value));
        }
        Self::decode_nested(decoder, level, rest)
    }

    /// Reads the rest of a compound that holds compounds.
    fn decode_nested<'a>(decoder: &mut Decoder<'a>, level: Open<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let mut rest = input;
        let mut open: Few<[Open<'a>; 2]> = Default::default();
        open.push(level);
        loop {
            let depth = open.len();
            let Some(level) = open.last_mut() else { return Ok((rest, Self::Null)) };
            (rest, ()) = level.scalars(decoder, rest)?;
            let next;
            (rest, next) = level.next_code(decoder, depth, rest)?;
            let finished = match next {
                Next::Code(code) => {
                    let started;
                    (rest, started) = start(decoder, depth, code, rest)?;
                    match started {
                        Start::Whole(value) => value,
                        Start::Open(level) => {
                            open.push(level);
                            continue;
                        }
                    }
                }
                Next::Done => match open.pop() {
                    Some(level) => level.close(&mut rest)?,
                    None => Self::Null,
                },
            };
            match open.last_mut() {
                Some(level) => level.values.push(finished),
                None => return Ok((rest, finished)),
            }
        }
    }
}

impl Decode for Value {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        Self::decode_from(decoder, code, input)
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// A compound whose items are being read.
struct Open<'a> {
    shape: Shape,
    /// The announced number of items or elements.
    count: u32,
    values: Vec<Value>,
    /// The compound's beginning, for errors about the whole compound.
    at: &'a [u8],
    /// The octets after the compound. `None` for a described value, which has no size field.
    after: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
enum Shape {
    List,
    Map,
    Described,
    /// An array whose element constructor is not yet read; `values` holds its descriptors so far.
    ArrayHead,
    Array {
        code: u8,
        kind: Kind,
        descriptors: usize,
    },
}

/// The next step in a compound.
enum Next {
    /// Read a value with this constructor, which has been consumed.
    Code(u8),
    /// Close the compound, which is complete.
    Done,
}

/// A value whose constructor was read.
enum Start<'a> {
    /// It is complete.
    Whole(Value),
    /// Its items follow.
    Open(Open<'a>),
}

/// Reads a scalar, or opens a compound inside `depth` others.
#[inline]
fn start<'a>(decoder: &mut Decoder<'a>, depth: usize, code: u8, input: &'a [u8]) -> Parsed<'a, Start<'a>> {
    let Some(kind) = Code::kind(code) else {
        if code != Code::DESCRIBED {
            return Err(fail(decoder.constructor(input), DecodeErrorKind::Constructor(code)));
        }
        decoder.check_depth(depth, input)?;
        decoder.spend(2, input)?;
        let values = Vec::with_capacity(2);
        let level = Open { shape: Shape::Described, count: 2, values, at: input, after: None };
        return Ok((input, Start::Open(level)));
    };
    let shape = match kind {
        Kind::List if code == Code::LIST0 => return Ok((input, Start::Whole(List::new().into()))),
        Kind::List => Shape::List,
        Kind::Map => Shape::Map,
        Kind::Array => Shape::ArrayHead,
        _ => return scalar(decoder, kind, code, input).map(|(rest, value)| (rest, Start::Whole(value))),
    };
    let (after, (count, items)) = counted(code, input)?;
    decoder.check_depth(depth, input)?;
    decoder.check_octets(items)?;
    let mut values = Vec::new();
    if !matches!(shape, Shape::ArrayHead) {
        if to_usize(count) > items.len() {
            return Err(fail(input, DecodeErrorKind::Count));
        }
        if matches!(shape, Shape::Map) && count % 2 != 0 {
            return Err(fail(input, DecodeErrorKind::OddMap));
        }
        decoder.spend(count, input)?;
        values.reserve_exact(to_usize(count));
    }
    Ok((items, Start::Open(Open { shape, count, values, at: input, after: Some(after) })))
}

impl<'a> Open<'a> {
    /// Returns `true` if all items of a list or a map were read.
    fn is_full(&self) -> bool {
        matches!(self.shape, Shape::List | Shape::Map) && self.values.len() >= to_usize(self.count)
    }

    /// Reads the scalars of a list or a map that come next, in a loop of their own: most hold nothing else.
    #[inline]
    fn scalars(&mut self, decoder: &mut Decoder<'a>, input: &'a [u8]) -> Parsed<'a, ()> {
        if cfg!(feature = "small") || !matches!(self.shape, Shape::List | Shape::Map) {
            return Ok((input, ()));
        }
        let want = to_usize(self.count);
        let mut rest = input;
        while let [code, after @ ..] = rest
            && self.values.len() < want
        {
            if *code == Code::STRING8 {
                let text;
                (rest, text) = decoder.text(Code::STRING8, after)?;
                self.values.push(Value::String(text));
                continue;
            }
            let Some(kind) = Code::kind(*code) else { break };
            if matches!(kind, Kind::List | Kind::Map | Kind::Array) {
                break;
            }
            let value;
            (rest, value) = scalar(decoder, kind, *code, after)?;
            self.values.push(value);
        }
        Ok((rest, ()))
    }

    fn next_code(&mut self, decoder: &mut Decoder<'a>, depth: usize, input: &'a [u8]) -> Parsed<'a, Next> {
        let want = to_usize(self.count);
        match self.shape {
            Shape::ArrayHead => self.element_constructor(decoder, depth, input),
            Shape::Array { code, descriptors, .. } => Ok((
                input,
                if self.values.len() < descriptors + want { Next::Code(code) } else { Next::Done },
            )),
            Shape::List | Shape::Map | Shape::Described if self.values.len() >= want => {
                Ok((input, Next::Done))
            }
            Shape::List | Shape::Map | Shape::Described => {
                octet(input).map(|(rest, code)| (rest, Next::Code(code)))
            }
        }
    }

    /// Reads an array's element constructor: any number of descriptors, then a code [1.2.4].
    fn element_constructor(
        &mut self,
        decoder: &mut Decoder<'a>,
        depth: usize,
        input: &'a [u8],
    ) -> Parsed<'a, Next> {
        let (rest, code) = octet(input)?;
        if code == Code::DESCRIBED {
            decoder.check_depth(depth + self.values.len(), input)?;
            decoder.spend(1, input)?;
            self.values.reserve_exact(1);
            return octet(rest).map(|(rest, code)| (rest, Next::Code(code)));
        }
        let Some(kind) = Code::kind(code) else {
            return Err(fail(input, DecodeErrorKind::Constructor(code)));
        };
        let count = to_usize(self.count);
        let fits = match Code::width(code) {
            Width::Fixed(0) => {
                decoder.spend_zero_width(self.count, input)?;
                rest.is_empty()
            }
            Width::Fixed(width) => count.checked_mul(usize::from(width)) == Some(rest.len()),
            Width::Sized8 | Width::Sized32 | Width::None => count <= rest.len(),
        };
        if !fits {
            return Err(fail(input, DecodeErrorKind::Count));
        }
        decoder.spend(self.count, input)?;
        self.values.reserve_exact(count);
        self.shape = Shape::Array { code, kind, descriptors: self.values.len() };
        Ok((rest, if count == 0 { Next::Done } else { Next::Code(code) }))
    }

    /// Returns the finished value, and moves `rest` to the octets after it.
    fn close(self, rest: &mut &'a [u8]) -> Result<Value, nom::Err<Fault<'a>>> {
        if let Some(after) = self.after {
            if !rest.is_empty() {
                return Err(fail(rest, DecodeErrorKind::Size));
            }
            *rest = after;
        }
        let items = Items::from(self.values);
        Ok(match self.shape {
            Shape::List => List { items }.into(),
            Shape::Map => {
                let map = Map::from_items(items);
                if map.has_duplicate_keys() {
                    return Err(fail(self.at, DecodeErrorKind::DuplicateKey));
                }
                map.into()
            }
            Shape::Described => Described::from_items(items).into(),
            Shape::Array { kind, descriptors, .. } => Array::from_items(kind, descriptors, items).into(),
            Shape::ArrayHead => Array::new(Kind::Null).into(),
        })
    }
}

/// Reads a scalar.
fn scalar<'a>(decoder: &mut Decoder<'a>, kind: Kind, code: u8, input: &'a [u8]) -> Parsed<'a, Value> {
    fn read<'a, T: Decode + Into<Value>>(
        decoder: &mut Decoder<'a>,
        code: u8,
        input: &'a [u8],
    ) -> Parsed<'a, Value> {
        T::decode(decoder, code, input).map(|(rest, value)| (rest, value.into()))
    }
    match kind {
        Kind::Boolean => read::<bool>(decoder, code, input),
        Kind::Ubyte => read::<u8>(decoder, code, input),
        Kind::Ushort => read::<u16>(decoder, code, input),
        Kind::Uint => read::<u32>(decoder, code, input),
        Kind::Ulong => read::<u64>(decoder, code, input),
        Kind::Byte => read::<i8>(decoder, code, input),
        Kind::Short => read::<i16>(decoder, code, input),
        Kind::Int => read::<i32>(decoder, code, input),
        Kind::Long => read::<i64>(decoder, code, input),
        Kind::Float => read::<f32>(decoder, code, input),
        Kind::Double => read::<f64>(decoder, code, input),
        Kind::Decimal32 => chunk(input).map(|(rest, n)| (rest, Decimal32::from_be_bytes(n).into())),
        Kind::Decimal64 => chunk(input).map(|(rest, n)| (rest, Decimal64::from_be_bytes(n).into())),
        Kind::Decimal128 => chunk(input).map(|(rest, n)| (rest, Decimal128::from_be_bytes(n).into())),
        Kind::Char => read::<char>(decoder, code, input),
        Kind::Timestamp => read::<Timestamp>(decoder, code, input),
        Kind::Uuid => read::<Uuid>(decoder, code, input),
        Kind::Binary => read::<Bytes>(decoder, code, input),
        Kind::String => read::<Str>(decoder, code, input),
        Kind::Symbol => read::<Symbol>(decoder, code, input),
        Kind::Null | Kind::List | Kind::Map | Kind::Array => Ok((input, Value::Null)),
    }
}
