//! Every constructor, in every form and at every border: scalars, strings, binaries, and numbers of items.
//!
//! Octets are written by hand or by [`compound`] and [`sized`], never by the crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeErrorKind, ValueRef};
use amqp_proto::symbol;
use amqp_proto::types::{
    Array, Decimal32, Decimal64, Decimal128, Described, Kind, List, Map, Symbol, Timestamp, Uuid, Value,
};
use bytes::Bytes;
use common::{decode, encode, octets};

/// Binary, string or symbol: constructor, size in one or four octets, content.
fn sized(code: u8, content: &str) -> String {
    let size = content.len() / 2;
    if code >> 4 == 0xa {
        format!("{code:02x}{size:02x}{content}")
    } else {
        format!("{code:02x}{size:08x}{content}")
    }
}

/// List, map or array: constructor, size, count, content.
fn compound(code: u8, count: usize, content: &str) -> String {
    let size = content.len() / 2;
    if matches!(code >> 4, 0xc | 0xe) {
        format!("{code:02x}{:02x}{count:02x}{content}", size + 1)
    } else {
        format!("{code:02x}{:08x}{count:08x}{content}", size + 4)
    }
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    values.into_iter().collect::<List>().into()
}

fn array(kind: Kind, values: impl IntoIterator<Item = Value>) -> Value {
    Array::from_values(kind, values).unwrap().into()
}

fn binary(len: usize) -> Value {
    vec![0x7a; len].into()
}

/// Every assigned constructor, with octets of a complete value and the value.
fn assigned() -> Vec<(u8, &'static str, Value)> {
    vec![
        (0x00, "5324 45", Described::new(0x24u64, List::new()).into()),
        (0x40, "", Value::Null),
        (0x41, "", true.into()),
        (0x42, "", false.into()),
        (0x43, "", 0u32.into()),
        (0x44, "", 0u64.into()),
        (0x45, "", List::new().into()),
        (0x50, "07", 7u8.into()),
        (0x51, "fe", (-2i8).into()),
        (0x52, "07", 7u32.into()),
        (0x53, "07", 7u64.into()),
        (0x54, "fe", (-2i32).into()),
        (0x55, "fe", (-2i64).into()),
        (0x56, "01", true.into()),
        (0x60, "0102", 0x0102u16.into()),
        (0x61, "fffe", (-2i16).into()),
        (0x70, "01020304", 0x0102_0304u32.into()),
        (0x71, "fffffffe", (-2i32).into()),
        (0x72, "3fc00000", 1.5f32.into()),
        (0x73, "0001f600", '\u{1f600}'.into()),
        (0x74, "32800001", Decimal32::from_be_bytes([0x32, 0x80, 0, 1]).into()),
        (0x80, "0102030405060708", 0x0102_0304_0506_0708u64.into()),
        (0x81, "fffffffffffffffe", (-2i64).into()),
        (0x82, "3ff8000000000000", 1.5f64.into()),
        (0x83, "00000000000003e8", Timestamp::from_millis(1000).into()),
        (0x84, "31c0000000000001", Decimal64::from_be_bytes([0x31, 0xc0, 0, 0, 0, 0, 0, 1]).into()),
        (0x94, "000102030405060708090a0b0c0d0e0f", Decimal128::from_be_bytes(counting()).into()),
        (0x98, "000102030405060708090a0b0c0d0e0f", Uuid::from_bytes(counting()).into()),
        (0xa0, "02 00ff", Bytes::from_static(&[0, 0xff]).into()),
        (0xa1, "02 c3a9", "é".into()),
        (0xa3, "02 6869", symbol!("hi").into()),
        (0xb0, "00000002 00ff", Bytes::from_static(&[0, 0xff]).into()),
        (0xb1, "00000002 c3a9", "é".into()),
        (0xb3, "00000002 6869", symbol!("hi").into()),
        (0xc0, "03 02 40 41", list([Value::Null, true.into()])),
        (0xc1, "03 02 40 41", Map::from_iter([(Value::Null, true)]).into()),
        (0xd0, "00000006 00000002 40 41", list([Value::Null, true.into()])),
        (0xd1, "00000006 00000002 40 41", Map::from_iter([(Value::Null, true)]).into()),
        (0xe0, "04 02 50 01 02", array(Kind::Ubyte, [1u8.into(), 2u8.into()])),
        (0xf0, "00000007 00000002 50 01 02", array(Kind::Ubyte, [1u8.into(), 2u8.into()])),
    ]
}

fn counting() -> [u8; 16] {
    std::array::from_fn(|at| u8::try_from(at).unwrap())
}

