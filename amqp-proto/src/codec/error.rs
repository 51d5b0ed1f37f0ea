//! What can be wrong with octets: the public [`DecodeError`] and the parsers' own [`Fault`].

use core::fmt;

use alloc::boxed::Box;
use nom::{IResult, Offset};

/// Octets that are not what the standard asks for: what is wrong, where, and by which clause.
///
/// The offset counts from the first octet of what was being decoded: of the frame (its size field included)
/// for a frame, of the message for a message section, of the value for a value.
///
/// ```
/// use amqp_proto::types::{Limits, Value};
/// use bytes::Bytes;
///
/// let mut octets = Bytes::from_static(&[0xc0, 0x03, 0x01, 0x41, 0x42]); // one item said, two there
/// let error = Value::decode(&mut octets, &Limits::DEFAULT).unwrap_err();
/// assert_eq!(error.offset(), 4);
/// assert_eq!(error.to_string(), "size and items disagree at offset 4 [1.2.3]");
/// assert_eq!(octets.len(), 5); // nothing was taken
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(
    /// Boxed: results are passed around a lot, errors once.
    Box<Found>,
);

#[derive(Clone, PartialEq, Eq)]
struct Found {
    kind: DecodeErrorKind,
    offset: usize,
    field: Option<&'static FieldName>,
}

impl DecodeError {
    /// Returns an error that no parser found.
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self(Box::new(Found { kind, offset, field: None }))
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Returns how many octets come before the fault.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// Returns the described type and its field in which the fault lies, as the standard names the first and Rust
    /// spells the second: `("open", "container_id")`.
    pub fn field(&self) -> Option<(&'static str, &'static str)> {
        self.0.field.map(|name| (name.of, name.field))
    }

    /// The same fault seen from further out, `octets` before.
    pub(crate) fn shifted(mut self, octets: usize) -> Self {
        self.0.offset += octets;
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.kind, f)?;
        if let Some(name) = self.0.field {
            write!(f, " in {}.", name.of)?;
            name.field.split('_').enumerate().try_for_each(|(at, word)| {
                f.write_str(if at == 0 { "" } else { "-" })?;
                f.write_str(word)
            })?;
        }
        write!(f, " at offset {} {}", self.0.offset, self.0.kind.clause())
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("field", &self.0.field)
            .finish()
    }
}

impl core::error::Error for DecodeError {}

