//! [`Writer`], and how Rust's types are written: always in the shortest form (E-ENC-06).

use core::mem;

use bytes::{Bytes, BytesMut};

use super::code::Code;
use super::error::EncodeError;
use super::measure::{grade_signed, grade_unsigned};
use crate::types::{
    Annotations, ApplicationProperties, Channel, DeliveryNumber, DeliveryTag, Fields, Handle, SequenceNo,
    Str, Symbol, Timestamp, TransactionId, TransferNumber, Uuid,
};

/// Fills a buffer whose size was worked out beforehand.
///
/// What does not fit is dropped; that sizes and writing agree is a property test of its own.
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// How many octets are still to be written.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn octet(&mut self, octet: u8) {
        self.octets([octet]);
    }

    #[inline]
    pub(crate) fn octets<const N: usize>(&mut self, octets: [u8; N]) {
        let full = self.rest.len() < N;
        debug_assert!(!full, "more is written than was announced");
        if let Some((head, tail)) = mem::take(&mut self.rest).split_first_chunk_mut() {
            *head = octets;
            self.rest = tail;
        }
    }

    #[inline]
    pub(crate) fn slice(&mut self, octets: &[u8]) {
        debug_assert!(self.rest.len() >= octets.len(), "more is written than was announced");
        if let Some((head, tail)) = mem::take(&mut self.rest).split_at_mut_checked(octets.len()) {
            head.copy_from_slice(octets);
            self.rest = tail;
        }
    }

    /// A size or count field. Sizes were checked against the largest possible when the whole was measured.
    #[inline]
    pub(crate) fn size8(&mut self, size: usize) {
        self.octet(u8::try_from(size).unwrap_or(u8::MAX));
    }

    /// See [`size8`](Self::size8).
    #[inline]
    pub(crate) fn size32(&mut self, size: usize) {
        self.octets(u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    }

    /// The octets of a binary, string or symbol, with the constructor that fits.
    #[inline]
    pub(crate) fn variable(&mut self, narrow: u8, wide: u8, octets: &[u8]) {
        if octets.len() <= usize::from(u8::MAX) {
            self.octet(narrow);
            self.size8(octets.len());
        } else {
            self.octet(wide);
            self.size32(octets.len());
        }
        self.slice(octets);
    }

    /// What comes before the items of a list or map: constructor, size, count.
    #[inline]
    pub(crate) fn compound(&mut self, narrow: u8, wide: u8, octets: usize, count: usize) {
        if is_narrow(octets, count) {
            self.octet(narrow);
            self.size8(octets + 1);
            self.size8(count);
        } else {
            self.octet(wide);
            self.size32(octets + 4);
            self.size32(count);
        }
    }
}

/// Whether items of so many octets fit the 8-bit form, whose size field counts its count too (E-SIZE-04).
#[inline]
pub(crate) fn is_narrow(octets: usize, count: usize) -> bool {
    octets < usize::from(u8::MAX) && count <= usize::from(u8::MAX)
}

/// How many octets a list or map takes, constructor included.
#[inline]
pub(crate) fn compound_len(octets: usize, count: usize) -> usize {
    octets + if is_narrow(octets, count) { 3 } else { 9 }
}

/// How many octets a binary, string or symbol takes, constructor included.
#[inline]
pub(crate) fn variable_len(octets: usize) -> usize {
    octets + if octets <= usize::from(u8::MAX) { 2 } else { 5 }
}

/// The octets of a number of which zero, one octet and any value have forms of these lengths.
#[inline]
fn by_grade(grade: usize, [zero, small, wide]: [usize; 3]) -> usize {
    match grade {
        0 => zero,
        1 => small,
        _ => wide,
    }
}