/// E-ENC-01, E-ENC-02
#[test]
fn e_enc_01_every_assigned_constructor_is_read() {
    for (code, rest, value) in assigned() {
        assert_eq!(decode(&format!("{code:02x}{rest}")), Ok(value), "0x{code:02x}");
    }
}

/// E-ENC-03, E-ENC-04: also the extension codes 0x4f, 0x5f, ...
#[test]
fn e_enc_03_every_unassigned_constructor_is_refused_by_name() {
    let assigned = assigned();
    let unassigned = (0..=0xff).filter(|code| assigned.iter().all(|(own, ..)| own != code));
    let mut refused = 0;
    for code in unassigned {
        let wrong = DecodeErrorKind::Constructor(code);
        // Enough octets for any width, and a size that fits them.
        let value = format!("{code:02x}00000010{}", "00".repeat(16));
        let alone = decode(&value).unwrap_err();
        assert_eq!(alone.kind(), wrong);
        assert!(alone.to_string().contains(&format!("0x{code:02x}")), "{alone}");
        for around in [compound(0xc0, 1, &value), format!("00{value}"), format!("0040{value}")] {
            assert_eq!(decode(&around).unwrap_err().kind(), wrong);
        }
        assert_eq!(decode(&compound(0xe0, 1, &value)).unwrap_err().kind(), wrong);
        refused += 1;
    }
    assert_eq!(refused, 256 - 40);
}

/// E-ENC-01: a truncated value is refused at every length, without a panic.
#[test]
fn e_enc_01_every_assigned_constructor_needs_all_its_octets() {
    for (code, rest, _) in assigned() {
        let whole = octets(&format!("{code:02x}{rest}"));
        for len in 0..whole.len() {
            let error = decode(&common::hex(&whole[..len])).unwrap_err();
            assert_eq!(error.kind(), DecodeErrorKind::Truncated, "0x{code:02x} cut at {len}");
        }
    }
}

/// E-ENC-05, E-LIST-01
#[test]
fn e_enc_05_all_forms_of_a_value_are_equal() {
    let forms: [&[&str]; 10] = [
        &["43", "5200", "7000000000"],
        &["44", "5300", "800000000000000000"],
        &["5400", "7100000000"],
        &["5500", "810000000000000000"],
        &["42", "5600"],
        &["41", "5601"],
        &["45", "c00100", "d00000000400000000"],
        &["c10100", "d10000000400000000"],
        &["a000", "b000000000"],
        &["e00200a3", "e00200b3", "f00000000500000000a3"],
    ];
    for same in forms {
        let values: Vec<Value> = same.iter().map(|form| decode(form).unwrap()).collect();
        assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "{same:?}");
        assert_eq!(encode(values[0].clone()), same[0].to_owned(), "the first is the shortest");
    }
}

/// E-ENC-06, E-ENC-14: the borders between the forms of numbers, and sign extension.
#[test]
fn e_enc_06_numbers_take_the_shortest_form() {
    let forms: [(Value, &str); 28] = [
        (0u32.into(), "43"),
        (1u32.into(), "5201"),
        (255u32.into(), "52ff"),
        (256u32.into(), "7000000100"),
        (u32::MAX.into(), "70ffffffff"),
        (0u64.into(), "44"),
        (1u64.into(), "5301"),
        (255u64.into(), "53ff"),
        (256u64.into(), "800000000000000100"),
        (u64::MAX.into(), "80ffffffffffffffff"),
        (0i32.into(), "5400"),
        (127i32.into(), "547f"),
        (128i32.into(), "7100000080"),
        ((-1i32).into(), "54ff"),
        ((-128i32).into(), "5480"),
        ((-129i32).into(), "71ffffff7f"),
        (i32::MIN.into(), "7180000000"),
        (0i64.into(), "5500"),
        (127i64.into(), "557f"),
        (128i64.into(), "810000000000000080"),
        ((-1i64).into(), "55ff"),
        ((-128i64).into(), "5580"),
        ((-129i64).into(), "81ffffffffffffff7f"),
        (i64::MIN.into(), "818000000000000000"),
        (u8::MAX.into(), "50ff"),
        (i8::MIN.into(), "5180"),
        (u16::MAX.into(), "60ffff"),
        (i16::MIN.into(), "618000"),
    ];
    for (value, form) in forms {
        assert_eq!(encode(value.clone()), form);
        assert_eq!(decode(form), Ok(value));
    }
}

