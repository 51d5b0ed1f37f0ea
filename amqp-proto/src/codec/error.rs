//! Errors of the codec: the public [`DecodeError`] and [`EncodeError`], and the parsers' own [`Fault`].

use core::fmt;

use alloc::boxed::Box;
use nom::{IResult, Offset};

/// The error of decoding octets that break the standard: the kind, the offset, and the clause.
///
/// The offset counts from the first octet of the decoded thing: of a frame, its size field included; of a
/// message; or of a value.
///
/// ```
/// use amqp_proto::types::{Limits, Value};
/// use bytes::Bytes;
///
/// // The count says one item, but there are two.
/// let mut octets = Bytes::from_static(&[0xc0, 0x03, 0x01, 0x41, 0x42]);
/// let error = Value::decode(&mut octets, &Limits::DEFAULT).unwrap_err();
/// assert_eq!(error.offset(), 4);
/// let text = "the size and the items disagree at offset 4 [1.2.3]";
/// assert_eq!(error.to_string(), text);
/// assert_eq!(octets.len(), 5); // nothing was consumed
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(
    /// Boxed, since results are moved often and errors are rare.
    Box<Found>,
);

#[derive(Clone, PartialEq, Eq)]
struct Found {
    kind: DecodeErrorKind,
    offset: usize,
    field: Option<FieldName>,
}

impl DecodeError {
    /// Returns an error that was not found by a parser.
    #[cold]
    pub(crate) fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self(Box::new(Found { kind, offset, field: None }))
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Returns the number of octets before the fault.
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// Returns the described type and the field with the fault, such as `("open", "container_id")`.
    pub fn field(&self) -> Option<(&'static str, &'static str)> {
        self.0.field.map(|name| (name.of, name.field))
    }

