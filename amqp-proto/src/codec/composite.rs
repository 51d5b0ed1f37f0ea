//! Composites: described lists whose items are fields [1.4]. All are made from tables of one form.

use super::any::AnyComposite;
use super::code::Code;
use super::decode::{Decode, Decoder};
use super::descriptor::{Names, described};
use super::encode::{Encode, Writer, append, is_narrow, octet as size_octet};
use super::error::{EncodeError, Parsed};
use super::field::FieldSizes;
use super::leaf::octet;

/// The description of a described type of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The standard's name of the type.
    pub name: &'static str,
    /// The numeric descriptor, of domain 0.
    pub code: u64,
    /// The symbolic descriptor.
    pub symbol: &'static str,
    /// The fields in order; empty for types that are not lists.
    pub fields: &'static [FieldSchema],
}

/// The description of a field of a described type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldSchema {
    /// The standard's name of the field, with underscores in place of hyphens.
    pub name: &'static str,
    /// The standard's type of the field, `*` for any.
    pub amqp_type: &'static str,
    /// `true` if the field must be present.
    pub mandatory: bool,
    /// `true` if the field may hold several values.
    pub multiple: bool,
    /// The value of an absent field, in the standard's words.
    pub default: Option<&'static str>,
}

/// A described list.
pub(crate) trait Composite: AnyComposite + Sized {
    const SCHEMA: Schema;
    /// The numeric descriptor as one octet; all descriptors of the standard fit.
    const CODE: u8;
    const NAMES: Names = Names::of(&Self::SCHEMA);
    /// `true` if the composite is written through its fields of any type.
    const IS_RARE: bool;

    /// Reads the list. The caller has consumed the descriptor.
    fn decode_list<'a>(decoder: &mut Decoder<'a>, input: &'a [u8]) -> Parsed<'a, Self>;
    /// Checks the restrictions that the types of the fields do not express.
    fn check(&self) -> Result<(), EncodeError>;

    fn sizes(&self) -> FieldSizes;
    /// Writes the descriptor and the list, whose sizes are known.
    fn write_sized<'w>(&self, sizes: FieldSizes, writer: Writer<'w>) -> Writer<'w>;
    /// Writes all fields up to the last set one, and returns their number, too. The number is 0 if the composite is
    /// rare: it must be measured.
    #[inline(always)]
    fn write_unsized<'w>(&self, writer: Writer<'w>) -> (Writer<'w>, u8) {
        (writer, 0)
    }

    /// Reads the descriptor and the list. The caller has consumed the octet that announces the descriptor.
    fn decode_described<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        let rest = described(code, input, const { Self::SCHEMA.name }, Self::NAMES)?;
        Self::decode_list(decoder, rest)
    }

    /// Writes the descriptor and the list without measuring them first.
    ///
    /// Returns a full writer if the list needs the 32-bit form.
    #[inline]
    fn write_narrow<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        let Some((opening, writer)) = writer.set_aside::<6>() else { return Writer::full() };
        let room = writer.left();
        let (writer, count) = self.write_unsized(writer);
        let octets = room - writer.left();
        if count == 0 || !is_narrow(octets, usize::from(count)) {
            return Writer::full();
        }
        *opening =
            [Code::DESCRIBED, Code::SMALL_ULONG, Self::CODE, Code::LIST8, size_octet(octets + 1), count];
        writer
    }
}

/// The greatest number of octets before the fields of a composite: descriptor, constructor, size, count.
#[cfg(not(feature = "small"))]
pub(crate) const COMPOSITE_MOST: usize = super::descriptor::DESCRIPTOR_LEN + 9;

/// Reads one described value from the front of `octets`, for the methods that [`composite!`] makes.
pub(crate) fn decode_one<T: Decode>(
    octets: &mut bytes::Bytes,
    limits: &crate::types::Limits,
) -> Result<T, super::DecodeError> {
    let (left, value) = Decoder::run(octets, limits, |decoder, input| {
        let (rest, code) = octet(input)?;
        T::decode(decoder, code, rest)
    })
    .map(|(rest, value)| (rest.len(), value))?;
    bytes::Buf::advance(octets, octets.len() - left);
    Ok(value)
}

/// Appends a described value, for the methods that [`composite!`] makes.
pub(crate) fn encode_one<T: Composite + Encode>(
    value: &T,
    out: &mut bytes::BytesMut,
) -> Result<(), EncodeError> {
    value.check()?;
    append(value, out)
}