/// E-ENC-14
#[test]
fn e_enc_14_only_signed_narrow_forms_extend_their_sign() {
    assert_eq!(decode("52ff"), Ok(255u32.into()));
    assert_eq!(decode("53ff"), Ok(255u64.into()));
    assert_eq!(decode("54ff"), Ok((-1i32).into()));
    assert_eq!(decode("55ff"), Ok((-1i64).into()));
}

/// E-ENC-07
#[test]
fn e_enc_07_boolean_octet_other_than_0_and_1_is_refused() {
    for octet in 2..=255u8 {
        let error = decode(&format!("56{octet:02x}")).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (DecodeErrorKind::Boolean(octet), 1));
    }
}

/// E-ENC-08
#[test]
fn e_enc_08_strings_that_are_not_utf_8_are_refused() {
    // A lone continuation, a cut sequence, overlong forms, a surrogate, a code point above the last.
    for bad in ["80", "c3", "c080", "c1bf", "e08080", "f0808080", "eda080", "f4908080", "ff"] {
        for code in [0xa1, 0xb1] {
            assert_eq!(decode(&sized(code, bad)).unwrap_err().kind(), DecodeErrorKind::Utf8, "{bad}");
        }
    }
    for good in ["c280", "e0a080", "ed9fbf", "ee8080", "f0908080", "f48fbfbf", "00"] {
        assert!(decode(&sized(0xa1, good)).is_ok(), "{good}");
    }
}

/// E-ENC-08, E-SIZE-04: size counts octets, not characters.
#[test]
fn e_enc_08_string_sizes_count_octets() {
    let (narrow, wide) = (format!("a{}", "é".repeat(127)), "é".repeat(128));
    assert_eq!((narrow.len(), wide.len()), (255, 256));
    assert_eq!(encode(narrow.as_str()), format!("a1ff61{}", "c3a9".repeat(127)));
    assert_eq!(encode(wide.as_str()), format!("b100000100{}", "c3a9".repeat(128)));
    assert_eq!(decode(&format!("b100000100{}", "c3a9".repeat(128))), Ok(wide.into()));
}

/// E-ENC-09
#[test]
fn e_enc_09_symbols_are_ascii_both_ways() {
    for bad in ["80", "ff", "61c3a9"] {
        for code in [0xa3, 0xb3] {
            assert_eq!(decode(&sized(code, bad)).unwrap_err().kind(), DecodeErrorKind::Ascii, "{bad}");
        }
    }
    assert_eq!(decode("a302007f"), Ok(Symbol::new("\0\u{7f}").unwrap().into()));
    assert!(Symbol::new("\u{80}").is_err());
    assert!(Symbol::from_ascii(Bytes::from_static(&[0x80])).is_err());
}

/// E-ENC-10
#[test]
fn e_enc_10_chars_are_unicode_scalar_values() {
    for (number, good) in [
        (0u32, true),
        (0xd7ff, true),
        (0xd800, false),
        (0xdfff, false),
        (0xe000, true),
        (0xfeff, true),
        (0x10_ffff, true),
        (0x11_0000, false),
        (u32::MAX, false),
    ] {
        let char = decode(&format!("73{number:08x}"));
        match char::from_u32(number) {
            Some(c) if good => assert_eq!((char, encode(c)), (Ok(c.into()), format!("73{number:08x}"))),
            _ => assert_eq!(char.unwrap_err().kind(), DecodeErrorKind::Char(number)),
        }
    }
}

/// E-ENC-11
#[test]
fn e_enc_11_timestamps_reach_as_far_as_64_bits_do() {
    for (millis, form) in [
        (0, "830000000000000000"),
        (-1, "83ffffffffffffffff"),
        (i64::MIN, "838000000000000000"),
        (i64::MAX, "837fffffffffffffff"),
    ] {
        let time = Value::from(Timestamp::from_millis(millis));
        assert_eq!(encode(time.clone()), form);
        assert_eq!(decode(form), Ok(time));
    }
}

/// E-ENC-12
#[test]
fn e_enc_12_decimals_keep_their_octets() {
    // Zero, one, infinity, a NaN with payload, and octets that are no canonical number.
    for four in ["00000000", "32800001", "78000000", "7e0f4240", "ffffffff"] {
        for form in [format!("74{four}"), format!("84{four}{four}"), format!("94{four}{four}{four}{four}")] {
            assert_eq!(encode(decode(&form).unwrap()), form);
        }
    }
}

