//! Hostile values A01 to A24, wherever a peer can put a value, and their fates.
//!
//! Each value is put in six places, next to a harmless value that differs in one detail. All are read whole and octet
//! by octet, on a usual stack and on a small one. A refusal has exactly one kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::thread;

use amqp_proto::codec::{DecodeError, DecodeErrorKind as Kind, LimitKind};
use amqp_proto::message::{Body, MessageView, Payload};
use amqp_proto::types::{Limits, Value};
use amqp_proto::wire::{Condition, Deframer, DeliveryState, Frame, Outcome, Performative};
use bytes::{Bytes, BytesMut};
use common::{data, octets, text};

/// The stack of a small target's thread.
const SMALL_STACK: usize = 128 * 1024;

/// A list or map with 32-bit size and count and any octets.
fn wide(code: u8, count: u32, octets: &[u8]) -> Vec<u8> {
    let size = u32::try_from(octets.len()).unwrap() + 4;
    [&[code][..], &size.to_be_bytes(), &count.to_be_bytes(), octets].concat()
}

fn list(count: u32, fields: &[u8]) -> Vec<u8> {
    wide(0xd0, count, fields)
}

/// A map with the value under `key`.
fn map(key: &[u8], value: &[u8]) -> Vec<u8> {
    wide(0xd1, 2, &[key, value].concat())
}

/// A frame on channel 0 with one described list.
fn frame(descriptor: u8, list: &[u8]) -> Bytes {
    let body = [&[0x00, 0x53, descriptor], list].concat();
    let size = u32::try_from(body.len()).unwrap() + 8;
    [&size.to_be_bytes()[..], &[2, 0, 0, 0], &body].concat().into()
}

/// A place for a value: the octets around it, and the path to it.
struct Place {
    name: &'static str,
    wrap: fn(&[u8]) -> Bytes,
    find: fn(&Frame) -> Option<Value>,
}

/// The places in frames. The sixth is the body of a message.
const PLACES: [Place; 5] = [
    Place {
        name: "open.properties",
        wrap: |value| {
            let fields = [
                &[0xa1, 1, b'c', 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40],
                &map(b"\xa3\x01k", value)[..],
            ];
            frame(0x10, &list(10, &fields.concat()))
        },
        find: |frame| match performative(frame)? {
            Performative::Open(open) => open.properties.get("k").cloned(),
            _ => None,
        },
    },
    Place {
        name: "attach.properties",
        wrap: |value| {
            let fields = [b"\xa1\x01l\x43\x42", &[0x40; 10][..], &map(b"\xa3\x01k", value)[..]];
            frame(0x12, &list(14, &fields.concat()))
        },
        find: |frame| match performative(frame)? {
            Performative::Attach(attach) => attach.properties.get("k").cloned(),
            _ => None,
        },
    },
    Place {
        name: "attach.unsettled",
        wrap: |value| {
            let fields = [b"\xa1\x01l\x43\x42", &[0x40; 4][..], &map(b"\xa0\x01t", value)[..]];
            frame(0x12, &list(8, &fields.concat()))
        },
        find: |frame| match performative(frame)? {
            Performative::Attach(attach) => {
                attach.unsettled.as_ref()?.iter().next().map(|(_, value)| value.clone())
            }
            _ => None,
        },
    },
    Place {
        name: "disposition.state, unknown",
        wrap: |value| frame(0x15, &list(5, &[b"\x41\x43\x40\x40\x00\x53\x99", value].concat())),
        find: |frame| match performative(frame)? {
            Performative::Disposition(disposition) => match disposition.state.as_ref()? {
                DeliveryState::Outcome(Outcome::Other(described)) => Some(described.value().clone()),
                _ => None,
            },
            _ => None,
        },
    },
    Place {
        name: "disposition.state, modified",
        wrap: |value| {
            let modified = list(3, &[b"\x40\x40", &map(b"\xa3\x01k", value)[..]].concat());
            frame(0x15, &list(5, &[b"\x41\x43\x40\x40\x00\x53\x27", &modified[..]].concat()))
        },
        find: |frame| match performative(frame)? {
            Performative::Disposition(disposition) => match disposition.state.as_ref()? {
                DeliveryState::Outcome(Outcome::Modified(modified)) => {
                    modified.message_annotations.get("k").cloned()
                }
                _ => None,
            },
            _ => None,
        },
    },
];

