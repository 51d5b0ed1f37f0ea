//! Messages as an application builds and reads them: every section, against octets written by hand [3.2].
//!
//! `message_view.rs` tests received messages piece by piece.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, EncodeError};
use amqp_proto::message::{Body, Message, Payload};
use amqp_proto::symbol;
use amqp_proto::types::{
    Annotations, ApplicationProperties, Described, Limits, List, Map, SequenceNo, SimpleValue, Str,
    Timestamp, Uuid, Value,
};
use amqp_proto::wire::{Header, MessageId, Properties};
use bytes::{Bytes, BytesMut};
use common::{hex, octets};

/// Encodes a message in all ways, and checks the announced length. A buffer with room gets most messages without a measurement.
fn encode(message: &Message) -> String {
    let mut out = BytesMut::from(&b"before"[..]);
    message.encode(&mut out).unwrap();
    let written = out.split_off(6);
    assert_eq!(out, "before");
    assert_eq!(written.len(), message.encoded_len(), "announced length of {message:?}");
    assert_eq!(message.to_payload().unwrap().to_bytes(), written, "{message:?}");
    let mut room = BytesMut::with_capacity(1024);
    room.extend_from_slice(b"before");
    message.encode(&mut room).unwrap();
    assert_eq!(room.split_off(6), written, "with room: {message:?}");
    hex(&written)
}

fn read(hex: &str) -> Result<Message, DecodeError> {
    Message::decode(octets(hex), &Limits::DEFAULT)
}

fn wrong(hex: &str) -> DecodeErrorKind {
    read(hex).expect_err(hex).kind()
}

/// Octets by hand, without the blanks that are there for the reader.
fn plain(hex: &str) -> String {
    common::hex(&octets(hex))
}

/// Checks that the message encodes to these octets, and that they decode to the message.
fn check(message: &Message, hex: &str) {
    assert_eq!(encode(message), plain(hex), "{message:?}");
    assert_eq!(read(hex).as_ref(), Ok(message), "{hex}");
}

/// A list of this number of fields.
fn list8(count: usize, fields: &str) -> String {
    format!("c0{:02x}{count:02x}{fields}", octets(fields).len() + 1)
}

/// A section followed by an empty body.
fn with_body(section: &str) -> String {
    format!("{section} 00537740")
}

/// Every section, every field.
const COMPLETE: &str = "
    005370 c00c05 41 5009 700000ea60 41 5202
    005371 c10d02 a308782d6f70742d6461 5201
    005372 c10e02 a308782d6f70742d6d61 a10176
    005373 c0420d a10469642d31 a00175 a10171 a10173 a10172 5307 a30a746578742f706c61696e a304677a6970
                  830000013167adb8a1 830000013167adb698 a10167 5201 a1027267
    005374 c10c04 a1016b a10176 a1016e 5201
    005375 a0077061796c6f6164
    005378 c10b02 a307782d6f70742d66 41";

fn complete() -> Message {
    let mut message = Message::new(b"payload")
        .with_durable(true)
        .with_priority(9)
        .with_ttl(Duration::from_millis(60_000))
        .with_annotation(symbol!("x-opt-ma"), "v")
        .with_message_id("id-1")
        .with_to("q")
        .with_subject("s")
        .with_reply_to("r")
        .with_correlation_id(7)
        .with_content_type(symbol!("text/plain"))
        .with_group_id("g")
        .with_property("k", "v")
        .with_property("n", 1u32);
    message.header_mut().first_acquirer = true;
    message.header_mut().delivery_count = 2;
    message.delivery_annotations_mut().insert(symbol!("x-opt-da"), 1u32);
    let properties = message.properties_mut();
    properties.user_id = Some(Bytes::from_static(b"u"));
    properties.content_encoding = Some(symbol!("gzip"));
    properties.absolute_expiry_time = Some(Timestamp::from_millis(1_311_704_463_521));
    properties.creation_time = Some(Timestamp::from_millis(1_311_704_463_000));
    properties.group_sequence = Some(SequenceNo::new(1));
    properties.reply_to_group_id = Some("rg".into());
    message.footer_mut().insert(symbol!("x-opt-f"), true);
    message
}

