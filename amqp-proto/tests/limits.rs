//! Limits of decoding, the cost of deep values, and the contents of errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::thread;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, EncodeError, LimitKind};
use amqp_proto::types::{Array, Channel, Described, Kind, Limits, List, Map, Value};
use amqp_proto::wire::{Condition, Deframer, Disposition, Frame, Open, Outcome, Role};
use bytes::{Bytes, BytesMut};
use common::{data, decode, decode_within, encode, hex, octets, text};

/// A value inside a compound.
type Wrap = fn(Value) -> Value;

/// Every way to nest a value.
const NESTINGS: [(&str, Wrap); 7] = [
    ("list", |inner| List::from(vec![inner]).into()),
    ("later in a list", |inner| List::from(vec![Value::Null, 7u8.into(), inner]).into()),
    ("map value", |inner| Map::from_iter([(1u8, inner)]).into()),
    ("map key", |inner| Map::from_iter([(inner, 1u8)]).into()),
    ("array", |inner| match inner.kind() {
        Some(kind) => Array::from_values(kind, [inner]).unwrap().into(),
        None => inner,
    }),
    ("described", |inner| Described::new(1u64, inner).into()),
    ("descriptor", |inner| Described::new(inner, 1u64).into()),
];

fn nested(wrap: Wrap, levels: usize) -> Value {
    (0..levels).fold(true.into(), |inner, _| wrap(inner))
}

fn limit_of(hex: &str, limits: &Limits) -> Option<LimitKind> {
    match decode_within(hex, limits).map_err(|error| error.kind()) {
        Ok(_) => None,
        Err(DecodeErrorKind::Limit(limit)) => Some(limit),
        Err(other) => panic!("{other:?} for {hex}"),
    }
}

/// E-SIZE-06
#[test]
fn e_size_06_values_nest_as_deep_as_the_limit_and_no_deeper() {
    for (name, wrap) in NESTINGS {
        for depth in [1u16, 2, 31, 32, 100] {
            let limits = Limits::default().with_depth(depth);
            let encoded = |levels: u16| encode(nested(wrap, usize::from(levels)));
            assert_eq!(limit_of(&encoded(depth), &limits), None, "{name} {depth}");
            assert_eq!(limit_of(&encoded(depth + 1), &limits), Some(LimitKind::Depth), "{name} {depth}");
        }
    }
    assert_eq!(limit_of("40", &Limits::default().with_depth(0)), None);
    assert_eq!(limit_of("c0020140", &Limits::default().with_depth(0)), Some(LimitKind::Depth));
}

/// E-SIZE-06: all kinds of nesting count together.
#[test]
fn e_size_06_all_kinds_of_nesting_count_as_one_depth() {
    let mixed = |levels: usize| {
        (0..levels).fold(Value::from(true), |inner, at| match at % 3 {
            0 => NESTINGS[0].1(inner),
            1 => NESTINGS[2].1(inner),
            _ => NESTINGS[5].1(inner),
        })
    };
    assert_eq!(limit_of(&encode(mixed(32)), &Limits::DEFAULT), None);
    assert_eq!(limit_of(&encode(mixed(33)), &Limits::DEFAULT), Some(LimitKind::Depth));
}

/// E-SIZE-06: the descriptors of an array's elements nest inside the array.
#[test]
fn e_size_06_descriptors_of_elements_are_bounded() {
    let array = |levels: usize| {
        let items = format!("01{}5007", "0040".repeat(levels));
        format!("e0{:02x}{items}", items.len() / 2)
    };
    let limits = Limits::default().with_depth(4);
    assert_eq!(limit_of(&array(3), &limits), None);
    assert_eq!(limit_of(&array(4), &limits), Some(LimitKind::Depth));
}

/// E-SIZE-06: endless descriptors are refused at the limit, not at the end of the octets.
#[test]
fn e_size_06_endless_nesting_is_refused() {
    for bomb in ["00".repeat(40), "00".repeat(100_000), "005301".repeat(1000)] {
        assert_eq!(limit_of(&bomb, &Limits::DEFAULT), Some(LimitKind::Depth));
    }
}