/// Makes the described lists of the standard from their tables.
///
/// A row is a field: its name, its Rust type, the standard's name of the type, and its mode: `mandatory`,
/// `optional`, `multiple`, `required` (multiple and mandatory), `default(value, "words")`, or `stated(value,
/// "words")`, which is a default that is written if the application sets it. The macro makes the struct, the
/// schema, the reader, the writer, the sizes, the constructor and `Debug`.
///
/// The word before the name chooses the code. A `frequent` composite, which comes with messages, is read and written by
/// code of its own; a `rare` one by that of [`any`](super::any), in less flash, and so are all with the feature `small`.
macro_rules! composite {
    ($($(#[$meta:meta])* $pace:ident $name:ident = $label:literal $code:literal {
        $($(#[$doc:meta])* $field:ident: $type:ty, $amqp:literal, $mode:ident $(($default:expr, $words:literal))?;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        $crate::codec::composite!(@$pace $name = $label $code {
            $($field: $type, $amqp, $mode $(($default, $words))?;)*
        });

        impl $crate::codec::AnyComposite for $name {
            fn code(&self) -> u8 {
                $code
            }

            fn written(&self) -> $crate::codec::Written<'_> {
                const { assert!($name::SCHEMA.fields.len() <= $crate::codec::MOST_FIELDS) };
                #[allow(unused_mut)] // of a type without fields
                let mut written: $crate::codec::Written<'_> = [None; $crate::codec::MOST_FIELDS];
                if let Some(front) = written.first_chunk_mut() {
                    *front = [$($crate::codec::composite!(@written self, $field, $mode $(($default))?)),*];
                }
                written
            }
        }

        impl $crate::codec::Decode for $name {
            fn decode<'a>(
                decoder: &mut $crate::codec::Decoder<'a>,
                code: u8,
                input: &'a [u8],
            ) -> $crate::codec::Parsed<'a, Self> {
                <Self as $crate::codec::Composite>::decode_described(decoder, code, input)
            }
        }

        impl $name {
            /// The name, descriptors and fields of the type.
            pub const SCHEMA: $crate::codec::Schema = <Self as $crate::codec::Composite>::SCHEMA;

            /// Reads one value of this type, descriptor included, and advances `octets` past the value.
            ///
            /// # Errors
            ///
            /// [`DecodeError`](crate::codec::DecodeError) if the octets are not a value of this type within
            /// `limits`. Then `octets` stay as they were.
            pub fn decode(
                octets: &mut bytes::Bytes,
                limits: &$crate::types::Limits,
            ) -> Result<Self, $crate::codec::DecodeError> {
                $crate::codec::decode_one(octets, limits)
            }

            /// Returns the number of octets that [`encode`](Self::encode) writes.
            pub fn encoded_len(&self) -> usize {
                $crate::codec::Encode::size(self)
            }

            /// Appends the shortest encoding, descriptor included.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::codec::EncodeError) if a mandatory field has no value, or if the
            /// encoding exceeds 4 GiB. Nothing is appended then.
            pub fn encode(&self, out: &mut bytes::BytesMut) -> Result<(), $crate::codec::EncodeError> {
                $crate::codec::encode_one(self, out)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                #[allow(unused_mut)]
                let mut fields = f.debug_struct($label);
                $(
                    if $crate::codec::composite!(@is_set self, $field, $mode $(($default))?) {
                        fields.field(stringify!($field), $crate::codec::composite!(@shown self, $field, $mode));
                    }
                )*
                fields.finish()
            }
        }

        $crate::codec::composite!(@new $name () () $($field: $type, $mode $(($default))?;)*);
    )*};

    (@frequent $($table:tt)*) => {
        #[cfg(not(feature = "small"))]
        $crate::codec::composite!(@own $($table)*);
        #[cfg(feature = "small")]
        $crate::codec::composite!(@rare $($table)*);
    };

    (@own $name:ident = $label:literal $code:literal {
        $($field:ident: $type:ty, $amqp:literal, $mode:ident $(($default:expr, $words:literal))?;)*
    }) => {
        impl $crate::codec::Composite for $name {
            $crate::codec::composite!(@alike $label $code {
                $($field, $amqp, $mode $(($words))?;)*
            });
            const IS_RARE: bool = false;

            #[inline]
            fn decode_list<'a>(
                decoder: &mut $crate::codec::Decoder<'a>,
                input: &'a [u8],
            ) -> $crate::codec::Parsed<'a, Self> {
                // Apart, so that the list is not copied once more.
                #[inline]
                #[allow(unused_variables)]
                fn read<'a>(
                    decoder: &mut $crate::codec::Decoder<'a>,
                    fields: $crate::codec::FieldReader<'a>,
                ) -> Result<$name, nom::Err<$crate::codec::Fault<'a>>> {
                    $(
                        let (fields, $field) = fields.$mode(
                            decoder,
                            &$crate::codec::FieldName { of: $label, field: stringify!($field) }
                            $(, $default)?
                        )?;
                    )*
                    fields.finish()?;
                    Ok($name { $($field,)* })
                }
                let count = const { $name::SCHEMA.fields.len() };
                let (rest, fields) = $crate::codec::FieldReader::of_list(input, count)?;
                Ok((rest, read(decoder, fields)?))
            }

            #[inline]
            #[allow(unused_mut)]
            fn sizes(&self) -> $crate::codec::FieldSizes {
                let mut sizes = $crate::codec::FieldSizes::default();
                $(
                    if $crate::codec::composite!(@is_set self, $field, $mode $(($default))?) {
                        sizes.set($crate::codec::Encode::size(&self.$field));
                    } else {
                        sizes.null();
                    }
                )*
                sizes
            }

            #[inline]
            #[allow(unused_variables, unused_assignments, unused_mut)]
            fn write_sized<'w>(
                &self,
                sizes: $crate::codec::FieldSizes,
                writer: $crate::codec::Writer<'w>,
            ) -> $crate::codec::Writer<'w> {
                let mut writer = sizes.write_opening(Self::CODE, writer);
                let mut left = sizes.count;
                $(
                    if left == 0 {
                        return writer;
                    }
                    left -= 1;
                    writer = if $crate::codec::composite!(@is_set self, $field, $mode $(($default))?) {
                        $crate::codec::Encode::write(&self.$field, writer)
                    } else {
                        writer.octet($crate::codec::Code::NULL)
                    };
                )*
                writer
            }

            #[inline]
            #[allow(unused_mut, unused_variables, unused_assignments)]
            fn write_unsized<'w>(
                &self,
                mut writer: $crate::codec::Writer<'w>,
            ) -> ($crate::codec::Writer<'w>, u8) {
                let (mut count, mut nulls) = (0_u8, 0_u8);
                $(
                    if $crate::codec::composite!(@is_set self, $field, $mode $(($default))?) {
                        writer = $crate::codec::Encode::write(&self.$field, writer.nulls(nulls));
                        count += nulls + 1;
                        nulls = 0;
                    } else {
                        nulls += 1;
                    }
                )*
                (writer, count)
            }
        }

        impl $crate::codec::Encode for $name {
            const MOST: usize = $crate::codec::COMPOSITE_MOST $(+ <$type as $crate::codec::Encode>::MOST)*;

            #[inline]
            fn extra(&self) -> usize {
                0 $(+ $crate::codec::Encode::extra(&self.$field))*
            }

            fn size(&self) -> usize {
                $crate::codec::DESCRIPTOR_LEN + $crate::codec::Composite::sizes(self).list_len()
            }

            fn write<'w>(&self, writer: $crate::codec::Writer<'w>) -> $crate::codec::Writer<'w> {
                $crate::codec::Composite::write_sized(self, $crate::codec::Composite::sizes(self), writer)
            }
        }
    };

    (@rare $name:ident = $label:literal $code:literal {
        $($field:ident: $type:ty, $amqp:literal, $mode:ident $(($default:expr, $words:literal))?;)*
    }) => {
        impl $crate::codec::Composite for $name {
            $crate::codec::composite!(@alike $label $code {
                $($field, $amqp, $mode $(($words))?;)*
            });
            const IS_RARE: bool = true;

            fn decode_list<'a>(
                decoder: &mut $crate::codec::Decoder<'a>,
                input: &'a [u8],
            ) -> $crate::codec::Parsed<'a, Self> {
                static TABLE: $crate::codec::FieldTable = $crate::codec::FieldTable {
                    of: $label,
                    fields: &[$((stringify!($field), $crate::codec::composite!(@mandatory $mode))),*],
                };
                #[allow(unused_mut)] // of a type without fields
                let mut list = Self {
                    $($field: $crate::codec::composite!(@vacant $type, $mode $(($default))?),)*
                };
                let rest = $crate::codec::read_list(decoder, input, &TABLE, &mut [$(&mut list.$field),*])?;
                Ok((rest, list))
            }

            fn sizes(&self) -> $crate::codec::FieldSizes {
                let this: &dyn $crate::codec::AnyComposite = self;
                this.sizes()
            }

            fn write_sized<'w>(
                &self,
                sizes: $crate::codec::FieldSizes,
                writer: $crate::codec::Writer<'w>,
            ) -> $crate::codec::Writer<'w> {
                let this: &dyn $crate::codec::AnyComposite = self;
                this.write(sizes, writer)
            }
        }

        impl $crate::codec::Encode for $name {
            const MOST: usize = 1;

            fn extra(&self) -> usize {
                $crate::codec::Encode::size(self)
            }

            fn size(&self) -> usize {
                $crate::codec::DESCRIPTOR_LEN + $crate::codec::Composite::sizes(self).list_len()
            }

            fn write<'w>(&self, writer: $crate::codec::Writer<'w>) -> $crate::codec::Writer<'w> {
                $crate::codec::Composite::write_sized(self, $crate::codec::Composite::sizes(self), writer)
            }
        }
    };

    // What a composite has, however it is read and written.
    (@alike $label:literal $code:literal {
        $($field:ident, $amqp:literal, $mode:ident $(($words:literal))?;)*
    }) => {
            const SCHEMA: $crate::codec::Schema = $crate::codec::Schema {
                name: $label,
                code: $code,
                symbol: concat!("amqp:", $label, ":list"),
                fields: &[$($crate::codec::composite!(@schema $field $amqp $mode $(($words))?)),*],
            };
            const CODE: u8 = $code;

            fn check(&self) -> Result<(), $crate::codec::EncodeError> {
                $($crate::codec::composite!(@check self, $field, $mode, concat!($label, ".", stringify!($field)));)*
                Ok(())
            }
    };

    (@vacant $type:ty, mandatory) => { <$type as $crate::codec::Vacant>::vacant() };
    (@vacant $type:ty, required) => { <$type>::default() };
    (@vacant $type:ty, multiple) => { <$type>::default() };
    (@vacant $type:ty, stated($default:expr)) => { None };
    (@vacant $type:ty, optional) => { <$type>::default() };
    (@vacant $type:ty, default($default:expr)) => { $default };

    (@written $this:expr, $field:ident, default($default:expr)) => {
        if $this.$field == $default { None } else { Some(&$this.$field) }
    };
    (@written $this:expr, $field:ident, $mode:ident $(($default:expr))?) => { Some(&$this.$field) };

    (@schema $field:ident $amqp:literal $mode:ident $(($words:literal))?) => {
        $crate::codec::FieldSchema {
            name: stringify!($field),
            amqp_type: $amqp,
            mandatory: $crate::codec::composite!(@mandatory $mode),
            multiple: $crate::codec::composite!(@multiple $mode),
            default: $crate::codec::composite!(@default $($words)?),
        }
    };
    (@mandatory mandatory) => { true };
    (@mandatory required) => { true };
    (@mandatory $mode:ident) => { false };
    (@multiple multiple) => { true };
    (@multiple required) => { true };
    (@multiple $mode:ident) => { false };
    (@default) => { None };
    (@default $words:literal) => { Some($words) };

    (@is_set $this:expr, $field:ident, mandatory) => { true };
    (@is_set $this:expr, $field:ident, required) => { true };
    (@is_set $this:expr, $field:ident, default($default:expr)) => { $this.$field != $default };
    (@is_set $this:expr, $field:ident, stated($default:expr)) => { $this.$field.is_some() };
    (@is_set $this:expr, $field:ident, $mode:ident) => { $crate::codec::Field::is_set(&$this.$field) };

    (@shown $this:expr, $field:ident, optional) => { $crate::codec::Field::shown(&$this.$field) };
    (@shown $this:expr, $field:ident, stated) => { $crate::codec::Field::shown(&$this.$field) };
    (@shown $this:expr, $field:ident, $mode:ident) => { &$this.$field };

    (@check $this:expr, $field:ident, required, $label:expr) => {
        if $this.$field.is_empty() {
            return Err($crate::codec::EncodeError::Missing { field: $label });
        }
    };
    (@check $this:expr, $field:ident, $mode:ident, $label:expr) => {};

    // The constructor takes the mandatory fields. A type without mandatory fields gets `Default` instead.
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*) $field:ident: $type:ty, mandatory; $($rest:tt)*) => {
        $crate::codec::composite!(@new $name ($($arg)* $field: $type,) ($($init)* $field,) $($rest)*);
    };
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*) $field:ident: $type:ty, required; $($rest:tt)*) => {
        $crate::codec::composite!(@new $name ($($arg)* $field: $type,) ($($init)* $field,) $($rest)*);
    };
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*) $field:ident: $type:ty, default($default:expr); $($rest:tt)*) => {
        $crate::codec::composite!(@new $name ($($arg)*) ($($init)* $field: $default,) $($rest)*);
    };
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*) $field:ident: $type:ty, stated($default:expr); $($rest:tt)*) => {
        $crate::codec::composite!(@new $name ($($arg)*) ($($init)* $field: None,) $($rest)*);
    };
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*) $field:ident: $type:ty, $mode:ident; $($rest:tt)*) => {
        $crate::codec::composite!(@new $name ($($arg)*) ($($init)* $field: <$type>::default(),) $($rest)*);
    };
    (@new $name:ident () ($($init:tt)*)) => {
        impl Default for $name {
            fn default() -> Self {
                Self { $($init)* }
            }
        }
    };
    (@new $name:ident ($($arg:tt)*) ($($init:tt)*)) => {
        impl $name {
            /// Returns a value with the mandatory fields; the other fields are absent.
            #[allow(clippy::too_many_arguments)] // as many as the standard makes mandatory
            pub fn new($($arg)*) -> Self {
                Self { $($init)* }
            }
        }
    };
}

pub(crate) use composite;