fn performative(frame: &Frame) -> Option<&Performative> {
    match frame {
        Frame::Amqp { performative, .. } => Some(performative),
        _ => None,
    }
}

/// Decodes the frame, followed by an empty one, from pieces of this length.
fn read_frame(octets: &Bytes, step: usize, limits: &Limits) -> Result<Frame, DecodeError> {
    let mut deframer = Deframer::new();
    let mut frames = Vec::new();
    for piece in [octets, &b"\0\0\0\x08\x02\0\0\0"[..]].concat().chunks(step) {
        deframer.input().extend_from_slice(piece);
        while let Some(frame) = deframer.next_frame(65_536).expect("the frame itself is well formed") {
            frames.push(frame);
        }
    }
    assert!(deframer.remaining().is_empty());
    let [hostile, empty] = <[_; 2]>::try_from(frames).unwrap();
    assert!(matches!(empty.decode(limits), Ok(Frame::Empty { .. })));
    hostile.decode(limits)
}

/// Decodes an amqp-value section from pieces of this length.
fn read_message(octets: &[u8], step: usize, limits: &Limits) -> Result<Value, DecodeError> {
    let message = [b"\x00\x53\x77", octets].concat();
    let payload: Payload = message.chunks(step).map(Bytes::copy_from_slice).collect();
    match MessageView::new(payload, limits)?.body()? {
        Body::Value(value) => Ok(value),
        other => panic!("{other:?}"),
    }
}

/// Puts the value in all places, and returns the fault in frames and in a message.
fn put_everywhere(value: &[u8], limits: &Limits) -> [Result<Value, Kind>; 2] {
    let mut in_frames = None;
    for place in &PLACES {
        let octets = (place.wrap)(value);
        let whole = read_frame(&octets, usize::MAX, limits);
        assert_eq!(read_frame(&octets, 1, limits), whole, "{} octet by octet", place.name);
        if let Err(error) = &whole {
            assert_eq!(error.condition(), Condition::DecodeError, "{}", place.name);
            assert!(error.offset() <= octets.len(), "{error:?}");
        }
        let found = whole.map(|frame| (place.find)(&frame).expect(place.name)).map_err(|error| error.kind());
        assert_eq!(in_frames.get_or_insert_with(|| found.clone()), &found, "{}", place.name);
    }
    let whole = read_message(value, usize::MAX, limits);
    assert_eq!(read_message(value, 1, limits), whole, "message octet by octet");
    [in_frames.unwrap(), whole.map_err(|error| error.kind())]
}

/// Runs on the test's stack and on a small one, where the results are dropped, too.
fn on_two_stacks(run: impl Fn() + Send + 'static) {
    run();
    thread::Builder::new().stack_size(SMALL_STACK).spawn(run).unwrap().join().unwrap();
}

fn value_of(id: &str) -> Bytes {
    let all = data("threats.json");
    let row = all.as_array().unwrap().iter().find(|row| text(row, "id") == id).unwrap();
    octets(text(row, "value_hex"))
}

fn refuse(value: &Bytes, in_frames: Kind, in_message: Kind) {
    let value = value.clone();
    on_two_stacks(move || {
        assert_eq!(put_everywhere(&value, &Limits::DEFAULT), [Err(in_frames), Err(in_message)], "{value:?}");
    });
}

