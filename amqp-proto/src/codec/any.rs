//! [`AnyComposite`] and [`AnyField`]: composites that are read and written by one function each, whatever their type.
//!
//! Code for each type is faster; code for any type is smaller. A composite that its table calls `rare` is read and
//! written here alone, a `frequent` one only where its length must be known before it is written.

use super::code::Code;
use super::decode::{Decode, Decoder};
use super::encode::{Encode, Writer};
use super::error::{Fault, FieldName};
use super::field::{FieldReader, FieldSizes, missing, of_field};

/// The most fields that a composite of the standard has.
pub(crate) const MOST_FIELDS: usize = 14;

/// A field of any type.
pub(crate) trait AnyField {
    /// Reads the octets after constructor `code`, which is not null. Returns the octets behind them.
    fn read<'a>(
        &mut self,
        decoder: &mut Decoder<'a>,
        code: u8,
        input: &'a [u8],
    ) -> Result<&'a [u8], nom::Err<Fault<'a>>>;
    /// Returns `true` if the value differs from an absent one.
    fn is_present(&self) -> bool;
    fn size(&self) -> usize;
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w>;
}

impl<T: Decode + Encode> AnyField for T {
    fn read<'a>(
        &mut self,
        decoder: &mut Decoder<'a>,
        code: u8,
        input: &'a [u8],
    ) -> Result<&'a [u8], nom::Err<Fault<'a>>> {
        let (rest, value) = T::decode(decoder, code, input)?;
        *self = value;
        Ok(rest)
    }

    fn is_present(&self) -> bool {
        !self.is_null()
    }

    fn size(&self) -> usize {
        Encode::size(self)
    }

    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        Encode::write(self, writer)
    }
}

/// The fields of a composite that are written, in order. A field with its default value is `None`.
pub(crate) type Written<'s> = [Option<&'s dyn AnyField>; MOST_FIELDS];

/// A composite of any type.
pub(crate) trait AnyComposite {
    /// Returns the numeric descriptor.
    fn code(&self) -> u8;
    fn written(&self) -> Written<'_>;
}

impl dyn AnyComposite + '_ {
    /// Returns the number and the length of the fields.
    pub(crate) fn sizes(&self) -> FieldSizes {
        let mut sizes = FieldSizes::default();
        for field in self.written() {
            match field {
                Some(field) if field.is_present() => sizes.set(field.size()),
                _ => sizes.null(),
            }
        }
        sizes
    }

    /// Writes the descriptor and the list, whose sizes are known.
    pub(crate) fn write<'w>(&self, sizes: FieldSizes, writer: Writer<'w>) -> Writer<'w> {
        let mut writer = sizes.write_opening(self.code(), writer);
        for field in self.written().into_iter().take(sizes.count) {
            writer = match field {
                Some(field) if field.is_present() => field.write(writer),
                _ => writer.octet(Code::NULL),
            };
        }
        writer
    }
}

/// The names of a composite and its fields, for errors, and the mandatory ones among the fields.
pub(crate) struct FieldTable {
    pub(crate) of: &'static str,
    pub(crate) fields: &'static [(&'static str, bool)],
}

/// Reads the list of a composite into `fields`, which have the values of absent ones. The caller has consumed the
/// descriptor. Returns the octets behind the list.
pub(crate) fn read_list<'a>(
    decoder: &mut Decoder<'a>,
    input: &'a [u8],
    table: &'static FieldTable,
    fields: &mut [&mut dyn AnyField],
) -> Result<&'a [u8], nom::Err<Fault<'a>>> {
    let (rest, mut reader) = FieldReader::of_list(input, fields.len())?;
    for (field, &(name, is_mandatory)) in fields.iter_mut().zip(table.fields) {
        let code;
        (reader, code) = reader.code();
        let name = FieldName { of: table.of, field: name };
        if code != Code::NULL {
            match field.read(decoder, code, reader.rest) {
                Ok(rest) => reader.rest = rest,
                Err(error) => return Err(of_field(error, reader.rest, decoder, &name)),
            }
        }
        if is_mandatory && (code == Code::NULL || !field.is_present()) {
            return Err(missing(reader.rest, &name));
        }
    }
    reader.finish()?;
    Ok(rest)
}

/// A value to begin with, before a mandatory field of a rare composite was read. It is never seen.
pub(crate) trait Vacant {
    fn vacant() -> Self;
}

macro_rules! vacant {
    ($($type:ty)*) => {$(
        impl $crate::codec::Vacant for $type {
            #[inline]
            fn vacant() -> Self {
                Self::default()
            }
        }
    )*};
}

pub(crate) use vacant;
