//! Enumerations: restricted types with a list of legal choices [1.3.5].

/// Makes enums of the choices of a restricted type; decoding refuses any other value [1.3.5].
///
/// `number` enums stand for a number or a boolean, `symbol` enums for a symbol.
macro_rules! choices {
    ($($(#[$meta:meta])* $form:ident $name:ident = $label:literal $base:ty {
        $($(#[$doc:meta])* $choice:ident = $value:literal,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $choice,)*
        }

        impl $name {
            /// All choices, in the order of the standard.
            pub const ALL: &'static [Self] = &[$(Self::$choice),*];
        }

        $crate::codec::choices!(@$form $name $label $base { $($choice = $value,)* });
    )*};

    (@number $name:ident $label:literal $base:ty { $($choice:ident = $value:literal,)* }) => {
        impl $name {
            /// Returns the choice's value on the wire.
            pub const fn to_wire(self) -> $base {
                match self {
                    $(Self::$choice => $value,)*
                }
            }

            /// Returns the choice with this value on the wire, or `None` if the standard has no such choice.
            pub const fn from_wire(value: $base) -> Option<Self> {
                match value {
                    $($value => Some(Self::$choice),)*
                    #[allow(unreachable_patterns)] // of a boolean both values may be choices
                    _ => None,
                }
            }
        }

        $crate::codec::choices!(@codec $name $label $base, to_wire, from_wire);
    };

    (@symbol $name:ident $label:literal $base:ty { $($choice:ident = $value:literal,)* }) => {
        impl $name {
            /// Returns the choice's symbol on the wire.
            pub const fn to_symbol(self) -> $crate::types::Symbol {
                match self {
                    $(Self::$choice => $crate::types::Symbol::known($value),)*
                }
            }

            /// Returns the choice with this symbol on the wire, or `None` if the standard has no such choice.
            pub fn from_symbol(name: $crate::types::Symbol) -> Option<Self> {
                match name.as_str() {
                    $($value => Some(Self::$choice),)*
                    _ => None,
                }
            }
        }

        $crate::codec::choices!(@codec $name $label $base, to_symbol, from_symbol);
    };

    (@codec $name:ident $label:literal $base:ty, $to:ident, $from:ident) => {
        impl $crate::codec::Decode for $name {
            #[inline]
            fn decode<'a>(
                decoder: &mut $crate::codec::Decoder<'a>,
                code: u8,
                input: &'a [u8],
            ) -> $crate::codec::Parsed<'a, Self> {
                let (rest, value) = <$base as $crate::codec::Decode>::decode(decoder, code, input)?;
                match Self::$from(value) {
                    Some(choice) => Ok((rest, choice)),
                    None => Err($crate::codec::fail(input, $crate::codec::DecodeErrorKind::Choice($label))),
                }
            }
        }

        impl $crate::codec::Encode for $name {
            const MOST: usize = <$base as $crate::codec::Encode>::MOST;

            #[inline]
            fn extra(&self) -> usize {
                $crate::codec::Encode::extra(&self.$to())
            }

            #[inline]
            fn size(&self) -> usize {
                $crate::codec::Encode::size(&self.$to())
            }

            #[inline]
            fn write<'w>(&self, writer: $crate::codec::Writer<'w>) -> $crate::codec::Writer<'w> {
                $crate::codec::Encode::write(&self.$to(), writer)
            }
        }
    };
}

pub(crate) use choices;