/// Checks that the value decodes in all places, equal to its own octets.
fn accept_within(value: &Bytes, limits: &Limits) {
    let (value, limits) = (value.clone(), limits.clone());
    on_two_stacks(move || {
        let [in_frames, in_message] = put_everywhere(&value, &limits);
        let read = in_frames.expect("accepted");
        assert_eq!(in_message.as_ref(), Ok(&read));
        // No method of a value takes a deep stack.
        assert_eq!(read.clone(), read);
        assert!(!read.to_string().is_empty());
        let mut out = BytesMut::new();
        read.encode(&mut out).unwrap();
        assert_eq!(Value::decode(&mut out.freeze(), &limits), Ok(read));
    });
}

fn accept(value: &Bytes) {
    accept_within(value, &Limits::DEFAULT);
}

/// A hostile value, its faults in frames and in a message, and a harmless value.
///
/// Sections of a message are found by their sizes; octets outside a size are no section.
macro_rules! threats {
    ($($(#[$doc:meta])* $test:ident $id:literal: $refused:expr, control $control:literal;)*) => {$(
        $(#[$doc])*
        #[test]
        fn $test() {
            let [in_frames, in_message] = $refused;
            refuse(&value_of($id), in_frames, in_message);
            accept(&octets($control));
        }
    )*};
}

threats! {
    /// As many elements as the limit allows are read.
    a01_array32_of_2_32_nulls "A01":
        [Kind::Limit(LimitKind::ZeroWidthElements); 2], control "f000000005 00001000 40";
    a02_array32_of_2_32_empty_lists "A02":
        [Kind::Limit(LimitKind::ZeroWidthElements); 2], control "f000000005 00001000 45";
    a04_list32_of_2_32_items_and_no_octets "A04":
        [Kind::Count; 2], control "d000000004 00000000";
    a05_list32_of_4_gib "A05":
        [Kind::Truncated; 2], control "d000000005 00000001 40";
    a06_list8_without_room_for_its_count "A06":
        [Kind::Size, Kind::Truncated], control "c00100";
    a07_list8_with_octets_left_over "A07":
        [Kind::Size; 2], control "c00403 404040";
    a08_list8_with_an_item_beyond_its_end "A08":
        [Kind::Truncated, Kind::Descriptor], control "c00601 7000000001";
    a09_map8_with_a_key_and_no_value "A09":
        [Kind::OddMap; 2], control "c10302 4340";
    a10_map8_with_a_key_twice "A10":
        [Kind::DuplicateKey; 2], control "c10904 a3016b40 a3016c41";
    a11_binary32_of_4_gib "A11":
        [Kind::Truncated; 2], control "b000000001 00";
    a12_string8_that_is_not_utf_8 "A12":
        [Kind::Utf8; 2], control "a102 c280";
    a13_symbol8_that_is_not_ascii "A13":
        [Kind::Ascii; 2], control "a302 4369";
    a14_char_above_the_last "A14":
        [Kind::Char(0x11_0000); 2], control "73 0010ffff";
    a15_boolean_of_octet_2 "A15":
        [Kind::Boolean(2); 2], control "56 01";
    a21_unassigned_constructor "A21":
        [Kind::Constructor(0xff); 2], control "50 00";
    a22_array8_of_described_elements_without_descriptor "A22":
        [Kind::Truncated; 2], control "e00701 00a30178 5007";
    a23_array32_without_room_for_its_count "A23":
        [Kind::Size, Kind::Descriptor], control "f000000005 00000000 40";
}

/// The limit on elements without octets is for a frame, not for an array.
#[test]
fn a03_many_arrays_of_true() {
    let hostile = value_of("A03");
    let refused = Kind::Limit(LimitKind::ZeroWidthElements);
    refuse(&hostile, refused, refused);
    // One array less than the limit allows, and one of the largest size.
    accept(&list(16, &b"\xe0\x02\xff\x41".repeat(16)).into());
    accept(&list(17, &[&b"\xe0\x02\xff\x41".repeat(16)[..], b"\xe0\x02\x10\x41"].concat()).into());
    let one_more = list(17, &[&b"\xe0\x02\xff\x41".repeat(16)[..], b"\xe0\x02\x11\x41"].concat());
    refuse(&one_more.into(), refused, refused);
    let elements = Limits::default().with_zero_width_elements(102_000).with_elements(102_402);
    accept_within(&hostile, &elements);
    let none = Limits::default().with_zero_width_elements(0);
    assert_eq!(put_everywhere(b"\xe0\x02\x01\x41", &none), [Err(refused), Err(refused)]);
}

/// Each element has one octet in the input.
#[test]
fn a24_array32_of_2_000_empty_symbols() {
    let hostile = value_of("A24");
    accept(&hostile);
    let few = Limits::default().with_elements(2_001);
    let refused = Kind::Limit(LimitKind::Elements);
    assert_eq!(put_everywhere(&hostile, &few)[0], Err(refused));
    assert_eq!(put_everywhere(&hostile, &few.with_elements(1_999)), [Err(refused), Err(refused)]);
    let mut bad = hostile.to_vec();
    *bad.last_mut().unwrap() = 1;
    refuse(&bad.into(), Kind::Truncated, Kind::Truncated);
    // Symbols that all differ.
    let unique: Vec<u8> = (0..2_000u16).flat_map(|n| format!("\x05k{n:04}").into_bytes()).collect();
    accept(&wide(0xf0, 2_000, &[b"\xa3", &unique[..]].concat()).into());
}

/// Checks that the deep value is refused, decodes under a higher limit, and is accepted by the default limit with
/// fewer levels.
fn deep(id: &str, nested: impl Fn(usize) -> Vec<u8>) {
    let hostile = value_of(id);
    let refused = Kind::Limit(LimitKind::Depth);
    refuse(&hostile, refused, refused);
    accept_within(&hostile, &Limits::default().with_depth(u16::MAX));
    let deepest = |levels| put_everywhere(&nested(levels), &Limits::DEFAULT).map(|found| found.err());
    // A message has nothing around the value; a frame has one level.
    assert_eq!(deepest(31), [None, None]);
    assert_eq!(deepest(32), [Some(refused), None]);
    assert_eq!(deepest(33), [Some(refused), Some(refused)]);
    accept(&nested(31).into());
}

#[test]
fn a16_descriptors_10_000_deep() {
    deep("A16", |levels| [vec![0x00; levels], vec![0x43; levels], vec![0x40]].concat());
}

#[test]
fn a17_described_values_1_000_deep() {
    deep("A17", |levels| [&b"\x00\x53\x01".repeat(levels)[..], b"\x40"].concat());
}

#[test]
fn a18_lists_400_deep() {
    deep("A18", |levels| (0..levels).fold(vec![0x40], |inner, _| list(1, &inner)));
}

#[test]
fn a19_maps_380_deep() {
    deep("A19", |levels| (0..levels).fold(vec![0x40], |inner, _| map(b"\x43", &inner)));
}

#[test]
fn a20_arrays_400_deep() {
    deep("A20", |levels| {
        let innermost = wide(0xf0, 0, b"\x40");
        (1..levels).fold(innermost, |inner, _| wide(0xf0, 1, &inner))
    });
}

/// A16 and A17 in place of a delivery state.
#[test]
fn a16_and_a17_as_the_delivery_state() {
    for (id, harmless) in [("A16", &b"\x00\x00\x43\x43\x40"[..]), ("A17", b"\x00\x53\x01\x00\x53\x01\x40")] {
        let state = |value: &[u8]| frame(0x15, &list(5, &[b"\x41\x43\x40\x40", value].concat()));
        let hostile = state(&value_of(id));
        on_two_stacks(move || {
            let refused = Kind::Limit(LimitKind::Depth);
            for step in [1, usize::MAX] {
                let read = read_frame(&hostile, step, &Limits::DEFAULT);
                assert_eq!(read.map_err(|error| error.kind()), Err(refused), "{id}");
            }
            assert!(read_frame(&hostile, 1, &Limits::default().with_depth(u16::MAX)).is_ok());
        });
        read_frame(&state(harmless), 1, &Limits::DEFAULT).expect(id);
    }
}

/// A12: overlong forms, surrogates, forms of five octets, too large characters, missing tails.
#[test]
fn a12_all_that_is_not_utf_8() {
    for bad in [
        "c080",
        "c1bf",
        "e080af",
        "f08080af",
        "eda080",
        "edbfbf",
        "f888808080",
        "fc8480808080",
        "f4908080",
        "80",
        "bf",
        "c3",
        "e282",
        "e2",
        "f09f98",
        "f09f",
        "f0",
        "ff",
        "fe",
        "61c3",
        "c3c3a9",
        "e228a1",
    ] {
        for text in [format!("a1{:02x}{bad}", bad.len() / 2), format!("b1{:08x}{bad}", bad.len() / 2)] {
            refuse(&octets(&text), Kind::Utf8, Kind::Utf8);
        }
    }
    for good in
        ["", "00", "7f", "c280", "dfbf", "e0a080", "ed9fbf", "ee8080", "efbfbf", "f0908080", "f48fbfbf"]
    {
        accept(&octets(&format!("a1{:02x}{good}", good.len() / 2)));
    }
}

/// A13
#[test]
fn a13_all_that_is_not_ascii() {
    for bad in ["80", "ff", "6180", "c3a9"] {
        for text in [format!("a3{:02x}{bad}", bad.len() / 2), format!("b3{:08x}{bad}", bad.len() / 2)] {
            refuse(&octets(&text), Kind::Ascii, Kind::Ascii);
        }
    }
    for good in ["", "00", "7f", "617f"] {
        accept(&octets(&format!("a3{:02x}{good}", good.len() / 2)));
    }
    accept(&octets("a102c3a9"));
}

/// A14: surrogates and too large numbers.
#[test]
fn a14_all_that_is_no_char() {
    for bad in [0xd800_u32, 0xdbff, 0xdc00, 0xdfff, 0x11_0000, 0x8000_0000, u32::MAX] {
        refuse(&octets(&format!("73{bad:08x}")), Kind::Char(bad), Kind::Char(bad));
    }
    for good in [0_u32, 0xd7ff, 0xe000, 0xffff, 0x10_ffff] {
        accept(&octets(&format!("73{good:08x}")));
    }
}

/// A21: unassigned constructors, with and without a known width.
#[test]
fn a21_more_unassigned_constructors() {
    for (value, code) in
        [("3f", 0x3f), ("01", 0x01), ("ff00", 0xff), ("46", 0x46), ("5700", 0x57), ("a200", 0xa2)]
    {
        refuse(&octets(value), Kind::Constructor(code), Kind::Constructor(code));
        let item = Bytes::from(list(1, &octets(value)));
        refuse(&item, Kind::Constructor(code), Kind::Constructor(code));
    }
    // Unassigned constructors of array elements, also of an empty array.
    for value in ["e00201 3f", "e00200 3f", "f000000005000000003f"] {
        refuse(&octets(value), Kind::Constructor(0x3f), Kind::Constructor(0x3f));
    }
}

/// A06, A23: every compound whose size has no room for its count or its constructor.
#[test]
fn a06_and_a23_every_compound_without_room_for_its_count() {
    for code in ["c0", "c1", "e0"] {
        refuse(&octets(&format!("{code}00")), Kind::Size, Kind::Size);
    }
    for code in ["d0", "d1", "f0"] {
        for (size, rest) in [(0, ""), (1, "00"), (2, "0000"), (3, "000000")] {
            refuse(&octets(&format!("{code}{size:08x}{rest}")), Kind::Size, Kind::Size);
        }
    }
    // An empty array has a constructor, too.
    refuse(&octets("e00100"), Kind::Truncated, Kind::Truncated);
    refuse(&octets("f000000004 00000000"), Kind::Truncated, Kind::Truncated);
    accept(&octets("e00200 40"));
}