/// M-SEC-01, M-SEC-04
#[test]
fn m_sec_01_all_sections_are_written_in_order() {
    check(&complete(), COMPLETE);
}

/// M-SEC-01: sections without content are left out. M-PROP-04: no content-type is made up.
#[test]
fn m_sec_01_empty_sections_are_left_out() {
    check(&Message::from("hi"), "005377 a1026869");
    let mut message = Message::from("hi");
    // A request for a section does not fill it.
    message.properties_mut();
    message.footer_mut();
    assert_eq!(encode(&message), "005377a1026869");
    let empty = "005370 45 005371 c10100 005372 d10000000400000000 005373 c00100 005374 c10100
                 005377 a1026869 005378 c10100";
    assert_eq!(read(empty), Ok(Message::from("hi")));
}

/// M-SEC-03
#[test]
fn m_sec_03_a_body_is_always_written_but_may_be_missing() {
    assert_eq!(encode(&Message::default()), "00537740");
    assert_eq!(encode(&Message::new(Body::Data([].into_iter().collect()))), "005375a000");
    assert_eq!(encode(&Message::new(Body::Sequence([].into_iter().collect()))), "00537645");
    assert_eq!(read(""), Ok(Message::default()));
    let read = read("005370 45 005373 45").unwrap();
    assert_eq!(read.body(), &Body::Empty);
    assert_eq!(encode(&read), "00537740");
}

/// M-HDR-01
#[test]
fn m_hdr_01_a_header_that_is_absent_reads_as_its_defaults() {
    let defaults =
        Header { durable: false, priority: None, ttl: None, first_acquirer: false, delivery_count: 0 };
    for section in ["", "005370 45", "005370 c00605 40 40 40 40 40", "005370 c00605 42 40 40 42 43"] {
        assert_eq!(read(&with_body(section)).unwrap().header(), &defaults, "{section}");
    }
}

/// M-HDR-01 [3.2.1]: a priority that was set is written, also the default one, and stays when the message is
/// forwarded.
#[test]
fn m_hdr_01_a_priority_that_was_set_is_written() {
    assert_eq!(encode(&Message::from("hi")), "005377a1026869");
    check(&Message::from("hi").with_priority(4), "005370 c00402 40 5004 005377 a1026869");
    check(&Message::from("hi").with_priority(5), "005370 c00402 40 5005 005377 a1026869");
}

/// M-HDR-05
#[test]
fn m_hdr_05_a_ttl_of_0_is_not_the_same_as_none() {
    check(&Message::from("hi").with_ttl(Duration::from_millis(0)), "005370 c00403 40 40 43 005377 a1026869");
    let ttl = |fields| read(&with_body(fields)).unwrap().header().ttl;
    assert_eq!(ttl("005370 c00403 40 40 43"), Some(0));
    assert_eq!(ttl("005370 c00403 40 40 40"), None);
    assert_eq!(ttl("005370 c00402 40 5004"), None);
    assert_eq!(ttl("005370 c00803 40 40 70ffffffff"), Some(u32::MAX));
}