/// The kinds of errors in octets that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The octets end inside a value [1.2.3].
    Truncated,
    /// A constructor that the standard does not assign [1.2].
    Constructor(u8),
    /// A boolean octet other than 0 and 1 [1.6.2].
    Boolean(u8),
    /// A char that is no Unicode scalar value [1.6.16].
    Char(u32),
    /// A string that is not UTF-8 [1.6.20].
    Utf8,
    /// A symbol that is not ASCII [1.6.21].
    Ascii,
    /// A size that leaves items over or cuts them short [1.2.3].
    Size,
    /// A count that its size has no room for [1.2].
    Count,
    /// A map with a key that has no value [1.6.23].
    OddMap,
    /// A map with the same key twice [1.6.23].
    DuplicateKey,
    /// One of this side's own limits is reached.
    Limit(LimitKind),
    /// Octets after the end of what was decoded [2.3.2].
    Trailing,
    /// A value of another type than this [1.3.4].
    Expected(&'static str),
    /// A descriptor that has no place here [1.3.4].
    Descriptor,
    /// More fields than the type has [1.4].
    TooManyFields,
    /// A mandatory field that is null or absent [1.3.4] [1.4].
    Missing,
    /// A value that is not among the choices of its type [1.3.5].
    Choice(&'static str),
    /// A delivery tag or transaction id of more than 32 octets [2.8.7] [4.5.4].
    TooLong,
    /// A map that holds what this kind of map must not [1.6.23].
    NotAllowed(&'static str),
    /// A frame whose size field says less than its header takes [2.3.1].
    FrameSize(u32),
    /// A frame larger than this side announced to take [2.7.1].
    FrameTooLarge {
        /// The frame's size.
        size: u32,
        /// The most that is taken.
        limit: u32,
    },
    /// A data offset below 2 or beyond the frame [2.3.1].
    DataOffset(u8),
    /// A frame type other than AMQP and SASL [2.3.1].
    FrameType(u8),
    /// A SASL frame without a body [5.3.1].
    EmptySaslFrame,
    /// Not a protocol header [2.2].
    ProtocolHeader,
    /// A message section out of order or given twice [3.2].
    SectionOrder,
    /// Body sections of different kinds, or two amqp-values [3.2].
    BodyMix,
}

/// The bound among the [`Limits`](crate::types::Limits) that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitKind {
    /// [`Limits::depth`](crate::types::Limits::depth).
    Depth,
    /// [`Limits::elements`](crate::types::Limits::elements).
    Elements,
    /// [`Limits::zero_width_elements`](crate::types::Limits::zero_width_elements).
    ZeroWidthElements,
    /// [`Limits::value_octets`](crate::types::Limits::value_octets).
    ValueOctets,
    /// [`Limits::sections`](crate::types::Limits::sections).
    Sections,
}

impl DecodeErrorKind {
    /// Returns the clause of the standard that the octets break.
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Truncated | Self::Constructor(_) => "[1.2]",
            Self::Boolean(_) => "[1.6.2]",
            Self::Char(_) => "[1.6.16]",
            Self::Utf8 => "[1.6.20]",
            Self::Ascii => "[1.6.21]",
            Self::Size | Self::Count => "[1.2.3]",
            Self::OddMap | Self::DuplicateKey => "[1.6.23]",
            Self::Limit(LimitKind::Sections) => "[3.2]",
            Self::Limit(_) => "[1.2]",
            Self::Trailing => "[2.3.2]",
            Self::Expected(_) | Self::Descriptor | Self::TooManyFields | Self::Missing => "[1.4]",
            Self::Choice(_) => "[1.3.5]",
            Self::TooLong => "[2.8.7]",
            Self::NotAllowed(_) => "[1.6.23]",
            Self::FrameSize(_) | Self::DataOffset(_) | Self::FrameType(_) => "[2.3.1]",
            Self::FrameTooLarge { .. } => "[2.7.1]",
            Self::EmptySaslFrame => "[5.3.1]",
            Self::ProtocolHeader => "[2.2]",
            Self::SectionOrder | Self::BodyMix => "[3.2]",
        }
    }
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("octets end inside a value"),
            Self::Constructor(code) => write!(f, "unassigned constructor 0x{code:02x}"),
            Self::Boolean(octet) => write!(f, "boolean octet 0x{octet:02x} is neither 0 nor 1"),
            Self::Char(code) => write!(f, "char 0x{code:08x} is no Unicode scalar value"),
            Self::Utf8 => f.write_str("string is not UTF-8"),
            Self::Ascii => f.write_str("symbol is not ASCII"),
            Self::Size => f.write_str("size and items disagree"),
            Self::Count => f.write_str("count exceeds what its size has room for"),
            Self::OddMap => f.write_str("map with an odd number of items"),
            Self::DuplicateKey => f.write_str("map with the same key twice"),
            Self::Limit(limit) => write!(f, "above this end's limit on {limit}"),
            Self::Trailing => f.write_str("octets left over"),
            Self::Expected(wanted) => write!(f, "{wanted} expected"),
            Self::Descriptor => f.write_str("descriptor out of place"),
            Self::TooManyFields => f.write_str("more fields than the type has"),
            Self::Missing => f.write_str("mandatory field missing"),
            Self::Choice(name) => write!(f, "not a {name}"),
            Self::TooLong => f.write_str("more than 32 octets"),
            Self::NotAllowed(map) => write!(f, "key or value not allowed in {map}"),
            Self::FrameSize(size) => write!(f, "frame size {size} is less than a header has"),
            Self::FrameTooLarge { size, limit } => write!(f, "frame size {size} above the limit of {limit}"),
            Self::DataOffset(words) => write!(f, "data offset {words} is outside of the frame"),
            Self::FrameType(octet) => write!(f, "unknown frame type {octet}"),
            Self::EmptySaslFrame => f.write_str("empty SASL frame"),
            Self::ProtocolHeader => f.write_str("not a protocol header"),
            Self::SectionOrder => f.write_str("message section out of order or repeated"),
            Self::BodyMix => f.write_str("body sections that do not go together"),
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "depth",
            Self::Elements => "elements",
            Self::ZeroWidthElements => "zero-width elements",
            Self::ValueOctets => "value octets",
            Self::Sections => "sections",
        })
    }
}