/// How a type is written.
pub(crate) trait Encode {
    /// How many octets [`write`](Self::write) writes, constructor included.
    fn size(&self) -> usize;
    /// Writes constructor and value.
    fn write(&self, writer: &mut Writer<'_>);
}

/// Appends a value to a buffer.
pub(crate) fn append(value: &impl Encode, out: &mut BytesMut) -> Result<(), EncodeError> {
    let octets = value.size();
    let limit = u32::MAX as usize;
    if octets > limit {
        return Err(EncodeError::TooLarge { octets, limit });
    }
    let start = out.len();
    out.resize(start + octets, 0);
    let mut writer = Writer::new(out.get_mut(start..).unwrap_or_default());
    value.write(&mut writer);
    debug_assert_eq!(writer.left(), 0, "less is written than was announced");
    Ok(())
}

macro_rules! encode {
    ($($type:ty: |$value:ident, $writer:pat_param| $len:expr, $write:expr;)*) => {$(
        impl Encode for $type {
            #[inline]
            fn size(&self) -> usize {
                #[allow(unused_variables)] // some have one length only
                let $value = self;
                $len
            }

            #[inline]
            fn write(&self, $writer: &mut Writer<'_>) {
                let $value = self;
                $write
            }
        }
    )*};
}

/// Writes a constructor and a number of fixed width.
macro_rules! fixed {
    ($writer:ident, $code:expr, $number:expr) => {{
        $writer.octet($code);
        $writer.octets($number);
    }};
}

encode! {
    bool: |value, writer| 1, writer.octet(if *value { Code::TRUE } else { Code::FALSE });
    u8: |value, writer| 2, writer.octets([Code::UBYTE, *value]);
    u16: |value, writer| 3, fixed!(writer, Code::USHORT, value.to_be_bytes());
    u32: |value, writer| by_grade(grade_unsigned(u64::from(*value)), [1, 2, 5]), match u8::try_from(*value) {
        Ok(0) => writer.octet(Code::UINT0),
        Ok(small) => writer.octets([Code::SMALL_UINT, small]),
        Err(_) => fixed!(writer, Code::UINT, value.to_be_bytes()),
    };
    u64: |value, writer| by_grade(grade_unsigned(*value), [1, 2, 9]), match u8::try_from(*value) {
        Ok(0) => writer.octet(Code::ULONG0),
        Ok(small) => writer.octets([Code::SMALL_ULONG, small]),
        Err(_) => fixed!(writer, Code::ULONG, value.to_be_bytes()),
    };
    i8: |value, writer| 2, writer.octets([Code::BYTE, value.cast_unsigned()]);
    i16: |value, writer| 3, fixed!(writer, Code::SHORT, value.to_be_bytes());
    i32: |value, writer| by_grade(grade_signed(i64::from(*value)), [2, 2, 5]), match i8::try_from(*value) {
        Ok(small) => writer.octets([Code::SMALL_INT, small.cast_unsigned()]),
        Err(_) => fixed!(writer, Code::INT, value.to_be_bytes()),
    };
    i64: |value, writer| by_grade(grade_signed(*value), [2, 2, 9]), match i8::try_from(*value) {
        Ok(small) => writer.octets([Code::SMALL_LONG, small.cast_unsigned()]),
        Err(_) => fixed!(writer, Code::LONG, value.to_be_bytes()),
    };
    f32: |value, writer| 5, fixed!(writer, Code::FLOAT, value.to_bits().to_be_bytes());
    f64: |value, writer| 9, fixed!(writer, Code::DOUBLE, value.to_bits().to_be_bytes());
    char: |value, writer| 5, fixed!(writer, Code::CHAR, u32::from(*value).to_be_bytes());
    Timestamp: |value, writer| 9, fixed!(writer, Code::TIMESTAMP, value.as_millis().to_be_bytes());
    Uuid: |value, writer| 17, fixed!(writer, Code::UUID, *value.as_bytes());
    Bytes: |value, writer| variable_len(value.len()), writer.variable(Code::BINARY8, Code::BINARY32, value);
    Str: |value, writer| variable_len(value.len()),
        writer.variable(Code::STRING8, Code::STRING32, value.as_bytes());
    Symbol: |value, writer| variable_len(value.len()),
        writer.variable(Code::SYMBOL8, Code::SYMBOL32, value.as_bytes());
    DeliveryTag: |value, writer| 2 + value.len(), writer.variable(Code::BINARY8, Code::BINARY32, value);
    TransactionId: |value, writer| 2 + value.len(), writer.variable(Code::BINARY8, Code::BINARY32, value);
    Channel: |value, writer| Encode::size(&value.get()), value.get().write(writer);
    Handle: |value, writer| Encode::size(&value.get()), value.get().write(writer);
    SequenceNo: |value, writer| Encode::size(&value.get()), value.get().write(writer);
    DeliveryNumber: |value, writer| Encode::size(&value.get()), value.get().write(writer);
    TransferNumber: |value, writer| Encode::size(&value.get()), value.get().write(writer);
    Fields: |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
    Annotations: |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
    ApplicationProperties: |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
}