/// M-PROP-01: each property at its place, with nulls before it and nothing behind it.
#[test]
fn m_prop_01_every_property_has_its_place() {
    type Set = fn(&mut Properties);
    let fields: [(&str, Set); 13] = [
        ("a10469642d31", |p| p.message_id = Some("id-1".into())),
        ("a00175", |p| p.user_id = Some(Bytes::from_static(b"u"))),
        ("a10171", |p| p.to = Some("q".into())),
        ("a10173", |p| p.subject = Some("s".into())),
        ("a10172", |p| p.reply_to = Some("r".into())),
        ("5307", |p| p.correlation_id = Some(7.into())),
        ("a30a746578742f706c61696e", |p| p.content_type = Some(symbol!("text/plain"))),
        ("a304677a6970", |p| p.content_encoding = Some(symbol!("gzip"))),
        ("83fffffffffffffffe", |p| p.absolute_expiry_time = Some(Timestamp::from_millis(-2))),
        ("830000013167adb698", |p| p.creation_time = Some(Timestamp::from_millis(1_311_704_463_000))),
        ("a10167", |p| p.group_id = Some("g".into())),
        ("70ffffffff", |p| p.group_sequence = Some(SequenceNo::new(u32::MAX))),
        ("a1027267", |p| p.reply_to_group_id = Some("rg".into())),
    ];
    for (at, (value, set)) in fields.iter().enumerate() {
        let mut message = Message::from(&b"x"[..]);
        set(message.properties_mut());
        let section = list8(at + 1, &format!("{}{value}", "40".repeat(at)));
        check(&message, &format!("005373 {section} 005375 a00178"));
    }
    let too_many = list8(14, &"40".repeat(14));
    assert_eq!(wrong(&with_body(&format!("005373 {too_many}"))), DecodeErrorKind::TooManyFields);
    let all_null = list8(13, &"40".repeat(13));
    assert_eq!(read(&with_body(&format!("005373 {all_null}"))).unwrap().properties(), &Properties::default());
}

/// M-PROP-02
#[test]
fn m_prop_02_ids_are_ulongs_uuids_binaries_or_strings() {
    let uuid = Uuid::from_bytes(*b"0123456789abcdef");
    let ids: [(&str, MessageId); 9] = [
        ("44", 0.into()),
        ("5301", 1.into()),
        ("8000000000ffffffff", u64::from(u32::MAX).into()),
        ("9830313233343536373839616263646566", uuid.into()),
        ("a000", Bytes::new().into()),
        ("a0020102", Bytes::from_static(&[1, 2]).into()),
        ("a100", "".into()),
        ("a103c3a974", "ét".into()),
        ("a10130", Str::from_static("0").into()),
    ];
    for (value, id) in ids {
        check(
            &Message::new(b"x").with_message_id(id.clone()),
            &format!("005373 {} 005375 a00178", list8(1, value)),
        );
        let correlation = list8(6, &format!("4040404040{value}"));
        check(&Message::new(b"x").with_correlation_id(id), &format!("005373 {correlation} 005375 a00178"));
    }
    for (wide, id) in [
        ("800000000000000001", MessageId::from(1)),
        ("b0000000020102", Bytes::from_static(&[1, 2]).into()),
        ("b10000000130", "0".into()),
    ] {
        let message = read(&with_body(&format!("005373 {}", list8(1, wide)))).unwrap();
        assert_eq!(message.properties().message_id, Some(id), "{wide}");
    }
    let expected = DecodeErrorKind::Expected("message-id");
    for other in ["43", "5201", "7000000001", "5001", "5501", "a30130", "41", "45", "830000000000000000"] {
        assert_eq!(wrong(&with_body(&format!("005373 {}", list8(1, other)))), expected, "{other}");
        let correlation = list8(6, &format!("4040404040{other}"));
        let error = read(&with_body(&format!("005373 {correlation}"))).unwrap_err();
        assert_eq!(error.kind(), expected, "{other}");
        assert_eq!(error.field(), Some(("properties", "correlation_id")));
    }
}

/// M-PROP-03
#[test]
fn m_prop_03_addresses_are_strings() {
    for nulls in ["4040", "40404040"] {
        let count = nulls.len() / 2 + 1;
        let section = |value| with_body(&format!("005373 {}", list8(count, &format!("{nulls}{value}"))));
        assert!(read(&section("a10171")).is_ok());
        assert!(read(&section("b10000000171")).is_ok());
        for other in ["a00171", "a30171", "5301", "c10100", "9830313233343536373839616263646566"] {
            assert_eq!(wrong(&section(other)), DecodeErrorKind::Expected("string"), "{other}");
        }
    }
}