/// E-SIZE-05: the values in compounds count over one decode.
#[test]
fn e_size_05_the_number_of_values_is_limited() {
    for (form, elements) in [
        ("c0030240 41", 2),
        ("c103024041", 2),
        ("e003015007", 1),
        ("e00402500708", 2),
        ("00530140", 2),
        ("e005010040 5007", 2),
        ("c00602c0020140 40", 3),
        ("c00901 c106025001 c00100", 3),
    ] {
        let limits = |bound| Limits::default().with_elements(bound);
        assert_eq!(limit_of(form, &limits(elements)), None, "{form}");
        assert_eq!(limit_of(form, &limits(elements - 1)), Some(LimitKind::Elements), "{form}");
    }
    assert_eq!(limit_of("45", &Limits::default().with_elements(0)), None);
}

/// E-SIZE-05: each decode starts with the whole budget.
#[test]
fn e_size_05_the_budget_is_that_of_one_decoding() {
    let limits = Limits::default().with_elements(2);
    let mut two = octets("c003024041 c003024041");
    assert!(Value::decode(&mut two, &limits).is_ok());
    assert!(Value::decode(&mut two, &limits).is_ok());
    assert!(two.is_empty());
}

/// E-ARR-05: the elements of small arrays add up.
#[test]
fn e_arr_05_zero_width_elements_are_counted_over_all_arrays() {
    let limits = |bound| Limits::default().with_zero_width_elements(bound);
    for (form, elements) in [("e0020341", 3), ("c00902e0020341e0020245", 5)] {
        assert_eq!(limit_of(form, &limits(elements)), None, "{form}");
        assert_eq!(limit_of(form, &limits(elements - 1)), Some(LimitKind::ZeroWidthElements), "{form}");
    }
    // An array of two arrays, of one true and of two.
    let nested = "e008 02 e0 020141 020241";
    assert_eq!(limit_of(nested, &limits(3)), None);
    assert_eq!(limit_of(nested, &limits(2)), Some(LimitKind::ZeroWidthElements));
    assert_eq!(limit_of("e0020056", &limits(0)), None, "no element, no cost");
    assert_eq!(limit_of("e00402560100", &limits(0)), None, "these have octets");
}

/// E-SIZE-05
#[test]
fn e_size_05_the_length_of_a_single_value_is_limited() {
    let limits = |bound| Limits::default().with_value_octets(bound);
    for form in [
        "a00401020304",
        "a10461626364",
        "a30461626364",
        "b00000000401020304",
        "c0050440404040",
        "c1050440414243",
        "d0000000080000000440404040",
        "e0050350010203",
        "f0000000080000000350010203",
    ] {
        assert_eq!(limit_of(form, &limits(4)), None, "{form}");
        assert_eq!(limit_of(form, &limits(3)), Some(LimitKind::ValueOctets), "{form}");
    }
    assert_eq!(limit_of("98000102030405060708090a0b0c0d0e0f", &limits(0)), None);
    assert_eq!(limit_of("a000", &limits(0)), None);
}

/// E-SIZE-05: limits hold inside the fields of frames.
#[test]
fn e_size_05_limits_hold_in_frames() {
    let open = |limits: &Limits| Open::decode(&mut octets("005310c00c01a109636f6e7461696e6572"), limits);
    assert!(open(&Limits::default().with_value_octets(9)).is_ok());
    let error = open(&Limits::default().with_value_octets(8)).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::Limit(LimitKind::ValueOctets));
    assert_eq!(error.field(), Some(("open", "container_id")));
    assert_eq!(error.condition(), Condition::DecodeError);
}

/// A depth that would need megabytes of stack if a level took a call.
const DEEP: usize = 100_000;

/// Runs on a thread whose stack is too small for recursion.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(128 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn deep_values_need_no_stack_to_live_and_die() {
    on_a_small_stack(|| {
        for (name, wrap) in NESTINGS {
            let value = nested(wrap, DEEP);
            let copy = value.clone();
            assert_eq!(copy, value, "{name}");
            assert_ne!(nested(wrap, DEEP - 1), value, "{name}");
            assert!(value.to_string().len() > DEEP, "{name}");
            assert_eq!(format!("{value:?}"), copy.to_string());
        }
    });
}

#[test]
fn deep_values_need_no_stack_to_be_written() {
    on_a_small_stack(|| {
        for (_, wrap) in NESTINGS {
            let value = nested(wrap, DEEP);
            let mut out = BytesMut::new();
            value.encode(&mut out).unwrap();
            assert_eq!(out.len(), value.encoded_len());
        }
    });
}

