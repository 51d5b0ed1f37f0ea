//! The nine performatives: what AMQP frames carry [2.7].

use alloc::boxed::Box;

use super::{DeliveryState, Error, ReceiverSettleMode, Role, SenderSettleMode, Source, Terminus};
use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Parsed, Schema, composite, fail,
};
use crate::types::{
    DeliveryNumber, DeliveryTag, Fields, Handle, Many, Map, SequenceNo, Str, Symbol, TransferNumber,
};

composite! {
    /// Opens a connection and says what its sender can do [2.7.1].
    Open = "open" 0x10 {
        /// Who is speaking.
        container_id: Str, "string", mandatory;
        /// Whom the sender wants to speak to; absent, the receiver decides.
        hostname: Option<Str>, "string", optional;
        /// The largest frame that the sender takes, in octets; 512 at least.
        max_frame_size: u32, "uint", default(u32::MAX, "4294967295");
        /// The highest channel number that the sender takes.
        channel_max: u16, "ushort", default(u16::MAX, "65535");
        /// How long the sender stays without a frame before it gives up, in milliseconds; 0 is the same as
        /// absent: for ever.
        idle_time_out: Option<u32>, "milliseconds", optional;
        /// The languages in which the sender can write text.
        outgoing_locales: Many<Symbol>, "ietf-language-tag", multiple;
        /// The languages in which the sender would like to read text, the best first.
        incoming_locales: Many<Symbol>, "ietf-language-tag", multiple;
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the connection.
        properties: Fields, "fields", optional;
    }

    /// Begins a session on a channel [2.7.2].
    Begin = "begin" 0x11 {
        /// The channel of the begin that this one answers; absent, this one initiates.
        remote_channel: Option<u16>, "ushort", optional;
        /// The id of the first transfer that the sender will send.
        next_outgoing_id: TransferNumber, "transfer-number", mandatory;
        /// How many transfers the sender can take.
        incoming_window: u32, "uint", mandatory;
        /// How many transfers the sender may send.
        outgoing_window: u32, "uint", mandatory;
        /// The highest handle that the sender takes.
        handle_max: Handle, "handle", default(Handle::new(u32::MAX), "4294967295");
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the session.
        properties: Fields, "fields", optional;
    }

    /// Attaches a link to a session [2.7.3].
    Attach = "attach" 0x12 {
        /// The name of the link.
        name: Str, "string", mandatory;
        /// What the sender of this frame will call the link.
        handle: Handle, "handle", mandatory;
        /// Which end of the link the sender of this frame is.
        role: Role, "role", mandatory;
        /// How the link's sender settles: in force from the sender, a wish from the receiver.
        snd_settle_mode: SenderSettleMode, "sender-settle-mode", default(SenderSettleMode::Mixed, "mixed");
        /// How the link's receiver settles: in force from the receiver, a wish from the sender.
        rcv_settle_mode: ReceiverSettleMode, "receiver-settle-mode", default(ReceiverSettleMode::First, "first");
        /// Where messages come from; absent, there is no such place.
        source: Option<Box<Source>>, "*", optional;
        /// Where messages go to; absent, there is no such place.
        target: Option<Box<Terminus>>, "*", optional;
        /// What the sender of this frame holds unsettled: delivery-tags with their states.
        unsettled: Option<Map>, "map", optional;
        /// Whether `unsettled` leaves something out.
        incomplete_unsettled: bool, "boolean", default(false, "false");
        /// The delivery-count that the link's sender starts with; mandatory from it, else ignored.
        initial_delivery_count: Option<SequenceNo>, "sequence-no", optional;
        /// The largest message that the sender of this frame takes, in octets; 0 is the same as absent: any.
        max_message_size: Option<u64>, "ulong", optional;
        /// The extensions that the sender supports.
        offered_capabilities: Many<Symbol>, "symbol", multiple;
        /// The extensions that the sender may use if the receiver offers them.
        desired_capabilities: Many<Symbol>, "symbol", multiple;
        /// Properties of the link.
        properties: Fields, "fields", optional;
    }

    /// Updates the windows of a session and, with a handle, the credit of a link [2.7.4].
    Flow = "flow" 0x13 {
        /// The id that the sender expects of the next transfer; absent until the peer's begin is in.
        next_incoming_id: Option<TransferNumber>, "transfer-number", optional;
        /// How many transfers the sender can take.
        incoming_window: u32, "uint", mandatory;
        /// The id of the next transfer that the sender will send.
        next_outgoing_id: TransferNumber, "transfer-number", mandatory;
        /// How many transfers the sender may send.
        outgoing_window: u32, "uint", mandatory;
        /// The link that the fields below are about; absent, they are too.
        handle: Option<Handle>, "handle", optional;
        /// How many deliveries the link's sender has sent.
        delivery_count: Option<SequenceNo>, "sequence-no", optional;
        /// How many deliveries the link's receiver takes from there on.
        link_credit: Option<u32>, "uint", optional;
        /// How many messages the link's sender would have.
        available: Option<u32>, "uint", optional;
        /// Whether credit that cannot be used is to be given back.
        drain: bool, "boolean", default(false, "false");
        /// Whether the receiver of this frame is asked for its own state.
        echo: bool, "boolean", default(false, "false");
        /// Properties of the link's state.
        properties: Fields, "fields", optional;
    }

    /// Carries a message, or a part of one [2.7.5].
    Transfer = "transfer" 0x14 {
        /// The link.
        handle: Handle, "handle", mandatory;
        /// The delivery, for dispositions to name; mandatory in its first frame.
        delivery_id: Option<DeliveryNumber>, "delivery-number", optional;
        /// The delivery, for the application to name; mandatory in its first frame.
        delivery_tag: Option<DeliveryTag>, "delivery-tag", optional;
        /// How the message is made up; 0 is the standard's own format.
        message_format: Option<u32>, "message-format", optional;
        /// Whether the sender has settled the delivery.
        settled: Option<bool>, "boolean", optional;
        /// Whether more frames of the delivery follow.
        more: bool, "boolean", default(false, "false");
        /// How the receiver settles this delivery.
        rcv_settle_mode: Option<ReceiverSettleMode>, "receiver-settle-mode", optional;
        /// The state of the delivery at the sender.
        state: Option<DeliveryState>, "*", optional;
        /// Whether the delivery continues one from before the link was resumed.
        resume: bool, "boolean", default(false, "false");
        /// Whether the delivery is given up; what came of it is void.
        aborted: bool, "boolean", default(false, "false");
        /// Whether an answer may wait for others to go along with.
        batchable: bool, "boolean", default(false, "false");
    }

    /// Tells the state of deliveries [2.7.6].
    Disposition = "disposition" 0x15 {
        /// Whether the speaker sent or received the deliveries.
        role: Role, "role", mandatory;
        /// The first delivery that this is about.
        first: DeliveryNumber, "delivery-number", mandatory;
        /// The last one; absent, the first is the only one.
        last: Option<DeliveryNumber>, "delivery-number", optional;
        /// Whether the speaker has settled the deliveries.
        settled: bool, "boolean", default(false, "false");
        /// Their state at the speaker.
        state: Option<DeliveryState>, "*", optional;
        /// Whether an answer may wait for others to go along with.
        batchable: bool, "boolean", default(false, "false");
    }

    /// Detaches or closes a link [2.7.7].
    Detach = "detach" 0x16 {
        /// The link, as the sender of this frame calls it.
        handle: Handle, "handle", mandatory;
        /// Whether the link is closed: gone for good, its terminus with it.
        closed: bool, "boolean", default(false, "false");
        /// Why, if for an error.
        error: Option<Error>, "error", optional;
    }

    /// Ends a session [2.7.8].
    End = "end" 0x17 {
        /// Why, if for an error.
        error: Option<Error>, "error", optional;
    }

    /// Closes a connection [2.7.9].
    Close = "close" 0x18 {
        /// Why, if for an error.
        error: Option<Error>, "error", optional;
    }
}

/// The performatives, with one of which the body of an AMQP frame begins [2.7].
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

const SCHEMAS: [Schema; 9] = [
    Open::SCHEMA,
    Begin::SCHEMA,
    Attach::SCHEMA,
    Flow::SCHEMA,
    Transfer::SCHEMA,
    Disposition::SCHEMA,
    Detach::SCHEMA,
    End::SCHEMA,
    Close::SCHEMA,
];

/// Does the same with whichever performative it is.
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
            // The form that all writers use.
            [Code::DESCRIBED, Code::SMALL_ULONG, code, rest @ ..] => (rest, u64::from(*code)),
            [Code::DESCRIBED, rest @ ..] => {
                let (rest, descriptor) = Descriptor::parse(rest)?;
                (rest, descriptor.among(&SCHEMAS).unwrap_or_default())
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

    /// Returns the name that the standard gives it.
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