/// M-PROP-05
#[test]
fn m_prop_05_content_encoding_goes_with_data_only() {
    let bodies = [
        (Body::Data(Bytes::from_static(b"x").into()), true),
        (Body::Data([].into_iter().collect()), true),
        (Body::Value("x".into()), false),
        (Body::Value(Value::Binary(Bytes::from_static(b"x"))), false),
        (Body::Sequence(List::new().into()), false),
        (Body::Empty, false),
    ];
    for (body, allowed) in bodies {
        let message = Message::new(body).with_content_encoding(symbol!("gzip"));
        if allowed {
            assert_eq!(message.unwrap().properties().content_encoding, Some(symbol!("gzip")));
        } else {
            assert_eq!(message, Err(EncodeError::ContentEncoding));
        }
    }
    let data = Message::from(vec![1]);
    assert_eq!(data.with_content_encoding(symbol!("identity")), Err(EncodeError::ContentEncoding));
    // Received, such an encoding is readable, and it is written again when the message is forwarded.
    let sent = format!("005373 {} 005377 a10178", list8(8, &format!("{}a304677a6970", "40".repeat(7))));
    let message = read(&sent).unwrap();
    assert_eq!(message.properties().content_encoding, Some(symbol!("gzip")));
    assert_eq!(message.to_payload().unwrap().to_bytes(), octets(&sent));
}

/// M-APP-01 [3.2.5]: lists, maps and arrays are never sent as properties. A received one does not hide other
/// properties.
#[test]
fn m_app_01_an_odd_entry_hides_no_other() {
    for value in ["45", "c00100", "c0020140", "c10100", "e0020040", "00530145", "00a30178 005301 c10100"] {
        let odd = common::decode(value).unwrap();
        assert!(SimpleValue::try_from(odd.clone()).is_err(), "{value}");
        let value = hex(&octets(value));
        let message = read(&with_body(&format!("005374 {}", map8("a1016b", &value)))).unwrap();
        assert_eq!(message.application_properties().get("k"), Some(&odd));
    }
    for key in ["a3016b", "5301", "a0016b", "40", "43"] {
        let body = format!("{key}41a1016e5401");
        let section = format!("c1{:02x}04{body}", body.len() / 2 + 1);
        let message = read(&with_body(&format!("005374 {section}"))).unwrap();
        let number = message.application_properties().get("n").and_then(Value::as_i64);
        assert_eq!(number, Some(1), "{key}");
    }
    let map = Map::from_iter([("k", Value::Map(Map::new()))]);
    assert!(ApplicationProperties::try_from(map).is_err());
}

/// M-APP-01
#[test]
fn m_app_01_application_properties_hold_simple_values_under_strings() {
    let simple = "
        40 41 42 5601 5001 600001 43 5201 7000000001 44 5301 800000000000000001 5101 610001 5401
        7100000001 5501 810000000000000001 723f800000 823ff0000000000000 7422500001
        8431c0000000000001 9430400000000000000000000000000001 7300000061 830000000000000001
        9830313233343536373839616263646566 a00178 b00000000178 a10178 b10000000178 a30178
        b30000000178";
    for value in simple.split_whitespace() {
        let message = read(&with_body(&format!("005374 {}", map8("a1016b", value)))).unwrap();
        let properties = message.application_properties();
        assert_eq!((properties.len(), properties.get("k").is_some()), (1, true), "{value}");
        assert_eq!(read(&encode(&message)), Ok(message), "{value}");
    }
    // Described values of these types, too.
    for value in ["00530140", "00a3017840", "00a30178 005301 a10178"] {
        let value = common::decode(value).unwrap();
        let properties: ApplicationProperties =
            [("k", SimpleValue::try_from(value.clone()).unwrap())].into_iter().collect();
        let mut message = Message::from("x");
        *message.application_properties_mut() = properties;
        assert_eq!(read(&encode(&message)), Ok(message), "{value}");
    }
    for other in ["45", "40", "a10178"] {
        assert_eq!(
            wrong(&with_body(&format!("005374 {other}"))),
            DecodeErrorKind::Expected("map"),
            "{other}"
        );
    }
}

/// A map of one pair.
fn map8(key: &str, value: &str) -> String {
    format!("c1{:02x}02{key}{value}", octets(key).len() + octets(value).len() + 1)
}