/// E-SIZE-06: deep values need no stack to decode, either, with the highest limit.
#[test]
fn e_size_06_deep_values_need_no_stack_to_be_read() {
    on_a_small_stack(|| {
        let limits = Limits::default().with_depth(u16::MAX).with_elements(u32::MAX);
        for (name, wrap) in NESTINGS {
            let value = nested(wrap, usize::from(u16::MAX));
            let mut out = BytesMut::new();
            value.encode(&mut out).unwrap();
            assert_eq!(Value::decode(&mut out.freeze(), &limits), Ok(value), "{name}");
        }
    });
}

#[test]
fn deep_values_in_frames_need_no_stack() {
    on_a_small_stack(|| {
        let deep = Described::new("x", nested(NESTINGS[0].1, DEEP));
        let mut disposition = Disposition::new(Role::Receiver, 1.into());
        disposition.state = Some(Outcome::Other(Box::new(deep)).into());
        let frame = Frame::new(Channel::new(0), disposition);
        let mut out = BytesMut::new();
        frame.encode(u32::MAX, &mut out).unwrap();
        assert!(format!("{frame:?}").len() > DEEP);
        assert_eq!(frame.clone(), frame);
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(&out);
        let error = deframer.next_frame(u32::MAX).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Limit(LimitKind::Depth));
        assert_eq!(error.field(), Some(("disposition", "state")));
    });
}

/// Values of 4 GiB and more, made of shared octets that are never touched.
#[test]
fn values_beyond_the_size_field_are_not_written() {
    let gigabyte = Bytes::from(vec![0u8; 1 << 30]);
    let list: List = std::iter::repeat_n(gigabyte, 4).collect();
    let value = Value::from(list);
    let mut out = BytesMut::from(&b"before"[..]);
    let octets = (1usize << 32) + 4 * 5 + 9;
    assert_eq!(value.encode(&mut out), Err(EncodeError::TooLarge { octets, limit: u32::MAX as usize }));
    assert_eq!(out, &b"before"[..]);
}

/// A01 to A24: hostile values, alone and in the properties of an open.
#[test]
fn hostile_values_are_refused_as_decode_errors() {
    let all = data("threats.json");
    let hostile: Vec<_> = all.as_array().unwrap().iter().filter(|t| text(t, "id").starts_with('A')).collect();
    assert_eq!(hostile.len(), 24);
    for threat in hostile {
        let may_accept = text(threat, "expect").starts_with("accept or");
        assert!(may_accept || text(threat, "expect") == "amqp:decode-error");
        let value = decode(text(threat, "value_hex"));
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(&octets(text(threat, "stream_hex")));
        deframer.next_header().unwrap().unwrap();
        let frame = deframer.next_frame(u32::MAX).unwrap().unwrap().decode(&Limits::DEFAULT);
        for error in [value.map(drop).err(), frame.map(drop).err()] {
            match error {
                Some(error) => assert_eq!(error.condition(), Condition::DecodeError, "{}", threat["id"]),
                None => assert!(may_accept, "{} is accepted", threat["id"]),
            }
        }
    }
}

/// The octets in harmless values are accepted.
#[test]
fn harmless_neighbours_of_hostile_values_are_accepted() {
    for form in [
        "f00000000500000fff40",
        "d00000000400000000",
        "c0020140",
        "c003024040",
        "c1050443404440",
        "b00000000100",
        "a102c3a9",
        "a3026869",
        "730010ffff",
        "5601",
        "40",
        "e0020041",
        "f00000000500000000a3",
    ] {
        assert!(decode(form).is_ok(), "{form}");
    }
    let symbols = format!("f0 000007d5 000007d0 a3 {}", "00".repeat(2000));
    assert_eq!(decode(&symbols).unwrap().as_array().unwrap().len(), 2000);
}

/// An error has the offset of the fault.
#[test]
fn errors_have_the_offset_of_the_fault() {
    for (form, offset) in [
        ("", 0),
        ("7000", 1),
        ("5602", 1),
        ("a105 68", 2),
        ("a104 6162c328", 4),
        ("c003 01 41 42", 4),
        ("c002 02 41", 1),
        ("c005 02 40 a10261", 6),
        ("c004 02 40 5602", 5),
        ("c1020141", 1),
        ("730000d800", 1),
        ("e0020146", 3),
        ("d000000006 00000001 5602", 10),
    ] {
        assert_eq!(decode(form).unwrap_err().offset(), offset, "{form}");
    }
}

