//! Values as programs handle them: conversions, comparisons, iterators, and texts for people.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashSet;

use amqp_proto::config::{OnDrop, Ungranted};
use amqp_proto::symbol;
use amqp_proto::types::*;
use amqp_proto::wire::*;
use bytes::Bytes;

/// [1.6.24]: an array has elements of one type; its descriptors are no elements.
#[test]
fn arrays_hold_one_type_and_keep_descriptors_apart() {
    let mut array = Array::described([Value::Ulong(7)], Kind::Uint);
    assert!(array.is_empty());
    array.push(1_u32).unwrap();
    array.push(2_u32).unwrap();
    assert_eq!((array.len(), array.is_empty()), (2, false));
    assert_eq!(format!("{array:?}"), "array<uint>@ulong 7[uint 1, uint 2]");
    let wrong = array.push("three").unwrap_err();
    assert_eq!(wrong.to_string(), "a string cannot be an element of an array of uint [1.6.24]");
    let wrong = array.push(Described::new(1_u64, 1_u32)).unwrap_err();
    assert_eq!(wrong.to_string(), "a described value cannot be an element of an array of uint [1.6.24]");
    assert_eq!(array.into_elements(), [Value::Uint(1), Value::Uint(2)]);
    assert!(Array::from_values(Kind::Uint, [Value::Uint(1), Value::Null]).is_err());
}

/// [1.1.2]: a described value is a descriptor and a value.
#[test]
fn described_values_come_apart() {
    let described = Described::new(symbol!("test:it"), 5_u8);
    assert_eq!(format!("{described:?}"), "@:test:it ubyte 5");
    assert_eq!(described.into_parts(), (Value::from(symbol!("test:it")), Value::Ubyte(5)));
}

/// [1.4]: a field with `multiple="true"` holds any number of items.
#[test]
fn lists_of_many_items_compare_grow_and_are_iterated() {
    let mut many: Many<u32> = [1, 2].into_iter().collect();
    many.extend([3]);
    many.push(4);
    assert_eq!(many, [1, 2, 3, 4]);
    assert_eq!(many.as_ref(), &[1, 2, 3, 4][..]);
    assert_eq!((&many).into_iter().sum::<u32>(), 10);
    let of = |items: &[u32]| -> Many<u32> { items.into() };
    assert!(of(&[1, 2]) < of(&[1, 3]) && of(&[2]) > of(&[1, 3]));
    assert_eq!(of(&[1, 2]).cmp(&Many::<u32>::from(vec![1, 2])), std::cmp::Ordering::Equal);
    assert_ne!(of(&[1, 2]), of(&[1]));
    let mut items = many.into_iter();
    assert_eq!(items.size_hint(), (4, Some(4)));
    assert_eq!((items.next(), items.next()), (Some(1), Some(2)));
    assert_eq!(items.size_hint(), (2, Some(2)));
    assert_eq!(format!("{:?}", of(&[1, 2])), "[1, 2]");
}

/// [1.6.23]: a map is pairs, which come out in their order.
#[test]
fn maps_are_iterated_by_pairs() {
    let mut map = Map::from([("a", 1), ("b", 2), ("c", 3)]);
    assert_eq!(map.iter().len(), 3);
    assert_eq!(map.get_value(&Value::from("b")), Some(&Value::Int(2)));
    assert_eq!(map.remove("b"), Some(Value::Int(2)));
    assert_eq!(map.remove("b"), None);
    assert_eq!(format!("{map:?}"), r#"{"a" = int 1, "c" = int 3}"#);
    let mut pairs = map.into_iter();
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs.next(), Some((Value::from("a"), Value::Int(1))));
    assert_eq!(pairs.len(), 1);
}

/// [3.2.5]: application-properties hold simple values, and say so.
#[test]
fn maps_of_a_kind_refuse_what_their_kind_forbids() {
    let simple = SimpleValue::try_from(Value::Uint(1)).unwrap();
    assert_eq!((format!("{simple:?}"), simple.into_value()), ("uint 1".to_owned(), Value::Uint(1)));
    assert_eq!(SimpleValue::from(vec![1_u8]).into_value(), Value::Binary(Bytes::from_static(&[1])));
    let error = SimpleValue::try_from(Value::from(List::new())).unwrap_err();
    assert_eq!(error.to_string(), "application-properties may hold simple values only [3.2.5]");
    let map = Map::from([(symbol!("x-a"), 1)]);
    assert_eq!(Fields::try_from(map.clone()).unwrap().into_map(), map);
    let error = Fields::try_from(Map::from([(1, 1)])).unwrap_err();
    assert!(error.to_string().starts_with("fields "), "{error}");
}

/// [1.6.20] [1.6.21]: text and names are seen as text.
#[test]
fn strings_and_symbols_are_seen_as_text() {
    let (text, name) = (Str::from("né"), symbol!("name"));
    assert_eq!((text.as_ref(), name.as_ref()), ("né", "name"));
    assert_eq!((text.len(), text.is_empty(), name.len(), name.is_empty()), (3, false, 4, false));
    assert!(Str::from("").is_empty() && symbol!("").is_empty());
}

