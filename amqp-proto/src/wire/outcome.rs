//! Delivery states and outcomes [3.4].

use alloc::boxed::Box;

use super::{AmqpError, Declared, TransactionalState};
use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Encode, Names, Parsed, Writer, composite,
    fail,
};
use crate::types::{Annotations, Described, Value};

composite! {
    /// The part of a delivery that has been received: a state, but not an outcome [3.4.1].
    rare Received = "received" 0x23 {
        /// The section that is being received, counted from 0; all sections before it are complete.
        section_number: u32, "uint", mandatory;
        /// The number of octets received of that section.
        section_offset: u64, "ulong", mandatory;
    }

    /// The message was processed [3.4.2].
    frequent Accepted = "accepted" 0x24 {}

    /// The message is invalid and was not processed [3.4.3].
    rare Rejected = "rejected" 0x25 {
        /// The reason.
        error: Option<Box<AmqpError>>, "error", optional;
    }

    /// The message was not processed and may be delivered again, unchanged [3.4.4].
    rare Released = "released" 0x26 {}

    /// The message was not processed and may be delivered again, with changes [3.4.5].
    rare Modified = "modified" 0x27 {
        /// `true` if the delivery counts as a failed attempt.
        delivery_failed: Option<bool>, "boolean", optional;
        /// `true` if the message must not be delivered to this link again.
        undeliverable_here: Option<bool>, "boolean", optional;
        /// Annotations that the sender sets on the message.
        message_annotations: Annotations, "fields", optional;
    }
}

/// The final state of a delivery [3.4].
///
/// Only [`Accepted`](Self::Accepted) means that the receiver is now responsible for the message; see
/// [`accepted`](Self::accepted).
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the message may have been rejected, released or modified"]
#[non_exhaustive]
pub enum Outcome {
    /// The message was processed.
    Accepted,
    /// The message is invalid and was not processed.
    Rejected(Rejected),
    /// The message was not processed and may be delivered again, unchanged.
    Released,
    /// The message was not processed and may be delivered again, with changes.
    Modified(Box<Modified>),
    /// A transaction was declared [4.5.5].
    Declared(Box<Declared>),
    /// A described value that the standard does not define.
    Other(Box<Described>),
}

/// The state of a delivery at one end [3.4].
///
/// ```
/// use amqp_proto::wire::{DeliveryState, Outcome};
///
/// assert!(DeliveryState::from(Outcome::Accepted).is_terminal());
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// A part of the delivery has been received.
    Received(Received),
    /// The delivery has an outcome.
    Outcome(Outcome),
    /// The delivery belongs to a transaction [4.5.6].
    Transactional(Box<TransactionalState>),
}

impl DeliveryState {
    /// Returns `true` if the state is an outcome, which cannot change [3.4].
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Outcome(_))
    }
}

impl From<Outcome> for DeliveryState {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

impl From<Accepted> for Outcome {
    fn from(_: Accepted) -> Self {
        Self::Accepted
    }
}

impl From<Rejected> for Outcome {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Released> for Outcome {
    fn from(_: Released) -> Self {
        Self::Released
    }
}

impl From<Modified> for Outcome {
    fn from(modified: Modified) -> Self {
        Self::Modified(Box::new(modified))
    }
}

impl From<Declared> for Outcome {
    fn from(declared: Declared) -> Self {
        Self::Declared(Box::new(declared))
    }
}

/// Reads a described value of a type that the standard does not define, and keeps it unchanged [1.1.2].
///
/// A type of the standard in the wrong place is an error [1.3.4].
pub(crate) fn unknown<'a>(
    decoder: &mut Decoder<'a>,
    descriptor: Descriptor<'a>,
    input: &'a [u8],
) -> Parsed<'a, Box<Described>> {
    if super::schema::is_known(descriptor) {
        return Err(fail(input, DecodeErrorKind::Descriptor));
    }
    match Value::decode_from(decoder, Code::DESCRIBED, input)? {
        (rest, Value::Described(described)) => Ok((rest, Box::new(described))),
        _ => Err(fail(input, DecodeErrorKind::Descriptor)),
    }
}