/// E-ENC-13
#[test]
fn e_enc_13_nans_infinities_and_negative_zero_keep_their_bits() {
    for form in [
        "7280000000",
        "727f800000",
        "72ff800000",
        "727fc00001",
        "72ffdeadbe",
        "727fa00001",
        "7200000001",
        "828000000000000000",
        "827ff0000000000000",
        "827ff8000000000001",
        "82fff4deadbeef0001",
    ] {
        let value = decode(form).unwrap();
        assert_eq!(encode(value.clone()), form);
        assert_eq!(value, value.clone(), "a NaN equals itself");
    }
    assert_ne!(decode("7280000000"), decode("7200000000"));
    assert_ne!(decode("828000000000000000"), decode("820000000000000000"));
}

/// E-SIZE-04
#[test]
fn e_size_04_text_and_octets_of_256_octets_take_the_wide_form() {
    for (narrow, wide, value) in [
        (0xa0, 0xb0, (|n| vec![b'z'; n].into()) as fn(usize) -> Value),
        (0xa1, 0xb1, |n| "z".repeat(n).into()),
        (0xa3, 0xb3, |n| Symbol::new("z".repeat(n)).unwrap().into()),
    ] {
        for len in [0, 1, 254, 255, 256, 65_536] {
            let content = "7a".repeat(len);
            let shortest = sized(if len <= 255 { narrow } else { wide }, &content);
            assert_eq!(encode(value(len)), shortest);
            assert_eq!(decode(&shortest), Ok(value(len)));
            assert_eq!(decode(&sized(wide, &content)), Ok(value(len)));
        }
    }
}

/// E-SIZE-04: 255 in the size field is 254 octets of items, since the count takes one.
#[test]
fn e_size_04_lists_of_255_octets_take_the_wide_form() {
    let with = |content: String| format!("a0{:02x}{content}", content.len() / 2);
    assert_eq!(encode(list([binary(252)])), compound(0xc0, 1, &with("7a".repeat(252))));
    assert_eq!(encode(list([binary(253)])), compound(0xd0, 1, &with("7a".repeat(253))));
    for count in [1, 253, 254, 255, 256] {
        let code = if count <= 254 { 0xc0 } else { 0xd0 };
        let value = list(vec![Value::Null; count]);
        assert_eq!(encode(value.clone()), compound(code, count, &"40".repeat(count)));
        assert_eq!(decode(&compound(code, count, &"40".repeat(count))).as_ref(), Ok(&value));
        assert_eq!(decode(&compound(0xd0, count, &"40".repeat(count))), Ok(value));
    }
    assert_eq!(&encode(list(vec![Value::Null; 254]))[..6], "c0fffe");
    assert_eq!(&encode(list(vec![Value::Null; 255]))[..18], "d000000103000000ff");
}

/// E-SIZE-04
#[test]
fn e_size_04_maps_of_255_octets_take_the_wide_form() {
    let map = |len| Value::from(Map::from_iter([(Value::Null, binary(len))]));
    assert_eq!(encode(map(251)), format!("c1ff0240a0fb{}", "7a".repeat(251)));
    assert_eq!(encode(map(252)), format!("d1000001030000000240a0fc{}", "7a".repeat(252)));
    assert_eq!(decode(&format!("d1000001020000000240a0fb{}", "7a".repeat(251))), Ok(map(251)));
}

/// An element, the constructor of an array of only this element, and the element's octets.
fn elements() -> Vec<(Value, u8, String)> {
    let rows: Vec<(Value, u8, &str)> = vec![
        (Value::Null, 0x40, ""),
        (true.into(), 0x41, ""),
        (false.into(), 0x42, ""),
        (7u8.into(), 0x50, "07"),
        (7u16.into(), 0x60, "0007"),
        (0u32.into(), 0x43, ""),
        (7u32.into(), 0x52, "07"),
        (256u32.into(), 0x70, "00000100"),
        (0u64.into(), 0x44, ""),
        (7u64.into(), 0x53, "07"),
        (256u64.into(), 0x80, "0000000000000100"),
        ((-1i8).into(), 0x51, "ff"),
        ((-1i16).into(), 0x61, "ffff"),
        ((-1i32).into(), 0x54, "ff"),
        (128i32.into(), 0x71, "00000080"),
        ((-1i64).into(), 0x55, "ff"),
        (128i64.into(), 0x81, "0000000000000080"),
        (1.5f32.into(), 0x72, "3fc00000"),
        (1.5f64.into(), 0x82, "3ff8000000000000"),
        (Decimal32::default().into(), 0x74, "00000000"),
        (Decimal64::default().into(), 0x84, "0000000000000000"),
        (Decimal128::default().into(), 0x94, "00000000000000000000000000000000"),
        ('a'.into(), 0x73, "00000061"),
        (Timestamp::from_millis(-1).into(), 0x83, "ffffffffffffffff"),
        (Uuid::from_bytes(counting()).into(), 0x98, "000102030405060708090a0b0c0d0e0f"),
        (binary(1), 0xa0, "017a"),
        ("z".into(), 0xa1, "017a"),
        (symbol!("z").into(), 0xa3, "017a"),
        (List::new().into(), 0x45, ""),
        (list([Value::Null]), 0xc0, "020140"),
        (Map::new().into(), 0xc1, "0100"),
        (array(Kind::Ubyte, [7u8.into()]), 0xe0, "03015007"),
    ];
    let long = "7a".repeat(256);
    let wide = [
        (binary(256), 0xb0, format!("00000100{long}")),
        ("z".repeat(256).into(), 0xb1, format!("00000100{long}")),
        (Symbol::new("z".repeat(256)).unwrap().into(), 0xb3, format!("00000100{long}")),
        (list([binary(256)]), 0xd0, format!("0000010900000001b000000100{long}")),
        (
            Map::from_iter([(Value::Null, binary(256))]).into(),
            0xd1,
            format!("0000010a0000000240b000000100{long}"),
        ),
        (array(Kind::Binary, [binary(256)]), 0xf0, format!("0000010900000001b000000100{long}")),
    ];
    rows.into_iter().map(|(value, code, octets)| (value, code, octets.to_owned())).chain(wide).collect()
}

