//! Enumerations: restricted types of which only listed choices are legal [1.3.5].

/// Makes enums from the choices of a restricted type; any other value is refused [1.3.5].
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
            /// Every choice, in the order of the standard.
            pub const ALL: &'static [Self] = &[$(Self::$choice),*];
        }

        $crate::codec::choices!(@$form $name $label $base { $($choice = $value,)* });
    )*};

    (@number $name:ident $label:literal $base:ty { $($choice:ident = $value:literal,)* }) => {
        impl $name {
            /// Returns the choice as the wire has it.
            pub const fn to_wire(self) -> $base {
                match self {
                    $(Self::$choice => $value,)*
                }
            }

            /// Returns the choice that the wire's value stands for.
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
            /// Returns the choice as the wire has it.
            pub const fn to_symbol(self) -> $crate::types::Symbol {
                match self {
                    $(Self::$choice => $crate::types::Symbol::known($value),)*
                }
            }

            /// Returns the choice that a symbol stands for.
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
