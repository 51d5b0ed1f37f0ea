//! [`Literal`]: frames written by hand, octet by octet, without this crate's codec [1.6] [2.3].

use alloc::vec::Vec;
use core::fmt;

/// The protocol header of AMQP [2.2].
pub const HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";

/// The protocol header of SASL [5.3.1].
pub const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// Parses hexadecimal digits into octets. All other characters are ignored.
///
/// ```
/// assert_eq!(amqp_proto::testing::octets("0053 7740"), [0x00, 0x53, 0x77, 0x40]);
/// ```
pub fn octets(hex: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut high = None;
    for digit in hex.chars().filter_map(|c| c.to_digit(16)) {
        let digit = u8::try_from(digit).unwrap_or_default();
        high = match high {
            Some(high) => {
                octets.push(high << 4 | digit);
                None
            }
            None => Some(digit),
        };
    }
    octets
}

/// A frame built field by field, each in its shortest encoding.
///
/// ```
/// use amqp_proto::testing::{flow, octets};
///
/// let frame = flow(None, 5, 0, 5).uint(0).null().uint(10).to_octets();
/// let hex = "0000001802000000 005313 c00b 07 40 5205 43 5205 43 40 520a";
/// assert_eq!(frame, octets(hex));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    kind: u8,
    channel: u16,
    code: u8,
    count: u8,
    fields: Vec<u8>,
    payload: Vec<u8>,
}

impl Literal {
    /// Returns a performative with this descriptor code, such as 0x10, on channel 0, without fields.
    pub const fn new(code: u8) -> Self {
        Self { kind: 0, channel: 0, code, count: 0, fields: Vec::new(), payload: Vec::new() }
    }

    /// Returns a SASL frame with this descriptor code, without fields.
    pub fn sasl(code: u8) -> Self {
        Self { kind: 1, ..Self::new(code) }
    }

    /// Sets the channel.
    #[must_use]
    pub fn on(mut self, channel: u16) -> Self {
        self.channel = channel;
        self
    }

    /// Adds a field that is not set.
    #[must_use]
    pub fn null(self) -> Self {
        self.field(&[0x40], &[])
    }

    /// Adds this number of fields that are not set.
    #[must_use]
    pub fn nulls(self, count: usize) -> Self {
        (0..count).fold(self, |frame, _| frame.null())
    }

    /// Adds a boolean.
    #[must_use]
    pub fn boolean(self, value: bool) -> Self {
        self.field(&[if value { 0x41 } else { 0x42 }], &[])
    }

    /// Adds a ubyte.
    #[must_use]
    pub fn ubyte(self, value: u8) -> Self {
        self.field(&[0x50, value], &[])
    }

    /// Adds a ushort.
    #[must_use]
    pub fn ushort(self, value: u16) -> Self {
        self.field(&[0x60], &value.to_be_bytes())
    }

    /// Adds a uint.
    #[must_use]
    pub fn uint(self, value: u32) -> Self {
        match u8::try_from(value) {
            Ok(0) => self.field(&[0x43], &[]),
            Ok(value) => self.field(&[0x52, value], &[]),
            Err(_) => self.field(&[0x70], &value.to_be_bytes()),
        }
    }

    /// Adds a uint, or a field that is not set.
    #[must_use]
    pub fn optional_uint(self, value: Option<u32>) -> Self {
        match value {
            Some(value) => self.uint(value),
            None => self.null(),
        }
    }

    /// Adds a ulong.
    #[must_use]
    pub fn ulong(self, value: u64) -> Self {
        match u8::try_from(value) {
            Ok(0) => self.field(&[0x44], &[]),
            Ok(value) => self.field(&[0x53, value], &[]),
            Err(_) => self.field(&[0x80], &value.to_be_bytes()),
        }
    }

    /// Adds a string.
    #[must_use]
    pub fn string(self, value: &str) -> Self {
        self.variable(0xa1, value.as_bytes())
    }