/// The error's offset points at the octet that it names.
#[test]
fn errors_of_unassigned_constructors_point_at_them() {
    for (form, offset) in [("46", 0), ("c00201 46", 3), ("0046", 1), ("e00201 46", 3), ("c003 02 40 ff", 4)] {
        assert_eq!(decode(form).unwrap_err().offset(), offset, "{form}");
    }
}

/// Returns the error of a frame with this body.
fn frame_error(body: &str) -> DecodeError {
    let body = octets(body);
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(&octets(&format!("{:08x}02000000{}", body.len() + 8, hex(&body))));
    deframer.next_frame(512).unwrap().unwrap().decode(&Limits::DEFAULT).unwrap_err()
}

/// An error has the offset in the frame, the type and the field, and shows them as text.
#[test]
fn errors_name_the_field() {
    for (body, field, offset, shown) in [
        (
            "005310 c00401 a101ff",
            ("open", "container_id"),
            16,
            "string is not UTF-8 in open.container-id at offset 16 [1.6.20]",
        ),
        (
            "005310 c0020140",
            ("open", "container_id"),
            15,
            "mandatory field missing in open.container-id at offset 15 [1.4]",
        ),
        (
            "005312 c00804 a1016c 43 42 5003",
            ("attach", "snd_settle_mode"),
            20,
            "the value is not a sender-settle-mode in attach.snd-settle-mode at offset 20 [1.3.5]",
        ),
    ] {
        let error = frame_error(body);
        assert_eq!(error.field(), Some(field), "{error}");
        assert_eq!((error.to_string().as_str(), error.offset()), (shown, offset));
    }
}

/// An error has the innermost field and the offset of the wrong constructor.
#[test]
fn errors_of_wrong_types_point_at_the_constructor() {
    for (body, field, offset) in [
        ("005316 c0020144", ("detach", "handle"), 14),
        ("005317 c00901 00531d c003015001", ("error", "condition"), 20),
        ("005317 c0020141", ("end", "error"), 14),
    ] {
        let error = frame_error(body);
        assert!(matches!(error.kind(), DecodeErrorKind::Expected(_)), "{error}");
        assert_eq!(error.field(), Some(field), "{error}");
        assert_eq!(error.offset(), offset, "{error}");
    }
}

/// The text and the clause of each kind of error.
#[test]
fn errors_name_the_fault_and_the_clause() {
    for (form, shown) in [
        ("70", "the octets end inside a value at offset 1 [1.2]"),
        ("5602", "boolean octet 0x02 is neither 0 nor 1 at offset 1 [1.6.2]"),
        ("73 0000d800", "char 0x0000d800 is no Unicode scalar value at offset 1 [1.6.16]"),
        ("a101ff", "string is not UTF-8 at offset 2 [1.6.20]"),
        ("a301ff", "symbol is not ASCII at offset 2 [1.6.21]"),
        ("c003014142", "the size and the items disagree at offset 4 [1.2.3]"),
        ("c1020141", "map with an odd number of items at offset 1 [1.6.23]"),
        ("c10504434043 40", "map with the same key twice at offset 1 [1.6.23]"),
    ] {
        assert_eq!(decode(form).unwrap_err().to_string(), shown);
    }
    let limit = decode(&"00".repeat(40)).unwrap_err().to_string();
    assert!(limit.starts_with("this end's limit on depth is exceeded at offset "), "{limit}");
}

#[test]
fn limits_are_as_set() {
    let limits = Limits::default()
        .with_depth(1)
        .with_elements(2)
        .with_zero_width_elements(3)
        .with_value_octets(4)
        .with_sections(5);
    let own = (limits.depth(), limits.elements(), limits.zero_width_elements());
    assert_eq!((own, limits.value_octets(), limits.sections()), ((1, 2, 3), 4, 5));
    assert_eq!(Limits::default(), Limits::DEFAULT);
    assert_eq!((Limits::DEFAULT.depth(), Limits::DEFAULT.elements()), (32, 65_536));
    assert_eq!(Array::new(Kind::Null).len(), 0);
}
