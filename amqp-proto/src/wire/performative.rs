//! The nine performatives, the bodies of AMQP frames [2.7].

use alloc::boxed::Box;

use super::{AmqpError, DeliveryState, ReceiverSettleMode, Role, SenderSettleMode, Source, Terminus};
use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Names, Parsed, composite, fail,
};
use crate::types::{
    DeliveryNumber, DeliveryTag, Fields, Handle, Many, Map, SequenceNo, Str, Symbol, TransferNumber,
};

composite! {
    /// Opens a connection and announces the capabilities of the frame's sender [2.7.1].
    rare Open = "open" 0x10 {
        /// The container id of the sender.
        container_id: Str, "string", mandatory;
        /// The virtual host that the sender wants to connect to; if absent, the receiver decides.
        hostname: Option<Str>, "string", optional;
        /// The largest frame that the sender accepts, in octets; at least 512.
        max_frame_size: u32, "uint", default(u32::MAX, "4294967295");
        /// The highest channel number that the sender accepts.
        channel_max: u16, "ushort", default(u16::MAX, "65535");
        /// The time without a frame after which the sender closes the connection, in milliseconds; absent or
        /// 0 for no timeout.
        idle_time_out: Option<u32>, "milliseconds", optional;
        /// The languages in which the sender can write text.
        outgoing_locales: Many<Symbol>, "ietf-language-tag", multiple;
        /// The languages in which the sender prefers to read text, best first.
        incoming_locales: Many<Symbol>, "ietf-language-tag", multiple;
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the connection.
        properties: Fields, "fields", optional;
    }

    /// Begins a session on a channel [2.7.2].
    rare Begin = "begin" 0x11 {
        /// The channel of the begin that this begin answers; absent in the first of the two.
        remote_channel: Option<u16>, "ushort", optional;
        /// The id of the first transfer that the sender sends.
        next_outgoing_id: TransferNumber, "transfer-number", mandatory;
        /// The number of transfers that the sender can receive.
        incoming_window: u32, "uint", mandatory;
        /// The number of transfers that the sender may send.
        outgoing_window: u32, "uint", mandatory;
        /// The highest handle that the sender accepts.
        handle_max: Handle, "handle", default(Handle::new(u32::MAX), "4294967295");
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the session.
        properties: Fields, "fields", optional;
    }

    /// Attaches a link to a session [2.7.3].
    rare Attach = "attach" 0x12 {
        /// The name of the link.
        name: Str, "string", mandatory;
        /// The number of the link in frames from this end.
        handle: Handle, "handle", mandatory;
        /// The role that the frame's sender has on the link.
        role: Role, "role", mandatory;
        /// The settlement policy of the link's sender: decided by the sender, requested by the receiver.
        snd_settle_mode: SenderSettleMode, "sender-settle-mode", default(SenderSettleMode::Mixed, "mixed");
        /// The settlement policy of the link's receiver: decided by the receiver, requested by the sender.
        rcv_settle_mode: ReceiverSettleMode, "receiver-settle-mode", default(ReceiverSettleMode::First, "first");
        /// The origin of the messages; absent if the terminus does not exist.
        source: Option<Box<Source>>, "*", optional;
        /// The destination of the messages; absent if the terminus does not exist.
        target: Option<Box<Terminus>>, "*", optional;
        /// The unsettled deliveries of the frame's sender: delivery-tags with states.
        unsettled: Option<Map>, "map", optional;
        /// `true` if `unsettled` is not complete.
        incomplete_unsettled: bool, "boolean", default(false, "false");
        /// The first delivery-count of the link's sender; mandatory from the sender, ignored from the
        /// receiver.
        initial_delivery_count: Option<SequenceNo>, "sequence-no", optional;
        /// The largest message that the frame's sender accepts, in octets; absent or 0 for any size.
        max_message_size: Option<u64>, "ulong", optional;
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the link.
        properties: Fields, "fields", optional;
    }

    /// Updates the windows of a session and, with a handle, the credit of a link [2.7.4].
    frequent Flow = "flow" 0x13 {
        /// The id of the next transfer that the frame's sender expects; absent until the peer's begin has
        /// arrived.
        next_incoming_id: Option<TransferNumber>, "transfer-number", optional;
        /// The number of transfers that the frame's sender can receive.
        incoming_window: u32, "uint", mandatory;
        /// The id of the next transfer that the frame's sender sends.
        next_outgoing_id: TransferNumber, "transfer-number", mandatory;
        /// The number of transfers that the frame's sender may send.
        outgoing_window: u32, "uint", mandatory;
        /// The link of the fields below; if absent, the fields below are absent, too.
        handle: Option<Handle>, "handle", optional;
        /// The number of deliveries that the link's sender has sent.
        delivery_count: Option<SequenceNo>, "sequence-no", optional;
        /// The number of deliveries that the link's receiver accepts from `delivery_count` on.
        link_credit: Option<u32>, "uint", optional;
        /// The number of messages that are ready at the link's sender.
        available: Option<u32>, "uint", optional;
        /// `true` if the sender is asked to return credit that it cannot use.
        drain: bool, "boolean", default(false, "false");
        /// `true` if the frame's receiver is asked to answer with a flow.
        echo: bool, "boolean", default(false, "false");
        /// Properties of the link's state.
        properties: Fields, "fields", optional;
    }

    /// Carries a message, or a part of one [2.7.5].
    frequent Transfer = "transfer" 0x14 {
        /// The handle of the link.
        handle: Handle, "handle", mandatory;
        /// The id of the delivery in dispositions; mandatory in the delivery's first frame.
        delivery_id: Option<DeliveryNumber>, "delivery-number", optional;
        /// The tag of the delivery; mandatory in the delivery's first frame.
        delivery_tag: Option<DeliveryTag>, "delivery-tag", optional;
        /// The format of the message; 0 is the standard's own format.
        message_format: Option<u32>, "message-format", optional;
        /// `true` if the sender has settled the delivery.
        settled: Option<bool>, "boolean", optional;
        /// `true` if more frames of the delivery follow.
        more: bool, "boolean", default(false, "false");
        /// The settlement policy of the receiver for this delivery.
        rcv_settle_mode: Option<ReceiverSettleMode>, "receiver-settle-mode", optional;
        /// The state of the delivery at the sender.
        state: Option<DeliveryState>, "*", optional;
        /// `true` if the delivery continues one that was sent before the link was resumed.
        resume: bool, "boolean", default(false, "false");
        /// `true` if the sender aborts the delivery; the receiver discards it.
        aborted: bool, "boolean", default(false, "false");
        /// `true` if the receiver may delay its disposition to merge it with others.
        batchable: bool, "boolean", default(false, "false");
    }

    /// Announces the state of deliveries [2.7.6].
    frequent Disposition = "disposition" 0x15 {
        /// The role that the frame's sender has on the link.
        role: Role, "role", mandatory;
        /// The id of the first delivery.
        first: DeliveryNumber, "delivery-number", mandatory;
        /// The id of the last delivery; absent if there is only one.
        last: Option<DeliveryNumber>, "delivery-number", optional;
        /// `true` if the frame's sender has settled the deliveries.
        settled: bool, "boolean", default(false, "false");
        /// The state of the deliveries at the frame's sender.
        state: Option<DeliveryState>, "*", optional;
        /// `true` if the receiver may delay its disposition to merge it with others.
        batchable: bool, "boolean", default(false, "false");
    }

    /// Detaches or closes a link [2.7.7].
    rare Detach = "detach" 0x16 {
        /// The handle of the link in frames from this end.
        handle: Handle, "handle", mandatory;
        /// `true` if the link is closed for good and its terminus discarded.
        closed: bool, "boolean", default(false, "false");
        /// The reason, if an error.
        error: Option<AmqpError>, "error", optional;
    }

    /// Ends a session [2.7.8].
    rare End = "end" 0x17 {
        /// The reason, if an error.
        error: Option<AmqpError>, "error", optional;
    }

    /// Closes a connection [2.7.9].
    rare Close = "close" 0x18 {
        /// The reason, if an error.
        error: Option<AmqpError>, "error", optional;
    }
}