/// [2.8.7]: a tag has at most 32 octets; tags with the same octets are the same.
#[test]
fn tags_are_their_octets() {
    let tag = DeliveryTag::new(&[0, 0, 1, 2]).unwrap();
    assert_eq!(DeliveryTag::from(258_u32), tag);
    assert_eq!(format!("{tag:?}"), "0x00000102");
    let set: HashSet<DeliveryTag> = [tag, 258_u32.into(), 259_u32.into()].into();
    assert_eq!(set.len(), 2);
    let error = DeliveryTag::new(&[0; 33]).unwrap_err();
    assert_eq!(error.to_string(), "33 octets where at most 32 are allowed [2.8.7]");
}

/// [1.6]: a program that wants a number takes any integer type that holds it.
#[test]
fn integers_of_any_type_are_numbers() {
    let unsigned = [Value::Ubyte(9), Value::Ushort(9), Value::Uint(9), Value::Ulong(9)];
    let signed = [Value::Byte(9), Value::Short(9), Value::Int(9), Value::Long(9)];
    for value in unsigned.iter().chain(&signed) {
        assert_eq!((value.as_u64(), value.as_i64()), (Some(9), Some(9)), "{value:?}");
    }
    for value in [Value::Byte(-9), Value::Short(-9), Value::Int(-9), Value::Long(-9)] {
        assert_eq!((value.as_u64(), value.as_i64()), (None, Some(-9)), "{value:?}");
    }
    assert_eq!(Value::Ulong(u64::MAX).as_i64(), None);
    assert_eq!((Value::from("9").as_u64(), Value::from("9").as_i64()), (None, None));
}

/// [3.4]: outcomes as a log shows them.
#[test]
fn outcomes_say_what_happened() {
    let refused = Rejected { error: Some(AmqpError::from(Condition::NotFound).into()) };
    let modified = |failed, here| {
        Outcome::from(Modified::default().with_delivery_failed(failed).with_undeliverable_here(here))
    };
    let texts = [
        (Outcome::Accepted, "accepted"),
        (Outcome::Released, "released"),
        (Outcome::Rejected(Rejected { error: None }), "rejected"),
        (Outcome::Rejected(refused), "rejected: amqp:not-found"),
        (modified(true, true), "modified: delivery failed, undeliverable here"),
        (modified(true, false), "modified: delivery failed"),
        (modified(false, true), "modified: undeliverable here"),
        (modified(false, false), "modified"),
    ];
    for (outcome, text) in texts {
        assert_eq!(outcome.to_string(), text);
        let error = NotAccepted(Box::new(outcome));
        assert_eq!(error.to_string(), format!("the message was not accepted: {text}"));
    }
    let modified = Modified::failed().with_annotation(symbol!("x-opt-reason"), "off");
    assert_eq!(modified.message_annotations.get("x-opt-reason"), Some(&Value::from("off")));
}

