//! [`Writer`], and the writers of Rust types, which always choose the shortest form [1.6].

use bytes::{Bytes, BytesMut};

use super::code::Code;
use super::error::EncodeError;
use crate::types::{
    Annotations, ApplicationProperties, Channel, DeliveryNumber, DeliveryTag, Fields, Handle, SequenceNo,
    Str, Symbol, Timestamp, TransactionId, TransferNumber, Uuid,
};

/// Fills a buffer whose size was computed or guessed beforehand.
///
/// Every method takes the writer and returns it, so that the rest of the buffer stays in registers. When
/// octets do not fit, the writer becomes full and drops everything after them; a caller that guessed the size
/// then measures and writes again.
#[must_use]
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// Returns the number of octets that still fit.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reserves room for octets that are known only after the following ones are written.
    #[inline]
    pub(crate) fn set_aside<const N: usize>(self) -> Option<(&'a mut [u8; N], Self)> {
        self.rest.split_first_chunk_mut().map(|(aside, rest)| (aside, Self { rest }))
    }

    /// Returns a writer without room.
    pub(crate) fn full() -> Self {
        Self { rest: &mut [] }
    }

    /// Writes `count` nulls.
    #[cfg(not(feature = "small"))]
    #[inline]
    pub(crate) fn nulls(mut self, count: u8) -> Self {
        for _ in 0..count {
            self = self.octet(Code::NULL);
        }
        self
    }

    /// Checks that the buffer is filled.
    #[inline]
    pub(crate) fn finish(self) {
        debug_assert!(self.rest.is_empty(), "fewer octets were written than the measured size");
    }

    #[inline]
    pub(crate) fn octet(self, octet: u8) -> Self {
        self.octets([octet])
    }

    #[inline]
    pub(crate) fn octets<const N: usize>(self, octets: [u8; N]) -> Self {
        match self.rest.split_first_chunk_mut() {
            Some((head, rest)) => {
                *head = octets;
                Self { rest }
            }
            None => Self::full(),
        }
    }

    #[inline]
    pub(crate) fn slice(self, octets: &[u8]) -> Self {
        match self.rest.split_at_mut_checked(octets.len()) {
            Some((head, rest)) => {
                head.copy_from_slice(octets);
                Self { rest }
            }
            None => Self::full(),
        }
    }

    /// Writes the first `len` of N octets. Where there is room, all N are copied, since a copy of constant
    /// length is cheaper.
    #[inline]
    fn padded<const N: usize>(self, (octets, len): (&[u8; N], u8)) -> Self {
        let len = usize::from(len).min(N);
        if let Some(head) = self.rest.first_chunk_mut() {
            *head = *octets;
            Self { rest: self.rest.get_mut(len..).unwrap_or_default() }
        } else {
            self.slice(octets.get(..len).unwrap_or_default())
        }
    }

    /// Writes a size or count field of one octet. The caller has checked the size when measuring.
    #[inline]
    pub(crate) fn size8(self, size: usize) -> Self {
        self.octet(octet(size))
    }

    /// Writes a size or count field of four octets. The caller has checked the size when measuring.
    #[inline]
    pub(crate) fn size32(self, size: usize) -> Self {
        self.octets(u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes())
    }

    /// Writes a binary, string or symbol, with the constructor for its length.
    #[inline]
    pub(crate) fn variable(self, narrow: u8, wide: u8, octets: &[u8]) -> Self {
        let Ok(size) = u8::try_from(octets.len()) else {
            return self.octet(wide).size32(octets.len()).slice(octets);
        };
        match self.rest.split_at_mut_checked(2 + octets.len()) {
            Some(([code, len, place @ ..], rest)) => {
                (*code, *len) = (narrow, size);
                copy(place, octets);
                Self { rest }
            }
            _ => Self::full(),
        }
    }

    /// Writes the octets before the items of a list or map: constructor, size, count.
    #[inline]
    pub(crate) fn compound(self, narrow: u8, wide: u8, octets: usize, count: usize) -> Self {
        if is_narrow(octets, count) {
            self.octets([narrow, octet(octets + 1), octet(count)])
        } else {
            self.octet(wide).size32(octets + 4).size32(count)
        }
    }
}