/// The types that are delivery states.
const STATES: [Names; 7] = [
    Received::NAMES,
    Accepted::NAMES,
    Rejected::NAMES,
    Released::NAMES,
    Modified::NAMES,
    Declared::NAMES,
    TransactionalState::NAMES,
];

impl Outcome {
    /// Reads an outcome with this descriptor. `list` begins after the descriptor, `input` with the
    /// descriptor.
    fn parse<'a>(
        decoder: &mut Decoder<'a>,
        descriptor: Descriptor<'a>,
        list: &'a [u8],
        input: &'a [u8],
    ) -> Parsed<'a, Self> {
        fn read<'a, T: Composite + Into<Outcome>>(
            decoder: &mut Decoder<'a>,
            list: &'a [u8],
        ) -> Parsed<'a, Outcome> {
            T::decode_list(decoder, list).map(|(rest, value)| (rest, value.into()))
        }
        match descriptor.among(&STATES) {
            Some(0x24) => read::<Accepted>(decoder, list),
            Some(0x25) => read::<Rejected>(decoder, list),
            Some(0x26) => read::<Released>(decoder, list),
            Some(0x27) => read::<Modified>(decoder, list),
            Some(0x33) => read::<Declared>(decoder, list),
            _ => unknown(decoder, descriptor, input).map(|(rest, other)| (rest, Self::Other(other))),
        }
    }
}

fn descriptor<'a>(wanted: &'static str, code: u8, input: &'a [u8]) -> Parsed<'a, Descriptor<'a>> {
    if code == Code::DESCRIBED {
        Descriptor::parse(input)
    } else {
        Err(fail(input, DecodeErrorKind::Expected(wanted)))
    }
}

impl Decode for Outcome {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        let (list, descriptor) = descriptor("outcome", code, input)?;
        Self::parse(decoder, descriptor, list, input)
    }
}

impl Decode for DeliveryState {
    fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
        let (list, descriptor) = descriptor("delivery-state", code, input)?;
        match descriptor.among(&STATES) {
            Some(0x23) => {
                Received::decode_list(decoder, list).map(|(rest, state)| (rest, Self::Received(state)))
            }
            Some(0x34) => TransactionalState::decode_list(decoder, list)
                .map(|(rest, state)| (rest, Self::Transactional(Box::new(state)))),
            _ => Outcome::parse(decoder, descriptor, list, input)
                .map(|(rest, outcome)| (rest, Self::Outcome(outcome))),
        }
    }
}

/// Evaluates the expression with the type inside any outcome.
macro_rules! each_outcome {
    ($outcome:expr, $inner:ident => $do:expr) => {
        match $outcome {
            Outcome::Accepted => {
                let $inner = &Accepted {};
                $do
            }
            Outcome::Rejected($inner) => $do,
            Outcome::Released => {
                let $inner = &Released {};
                $do
            }
            Outcome::Modified($inner) => $do,
            Outcome::Declared($inner) => $do,
            Outcome::Other($inner) => $do,
        }
    };
}

impl Encode for Outcome {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    #[inline]
    fn size(&self) -> usize {
        each_outcome!(self, inner => Encode::size(inner))
    }

    #[inline]
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        each_outcome!(self, inner => inner.write(writer))
    }
}

impl core::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        each_outcome!(self, inner => core::fmt::Debug::fmt(inner, f))
    }
}

impl Encode for DeliveryState {
    const MOST: usize = 1;

    fn extra(&self) -> usize {
        self.size()
    }

    #[inline]
    fn size(&self) -> usize {
        match self {
            Self::Received(state) => Encode::size(state),
            Self::Outcome(outcome) => Encode::size(outcome),
            Self::Transactional(state) => Encode::size(state),
        }
    }

    #[inline]
    fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
        match self {
            Self::Received(state) => state.write(writer),
            Self::Outcome(outcome) => outcome.write(writer),
            Self::Transactional(state) => state.write(writer),
        }
    }
}

impl core::fmt::Debug for DeliveryState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Received(state) => core::fmt::Debug::fmt(state, f),
            Self::Outcome(outcome) => core::fmt::Debug::fmt(outcome, f),
            Self::Transactional(state) => core::fmt::Debug::fmt(state, f),
        }
    }
}