/// Why a value cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoding would take more octets than a size field can say, or a frame more than the peer takes.
    TooLarge {
        /// How many octets it would take.
        octets: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A mandatory field with the `multiple` property has no value [1.4].
    Missing {
        /// The type and its field.
        field: &'static str,
    },
    /// A payload for a performative other than transfer [2.3.2].
    Payload,
    /// A content-encoding where there is no data to be encoded, or one that says nothing [3.2.4].
    ContentEncoding,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { octets, limit } => {
                write!(f, "an encoding of {octets} octets where at most {limit} are possible")
            }
            Self::Missing { field } => write!(f, "{field} needs at least one value [1.4]"),
            Self::Payload => f.write_str("only a transfer carries a payload [2.3.2]"),
            Self::ContentEncoding => {
                f.write_str("content-encoding without a body of data, or identity [3.2.4]")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// What a parser of this crate returns.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldName {
    /// The composite.
    pub(crate) of: &'static str,
    pub(crate) field: &'static str,
}

/// A fault as the parsers see it: they know what is left, not how far they have come.
///
/// Boxed, so that what every leaf parser returns stays small.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault<'a>(Box<FaultAt<'a>>);

#[derive(Debug, Clone, PartialEq)]
struct FaultAt<'a> {
    at: &'a [u8],
    kind: DecodeErrorKind,
    field: Option<&'static FieldName>,
}

impl<'a> Fault<'a> {
    #[cold]
    pub(crate) fn new(at: &'a [u8], kind: DecodeErrorKind) -> Self {
        Self(Box::new(FaultAt { at, kind, field: None }))
    }

    /// Names the field in which the fault lies, unless a field further in is named already.
    pub(crate) fn within(mut self, field: &'static FieldName) -> Self {
        self.0.field.get_or_insert(field);
        self
    }

    /// Points at the constructor before `input` if that is what is at fault.
    pub(crate) fn of_constructor(mut self, input: &'a [u8], decoder: &super::Decoder<'a>) -> Self {
        let of_type = matches!(self.0.kind, DecodeErrorKind::Expected(_) | DecodeErrorKind::Constructor(_));
        if of_type && core::ptr::eq(self.0.at, input) {
            self.0.at = decoder.constructor(input);
        }
        self
    }

    /// Returns the fault as seen from outside, `at` being a part of `whole`.
    pub(crate) fn into_error(self, whole: &[u8]) -> DecodeError {
        let FaultAt { at, kind, field } = *self.0;
        DecodeError(Box::new(Found { kind, offset: whole.offset(at).min(whole.len()), field }))
    }

    /// Unwraps what a parser that never streams returned.
    #[cold]
    pub(crate) fn settle(error: nom::Err<Self>, whole: &[u8]) -> DecodeError {
        match error {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => fault.into_error(whole),
            nom::Err::Incomplete(_) => DecodeError::new(DecodeErrorKind::Truncated, whole.len()),
        }
    }
}

impl<'a> nom::error::ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(input: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Self::new(input, DecodeErrorKind::Truncated)
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// Returns a fault at `at`, for a parser to return: final, since nothing in AMQP is parsed by trial.
#[cold]
pub(crate) fn fail(at: &[u8], kind: DecodeErrorKind) -> nom::Err<Fault<'_>> {
    nom::Err::Failure(Fault::new(at, kind))
}