    /// Adds a symbol.
    #[must_use]
    pub fn symbol(self, value: &str) -> Self {
        self.variable(0xa3, value.as_bytes())
    }

    /// Adds an array of symbols.
    #[must_use]
    pub fn symbols(self, values: &[&str]) -> Self {
        let octet = |size: usize| u8::try_from(size).unwrap_or(u8::MAX);
        let mut items = Vec::new();
        for value in values {
            items.push(octet(value.len()));
            items.extend_from_slice(value.as_bytes());
        }
        self.field(&[0xe0, octet(items.len() + 2), octet(values.len()), 0xa3], &items)
    }

    /// Adds a binary.
    #[must_use]
    pub fn binary(self, value: &[u8]) -> Self {
        self.variable(0xa0, value)
    }

    /// Adds a field, given as the hexadecimal digits of its encoding.
    #[must_use]
    pub fn raw(self, hex: &str) -> Self {
        self.field(&octets(hex), &[])
    }

    /// Adds a field, given as its encoding.
    #[must_use]
    pub fn encoded(self, octets: &[u8]) -> Self {
        self.field(octets, &[])
    }

    /// Adds a source or a target with only an address.
    #[must_use]
    pub fn terminus(self, code: u8, address: &str) -> Self {
        let inner = Self::new(code).string(address).body();
        self.field(&inner, &[])
    }

    /// Adds an error with only this condition.
    #[must_use]
    pub fn error(self, condition: &str) -> Self {
        let inner = Self::new(0x1d).symbol(condition).body();
        self.field(&inner, &[])
    }

    /// Sets the payload behind the performative.
    #[must_use]
    pub fn payload(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.payload = octets.into();
        self
    }

    /// Returns the encoded frame.
    pub fn to_octets(&self) -> Vec<u8> {
        let body = self.body();
        let size = u32::try_from(8 + body.len() + self.payload.len()).unwrap_or(u32::MAX);
        let mut octets = Vec::new();
        octets.extend_from_slice(&size.to_be_bytes());
        octets.extend_from_slice(&[2, self.kind]);
        octets.extend_from_slice(&self.channel.to_be_bytes());
        octets.extend_from_slice(&body);
        octets.extend_from_slice(&self.payload);
        octets
    }

    /// Returns the encoded performative: a descriptor and a list with size and count.
    fn body(&self) -> Vec<u8> {
        let mut octets = Vec::from([0x00, 0x53, self.code]);
        match u8::try_from(self.fields.len() + 1) {
            Ok(_) if self.count == 0 => octets.push(0x45),
            Ok(size) => octets.extend_from_slice(&[0xc0, size, self.count]),
            Err(_) => {
                let size = u32::try_from(self.fields.len() + 4).unwrap_or(u32::MAX);
                octets.push(0xd0);
                octets.extend_from_slice(&size.to_be_bytes());
                octets.extend_from_slice(&u32::from(self.count).to_be_bytes());
            }
        }
        octets.extend_from_slice(&self.fields);
        octets
    }

    fn field(mut self, start: &[u8], rest: &[u8]) -> Self {
        self.count = self.count.saturating_add(1);
        self.fields.extend_from_slice(start);
        self.fields.extend_from_slice(rest);
        self
    }

    /// Adds a field of variable size, in its short form up to 255 octets. The code of the long form is 16 more.
    fn variable(self, constructor: u8, octets: &[u8]) -> Self {
        match u8::try_from(octets.len()) {
            Ok(length) => self.field(&[constructor, length], octets),
            Err(_) => {
                let length = u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes();
                let mut start = Vec::from([constructor + 0x10]);
                start.extend_from_slice(&length);
                self.field(&start, octets)
            }
        }
    }
}

impl From<Literal> for Vec<u8> {
    fn from(frame: Literal) -> Self {
        frame.to_octets()
    }
}