/// A performative, the first part of the body of an AMQP frame [2.7].
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each holds the type of its own name
pub enum Performative {
    Open(Box<Open>),
    Begin(Box<Begin>),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition),
    Detach(Detach),
    End(End),
    Close(Close),
}

const TYPES: [Names; 9] = [
    Open::NAMES,
    Begin::NAMES,
    Attach::NAMES,
    Flow::NAMES,
    Transfer::NAMES,
    Disposition::NAMES,
    Detach::NAMES,
    End::NAMES,
    Close::NAMES,
];

/// Evaluates the expression with the type inside any performative.
macro_rules! each {
    ($performative:expr, $inner:ident => $do:expr) => {
        match $performative {
            Performative::Open(boxed) => {
                let $inner = &**boxed;
                $do
            }
            Performative::Begin(boxed) => {
                let $inner = &**boxed;
                $do
            }
            Performative::Attach(boxed) => {
                let $inner = &**boxed;
                $do
            }
            Performative::Flow($inner) => $do,
            Performative::Transfer($inner) => $do,
            Performative::Disposition($inner) => $do,
            Performative::Detach($inner) => $do,
            Performative::End($inner) => $do,
            Performative::Close($inner) => $do,
        }
    };
}

pub(crate) use each;

impl Performative {
    /// Reads the performative at the front of a frame's body [2.3.2].
    #[inline]
    pub(crate) fn parse<'a>(decoder: &mut Decoder<'a>, input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, code) = match input {
            // The form that all known writers use.
            [Code::DESCRIBED, Code::SMALL_ULONG, code, rest @ ..] => (rest, u64::from(*code)),
            [Code::DESCRIBED, rest @ ..] => {
                let (rest, descriptor) = Descriptor::parse(rest)?;
                (rest, descriptor.among(&TYPES).unwrap_or_default())
            }
            _ => return Err(fail(input, DecodeErrorKind::Expected("performative"))),
        };
        match code {
            0x10 => Open::decode_list(decoder, rest).map(|(rest, open)| (rest, Self::Open(Box::new(open)))),
            0x11 => {
                Begin::decode_list(decoder, rest).map(|(rest, begin)| (rest, Self::Begin(Box::new(begin))))
            }
            0x12 => Attach::decode_list(decoder, rest)
                .map(|(rest, attach)| (rest, Self::Attach(Box::new(attach)))),
            0x13 => Flow::decode_list(decoder, rest).map(|(rest, flow)| (rest, Self::Flow(flow))),
            0x14 => {
                Transfer::decode_list(decoder, rest).map(|(rest, transfer)| (rest, Self::Transfer(transfer)))
            }
            0x15 => Disposition::decode_list(decoder, rest)
                .map(|(rest, disposition)| (rest, Self::Disposition(disposition))),
            0x16 => Detach::decode_list(decoder, rest).map(|(rest, detach)| (rest, Self::Detach(detach))),
            0x17 => End::decode_list(decoder, rest).map(|(rest, end)| (rest, Self::End(end))),
            0x18 => Close::decode_list(decoder, rest).map(|(rest, close)| (rest, Self::Close(close))),
            _ => Err(fail(input, DecodeErrorKind::Descriptor)),
        }
    }

    /// Returns the standard's name of the performative.
    pub fn name(&self) -> &'static str {
        fn name<T: Composite>(_: &T) -> &'static str {
            T::SCHEMA.name
        }
        each!(self, inner => name(inner))
    }
}

impl core::fmt::Debug for Performative {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        each!(self, inner => core::fmt::Debug::fmt(inner, f))
    }
}

macro_rules! from {
    ($($name:ident: |$inner:ident| $wrap:expr;)*) => {$(
        impl From<$name> for Performative {
            fn from($inner: $name) -> Self {
                Self::$name($wrap)
            }
        }
    )*};
}

from! {
    Open: |open| Box::new(open);
    Begin: |begin| Box::new(begin);
    Attach: |attach| Box::new(attach);
    Flow: |flow| flow;
    Transfer: |transfer| transfer;
    Disposition: |disposition| disposition;
    Detach: |detach| detach;
    End: |end| end;
    Close: |close| close;
}

impl<T: Decode> Decode for Box<T> {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        T::decode(decoder, code, input).map(|(rest, value)| (rest, Self::new(value)))
    }
}

impl<T: crate::codec::Encode> crate::codec::Encode for Box<T> {
    const MOST: usize = T::MOST;

    fn extra(&self) -> usize {
        (**self).extra()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn write<'w>(&self, writer: crate::codec::Writer<'w>) -> crate::codec::Writer<'w> {
        (**self).write(writer)
    }
}
