//! The sections of a message that are types of their own [3.2].

use bytes::Bytes;

use crate::codec::{
    Code, Composite, Decode, DecodeErrorKind, Decoder, Descriptor, Encode, Names, Parsed, Schema, Writer,
    composite, fail,
};
use crate::types::{SequenceNo, Str, Symbol, Timestamp, Uuid, Value};

composite! {
    /// Instructions for the message's delivery [3.2.1].
    frequent Header = "header" 0x70 {
        /// `true` if the message must survive a restart.
        durable: bool, "boolean", default(false, "false");
        /// The urgency of the message; absent means [`NORMAL_PRIORITY`](Header::NORMAL_PRIORITY).
        ///
        /// A priority that was set is written even if it is the normal one, since some brokers order an
        /// absent one last.
        priority: Option<u8>, "ubyte", stated(4, "4");
        /// The time from arrival to expiry, in milliseconds. 0 expires at once; absent means never [3.2.1].
        ttl: Option<u32>, "milliseconds", optional;
        /// `true` if the message has not been acquired by another link before.
        first_acquirer: bool, "boolean", default(false, "false");
        /// The number of failed attempts at delivery.
        delivery_count: u32, "uint", default(0, "0");
    }

    /// The properties of a message, which do not change on the way [3.2.4].
    frequent Properties = "properties" 0x73 {
        /// The id of the message.
        message_id: Option<MessageId>, "*", optional;
        /// The user that made the message.
        user_id: Option<Bytes>, "binary", optional;
        /// The address of the message's destination.
        to: Option<Str>, "*", optional;
        /// The subject of the message.
        subject: Option<Str>, "string", optional;
        /// The address for replies.
        reply_to: Option<Str>, "*", optional;
        /// The id of the message that this message answers.
        correlation_id: Option<MessageId>, "*", optional;
        /// The MIME type of a body of data.
        content_type: Option<Symbol>, "symbol", optional;
        /// The encoding of a body of data, such as a compression.
        content_encoding: Option<Symbol>, "symbol", optional;
        /// The time at which the message expires.
        absolute_expiry_time: Option<Timestamp>, "timestamp", optional;
        /// The time at which the message was made.
        creation_time: Option<Timestamp>, "timestamp", optional;
        /// The group of the message.
        group_id: Option<Str>, "string", optional;
        /// The position of the message in its group.
        group_sequence: Option<SequenceNo>, "sequence-no", optional;
        /// The group for replies.
        reply_to_group_id: Option<Str>, "string", optional;
    }
}

impl Header {
    /// The priority of a message without one [3.2.1].
    pub const NORMAL_PRIORITY: u8 = 4;
}

/// The id of a message: one of four types [3.2.11-3.2.14].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A number.
    Ulong(u64),
    /// A universally unique id.
    Uuid(Uuid),
    /// Octets.
    Binary(Bytes),
    /// Text.
    String(Str),
}

macro_rules! message_ids {
    ($($variant:ident($type:ty) = $($code:ident)|*;)*) => {
        impl Decode for MessageId {
            fn decode<'a>(decoder: &mut Decoder<'a>, code: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                match code {
                    $($(Code::$code)|* => {
                        <$type>::decode(decoder, code, input).map(|(rest, id)| (rest, Self::$variant(id)))
                    })*
                    _ => Err(fail(input, DecodeErrorKind::Expected("message-id"))),
                }
            }
        }

        impl Encode for MessageId {
            const MOST: usize = 1;

            #[inline]
            fn extra(&self) -> usize {
                self.size()
            }

            #[inline]
            fn size(&self) -> usize {
                match self {
                    $(Self::$variant(id) => Encode::size(id),)*
                }
            }

            #[inline(always)]
            fn write<'w>(&self, writer: Writer<'w>) -> Writer<'w> {
                match self {
                    $(Self::$variant(id) => id.write(writer),)*
                }
            }
        }

        impl From<MessageId> for Value {
            fn from(id: MessageId) -> Self {
                match id {
                    $(MessageId::$variant(id) => Self::$variant(id),)*
                }
            }
        }

        impl core::fmt::Debug for MessageId {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&Value::from(self.clone()), f)
            }
        }
    };
}

message_ids! {
    Ulong(u64) = ULONG0 | SMALL_ULONG | ULONG;
    Uuid(Uuid) = UUID;
    Binary(Bytes) = BINARY8 | BINARY32;
    String(Str) = STRING8 | STRING32;
}

