//! Samples of numbers, text, octets and ids.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

use super::sample::*;
use crate::types::{
    Channel, Decimal32, Decimal64, Decimal128, DeliveryNumber, DeliveryTag, Handle, SequenceNo, Str, Symbol,
    Timestamp, TransactionId, TransferNumber, Uuid,
};

edges! {
    bool: bool => |value| value, [false, true];
    // 4 is the default priority of a message.
    u8: u8 => |n| n, [0, 1, 4, 127, 128, u8::MAX];
    u16: u16 => |n| n, [0, 1, 255, 256, u16::MAX];
    u32: u32 => |n| n, [0, 1, 127, 255, 256, u32::MAX];
    u64: u64 => |n| n, [0, 1, 127, 255, 256, 1 << 32, u64::MAX];
    i8: i8 => |n| n, [0, -1, 1, i8::MIN, i8::MAX];
    i16: i16 => |n| n, [0, -1, 1, i16::MIN, i16::MAX];
    i32: i32 => |n| n, [0, -1, 127, 128, -128, -129, i32::MIN, i32::MAX];
    i64: i64 => |n| n, [0, -1, 127, 128, -128, -129, i64::MIN, i64::MAX];
    // A NaN may carry a payload, which is kept (E-ENC-13).
    f32: u32 => f32::from_bits, [0.0, -0.0, 1.5, f32::INFINITY, f32::NAN, f32::from_bits(0xffa0_0001)];
    f64: u64 => f64::from_bits, [0.0, -0.0, 1.5, f64::INFINITY, f64::NAN, f64::from_bits(0xfff4_0000_0000_0001)];
    char: char => |c| c, ['a', '\0', '\n', 'ß', '\u{2028}', '\u{d7ff}', '\u{e000}', '\u{10ffff}'];
    Decimal32: [u8; 4] => Decimal32::from_be_bytes, [Decimal32::from_be_bytes([0; 4])];
    Decimal64: [u8; 8] => Decimal64::from_be_bytes, [Decimal64::from_be_bytes([0; 8])];
    Decimal128: [u8; 16] => Decimal128::from_be_bytes, [Decimal128::from_be_bytes([0; 16])];
    Uuid: [u8; 16] => Uuid::from_bytes, [Uuid::from_bytes([0; 16])];
    Timestamp: i64 => Timestamp::from_millis,
        [Timestamp::from_millis(0), Timestamp::from_millis(-1), Timestamp::from_millis(i64::MIN)];
    Channel: u16 => Channel::new, [Channel::new(0), Channel::new(1), Channel::new(u16::MAX)];
    Handle: u32 => Handle::new, [Handle::new(0), Handle::new(1), Handle::new(u32::MAX)];
    SequenceNo: u32 => SequenceNo::new, [SequenceNo::new(0), SequenceNo::new(u32::MAX)];
    DeliveryNumber: u32 => DeliveryNumber::new, [DeliveryNumber::new(0), DeliveryNumber::new(u32::MAX)];
    TransferNumber: u32 => TransferNumber::new, [TransferNumber::new(0), TransferNumber::new(u32::MAX)];
    Letter: u8 => |octet| Letter(octet & 0x7f), [Letter(b'a'), Letter(b'z'), Letter(b':'), Letter(b'\n')];
}

/// A character of a symbol.
#[derive(Debug, Clone)]
struct Letter(u8);

/// The length to which short text is filled: sometimes the length at which another encoding begins.
#[derive(Debug, Clone, Copy)]
struct Fill(usize);

impl Fill {
    const ALL: &[Self] = &[
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(0),
        Self(254),
        Self(255),
        Self(256),
    ];
}

/// A length like [`Fill`], of at most 32 octets.
#[derive(Debug, Clone, Copy)]
struct ShortFill(usize);

impl ShortFill {
    const ALL: &[Self] = &[Self(0), Self(0), Self(4), Self(31), Self(32)];
}

choices! { Fill ShortFill }

/// Repeats a filler up to a length.
fn filled(mut octets: Vec<u8>, length: usize) -> Vec<u8> {
    octets.resize(length.max(octets.len()), b'x');
    octets
}

one_of! {
    Str {
        (Vec<char>, Fill) => |(chars, fill)| {
            let text = chars.into_iter().collect::<String>();
            Str::from_utf8(filled(text.into(), fill.0).into()).unwrap_or_default()
        },
    }
    Symbol {
        (Vec<Letter>, Fill) => |(letters, fill)| {
            let name = letters.into_iter().map(|letter| letter.0).collect();
            Symbol::from_ascii(filled(name, fill.0).into()).unwrap_or_default()
        },
    }
    Bytes { (Vec<u8>, Fill) => |(octets, fill)| filled(octets, fill.0).into(), }
    DeliveryTag {
        (Vec<u8>, ShortFill) => |(octets, fill)| DeliveryTag::new(&filled(octets, fill.0)).unwrap_or_default(),
    }
    TransactionId {
        (Vec<u8>, Fill) => |(octets, fill)| TransactionId::received(&filled(octets, fill.0)).unwrap_or_default(),
    }
}

public! {
    Decimal32 Decimal64 Decimal128 Uuid Timestamp Channel Handle SequenceNo DeliveryNumber TransferNumber Str
    Symbol DeliveryTag TransactionId
}