    /// Adds `octets` to the offset, for a caller that decoded a later part of a larger whole.
    pub(crate) fn shifted(mut self, octets: usize) -> Self {
        self.0.offset += octets;
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.kind, f)?;
        if let Some(name) = &self.0.field {
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
    /// A size that leaves items over or cuts an item short [1.2.3].
    Size,
    /// A count of more items than the size has room for [1.2].
    Count,
    /// A map whose last key has no value [1.6.23].
    OddMap,
    /// A map with the same key twice [1.6.23].
    DuplicateKey,
    /// One of this end's own limits is exceeded.
    Limit(LimitKind),
    /// Octets after the end of the value [2.3.2].
    Trailing,
    /// A value of another type than the named one [1.3.4].
    Expected(&'static str),
    /// A descriptor that is not allowed in this place [1.3.4].
    Descriptor,
    /// More fields than the type has [1.4].
    TooManyFields,
    /// A mandatory field that is null or absent [1.3.4] [1.4].
    Missing,
    /// A value that is not among the choices of its type [1.3.5].
    Choice(&'static str),
    /// A delivery tag of more than 32 octets [2.8.7].
    TooLong,
    /// A transaction id of more than [`TransactionId::LONGEST_RECEIVED`](crate::types::TransactionId::LONGEST_RECEIVED)
    /// octets; the standard allows 32 [4.5.4].
    TransactionIdTooLong,
    /// A map with a key or a value that its kind must not hold [1.6.23].
    NotAllowed(&'static str),
    /// A frame whose size field is less than the size of its header [2.3.1].
    FrameSize(u32),
    /// A frame larger than the max-frame-size that this end announced [2.7.1].
    FrameTooLarge {
        /// The size of the frame.
        size: u32,
        /// The greatest accepted size.
        limit: u32,
    },
    /// A data offset below 2 or beyond the frame [2.3.1].
    DataOffset(u8),
    /// A frame type other than AMQP and SASL [2.3.1].
    FrameType(u8),
    /// A SASL frame without a body [5.3.1].
    EmptySaslFrame,
    /// Octets that are no protocol header [2.2].
    ProtocolHeader,
    /// A message section out of order or present twice [3.2].
    SectionOrder,
    /// Body sections of different kinds, or two amqp-values [3.2].
    BodyMix,
}

/// The exceeded limit, one of [`Limits`](crate::types::Limits).
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
            Self::TransactionIdTooLong => "[4.5.4]",
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
            Self::Truncated => f.write_str("the octets end inside a value"),
            Self::Constructor(code) => write!(f, "unassigned constructor 0x{code:02x}"),
            Self::Boolean(octet) => write!(f, "boolean octet 0x{octet:02x} is neither 0 nor 1"),
            Self::Char(code) => write!(f, "char 0x{code:08x} is no Unicode scalar value"),
            Self::Utf8 => f.write_str("string is not UTF-8"),
            Self::Ascii => f.write_str("symbol is not ASCII"),
            Self::Size => f.write_str("the size and the items disagree"),
            Self::Count => f.write_str("the count is more than the size has room for"),
            Self::OddMap => f.write_str("map with an odd number of items"),
            Self::DuplicateKey => f.write_str("map with the same key twice"),
            Self::Limit(limit) => write!(f, "this end's limit on {limit} is exceeded"),
            Self::Trailing => f.write_str("octets are left over"),
            Self::Expected(wanted) => write!(f, "{wanted} expected"),
            Self::Descriptor => f.write_str("descriptor out of place"),
            Self::TooManyFields => f.write_str("more fields than the type has"),
            Self::Missing => f.write_str("mandatory field missing"),
            Self::Choice(name) => write!(f, "the value is not a {name}"),
            Self::TooLong => f.write_str("more than 32 octets"),
            Self::TransactionIdTooLong => {
                write!(f, "more than {} octets", crate::types::TransactionId::LONGEST_RECEIVED)
            }
            Self::NotAllowed(map) => write!(f, "key or value not allowed in {map}"),
            Self::FrameSize(size) => {
                write!(f, "the frame size {size} is less than the 8 octets of a frame header")
            }
            Self::FrameTooLarge { size, limit } => {
                write!(f, "the frame size {size} exceeds the limit of {limit}")
            }
            Self::DataOffset(words) => write!(f, "the data offset {words} lies outside the frame"),
            Self::FrameType(octet) => write!(f, "unknown frame type {octet}"),
            Self::EmptySaslFrame => f.write_str("empty SASL frame"),
            Self::ProtocolHeader => f.write_str("not a protocol header"),
            Self::SectionOrder => f.write_str("message section out of order or repeated"),
            Self::BodyMix => f.write_str("body sections of different kinds"),
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

/// The error of a value that cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoding is longer than a size field can express, or the frame is larger than the peer accepts.
    TooLarge {
        /// The length of the encoding.
        octets: usize,
        /// The greatest possible length.
        limit: usize,
    },
    /// A mandatory field with the `multiple` property has no value [1.4].
    Missing {
        /// The type and its field.
        field: &'static str,
    },
    /// A performative other than transfer has a payload [2.3.2].
    Payload,
    /// A content-encoding is set to identity, or the body is not data [3.2.4].
    ContentEncoding,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { octets, limit } => {
                write!(f, "the encoding takes {octets} octets, but at most {limit} are possible")
            }
            Self::Missing { field } => write!(f, "{field} needs at least one value [1.4]"),
            Self::Payload => f.write_str("only a transfer carries a payload [2.3.2]"),
            Self::ContentEncoding => {
                f.write_str("content-encoding needs a body of data and a value other than identity [3.2.4]")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// The result of a parser of this crate.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault<'a>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldName {
    /// The composite.
    pub(crate) of: &'static str,
    pub(crate) field: &'static str,
}

/// A fault inside the parsers, which know the remaining octets but not the offset.
///
/// Boxed, so that the result of every leaf parser stays small.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault<'a>(Box<FaultAt<'a>>);

#[derive(Debug, Clone, PartialEq)]
struct FaultAt<'a> {
    at: &'a [u8],
    kind: DecodeErrorKind,
    field: Option<FieldName>,
}

impl<'a> Fault<'a> {
    #[cold]
    pub(crate) fn new(at: &'a [u8], kind: DecodeErrorKind) -> Self {
        Self(Box::new(FaultAt { at, kind, field: None }))
    }

    /// Sets the field with the fault, unless a field further in is set already.
    pub(crate) fn within(mut self, field: &FieldName) -> Self {
        self.0.field.get_or_insert(*field);
        self
    }

    /// Moves the fault to the constructor before `input` if the constructor is wrong.
    pub(crate) fn of_constructor(mut self, input: &'a [u8], decoder: &super::Decoder<'a>) -> Self {
        let of_type = matches!(self.0.kind, DecodeErrorKind::Expected(_) | DecodeErrorKind::Constructor(_));
        if of_type && core::ptr::eq(self.0.at, input) {
            self.0.at = decoder.constructor(input);
        }
        self
    }

    /// Converts the fault into an error; the fault's position is a part of `whole`.
    pub(crate) fn into_error(self, whole: &[u8]) -> DecodeError {
        let FaultAt { at, kind, field } = *self.0;
        DecodeError(Box::new(Found { kind, offset: whole.offset(at).min(whole.len()), field }))
    }

    /// Converts the error of a parser that never streams.
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

/// Returns a fault at `at` as a parser's failure. Failures are final, since no part of AMQP is parsed by
/// trial.
#[cold]
pub(crate) fn fail(at: &[u8], kind: DecodeErrorKind) -> nom::Err<Fault<'_>> {
    nom::Err::Failure(Fault::new(at, kind))
}