/// M-ANN-01, M-ANN-02, M-FOOT-01: the three kinds of annotations and the footer behave alike.
#[test]
fn m_ann_01_annotations_have_symbols_ulongs_or_tolerated_strings_as_keys() {
    type Get = fn(&Message) -> &Annotations;
    let sections: [(u8, Get); 3] = [
        (0x71, Message::delivery_annotations),
        (0x72, Message::message_annotations),
        (0x78, Message::footer),
    ];
    for (code, annotations) in sections {
        let message = |key, value| {
            let section = format!("0053{code:02x} {}", map8(key, value));
            if code == 0x78 { format!("00537740 {section}") } else { with_body(&section) }
        };
        // Values may be anything.
        for value in ["40", "41", "45", "c10100", "e0020040", "00539941", "d000000006000000015401"] {
            let read = read(&message("a307782d6f70742d61", value)).expect(value);
            assert_eq!(annotations(&read).get("x-opt-a"), Some(&common::decode(value).unwrap()), "{value}");
            assert_eq!(self::read(&encode(&read)), Ok(read), "{value}");
        }
        for key in ["a307782d6f70742d61", "a30171", "b30000000171", "44", "5301", "a10171", "a300"] {
            let read = read(&message(key, "41")).expect(key);
            let key = common::decode(key).unwrap();
            assert_eq!(annotations(&read).as_map().get_value(&key), Some(&true.into()), "{key}");
        }
        for key in ["40", "43", "5201", "a00171", "41", "45", "5501"] {
            assert_eq!(wrong(&message(key, "41")), DecodeErrorKind::NotAllowed("annotations"), "{key}");
        }
    }
}

/// M-ANN-01: reserved ulong keys are written as such.
#[test]
fn m_ann_01_keys_are_written_by_type() {
    let message =
        Message::from("hi").with_annotation(symbol!("x-opt-a"), 1).with_annotation(300, Value::Null);
    check(&message, "005372 c11604 a307782d6f70742d61 5401 80000000000000012c 40 005377 a1026869");
}

/// M-DANN-01: an absent section reads as empty, and the reserved key takes an error.
#[test]
fn m_dann_01_delivery_annotations() {
    assert!(read("00537740").unwrap().delivery_annotations().is_empty());
    let mut message = Message::from("hi");
    let error = Described::new(0x1du64, List::from_iter([Value::from(symbol!("amqp:not-found"))]));
    message.delivery_annotations_mut().insert(symbol!("rejected"), error);
    check(
        &message,
        "005371 c12102 a30872656a6563746564 00531d c01101 a30e616d71703a6e6f742d666f756e64 005377 a1026869",
    );
}

/// M-MANN-01: an absent section reads as empty.
#[test]
fn m_mann_01_message_annotations() {
    assert!(read("00537740").unwrap().message_annotations().is_empty());
    assert!(read("005372 c10100 00537740").unwrap().message_annotations().is_empty());
    let mut message = Message::from("hi").with_annotation(symbol!("x-opt-a"), 1);
    assert_eq!(message.message_annotations_mut().remove("x-opt-a"), Some(1.into()));
    assert_eq!(encode(&message), "005377a1026869");
}

/// M-BODY-01
#[test]
fn m_body_01_data_is_binary() {
    check(&Message::new(b"abc"), "005375 a003616263");
    let two = [Bytes::from_static(b"ab"), Bytes::from_static(b"c")];
    check(&Message::new(Body::Data(two.into_iter().collect())), "005375 a0026162 005375 a00163");
    let (narrow, wide) = (vec![7; 255], vec![7; 256]);
    check(&Message::from(narrow), &format!("005375 a0ff {}", "07".repeat(255)));
    check(&Message::from(wide), &format!("005375 b000000100 {}", "07".repeat(256)));
    assert_eq!(read("005375 b000000003616263"), Ok(Message::new(b"abc")));
    for other in ["a10178", "a30178", "45", "40", "5001", "00530140"] {
        assert_eq!(wrong(&format!("005375 {other}")), DecodeErrorKind::Expected("binary"), "{other}");
    }
}

