//! [`Limits`]: every bound in one value.

/// Bounds on what a peer can make this side hold or do.
///
/// Nothing that is decoded exceeds them, whatever counts and sizes the octets claim; a breach is an error of
/// kind [`Limit`](crate::codec::DecodeErrorKind::Limit). The defaults suit a 64-bit host and leave real peers
/// alone; a microcontroller lowers them.
///
/// ```
/// use amqp_proto::types::Limits;
///
/// let small = Limits::default().with_depth(8).with_elements(256);
/// assert_eq!(small.depth(), 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    depth: u16,
    elements: u32,
    zero_width_elements: u32,
    value_octets: u32,
    sections: u32,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $type:ty = $default:expr;)*) => {
        impl Limits {
            /// The defaults, as a constant.
            pub const DEFAULT: Self = Self { $($name: $default),* };

            $(
                $(#[$doc])*
                pub const fn $name(&self) -> $type {
                    self.$name
                }

                #[doc = concat!("Sets [`", stringify!($name), "`](Self::", stringify!($name), ").")]
                #[must_use]
                pub const fn $with(mut self, bound: $type) -> Self {
                    self.$name = bound;
                    self
                }
            )*
        }
    };
}

limits! {
    /// How deep values may nest in one another: lists, maps, arrays and descriptors alike (E-SIZE-06).
    ///
    /// Default 32. Costs about 80 octets of heap a level while decoding, none of it on the stack.
    depth, with_depth: u16 = 32;

    /// How many values the compounds of one frame, or of one message, may hold in all (E-SIZE-05).
    /// A key and its value count as two, a described value as two more.
    ///
    /// Default 65,536. Costs at most [`Limits::octets_per_element`] octets of heap each, twice that for a moment
    /// while it is decoded, and only while there are octets on the wire to show for it (but see
    /// [`zero_width_elements`](Self::zero_width_elements)).
    elements, with_elements: u32 = 65_536;

    /// How many elements that take no octets (nulls, trues, empty lists, ...) the arrays of one frame or
    /// message may hold in all (E-ARR-05). They count as [`elements`](Self::elements) too.
    ///
    /// Default 4,096, which costs at most 160 KiB for a handful of octets received; 0 refuses such arrays.
    zero_width_elements, with_zero_width_elements: u32 = 4_096;

    /// How long a single binary, string, symbol, list, map or array inside a frame or a section may be, in
    /// octets of its encoding (E-SIZE-05). The body sections of a message are not bound by it.
    ///
    /// Default 4,294,967,295: bounded by the frame or message around it. Costs nothing beyond that, since
    /// values share the buffer they come from.
    value_octets, with_value_octets: u32 = u32::MAX;

    /// How many sections a message may have.
    ///
    /// Default 10,000. Costs nothing while a message is only looked at; a decoded one holds some 100 octets
    /// for each.
    sections, with_sections: u32 = 10_000;
}

impl Limits {
    /// What a decoded value costs on the heap, at most, for each element counted by
    /// [`elements`](Self::elements): its place in the compound around it.
    pub const fn octets_per_element() -> usize {
        size_of::<super::Value>()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
