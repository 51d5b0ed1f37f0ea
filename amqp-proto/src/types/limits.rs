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
    frame_size: u32,
    sasl_frame_size: u32,
    sasl_rounds: u32,
    channel_max: u16,
    handle_max: u32,
    links: u32,
    suspended_links: u32,
    attach_octets: u32,
    session_frames: u32,
    session_octets: u64,
    message_octets: u64,
    transfers_per_delivery: u32,
    unsettled: u32,
    output_octets: usize,
    output_octets_hard: usize,
    shortest_idle_time_out: u32,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $type:ty = $default:expr $(, at_least $floor:expr)?;)*) => {
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
                    self.$name = limits!(@floored bound $(, $floor)?);
                    self
                }
            )*
        }
    };
    (@floored $bound:ident) => { $bound };
    (@floored $bound:ident, $floor:expr) => { if $bound < $floor { $floor } else { $bound } };
}

/// The smallest bounds on output and frames: below one frame of the smallest size nothing could be written, or nothing
/// read.
const SMALLEST_FRAME: u32 = 512;

limits! {
    /// How deep values may nest in one another: lists, maps, arrays and descriptors alike [1.2].
    ///
    /// Default 32. Costs about 80 octets of heap a level while decoding, none of it on the stack.
    depth, with_depth: u16 = 32;

    /// How many values the compounds of one frame, or of one message, may hold in all [1.2]. A key and its value
    /// count as two, a described value as two more.
    ///
    /// Default 65,536. Costs at most [`Limits::octets_per_element`] octets of heap each, twice that for a moment
    /// while it is decoded, and only while there are octets on the wire to show for it (but see
    /// [`zero_width_elements`](Self::zero_width_elements)).
    elements, with_elements: u32 = 65_536;

    /// How many elements that take no octets (nulls, trues, empty lists, ...) the arrays of one frame or message
    /// may hold in all [1.2.4]. They count as [`elements`](Self::elements) too.
    ///
    /// Default 4,096, which costs at most 160 KiB for a handful of octets received, and some 20 microseconds; 0
    /// refuses such arrays.
    zero_width_elements, with_zero_width_elements: u32 = 4_096;

    /// How long a single binary, string, symbol, list, map or array inside a frame or a section may be, in octets
    /// of its encoding [1.2]. The body sections of a message are not bound by it.
    ///
    /// Default 4,294,967,295: bounded by the frame or message around it. Costs nothing beyond that, since values
    /// share the buffer they come from.
    value_octets, with_value_octets: u32 = u32::MAX;

    /// How many sections a message may have.
    ///
    /// Default 10,000. Costs nothing while a message is only looked at; a decoded one holds some 100 octets
    /// for each.
    sections, with_sections: u32 = 10_000;

    /// The largest frame that this end takes, in octets; announced as max-frame-size [2.7.1]. At least 512: less
    /// is taken for that.
    ///
    /// Default 65,536. Costs up to twice as much of input buffer for a connection on which frames arrive.
    frame_size, with_frame_size: u32 = 65_536, at_least SMALLEST_FRAME;

    /// The largest SASL frame that this end takes, in octets [5.3.1].
    ///
    /// Default 512, as the standard has it, and the least there is; some peers need more for their tokens. What
    /// this end sends is bound by [`Options::with_sasl_send_size`](crate::config::Options::with_sasl_send_size).
    sasl_frame_size, with_sasl_frame_size: u32 = 512, at_least SMALLEST_FRAME;

    /// How many challenges this end answers, or sends, in one authentication (threat C02).
    ///
    /// Default 16. Costs nothing.
    sasl_rounds, with_sasl_rounds: u32 = 16;

    /// The highest channel that this end takes, announced as channel-max: there can be one session more than that
    /// [2.7.1].
    ///
    /// Default 255. Costs up to 2 KiB for a session, and what its deliveries take.
    channel_max, with_channel_max: u16 = 255;

    /// The highest handle that this end takes on a session, announced as handle-max [2.7.2].
    ///
    /// Default 65,535. Costs nothing but what [`links`](Self::links) says.
    handle_max, with_handle_max: u32 = 65_535;

    /// How many links a connection may have in all, suspended ones included. An attach beyond is refused with
    /// resource-limit-exceeded.
    ///
    /// Default 65,536. Costs up to 1 KiB for each, and up to twice [`attach_octets`](Self::attach_octets).
    links, with_links: u32 = 65_536;

    /// How many links that are detached but not closed are remembered (threat D08). One more, and the link that was
    /// detached first is forgotten.
    ///
    /// Default 64. They count as [`links`](Self::links).
    suspended_links, with_suspended_links: u32 = 64;

    /// The largest attach that is kept, in octets of its shortest encoding (threat D39). A larger one is refused with
    /// resource-limit-exceeded.
    ///
    /// Default 8,192. Costs what peers send, up to twice that much for a link.
    attach_octets, with_attach_octets: u32 = 8_192;

    /// How many transfer frames a session may hold for the application: the largest incoming-window [2.8.17].
    ///
    /// Default 2,048. Costs some 100 octets for a frame, and its payload.
    session_frames, with_session_frames: u32 = 2_048;

    /// How many octets of payload a session may hold for the application. The incoming-window is never so large that
    /// frames of the largest size would exceed it, but always one frame at least.
    ///
    /// Default 32 MiB, which is 512 frames of 64 KiB.
    session_octets, with_session_octets: u64 = 32 << 20;

    /// The largest message that a receiver takes unless its options say otherwise, in octets; announced as
    /// max-message-size [2.7.3]. 0 means any.
    ///
    /// Default 64 MiB. A link may hold one message of that size beside what its session holds, while it arrives.
    message_octets, with_message_octets: u64 = 64 << 20;

    /// How many transfer frames a delivery may come in (threat D15). More are answered with
    /// message-size-exceeded.
    ///
    /// Default 65,535. Costs 40 octets for each while the message arrives.
    transfers_per_delivery, with_transfers_per_delivery: u32 = 65_535;

    /// How many deliveries a session may have unsettled in each direction. A send beyond is refused; a delivery
    /// that comes beyond it detaches its link with resource-limit-exceeded.
    ///
    /// Default 65,536. Costs some 50 to 160 octets for each, and up to 360 for a moment.
    unsettled, with_unsettled: u32 = 65_536;

    /// From how many octets of output on commands that send answer that it is full, and larger messages wait in
    /// the engine.
    ///
    /// Default 1 MiB; at least 1, as without room nothing could ever be sent. One frame may exceed it.
    output_octets, with_output_octets: usize = 1 << 20, at_least 1;

    /// From how many octets of output on no more input is taken, since answers would add to it (threat D46).
    ///
    /// Default 4 MiB; at least 1, as with 0 nothing would ever be read. The answers to one frame may exceed it.
    output_octets_hard, with_output_octets_hard: usize = 4 << 20, at_least 1;

    /// The shortest idle-time-out that a peer may ask for, in milliseconds; one that asks for less is refused
    /// [2.4.5]. No two deadlines for empty frames are closer than a quarter of it.
    ///
    /// Default 100.
    shortest_idle_time_out, with_shortest_idle_time_out: u32 = 100;
}

impl Limits {
    /// Returns the octets that a decoded value costs on the heap, at most, for each element counted by
    /// [`elements`](Self::elements): its place in the compound around it.
    pub const fn octets_per_element() -> usize {
        size_of::<super::Value>()
    }
}

impl Limits {
    /// Returns those that values and messages are decoded within.
    #[inline]
    pub(crate) const fn of_decoding(&self) -> DecodingLimits {
        DecodingLimits {
            depth: self.depth,
            elements: self.elements,
            zero_width_elements: self.zero_width_elements,
            value_octets: self.value_octets,
            sections: self.sections,
        }
    }
}

/// Those of the [`Limits`] that a message is decoded within: few enough to go with every delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodingLimits {
    depth: u16,
    elements: u32,
    zero_width_elements: u32,
    value_octets: u32,
    sections: u32,
}

impl From<DecodingLimits> for Limits {
    fn from(limits: DecodingLimits) -> Self {
        let DecodingLimits { depth, elements, zero_width_elements, value_octets, sections } = limits;
        Self { depth, elements, zero_width_elements, value_octets, sections, ..Self::DEFAULT }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
