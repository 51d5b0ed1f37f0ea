//! The constructor octets [1.6].

use crate::types::Kind;

/// Constructor octets by name: the type, then the form of its encoding.
pub(crate) struct Code;

#[rustfmt::skip]
impl Code {
    pub(crate) const DESCRIBED: u8 = 0x00;
    pub(crate) const NULL: u8 = 0x40;
    pub(crate) const TRUE: u8 = 0x41;
    pub(crate) const FALSE: u8 = 0x42;
    pub(crate) const UINT0: u8 = 0x43;
    pub(crate) const ULONG0: u8 = 0x44;
    pub(crate) const LIST0: u8 = 0x45;
    pub(crate) const UBYTE: u8 = 0x50;
    pub(crate) const BYTE: u8 = 0x51;
    pub(crate) const SMALL_UINT: u8 = 0x52;
    pub(crate) const SMALL_ULONG: u8 = 0x53;
    pub(crate) const SMALL_INT: u8 = 0x54;
    pub(crate) const SMALL_LONG: u8 = 0x55;
    pub(crate) const BOOLEAN: u8 = 0x56;
    pub(crate) const USHORT: u8 = 0x60;
    pub(crate) const SHORT: u8 = 0x61;
    pub(crate) const UINT: u8 = 0x70;
    pub(crate) const INT: u8 = 0x71;
    pub(crate) const FLOAT: u8 = 0x72;
    pub(crate) const CHAR: u8 = 0x73;
    pub(crate) const DECIMAL32: u8 = 0x74;
    pub(crate) const ULONG: u8 = 0x80;
    pub(crate) const LONG: u8 = 0x81;
    pub(crate) const DOUBLE: u8 = 0x82;
    pub(crate) const TIMESTAMP: u8 = 0x83;
    pub(crate) const DECIMAL64: u8 = 0x84;
    pub(crate) const DECIMAL128: u8 = 0x94;
    pub(crate) const UUID: u8 = 0x98;
    pub(crate) const BINARY8: u8 = 0xa0;
    pub(crate) const STRING8: u8 = 0xa1;
    pub(crate) const SYMBOL8: u8 = 0xa3;
    pub(crate) const BINARY32: u8 = 0xb0;
    pub(crate) const STRING32: u8 = 0xb1;
    pub(crate) const SYMBOL32: u8 = 0xb3;
    pub(crate) const LIST8: u8 = 0xc0;
    pub(crate) const MAP8: u8 = 0xc1;
    pub(crate) const LIST32: u8 = 0xd0;
    pub(crate) const MAP32: u8 = 0xd1;
    pub(crate) const ARRAY8: u8 = 0xe0;
    pub(crate) const ARRAY32: u8 = 0xf0;

    /// Returns the type of a constructor; `None` if the constructor is unassigned or announces a descriptor.
    pub(crate) const fn kind(code: u8) -> Option<Kind> {
        Some(match code {
            Self::NULL => Kind::Null,
            Self::TRUE | Self::FALSE | Self::BOOLEAN => Kind::Boolean,
            Self::UBYTE => Kind::Ubyte,
            Self::USHORT => Kind::Ushort,
            Self::UINT0 | Self::SMALL_UINT | Self::UINT => Kind::Uint,
            Self::ULONG0 | Self::SMALL_ULONG | Self::ULONG => Kind::Ulong,
            Self::BYTE => Kind::Byte,
            Self::SHORT => Kind::Short,
            Self::SMALL_INT | Self::INT => Kind::Int,
            Self::SMALL_LONG | Self::LONG => Kind::Long,
            Self::FLOAT => Kind::Float,
            Self::DOUBLE => Kind::Double,
            Self::DECIMAL32 => Kind::Decimal32,
            Self::DECIMAL64 => Kind::Decimal64,
            Self::DECIMAL128 => Kind::Decimal128,
            Self::CHAR => Kind::Char,
            Self::TIMESTAMP => Kind::Timestamp,
            Self::UUID => Kind::Uuid,
            Self::BINARY8 | Self::BINARY32 => Kind::Binary,
            Self::STRING8 | Self::STRING32 => Kind::String,
            Self::SYMBOL8 | Self::SYMBOL32 => Kind::Symbol,
            Self::LIST0 | Self::LIST8 | Self::LIST32 => Kind::List,
            Self::MAP8 | Self::MAP32 => Kind::Map,
            Self::ARRAY8 | Self::ARRAY32 => Kind::Array,
            _ => return None,
        })
    }

    /// Returns the form of the octets after a constructor. The high nibble gives the form [1.2], but only
    /// assigned constructors have one.
    #[inline]
    pub(crate) fn width(code: u8) -> Width {
        if cfg!(feature = "small") {
            Self::width_of(code)
        } else {
            WIDTHS.get(usize::from(code)).copied().unwrap_or(Width::None)
        }
    }

    const fn width_of(code: u8) -> Width {
        if Self::kind(code).is_none() {
            return Width::None;
        }
        match code >> 4 {
            0x4 => Width::Fixed(0),
            0x5 => Width::Fixed(1),
            0x6 => Width::Fixed(2),
            0x7 => Width::Fixed(4),
            0x8 => Width::Fixed(8),
            0x9 => Width::Fixed(16),
            0xa | 0xc | 0xe => Width::Sized8,
            _ => Width::Sized32,
        }
    }
}

/// The form of the octets after a constructor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// This many octets.
    Fixed(u8),
    /// One octet with the size, then as many octets.
    Sized8,
    /// Four octets with the size, then as many octets.
    Sized32,
    /// Not the constructor of a value.
    None,
}

#[allow(clippy::indexing_slicing)] // while compiling
static WIDTHS: [Width; 256] = {
    let mut widths = [Width::None; 256];
    let mut code = 0_u8;
    while code < u8::MAX {
        widths[code as usize] = Code::width_of(code);
        code += 1;
    }
    widths
};