/// E-ARR-01, E-ARR-06, E-SIZE-02, E-SIZE-04: one element, and the last and first number of elements of each form.
#[test]
fn e_arr_01_arrays_of_every_element_constructor_at_the_borders() {
    for (element, code, content) in elements() {
        let width = content.len() / 2;
        // Size 255 is count, constructor and 253 octets of elements.
        let border = 253usize.checked_div(width).unwrap_or(255).clamp(1, 255);
        for count in [1, border, border + 1, 256] {
            let whole = format!("{code:02x}{}", content.repeat(count));
            let narrow = count * width <= 253 && count <= 255;
            let value = array(element.kind().unwrap(), vec![element.clone(); count]);
            let shortest = compound(if narrow { 0xe0 } else { 0xf0 }, count, &whole);
            assert_eq!(encode(value.clone()), shortest, "{count} of {element}");
            assert_eq!(decode(&shortest).as_ref(), Ok(&value), "{count} of {element}");
            assert_eq!(decode(&compound(0xf0, count, &whole)), Ok(value), "{count} of {element}");
        }
    }
}

/// E-ARR-01: element constructors other than the shortest are read.
#[test]
fn e_arr_01_every_constructor_is_legal_for_elements() {
    let constructors: Vec<_> = assigned().into_iter().filter(|(code, ..)| *code != 0).collect();
    assert_eq!(constructors.len(), 39);
    for (code, rest, value) in constructors {
        let content = format!("{code:02x}{rest}{rest}").replace(' ', "");
        let two = array(value.kind().unwrap(), [value.clone(), value]);
        assert_eq!(decode(&compound(0xe0, 2, &content)), Ok(two), "0x{code:02x}");
    }
}

/// Values read in place equal decoded values.
#[test]
fn values_read_in_place_are_those_read_whole() {
    for (code, rest, value) in assigned() {
        let whole = octets(&format!("{code:02x}{rest}"));
        let is_scalar = !matches!(code, 0x00 | 0x45 | 0x74 | 0x84 | 0x94 | 0xc0..);
        let shown = match ValueRef::decode(&whole).unwrap() {
            ValueRef::Encoded(octets) => {
                assert!(!is_scalar, "0x{code:02x} was not read");
                decode(&common::hex(octets)).unwrap().to_string()
            }
            scalar => format!("{scalar:?}"),
        };
        assert_eq!(shown, value.to_string());
        for len in 0..whole.len() {
            assert_eq!(ValueRef::decode(&whole[..len]).unwrap_err().kind(), DecodeErrorKind::Truncated);
        }
    }
}

/// Reading in place finds the same faults.
#[test]
fn scalars_read_in_place_are_checked() {
    for (bad, wrong) in [
        ("5602", DecodeErrorKind::Boolean(2)),
        ("730000d800", DecodeErrorKind::Char(0xd800)),
        ("a102c328", DecodeErrorKind::Utf8),
        ("a301ff", DecodeErrorKind::Ascii),
        ("46", DecodeErrorKind::Constructor(0x46)),
        ("3f", DecodeErrorKind::Constructor(0x3f)),
        ("4040", DecodeErrorKind::Trailing),
    ] {
        assert_eq!(ValueRef::decode(&octets(bad)).unwrap_err().kind(), wrong, "{bad}");
    }
}