/// M-BODY-02
#[test]
fn m_body_02_a_sequence_is_made_of_lists() {
    let list = List::from_iter([Value::from(1), "a".into()]);
    check(&Message::from(Body::Sequence(list.clone().into())), "005376 c00602 5401 a10161");
    let two = Body::Sequence([list, List::new()].into_iter().collect());
    check(&Message::from(two.clone()), "005376 c00602 5401 a10161 005376 45");
    let wide = "005376 d000000009000000025401a10161 005376 d00000000400000000";
    assert_eq!(read(wide).unwrap().body(), &two);
    assert_eq!(read("005376 c00602 5401 a10161 005376 c00100").unwrap().body(), &two);
    for other in ["a10178", "c10100", "e0020040", "40", "00530145"] {
        assert_eq!(wrong(&format!("005376 {other}")), DecodeErrorKind::Expected("list"), "{other}");
    }
    // A list can also be the value of a value body, which is another body.
    check(&Message::from(List::new()), "005377 45");
}

/// M-BODY-03
#[test]
fn m_body_03_an_amqp_value_is_any_value() {
    let values = "
        40 41 42 5001 600001 43 5201 7000000100 44 5301 800000000000000100 51ff 61ff00 54ff
        7100000100 55ff 810000000000000100 723f800000 823ff0000000000000 7422500001
        8431c0000000000001 9430400000000000000000000000000001 7300000061 830000000000000001
        9830313233343536373839616263646566 a00178 a10178 a30178 45 c0020140 c103024340 e003015001
        00539943 00a3017840";
    for value in values.split_whitespace() {
        let message = Message::from(common::decode(value).unwrap());
        check(&message, &format!("005377 {value}"));
        assert_eq!(message.body().as_value(), Some(&common::decode(value).unwrap()));
    }
    assert_eq!(wrong("0053770053993f"), DecodeErrorKind::Constructor(0x3f));
}

/// M-FOOT-01
#[test]
fn m_foot_01_the_footer_stands_behind_every_form_of_body() {
    for (body, hex) in [
        (Body::from("hi"), "005377 a1026869"),
        (Body::from(b"hi"), "005375 a0026869"),
        (Body::Sequence(List::new().into()), "005376 45"),
    ] {
        let mut message = Message::new(body);
        message.footer_mut().insert(symbol!("x-opt-crc"), 7u32);
        check(&message, &format!("{hex} 005378 c10e02 a309782d6f70742d637263 5207"));
    }
}

/// Strings and numbers become a value body, octets become a data body.
#[test]
fn messages_are_made_from_strings_numbers_and_octets() {
    let hi = "005377a1026869";
    check(&Message::from("hi"), hi);
    check(&Message::from(String::from("hi")), hi);
    check(&Message::from(Str::from_static("hi")), hi);
    check(&Message::from(Value::from("hi")), hi);
    check(&Message::from(Body::from("hi")), hi);
    check(&Message::from(List::from_iter([true])), "005377 c00201 41");
    check(&Message::from(Map::from_iter([("k", true)])), "005377 c10502 a1016b 41");
    let octets = "005375a0026869";
    check(&Message::from(Bytes::from_static(b"hi")), octets);
    check(&Message::from(b"hi".to_vec()), octets);
    check(&Message::from(&b"hi"[..]), octets);
    check(&Message::new(b"hi"), octets);
    check(&Message::new(true), "00537741");
    check(&Message::new(1u32), "0053775201");
    check(&Message::new(1u64), "0053775301");
    check(&Message::new(-1), "00537754ff");
    check(&Message::new(-1i64), "00537755ff");
    check(&Message::new(1.0), "005377823ff0000000000000");
    assert_eq!(Message::from("hi").into_body().as_str(), Some("hi"));
    assert_eq!(Body::from(b"hi").as_str(), None);
    assert_eq!(Body::Value(Value::Binary(Bytes::from_static(b"hi"))).as_bytes().unwrap(), "hi");
    assert_eq!(Body::from("hi").as_bytes(), None);
}

