//! [`Limits`]: all bounds in one value.

use core::time::Duration;

/// Bounds on the memory and work that a peer can cause at this end.
///
/// No decoded value exceeds the bounds, whatever counts and sizes the octets claim. A breach is an error of
/// kind [`Limit`](crate::codec::DecodeErrorKind::Limit). The defaults suit a 64-bit host and do not disturb
/// real peers; a microcontroller lowers them.
///
/// ```
/// use amqp_proto::types::Limits;
///
/// let small = Limits::default().with_depth(8).with_elements(256);
/// assert_eq!(small.depth(), 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    memory: u64,
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
    kept_octets: u64,
    transactions: u32,
    output_octets: usize,
    output_octets_hard: usize,
    shortest_idle_timeout: Duration,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident, $with:ident: $type:ty = $default:expr $(, at_least $floor:expr)?;)*) => {
        impl Limits {
            /// The default limits, as a constant.
            pub const DEFAULT: Self = Self { $($name: $default),* };

            /// The limits of a connection within 32 KiB of memory, as a constant.
            pub const SMALL: Self = Self::DEFAULT.with_memory(32 << 10);

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

/// The least bound on frames and output: with less, no frame of the smallest legal size could be written or
/// read.
const SMALLEST_FRAME: u32 = 512;

limits! {
    /// Returns the memory, in octets, that a peer can make a connection hold.
    ///
    /// This is the one number to set on a small device, or to multiply by the number of connections on a server.
    /// Sessions, links, messages that the application has not taken, unsettled deliveries, and the buffers for input and
    /// output count. A slow application slows its peer, since the windows of sessions follow the memory that is left. A
    /// peer that exceeds it all the same is answered with resource-limit-exceeded. Messages that the application has
    /// received or sends do not count.
    ///
    /// Each other limit applies as far as the memory allows; [`within_memory`](Self::within_memory) shows them so. The
    /// size of a message, above all, is at most half of the memory, unless the message is
    /// [read as it arrives](crate::config::ReceiverOptions::with_streaming).
    ///
    /// Default 64 MiB. With less than [`LEAST_MEMORY`](Self::LEAST_MEMORY) no connection is opened.
    memory, with_memory: u64 = 64 << 20;

    /// Returns the greatest depth of nested values: lists, maps, arrays and descriptors [1.2].
    ///
    /// Default 32. Costs about 80 octets of heap a level while decoding, and no stack.
    depth, with_depth: u16 = 32;

    /// Returns the greatest number of values in all compounds of one frame or message together [1.2].
    ///
    /// A key and its value count as two, a described value as two more.
    ///
    /// Default 65,536. Costs at most [`Limits::octets_per_element`] octets of heap for each value, twice that
    /// for a moment while decoding. Each value has octets on the wire, except
    /// [`zero_width_elements`](Self::zero_width_elements).
    elements, with_elements: u32 = 65_536;

    /// Returns the greatest number of array elements without octets (nulls, trues, empty lists, ...) in one
    /// frame or message [1.2.4].
    ///
    /// These elements count as [`elements`](Self::elements), too.
    ///
    /// Default 4,096, which costs at most 160 KiB and some 20 microseconds for a handful of received octets.
    /// 0 refuses such arrays.
    zero_width_elements, with_zero_width_elements: u32 = 4_096;

    /// Returns the greatest encoded size, in octets, of a single binary, string, symbol, list, map or array
    /// inside a frame or a section [1.2].
    ///
    /// The body sections of a message have no such bound.
    ///
    /// Default 4,294,967,295: bounded by the frame or message around the value. Costs nothing more, since
    /// values share the buffer that they were decoded from.
    value_octets, with_value_octets: u32 = u32::MAX;

    /// Returns the greatest number of sections in a message.
    ///
    /// Default 10,000. Costs nothing while a message is read in place; a decoded message holds some 100
    /// octets for each section.
    sections, with_sections: u32 = 10_000;

    /// Returns the size of the largest frame that this end accepts, in octets, announced as max-frame-size
    /// [2.7.1].
    ///
    /// At least 512: a smaller value is raised to 512.
    ///
    /// Default 65,536. Costs up to twice as much input buffer for a connection that receives frames.
    frame_size, with_frame_size: u32 = 65_536, at_least SMALLEST_FRAME;

    /// Returns the size of the largest SASL frame that this end accepts, in octets [5.3.1].
    ///
    /// Default 512, the standard's value, and the least possible. Some peers need more for their tokens. The
    /// size of sent SASL frames is bounded by
    /// [`Options::with_sasl_send_size`](crate::config::Options::with_sasl_send_size).
    sasl_frame_size, with_sasl_frame_size: u32 = 512, at_least SMALLEST_FRAME;

    /// Returns the greatest number of challenges that this end answers, or sends, in one authentication.
    ///
    /// Default 16. Costs nothing.
    // Threat C02.
    sasl_rounds, with_sasl_rounds: u32 = 16;

    /// Returns the highest channel that this end accepts, announced as channel-max [2.7.1].
    ///
    /// The number of sessions can be one more than the highest channel.
    ///
    /// Default 255. Costs up to 2 KiB for each session, and the memory of its deliveries.
    channel_max, with_channel_max: u16 = 255;

    /// Returns the highest handle that this end accepts on a session, announced as handle-max [2.7.2].
    ///
    /// Default 65,535. Costs nothing more than [`links`](Self::links).
    handle_max, with_handle_max: u32 = 65_535;

    /// Returns the greatest number of links of a connection, suspended links included.
    ///
    /// An attach beyond this number is refused with resource-limit-exceeded.
    ///
    /// Default 65,536. Costs up to 1 KiB for each link, and up to twice
    /// [`attach_octets`](Self::attach_octets).
    links, with_links: u32 = 65_536;

    /// Returns the greatest number of suspended links (detached but not closed) that a connection remembers.
    ///
    /// When one more link is suspended, the link that was suspended first is forgotten.
    ///
    /// Default 64. They count as [`links`](Self::links).
    // Threat D08.
    suspended_links, with_suspended_links: u32 = 64;

    /// Returns the size of the largest attach that is kept, in octets of its shortest encoding.
    ///
    /// A larger attach is refused with resource-limit-exceeded.
    ///
    /// Default 8,192. Costs up to twice the size of the received attach for each link.
    // Threat D39.
    attach_octets, with_attach_octets: u32 = 8_192;

    /// Returns the greatest number of transfer frames that a session holds for the application: the largest
    /// incoming-window [2.8.17].
    ///
    /// Default 2,048. Costs some 100 octets and the payload for each frame.
    session_frames, with_session_frames: u32 = 2_048;

    /// Returns the greatest number of payload octets that a session holds for the application.
    ///
    /// The incoming-window is limited so that frames of the largest size stay within this number, but the
    /// window is at least one frame.
    ///
    /// Default 32 MiB, which is 512 frames of 64 KiB. Counts the octets of payloads, which share the block of input that
    /// they were read into: one octet that is kept holds its whole block, up to some hundred KiB, also once the message
    /// was received and counts no more. [`Payload::compact`](crate::message::Payload::compact) copies what is small
    /// and lets the block go.
    session_octets, with_session_octets: u64 = 32 << 20;

    /// Returns the size of the largest message that a receiver accepts unless its options set another size,
    /// in octets; announced as max-message-size [2.7.3].
    ///
    /// 0 means any size.
    ///
    /// Default 64 MiB. A message that is not read as it arrives waits until it is complete, so it is at most half of
    /// the [`memory`](Self::memory): 32 MiB by default.
    message_octets, with_message_octets: u64 = 64 << 20;

    /// Returns the greatest number of transfer frames of one delivery.
    ///
    /// A delivery with more frames is answered with message-size-exceeded.
    ///
    /// Default 65,535. Costs 40 octets for each frame while the message arrives.
    // Threat D15.
    transfers_per_delivery, with_transfers_per_delivery: u32 = 65_535;

    /// Returns the greatest number of unsettled deliveries of a session in each direction.
    ///
    /// A send beyond this number is refused. A received delivery beyond this number detaches its link with
    /// resource-limit-exceeded.
    ///
    /// Default 65,536. Costs some 50 to 160 octets for each delivery, and up to 360 for a moment.
    unsettled, with_unsettled: u32 = 65_536;

    /// Returns the greatest number of message octets that a [resumable](crate::config::SenderOptions::with_resumable)
    /// link keeps for its unsettled deliveries, and that a saved [`LinkState`](crate::LinkState) may have.
    ///
    /// A send beyond this number is refused.
    ///
    /// Default 64 MiB. Costs nothing on other links.
    kept_octets, with_kept_octets: u64 = 64 << 20;

    /// Returns the greatest number of transactions of a connection that are not discharged: those that this end has
    /// declared, and those of this end's coordinator, together [4.2].
    ///
    /// A declare beyond this number is refused with resource-limit-exceeded.
    ///
    /// Default 1,024. Costs some 400 octets for each transaction, and some 200 for each unsettled delivery in one.
    transactions, with_transactions: u32 = 1_024;

    /// Returns the number of queued output octets at which send commands return "full" and larger messages
    /// wait in the engine.
    ///
    /// Default 1 MiB; at least 1, since otherwise nothing could be sent. One frame may exceed the bound.
    output_octets, with_output_octets: usize = 1 << 20, at_least 1;

    /// Returns the number of queued output octets at which the engine stops reading input, since answers
    /// would add output.
    ///
    /// Default 4 MiB; at least 1, since otherwise nothing would be read. The answers to one frame may exceed
    /// the bound.
    // Threat D46.
    output_octets_hard, with_output_octets_hard: usize = 4 << 20, at_least 1;

    /// Returns the shortest idle-time-out that a peer may ask for [2.4.5].
    ///
    /// A connection whose peer asks for less is refused. Deadlines for empty frames are at least a quarter of
    /// this time apart.
    ///
    /// Default 100 milliseconds.
    shortest_idle_timeout, with_shortest_idle_timeout: Duration = Duration::from_millis(100);
}

impl Limits {
    /// The least memory with which a connection is opened, in octets.
    pub const LEAST_MEMORY: u64 = 16 << 10;

    /// Returns these limits, each as far as the [`memory`](Self::memory) allows: as a connection applies them.
    #[must_use]
    pub fn within_memory(&self) -> Self {
        let memory = self.memory;
        let octets = |part: u64, least: u32| u32::try_from(memory / part).unwrap_or(u32::MAX).max(least);
        let size = |part: u64, bound: usize| {
            bound.min(usize::try_from(memory / part).unwrap_or(usize::MAX).max(512))
        };
        Self {
            depth: self.depth.min(u16::try_from(octets(2_048, 8)).unwrap_or(u16::MAX)),
            elements: self.elements.min(octets(256, 64)),
            zero_width_elements: self.zero_width_elements.min(octets(4_096, 8)),
            frame_size: self.frame_size.min(octets(256, SMALLEST_FRAME)),
            sasl_frame_size: self.sasl_frame_size.min(octets(32, SMALLEST_FRAME)),
            attach_octets: self.attach_octets.min(octets(32, SMALLEST_FRAME)),
            session_octets: self.session_octets.min(memory / 2),
            unsettled: self.unsettled.min(octets(1_024, 16)),
            transactions: self.transactions.min(octets(2_048, 4)),
            output_octets: size(32, self.output_octets),
            output_octets_hard: size(16, self.output_octets_hard),
            ..self.clone()
        }
    }

    /// Returns the size of the largest message for which the memory suffices, if it is not read as it arrives.
    pub(crate) fn largest_message(&self) -> u64 {
        // Beside it there is a session with a link.
        (self.memory / 2).min((self.memory / 8 * 5).saturating_sub(4_096))
    }

    /// Returns the greatest heap cost, in octets, of each element counted by [`elements`](Self::elements):
    /// the size of its place in the compound around it.
    pub const fn octets_per_element() -> usize {
        size_of::<super::Value>()
    }
}

impl Limits {
    /// Returns the limits that bound the decoding of values and messages.
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

/// The [`Limits`] that bound the decoding of a message. Small, since each delivery has a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodingLimits {
    pub(crate) depth: u16,
    pub(crate) elements: u32,
    pub(crate) zero_width_elements: u32,
    pub(crate) value_octets: u32,
    pub(crate) sections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