/// Copies octets to a place of the same length.
///
/// Names and keys are short, and a call of `memcpy` would cost more than two overlapping chunks.
#[inline]
fn copy(place: &mut [u8], octets: &[u8]) {
    match octets.len() {
        4..=7 => copy_ends::<4>(place, octets),
        8..=16 => copy_ends::<8>(place, octets),
        17..=32 => copy_ends::<16>(place, octets),
        33..=64 => copy_ends::<32>(place, octets),
        _ => place.copy_from_slice(octets),
    }
}

/// Copies the first and the last N octets of a slice of N to 2 N octets.
#[inline]
fn copy_ends<const N: usize>(place: &mut [u8], octets: &[u8]) {
    if let (Some(to), Some(from)) = (place.first_chunk_mut::<N>(), octets.first_chunk()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (place.last_chunk_mut::<N>(), octets.last_chunk()) {
        *to = *from;
    }
}

/// Converts a size that is known to fit an octet.
#[inline]
pub(crate) fn octet(size: usize) -> u8 {
    u8::try_from(size).unwrap_or(u8::MAX)
}

/// Returns `true` if items of this size fit the 8-bit form, whose size field includes the count [1.2.2].
#[inline]
pub(crate) fn is_narrow(octets: usize, count: usize) -> bool {
    octets < usize::from(u8::MAX) && count <= usize::from(u8::MAX)
}

/// Returns the encoded length of a list or map, constructor included.
#[inline]
pub(crate) fn compound_len(octets: usize, count: usize) -> usize {
    octets + if is_narrow(octets, count) { 3 } else { 9 }
}

/// Returns the encoded length of a binary, string or symbol, constructor included.
#[inline]
pub(crate) fn variable_len(octets: usize) -> usize {
    octets + if octets <= usize::from(u8::MAX) { 2 } else { 5 }
}

/// Returns 0 for zero, 1 for a number that fits one octet, else 2.
#[inline]
pub(crate) fn grade_unsigned(number: u64) -> usize {
    usize::from(number > 0) + usize::from(number > u64::from(u8::MAX))
}

/// Returns 1 for a number that fits one octet, else 2. Signed types have no form for zero alone.
#[inline]
pub(crate) fn grade_signed(number: i64) -> usize {
    1 + usize::from(i8::try_from(number).is_err())
}

/// Returns the length of a number's encoding, given its grade and the lengths of the forms.
#[inline]
fn by_grade(grade: usize, [zero, small, wide]: [usize; 3]) -> usize {
    match grade {
        0 => zero,
        1 => small,
        _ => wide,
    }
}

/// A type that can be encoded.
pub(crate) trait Encode {
    /// The greatest encoded length of a value, apart from [`extra`](Self::extra); at least 1.
    const MOST: usize;
    /// Returns the octets that a value may need in addition to [`MOST`](Self::MOST); 0 for types of bounded
    /// size.
    #[inline]
    fn extra(&self) -> usize {
        0
    }
    /// Returns the number of octets that [`write`](Self::write) writes, constructor included.
    fn size(&self) -> usize;
    /// Writes the constructor and the value.
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w>;
}

/// Extends `out` by `octets` octets and fills them with `write`.
pub(crate) fn fill(out: &mut BytesMut, octets: usize, write: impl FnOnce(Writer<'_>) -> Writer<'_>) {
    write(extend(out, octets)).finish();
}

/// Extends `out`, and returns a writer of the new octets.
fn extend(out: &mut BytesMut, octets: usize) -> Writer<'_> {
    let start = out.len();
    out.resize(start + octets, 0);
    Writer::new(out.get_mut(start..).unwrap_or_default())
}

/// Appends a value to a buffer.
pub(crate) fn append(value: &impl Encode, out: &mut BytesMut) -> Result<(), EncodeError> {
    let octets = value.size();
    let limit = u32::MAX as usize;
    if octets > limit {
        return Err(EncodeError::TooLarge { octets, limit });
    }
    fill(out, octets, |writer| value.write(writer));
    Ok(())
}

macro_rules! encode {
    ($($type:ty: $most:literal $(+ $extra:ident)?, |$value:ident, $writer:pat_param| $len:expr, $write:expr;)*) => {$(
        impl Encode for $type {
            const MOST: usize = $most;

            $(
                #[inline]
                fn extra(&self) -> usize {
                    self.$extra()
                }
            )?

            #[inline]
            fn size(&self) -> usize {
                #[allow(unused_variables)] // some have one length only
                let $value = self;
                $len
            }

            #[inline]
            fn write<'w>(&self, $writer: Writer<'w>) -> Writer<'w> {
                let $value = self;
                $write
            }
        }
    )*};
}