/// Shows the name of the performative and its channel.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            0x10 => "open",
            0x11 => "begin",
            0x12 => "attach",
            0x13 => "flow",
            0x14 => "transfer",
            0x15 => "disposition",
            0x16 => "detach",
            0x17 => "end",
            0x18 => "close",
            0x40 => "sasl-mechanisms",
            0x41 => "sasl-init",
            0x42 => "sasl-challenge",
            0x43 => "sasl-response",
            0x44 => "sasl-outcome",
            code => return write!(f, "performative {code:#x} on channel {}", self.channel),
        };
        write!(f, "{name} on channel {}", self.channel)
    }
}

/// Returns an open with this container-id [2.7.1]. The next fields are hostname, max-frame-size, channel-max and
/// idle-time-out.
pub fn open(container_id: &str) -> Literal {
    Literal::new(0x10).string(container_id)
}

/// Returns a begin with its remote-channel, next-outgoing-id and both windows [2.7.2]. The next field is handle-max.
pub fn begin(
    remote_channel: Option<u16>,
    next_outgoing_id: u32,
    incoming_window: u32,
    outgoing_window: u32,
) -> Literal {
    let frame = Literal::new(0x11);
    let frame = match remote_channel {
        Some(channel) => frame.ushort(channel),
        None => frame.null(),
    };
    frame.uint(next_outgoing_id).uint(incoming_window).uint(outgoing_window)
}

/// Returns an attach up to its role [2.7.3]. The next fields are snd-settle-mode, rcv-settle-mode, source, target,
/// unsettled, incomplete-unsettled, initial-delivery-count and max-message-size.
pub fn attach(name: &str, handle: u32, is_receiver: bool) -> Literal {
    Literal::new(0x12).string(name).uint(handle).boolean(is_receiver)
}

/// Returns a sender's attach with these addresses and an initial-delivery-count of 0.
pub fn attach_sender(name: &str, handle: u32, source: &str, target: &str) -> Literal {
    attach(name, handle, false).nulls(2).terminus(0x28, source).terminus(0x29, target).nulls(2).uint(0)
}

/// Returns a receiver's attach with these addresses.
pub fn attach_receiver(name: &str, handle: u32, source: &str, target: &str) -> Literal {
    attach(name, handle, true).nulls(2).terminus(0x28, source).terminus(0x29, target)
}

/// Returns a session's flow [2.7.4]. The next fields, for a link, are handle, delivery-count, link-credit, available,
/// drain and echo.
pub fn flow(
    next_incoming_id: Option<u32>,
    incoming_window: u32,
    next_outgoing_id: u32,
    outgoing_window: u32,
) -> Literal {
    let frame = Literal::new(0x13).optional_uint(next_incoming_id);
    frame.uint(incoming_window).uint(next_outgoing_id).uint(outgoing_window)
}

/// Returns a transfer of message-format 0 [2.7.5]. The next fields are settled, more, rcv-settle-mode, state, resume,
/// aborted and batchable. [`payload`](Literal::payload) adds the payload.
pub fn transfer(handle: u32, delivery_id: u32, delivery_tag: &[u8]) -> Literal {
    Literal::new(0x14).uint(handle).uint(delivery_id).binary(delivery_tag).uint(0)
}

/// Returns a disposition of the receiver or the sender [2.7.6]. The next fields are settled, state and batchable.
pub fn disposition(is_receiver: bool, first: u32, last: Option<u32>) -> Literal {
    Literal::new(0x15).boolean(is_receiver).uint(first).optional_uint(last)
}

/// Returns a detach [2.7.7]. `closed` is not set if false. The next field is error.
pub fn detach(handle: u32, closed: bool) -> Literal {
    let frame = Literal::new(0x16).uint(handle);
    if closed { frame.boolean(true) } else { frame }
}

/// Returns an end [2.7.8]. The next field is error.
pub fn end() -> Literal {
    Literal::new(0x17)
}

/// Returns a close [2.7.9]. The next field is error.
pub fn close() -> Literal {
    Literal::new(0x18)
}
