//! [`TraceContext`]: the trace that a message belongs to.

use core::fmt;
use core::str::FromStr;

use super::message::Message;
use super::view::MessageView;
use crate::codec::DecodeError;
use crate::types::{Str, Value};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The octets of a `traceparent` of version 0.
const LENGTH: usize = 55;

/// The flag of a trace whose caller may have recorded it.
const SAMPLED: u8 = 1;

/// The trace and the span that a message belongs to, as W3C's Trace Context writes them for AMQP.
///
/// A sender puts `traceparent` and `tracestate` into the application-properties. An intermediary, which must not change
/// them, puts its own into the message-annotations, and a receiver looks there first. The crates make no spans of
/// messages of their own: a program takes the ids from its tracer, and gives them to its tracer.
///
/// ```
/// use amqp_proto::message::{Message, TraceContext};
///
/// let context: TraceContext =
///     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// let message = Message::from("job").with_trace_context(&context);
///
/// let received = message.trace_context().expect("it has a context");
/// assert!(received.is_sampled());
/// assert_eq!(received.trace_id()[..2], [0x4b, 0xf9]);
/// # Ok::<(), amqp_proto::message::ParseTraceparentError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    state: Option<Str>,
}

impl TraceContext {
    /// Returns the context of a span; `None` if an id has no octet other than zero.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], is_sampled: bool) -> Option<Self> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, flags: u8::from(is_sampled), state: None })
    }

    /// Sets the `tracestate`: what vendors say about the trace.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<Str>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// Returns the id of the trace.
    pub const fn trace_id(&self) -> &[u8; 16] {
        &self.trace_id
    }

    /// Returns the id of the span that sent the message.
    pub const fn span_id(&self) -> &[u8; 8] {
        &self.span_id
    }

    /// Returns `true` if the sender may have recorded the trace.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns the `tracestate`, as it was received.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Reads a context from two values, if the first is a valid `traceparent`.
    fn read(parent: Option<&Value>, state: Option<&Value>) -> Option<Self> {
        let context: Self = parent?.as_str()?.parse().ok()?;
        Some(Self { state: state.and_then(Value::as_str).map(Str::from), ..context })
    }
}

/// Writes the `traceparent`, in version 0.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.span_id));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

/// Reads a `traceparent`. Of a later version, the parts of version 0 are read.
impl FromStr for TraceContext {
    type Err = ParseTraceparentError;

    fn from_str(text: &str) -> Result<Self, ParseTraceparentError> {
        let (head, rest) = text.split_at_checked(LENGTH).ok_or(ParseTraceparentError)?;
        let mut parts = head.split('-');
        let [version] = hexadecimal(parts.next())?;
        let (trace_id, span_id) = (hexadecimal(parts.next())?, hexadecimal(parts.next())?);
        let [flags] = hexadecimal(parts.next())?;
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        // Version 0 has one flag, and the others are written as zero.
        let context = Self::new(trace_id, span_id, flags & SAMPLED != 0);
        context.filter(|_| ends_well && parts.next().is_none()).ok_or(ParseTraceparentError)
    }
}

/// Reads lower-case hexadecimal digits, two for each octet.
fn hexadecimal<const OCTETS: usize>(text: Option<&str>) -> Result<[u8; OCTETS], ParseTraceparentError> {
    let digits = text.ok_or(ParseTraceparentError)?.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(ParseTraceparentError) };
    let pairs: &[[u8; 2]; OCTETS] = pairs.try_into().map_err(|_| ParseTraceparentError)?;
    let mut octets = [0; OCTETS];
    for (octet, &[high, low]) in octets.iter_mut().zip(pairs) {
        *octet = digit(high)? << 4 | digit(low)?;
    }
    Ok(octets)
}

const fn digit(text: u8) -> Result<u8, ParseTraceparentError> {
    match text {
        b'0'..=b'9' => Ok(text - b'0'),
        b'a'..=b'f' => Ok(text - b'a' + 10),
        _ => Err(ParseTraceparentError),
    }
}

/// The error of a text that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTraceparentError;

impl fmt::Display for ParseTraceparentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a traceparent is two, 32, 16 and two lower-case hexadecimal digits with dashes between")
    }
}

impl core::error::Error for ParseTraceparentError {}

impl Message {
    /// Puts a trace context into the application-properties, as the sender of a new message does.
    #[must_use]
    pub fn with_trace_context(mut self, context: &TraceContext) -> Self {
        let properties = self.application_properties_mut();
        properties.insert(TRACEPARENT, Str::from(alloc::format!("{context}")));
        match &context.state {
            Some(state) => properties.insert(TRACESTATE, state.clone()),
            None => properties.remove(TRACESTATE),
        };
        self
    }

    /// Returns the trace context: that of the last intermediary, else that of the sender. Without a valid one, `None`.
    pub fn trace_context(&self) -> Option<TraceContext> {
        let parts = (self.annotation(TRACEPARENT), self.annotation(TRACESTATE));
        let of_sender = || (self.property(TRACEPARENT), self.property(TRACESTATE));
        TraceContext::read(parts.0, parts.1).or_else(|| {
            let (parent, state) = of_sender();
            TraceContext::read(parent, state)
        })
    }
}

impl MessageView {
    /// Returns the trace context: that of the last intermediary, else that of the sender. Without a valid one, `None`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a section in which to look is malformed.
    pub fn trace_context(&self) -> Result<Option<TraceContext>, DecodeError> {
        let (parent, state) = (self.annotation(TRACEPARENT)?, self.annotation(TRACESTATE)?);
        if let Some(context) = TraceContext::read(parent.as_ref(), state.as_ref()) {
            return Ok(Some(context));
        }
        let (parent, state) = (self.property(TRACEPARENT)?, self.property(TRACESTATE)?);
        Ok(TraceContext::read(parent.as_ref(), state.as_ref()))
    }
}