/// Writes a constructor and a number of fixed width.
macro_rules! fixed {
    ($writer:ident, $code:expr, $number:expr) => {
        $writer.octet($code).octets($number)
    };
}

encode! {
    bool: 1, |value, writer| 1, writer.octet(if *value { Code::TRUE } else { Code::FALSE });
    u8: 2, |value, writer| 2, writer.octets([Code::UBYTE, *value]);
    u16: 3, |value, writer| 3, fixed!(writer, Code::USHORT, value.to_be_bytes());
    u32: 5, |value, writer| by_grade(grade_unsigned(u64::from(*value)), [1, 2, 5]), match u8::try_from(*value) {
        Ok(0) => writer.octet(Code::UINT0),
        Ok(small) => writer.octets([Code::SMALL_UINT, small]),
        Err(_) => fixed!(writer, Code::UINT, value.to_be_bytes()),
    };
    u64: 9, |value, writer| by_grade(grade_unsigned(*value), [1, 2, 9]), match u8::try_from(*value) {
        Ok(0) => writer.octet(Code::ULONG0),
        Ok(small) => writer.octets([Code::SMALL_ULONG, small]),
        Err(_) => fixed!(writer, Code::ULONG, value.to_be_bytes()),
    };
    i8: 2, |value, writer| 2, writer.octets([Code::BYTE, value.cast_unsigned()]);
    i16: 3, |value, writer| 3, fixed!(writer, Code::SHORT, value.to_be_bytes());
    i32: 5, |value, writer| by_grade(grade_signed(i64::from(*value)), [2, 2, 5]), match i8::try_from(*value) {
        Ok(small) => writer.octets([Code::SMALL_INT, small.cast_unsigned()]),
        Err(_) => fixed!(writer, Code::INT, value.to_be_bytes()),
    };
    i64: 9, |value, writer| by_grade(grade_signed(*value), [2, 2, 9]), match i8::try_from(*value) {
        Ok(small) => writer.octets([Code::SMALL_LONG, small.cast_unsigned()]),
        Err(_) => fixed!(writer, Code::LONG, value.to_be_bytes()),
    };
    f32: 5, |value, writer| 5, fixed!(writer, Code::FLOAT, value.to_bits().to_be_bytes());
    f64: 9, |value, writer| 9, fixed!(writer, Code::DOUBLE, value.to_bits().to_be_bytes());
    char: 5, |value, writer| 5, fixed!(writer, Code::CHAR, u32::from(*value).to_be_bytes());
    Timestamp: 9, |value, writer| 9, fixed!(writer, Code::TIMESTAMP, value.as_millis().to_be_bytes());
    Uuid: 17, |value, writer| 17, fixed!(writer, Code::UUID, *value.as_bytes());
    Bytes: 5 + len, |value, writer| variable_len(value.len()), writer.variable(Code::BINARY8, Code::BINARY32, value);
    Str: 5 + len, |value, writer| variable_len(value.len()),
        writer.variable(Code::STRING8, Code::STRING32, value.as_bytes());
    Symbol: 5 + len, |value, writer| variable_len(value.len()),
        writer.variable(Code::SYMBOL8, Code::SYMBOL32, value.as_bytes());
    DeliveryTag: 34, |value, writer| 2 + value.len(), writer.octets([Code::BINARY8, octet(value.len())]).padded(value.padded());
    TransactionId: 5 + len, |value, writer| variable_len(value.len()), writer.variable(Code::BINARY8, Code::BINARY32, value);
    Channel: 3, |value, writer| Encode::size(&value.get()), value.get().write(writer);
    Handle: 5, |value, writer| Encode::size(&value.get()), value.get().write(writer);
    SequenceNo: 5, |value, writer| Encode::size(&value.get()), value.get().write(writer);
    DeliveryNumber: 5, |value, writer| Encode::size(&value.get()), value.get().write(writer);
    TransferNumber: 5, |value, writer| Encode::size(&value.get()), value.get().write(writer);
    Fields: 1 + size, |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
    Annotations: 1 + size, |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
    ApplicationProperties: 1 + size, |value, writer| Encode::size(value.as_map()), value.as_map().write(writer);
}