/// The encoding does not depend on the free space of the buffer, which decides whether sections are measured before they are written.
#[test]
fn messages_are_written_the_same_wherever_there_is_room() {
    for filling in 0..=300 {
        let text = "x".repeat(filling);
        let messages = [
            Message::from("hi").with_durable(true).with_subject(text.as_str()),
            Message::from(b"hi").with_property("k", text.as_str()),
            Message::new(Body::Sequence(List::from_iter(["hi"]).into()))
                .with_annotation(symbol!("x-opt-k"), text.as_str()),
            Message::from("hi").with_delivery_annotation(symbol!("x-opt-k"), text.as_str()),
            Message::new(Body::Value(text.clone().into())),
            Message::from(text.clone().into_bytes()).with_priority(9),
            Message::from("hi").with_subject(text.as_str()).with_footer(symbol!("x-opt-f"), true),
        ];
        for message in messages {
            written_alike(&message);
        }
    }
    // Up to 127 pairs, a map needs one octet for its count.
    for count in [126, 127, 128] {
        let named = |message: Message, key: i32| message.with_property(key.to_string(), true);
        let message = (0..count).fold(Message::from("hi"), named);
        written_alike(&message);
    }
}

fn written_alike(message: &Message) {
    let mut small = BytesMut::new();
    message.encode(&mut small).unwrap();
    assert_eq!(small.len(), message.encoded_len());
    assert_eq!(Message::decode(small.clone().freeze(), &Limits::DEFAULT).as_ref(), Ok(message));
    for room in [0, 255, 256, 257, 4096] {
        let mut out = BytesMut::with_capacity(6 + room);
        out.extend_from_slice(b"before");
        message.encode(&mut out).unwrap();
        assert_eq!(out.split_off(6), small, "room for {room}: {message:?}");
        assert_eq!(out, "before");
    }
}

/// Large data is shared with the frames, small data is copied.
#[test]
fn to_payload_shares_large_data_and_copies_small() {
    let large = Bytes::from(vec![7; 1 << 20]);
    let mut message = Message::from(large.clone()).with_subject("s");
    message.footer_mut().insert(symbol!("x-opt-f"), true);
    let payload = message.to_payload().unwrap();
    let shared =
        |payload: &Payload| payload.chunks().iter().filter(|chunk| chunk.as_ptr() == large.as_ptr()).count();
    assert_eq!((payload.chunks().len(), shared(&payload)), (3, 1));
    assert_eq!(payload.chunks()[1].len(), large.len());

    let sections = [Bytes::from_static(b"a"), large.clone(), Bytes::from_static(b"b"), large.clone()];
    let message = Message::new(Body::Data(sections.into_iter().collect()));
    let payload = message.to_payload().unwrap();
    assert_eq!((payload.chunks().len(), shared(&payload)), (4, 2));
    assert_eq!(Message::decode(payload, &Limits::DEFAULT), Ok(message));

    let small = Bytes::from(vec![7; 100]);
    let payload = Message::from(small.clone()).with_subject("s").to_payload().unwrap();
    let [chunk] = payload.chunks() else { panic!("{payload:?}") };
    assert!(!chunk.as_ptr_range().contains(&small.as_ptr()));
}

/// E-SIZE-04: a section beyond the largest size field is refused before anything is written.
#[test]
#[cfg(target_pointer_width = "64")]
fn messages_beyond_4_gib_are_refused() {
    let large = Bytes::from(vec![0; 1 << 20]);
    let message = Message::new(Body::Data((0..4096).map(|_| large.clone()).collect()));
    let octets = 4096 * ((1 << 20) + 8);
    assert_eq!(message.encoded_len(), octets);
    let refused = Err(EncodeError::TooLarge { octets, limit: 0xffff_ffff });
    assert_eq!(message.to_payload().map(|payload| payload.len()), refused);
    let mut out = BytesMut::new();
    assert!(message.encode(&mut out).is_err());
    assert!(out.is_empty());
    let message = Message::new(Body::Data((0..4095).map(|_| large.clone()).collect()));
    assert_eq!(message.to_payload().unwrap().len(), message.encoded_len());
}