/// [2.8.14]: a peer's description cannot forge lines of a log; its quotes stay as they are.
#[test]
fn errors_of_a_peer_are_safe_in_a_log() {
    let error = AmqpError::new(Condition::NotFound)
        .with_description("no 'jobs' or \"work\\\"\nOK \u{202e}")
        .with_info([(symbol!("port"), 5672)].into_iter().collect());
    assert_eq!(error.to_string(), r#"amqp:not-found: no 'jobs' or "work\"\nOK \u{202e} {:port = int 5672}"#);
}

/// [2.2]: a protocol header is shown by its protocol and version.
#[test]
fn protocol_headers_have_names() {
    let other = ProtocolHeader { id: ProtocolId::Other(9), ..ProtocolHeader::AMQP };
    let texts =
        [ProtocolHeader::AMQP, ProtocolHeader::TLS, ProtocolHeader::SASL, other].map(|h| h.to_string());
    assert_eq!(texts, ["AMQP 1.0.0", "TLS 1.0.0", "SASL 1.0.0", "protocol 9 1.0.0"]);
    assert_eq!(Bytes::from(ProtocolHeader::SASL), Bytes::from_static(b"AMQP\x03\x01\x00\x00"));
}

/// [3.5.9]: each lifetime policy is known by its code and by its name.
#[test]
fn lifetime_policies_are_known_by_code_and_by_name() {
    for policy in LifetimePolicy::ALL {
        let schema = policy.schema();
        for descriptor in [Value::Ulong(schema.code), Value::from(Symbol::from(schema.symbol))] {
            let value = Value::from(Described::new(descriptor, List::new()));
            assert_eq!(LifetimePolicy::from_value(&value), Some(policy));
        }
    }
    let other = Value::from(Described::new(0x24_u64, List::new()));
    assert_eq!(LifetimePolicy::from_value(&other), None);
    assert_eq!(LifetimePolicy::from_value(&Value::Null), None);
}

/// [2.6.3]: each part of a link that was not granted has a name.
#[test]
fn parts_that_are_not_granted_have_names() {
    let texts = [
        (Ungranted::Filter(symbol!("f")), "filter f"),
        (Ungranted::Capability(symbol!("c")), "capability c"),
        (Ungranted::Durability, "durability"),
        (Ungranted::Expiry, "expiry"),
        (Ungranted::Dynamic, "dynamic node"),
        (Ungranted::DistributionMode, "distribution mode"),
        (Ungranted::SenderSettleMode, "snd-settle-mode"),
        (Ungranted::ReceiverSettleMode, "rcv-settle-mode"),
    ];
    for (part, text) in texts {
        assert_eq!(part.to_string(), text);
    }
}

/// [3.4]: what becomes of a message that is dropped, also while its thread panics, or before its end.
#[test]
fn a_dropped_message_is_never_accepted_by_accident() {
    let failed = Outcome::from(Modified::failed());
    for (choice, calm, panicking) in [
        (OnDrop::Release, Some(Outcome::Released), Some(&failed)),
        (OnDrop::Accept, Some(Outcome::Accepted), Some(&failed)),
        (OnDrop::Keep, None, None),
    ] {
        assert_eq!(choice.outcome(false), calm);
        assert_eq!(choice.outcome(true).as_ref(), panicking);
    }
    assert_eq!(
        [OnDrop::Release, OnDrop::Accept, OnDrop::Keep].map(OnDrop::of_part),
        [OnDrop::Release, OnDrop::Release, OnDrop::Keep]
    );
}

/// [2.6.6]: serial numbers and moments are shown as numbers, and are numbers again.
#[test]
fn numbers_with_a_meaning_are_numbers() {
    assert_eq!(u32::from(SequenceNo::from(7)), 7);
    assert_eq!(u16::from(Channel::from(7)), 7);
    assert_eq!(Moment::from_millis(7).to_string(), "7 ms");
}

/// Every fault of octets is told in words, with the clause that they break.
#[test]
fn faults_of_octets_are_told_with_their_clause() {
    use amqp_proto::codec::{DecodeErrorKind as Kind, LimitKind};
    for (kind, text, clause) in [
        (Kind::Truncated, "the octets end inside a value", "[1.2]"),
        (Kind::Constructor(0x3f), "unassigned constructor 0x3f", "[1.2]"),
        (Kind::Boolean(2), "boolean octet 0x02 is neither 0 nor 1", "[1.6.2]"),
        (Kind::Char(0xd800), "char 0x0000d800 is no Unicode scalar value", "[1.6.16]"),
        (Kind::Utf8, "string is not UTF-8", "[1.6.20]"),
        (Kind::Ascii, "symbol is not ASCII", "[1.6.21]"),
        (Kind::Size, "the size and the items disagree", "[1.2.3]"),
        (Kind::Count, "the count is more than the size has room for", "[1.2.3]"),
        (Kind::OddMap, "map with an odd number of items", "[1.6.23]"),
        (Kind::DuplicateKey, "map with the same key twice", "[1.6.23]"),
        (Kind::Limit(LimitKind::Depth), "this end's limit on depth is exceeded", "[1.2]"),
        (Kind::Limit(LimitKind::Elements), "this end's limit on elements is exceeded", "[1.2]"),
        (
            Kind::Limit(LimitKind::ZeroWidthElements),
            "this end's limit on zero-width elements is exceeded",
            "[1.2]",
        ),
        (Kind::Limit(LimitKind::ValueOctets), "this end's limit on value octets is exceeded", "[1.2]"),
        (Kind::Limit(LimitKind::Sections), "this end's limit on sections is exceeded", "[3.2]"),
        (Kind::Trailing, "octets are left over", "[2.3.2]"),
        (Kind::Expected("open"), "open expected", "[1.4]"),
        (Kind::Descriptor, "descriptor out of place", "[1.4]"),
        (Kind::TooManyFields, "more fields than the type has", "[1.4]"),
        (Kind::Missing, "mandatory field missing", "[1.4]"),
        (Kind::Choice("role"), "the value is not a role", "[1.3.5]"),
        (Kind::TooLong, "more than 32 octets", "[2.8.7]"),
        (Kind::NotAllowed("fields"), "key or value not allowed in fields", "[1.6.23]"),
        (Kind::FrameSize(7), "the frame size 7 is less than the 8 octets of a frame header", "[2.3.1]"),
        (Kind::FrameTooLarge { size: 9, limit: 8 }, "the frame size 9 exceeds the limit of 8", "[2.7.1]"),
        (Kind::DataOffset(1), "the data offset 1 lies outside the frame", "[2.3.1]"),
        (Kind::FrameType(9), "unknown frame type 9", "[2.3.1]"),
        (Kind::EmptySaslFrame, "empty SASL frame", "[5.3.1]"),
        (Kind::ProtocolHeader, "not a protocol header", "[2.2]"),
        (Kind::SectionOrder, "message section out of order or repeated", "[3.2]"),
        (Kind::BodyMix, "body sections of different kinds", "[3.2]"),
    ] {
        assert_eq!((kind.to_string().as_str(), kind.clause()), (text, clause));
    }
    let error = Value::decode(&mut Bytes::from_static(&[0x56, 2]), &Limits::DEFAULT).unwrap_err();
    assert_eq!(error.to_string(), "boolean octet 0x02 is neither 0 nor 1 at offset 1 [1.6.2]");
}