macro_rules! message_id_from {
    ($($type:ty => $variant:ident;)*) => {$(
        impl From<$type> for MessageId {
            fn from(id: $type) -> Self {
                Self::$variant(id.into())
            }
        }
    )*};
}

message_id_from! {
    u64 => Ulong;
    Uuid => Uuid;
    Bytes => Binary;
    alloc::vec::Vec<u8> => Binary;
    Str => String;
    &str => String;
    alloc::string::String => String;
}

/// Compares the text of an id that is a string.
impl PartialEq<str> for MessageId {
    fn eq(&self, text: &str) -> bool {
        matches!(self, Self::String(id) if id == text)
    }
}

/// Compares the text of an id that is a string.
impl PartialEq<&str> for MessageId {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

/// Shows a number, a uuid or text as it is, and octets in hexadecimal digits.
impl core::fmt::Display for MessageId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ulong(id) => id.fmt(f),
            Self::Uuid(id) => id.fmt(f),
            Self::Binary(id) => id.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            Self::String(id) => id.fmt(f),
        }
    }
}

/// The kinds of sections of a message, in the order of the message [3.2].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the standard's
pub enum SectionKind {
    Header,
    DeliveryAnnotations,
    MessageAnnotations,
    Properties,
    ApplicationProperties,
    Data,
    AmqpSequence,
    AmqpValue,
    Footer,
}

macro_rules! bare_sections {
    ($($name:ident = $label:literal $code:literal $form:literal;)*) => {$(
        pub(crate) const $name: Schema =
            Schema { name: $label, code: $code, symbol: concat!("amqp:", $label, ":", $form), fields: &[] };
    )*};
}

// The sections that are not lists of fields.
bare_sections! {
    DELIVERY_ANNOTATIONS = "delivery-annotations" 0x71 "map";
    MESSAGE_ANNOTATIONS = "message-annotations" 0x72 "map";
    APPLICATION_PROPERTIES = "application-properties" 0x74 "map";
    DATA = "data" 0x75 "binary";
    AMQP_SEQUENCE = "amqp-sequence" 0x76 "list";
    AMQP_VALUE = "amqp-value" 0x77 "*";
    FOOTER = "footer" 0x78 "map";
}

impl SectionKind {
    /// All kinds, in the order of the message.
    pub const ALL: [Self; 9] = [
        Self::Header,
        Self::DeliveryAnnotations,
        Self::MessageAnnotations,
        Self::Properties,
        Self::ApplicationProperties,
        Self::Data,
        Self::AmqpSequence,
        Self::AmqpValue,
        Self::Footer,
    ];

    /// Returns the name and the descriptors of the section.
    pub const fn schema(self) -> Schema {
        match self {
            Self::Header => Header::SCHEMA,
            Self::DeliveryAnnotations => DELIVERY_ANNOTATIONS,
            Self::MessageAnnotations => MESSAGE_ANNOTATIONS,
            Self::Properties => Properties::SCHEMA,
            Self::ApplicationProperties => APPLICATION_PROPERTIES,
            Self::Data => DATA,
            Self::AmqpSequence => AMQP_SEQUENCE,
            Self::AmqpValue => AMQP_VALUE,
            Self::Footer => FOOTER,
        }
    }

    /// Returns the kind with this numeric descriptor.
    pub fn from_code(code: u64) -> Option<Self> {
        u8::try_from(code).ok().and_then(Self::from_octet)
    }

    /// Returns the kind with this numeric descriptor of one octet.
    #[inline]
    pub(crate) fn from_octet(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code.wrapping_sub(FIRST))).copied()
    }

    /// Returns the numeric descriptor as one octet.
    #[inline]
    pub(crate) const fn code(self) -> u8 {
        FIRST + self as u8
    }
}

/// The descriptor of the first kind; the others follow in order.
const FIRST: u8 = 0x70;

#[allow(clippy::indexing_slicing)] // while compiling
static NAMES: [Names; SectionKind::ALL.len()] = {
    let mut names = [Header::NAMES; SectionKind::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Names::of(&SectionKind::ALL[at].schema());
        at += 1;
    }
    names
};

/// Returns the kind of section with this descriptor.
pub(crate) fn section_of(descriptor: Descriptor<'_>) -> Option<SectionKind> {
    match descriptor {
        Descriptor::Code(code) => SectionKind::from_code(code),
        named => named.among(&NAMES).and_then(SectionKind::from_code),
    }
}
