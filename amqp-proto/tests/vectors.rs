//! The 200 golden vectors written by rhea and proton, and the 24 malformed ones.
//!
//! Decoded values are printed in the notation of the vectors, by code that shares nothing with the crate's own
//! printing. Names of descriptors and fields come from `SCHEMAS`, which `table.rs` checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::{DecodeError, DecodeErrorKind, FieldSchema, LimitKind, Schema};
use amqp_proto::symbol;
use amqp_proto::types::{Array, Described, Kind, Limits, List, Map, Value};
use amqp_proto::wire::{Deframer, Frame, ProtocolHeader, SCHEMAS};
use bytes::{Buf, Bytes, BytesMut};
use common::{data, decode, encode, hex, octets, text};

/// A golden vector.
#[derive(Clone)]
struct Example {
    name: String,
    kind: String,
    octets: Bytes,
    decoded: String,
}

fn examples(kinds: &[&str]) -> Vec<Example> {
    let all = data("wire-examples.json");
    let all = all["examples"].as_array().unwrap();
    assert_eq!(all.len(), 200);
    let read = |e: &serde_json::Value| Example {
        name: text(e, "name").to_owned(),
        kind: text(e, "kind").to_owned(),
        octets: octets(text(e, "hex")),
        decoded: text(e, "decoded").to_owned(),
    };
    all.iter().map(read).filter(|e| kinds.contains(&e.kind.as_str())).collect()
}

fn schema(descriptor: &Value) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| match descriptor {
        Value::Ulong(code) => *code == schema.code,
        Value::Symbol(name) => *name == *schema.symbol,
        _ => false,
    })
}

/// A value in the notation of the vectors.
fn render(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Ubyte(n) => format!("ubyte {n}"),
        Value::Ushort(n) => format!("ushort {n}"),
        Value::Uint(n) => format!("uint {n}"),
        Value::Ulong(n) => format!("ulong {n}"),
        Value::Byte(n) => format!("byte {n}"),
        Value::Short(n) => format!("short {n}"),
        Value::Int(n) => format!("int {n}"),
        Value::Long(n) => format!("long {n}"),
        Value::Float(n) => format!("float {}", render_float(f64::from(*n))),
        Value::Double(n) => format!("double {}", render_float(*n)),
        Value::Decimal32(n) => format!("decimal32 0x{}", hex(&n.to_be_bytes())),
        Value::Decimal64(n) => format!("decimal64 0x{}", hex(&n.to_be_bytes())),
        Value::Decimal128(n) => format!("decimal128 0x{}", hex(&n.to_be_bytes())),
        Value::Char(c) => format!("char U+{:04X}", u32::from(*c)),
        Value::Timestamp(time) => format!("timestamp {}", time.as_millis()),
        Value::Uuid(id) => format!("uuid {}", render_uuid(id.as_bytes())),
        Value::Binary(octets) => format!("binary 0x{}", hex(octets)),
        Value::String(text) => format!("string {}", serde_json::to_string(text.as_str()).unwrap()),
        Value::Symbol(name) => format!("symbol :{}", name.as_str()),
        Value::List(list) => format!("list [{}]", render_all(list)),
        Value::Map(map) => {
            let pairs: Vec<_> = map.iter().map(|(k, v)| format!("{} = {}", render(k), render(v))).collect();
            format!("map {{{}}}", pairs.join(", "))
        }
        Value::Array(array) => render_array(array),
        Value::Described(described) => render_described(described),
    }
}

fn render_all(values: &[Value]) -> String {
    values.iter().map(render).collect::<Vec<_>>().join(", ")
}

/// Prints a float like Python: with a sign before a positive exponent.
fn render_float(number: f64) -> String {
    let text = format!("{number:?}");
    if text.contains("e-") { text } else { text.replace('e', "e+") }
}

fn render_uuid(octets: &[u8; 16]) -> String {
    let groups = [0..4, 4..6, 6..8, 8..10, 10..16];
    groups.map(|group| hex(&octets[group])).join("-")
}

fn render_array(array: &Array) -> String {
    let descriptors: String = array.descriptors().iter().map(|d| format!("@{} ", render(d))).collect();
    format!("array<{descriptors}{}>[{}]", array.kind().name(), render_all(array.elements()))
}

fn render_described(described: &Described) -> String {
    let (descriptor, value) = (described.descriptor(), described.value());
    match (schema(descriptor), value) {
        (Some(schema), Value::List(list)) if !schema.fields.is_empty() => {
            let fields: Vec<_> = fields_of(schema, list).map(|(f, v)| format!("{f}={}", render(v))).collect();
            format!("@{}[{}]", schema.symbol, fields.join(", "))
        }
        (Some(schema), value) => format!("@{} {}", schema.symbol, render(value)),
        (None, value) => format!("@({}) {}", render(descriptor), render(value)),
    }
}

/// The fields that are not null, by name.
fn fields_of<'a>(schema: &'a Schema, list: &'a List) -> impl Iterator<Item = (String, &'a Value)> {
    assert!(list.len() <= schema.fields.len(), "too many fields for {}", schema.name);
    let named = schema.fields.iter().map(|field| field.name.replace('_', "-")).zip(list);
    named.filter(|(_, value)| !value.is_null())
}

/// Removes the constructors of an array's elements from the notation, as a value only knows their type.
fn without_constructors(decoded: &str) -> String {
    let codes = [
        ("null", "40"),
        ("boolean", "41"),
        ("boolean", "56"),
        ("uint", "70"),
        ("int", "71"),
        ("string", "b1"),
        ("symbol", "a3"),
        ("symbol", "b3"),
        ("list", "d0"),
    ];
    codes.iter().fold(decoded.to_owned(), |text, (name, code)| {
        text.replace(&format!("0x{code}>["), &format!("{name}>["))
    })
}

/// Decodes one value and removes its octets.
fn take(octets: &mut Bytes) -> Value {
    Value::decode(octets, &Limits::DEFAULT).unwrap()
}

/// The values in a vector: the value itself, the performative of a frame, or the sections of a message.
fn values(example: &Example) -> Vec<(Value, usize)> {
    let mut rest = example.octets.clone();
    if example.kind == "frame" {
        rest.advance(usize::from(rest[4]) * 4);
    }
    let mut values = Vec::new();
    while !rest.is_empty() && (example.kind != "frame" || values.is_empty()) {
        let before = rest.len();
        let value = take(&mut rest);
        values.push((value, before - rest.len()));
    }
    values
}

#[test]
fn values_decode_as_in_the_vectors() {
    for example in examples(&["value"]) {
        let mut rest = example.octets.clone();
        let value = take(&mut rest);
        assert_eq!(render(&value), without_constructors(&example.decoded), "{}", example.name);
        assert!(rest.is_empty(), "{}", example.name);
    }
}

#[test]
fn messages_decode_as_in_the_vectors() {
    for example in examples(&["message"]) {
        let sections: Vec<_> = values(&example).iter().map(|(value, _)| render(value)).collect();
        assert_eq!(sections.join(" | "), without_constructors(&example.decoded), "{}", example.name);
    }
}

/// F-LAY-07
#[test]
fn frames_decode_as_in_the_vectors() {
    for example in examples(&["frame"]) {
        let mut rest = example.octets.clone();
        let (size, offset, kind, channel) = (rest.get_u32(), rest.get_u8(), rest.get_u8(), rest.get_u16());
        let kind = if kind == 0 { "AMQP" } else { "SASL" };
        let head = format!("{kind} frame size={size} doff={offset} channel={channel} ");
        let body = if rest.is_empty() { "empty".to_owned() } else { render(&take(&mut rest)) };
        let payload =
            if rest.is_empty() { String::new() } else { format!(" payload({})={}", rest.len(), hex(&rest)) };
        assert_eq!(head + &body + &payload, without_constructors(&example.decoded), "{}", example.name);
    }
}

/// H-HDR-01
#[test]
fn h_hdr_01_headers_decode_as_in_the_vectors() {
    for example in examples(&["header"]) {
        let header = ProtocolHeader::decode(&example.octets).unwrap().unwrap();
        let ProtocolHeader { id, major, minor, revision } = header;
        let own = format!("protocol header id={} version {major}.{minor}.{revision}", u8::from(id));
        assert_eq!(own, example.decoded, "{}", example.name);
        assert_eq!(header.to_bytes()[..], example.octets, "{}", example.name);
    }
}

/// E-ENC-06
#[test]
fn e_enc_06_values_are_written_no_longer_than_by_rhea_and_proton() {
    let mut checked = 0;
    for example in examples(&["value", "frame", "message"]) {
        for (value, len) in values(&example) {
            let again = encode(value.clone());
            assert_eq!(decode(&again).as_ref(), Ok(&value), "{}", example.name);
            assert!(again.len() <= 2 * len, "{}: {again}", example.name);
            checked += 1;
        }
    }
    assert!(checked > 200);
}

/// E-ENC-06: where the producer's encoding is as short, the octets are equal.
#[test]
fn e_enc_06_values_of_equal_length_are_the_octets_of_the_producer() {
    let mut equal = 0;
    for example in examples(&["value"]) {
        let again = encode(decode(&hex(&example.octets)).unwrap());
        if again.len() == 2 * example.octets.len() {
            assert_eq!(again, hex(&example.octets), "{}", example.name);
            equal += 1;
        }
    }
    assert!(equal > 50, "only {equal} of the vectors are as short as can be");
}

fn deframe(octets: &Bytes) -> Result<Frame, DecodeError> {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    let raw = deframer.next_frame(u32::MAX)?.expect("a whole frame");
    assert!(deframer.remaining().is_empty());
    raw.decode(&Limits::DEFAULT)
}

fn encode_frame(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.encode(u32::MAX, &mut out).unwrap();
    out.freeze()
}

/// The octets added by arrays around single values: three for each.
fn arrays(value: &Value) -> usize {
    let Value::Described(described) = value else { return 0 };
    let (Some(schema), Value::List(list)) = (schema(described.descriptor()), described.value()) else {
        return 0;
    };
    let fields = schema.fields.iter().zip(list);
    let octets = |(field, value): (&FieldSchema, &Value)| match value {
        Value::Symbol(_) if field.multiple => 3,
        value => arrays(value),
    };
    fields.map(octets).sum()
}

/// F-LAY-01, E-COMP-06
#[test]
fn f_lay_01_typed_frames_survive_the_way_out_and_in_and_are_no_longer() {
    for example in examples(&["frame"]) {
        let frame = deframe(&example.octets).unwrap();
        let again = encode_frame(&frame);
        assert_eq!(deframe(&again).as_ref(), Ok(&frame), "{}", example.name);
        let most =
            example.octets.len() + values(&example).iter().map(|(value, _)| arrays(value)).sum::<usize>();
        assert!(again.len() <= most, "{}", example.name);
        if again.len() == example.octets.len() && most == again.len() {
            assert_eq!(hex(&again), hex(&example.octets), "{}", example.name);
        }
        assert_eq!(again[..4], u32::try_from(again.len()).unwrap().to_be_bytes(), "{}", example.name);
    }
}

/// The default of a field, as a value.
fn default(field: &FieldSchema) -> Option<Value> {
    Some(match (field.amqp_type, field.default?) {
        ("boolean", "false") => false.into(),
        ("ushort", "65535") => u16::MAX.into(),
        ("uint" | "handle", "4294967295") => u32::MAX.into(),
        ("uint" | "seconds", "0") | ("terminus-durability", "none") => 0u32.into(),
        ("ubyte", "4") => 4u8.into(),
        ("sender-settle-mode", "mixed") => 2u8.into(),
        ("receiver-settle-mode", "first") => 0u8.into(),
        ("terminus-expiry-policy", "session-end") => symbol!("session-end").into(),
        (of, default) => panic!("what is {default} of {of}?"),
    })
}

/// Normalises a field: absent, default, no values and one value have several encodings.
fn meaning_of_field(field: &FieldSchema, value: &Value) -> Value {
    match value {
        value if default(field).as_ref() == Some(value) => Value::Null,
        Value::Array(array) if field.multiple && array.elements().is_empty() => Value::Null,
        // A single value without an array is written as one.
        Value::Symbol(one) if field.multiple => {
            let mut array = Array::new(Kind::Symbol);
            array.push(one.clone()).unwrap();
            array.into()
        }
        Value::Map(map) if field.amqp_type != "map" && map.is_empty() => Value::Null,
        value => meaning(value),
    }
}

/// Normalises the fields of all composites in a value.
fn meaning(value: &Value) -> Value {
    match value {
        Value::Described(described) => {
            let inner = match (schema(described.descriptor()), described.value()) {
                (Some(schema), Value::List(list)) if !schema.fields.is_empty() => {
                    let mut fields: Vec<_> =
                        schema.fields.iter().zip(list).map(|(f, v)| meaning_of_field(f, v)).collect();
                    let sent = fields.iter().rposition(|field| !field.is_null()).map_or(0, |last| last + 1);
                    fields.truncate(sent);
                    List::from(fields).into()
                }
                (_, value) => meaning(value),
            };
            Described::new(described.descriptor().clone(), inner).into()
        }
        Value::Map(map) => map.iter().map(|(k, v)| (meaning(k), meaning(v))).collect::<Map>().into(),
        Value::List(list) => list.iter().map(meaning).collect::<List>().into(),
        other => other.clone(),
    }
}

/// The octets behind the performative.
fn payload(frame: &Example) -> Bytes {
    let body: usize = values(frame).iter().map(|(_, len)| len).sum();
    frame.octets.slice(usize::from(frame.octets[4]) * 4 + body..)
}

/// E-COMP-01, E-COMP-04: a typed decode and encode keeps every field at its place.
#[test]
fn e_comp_01_typed_frames_equal_generic_values() {
    let mut checked = 0;
    for theirs in examples(&["frame"]) {
        let ours = Example { octets: encode_frame(&deframe(&theirs.octets).unwrap()), ..theirs.clone() };
        assert_eq!(ours.octets[4..8], theirs.octets[4..8], "{}", theirs.name);
        assert_eq!(payload(&ours), payload(&theirs), "{}", theirs.name);
        let (ours, name) = (values(&ours), &theirs.name);
        let theirs = values(&theirs);
        assert_eq!(ours.len(), theirs.len(), "{name}");
        for ((ours, _), (theirs, _)) in ours.iter().zip(&theirs) {
            assert_eq!(render(ours), render(&meaning(theirs)), "{name}");
            checked += 1;
        }
    }
    assert!(checked > 70);
}

/// A malformed vector by name, its fault, and octets without that fault.
type Malformed = (&'static str, DecodeErrorKind, &'static str);

const MALFORMED_VALUES: [Malformed; 19] = [
    ("bad-short-fixed", DecodeErrorKind::Truncated, "7000000000"),
    ("bad-string-over-end", DecodeErrorKind::Truncated, "a10168"),
    ("bad-string-utf8", DecodeErrorKind::Utf8, "a102c3a8"),
    ("bad-symbol-nonascii", DecodeErrorKind::Ascii, "a3017f"),
    ("bad-boolean-2", DecodeErrorKind::Boolean(2), "5601"),
    ("bad-char-surrogate", DecodeErrorKind::Char(0xd800), "730000d7ff"),
    ("bad-char-range", DecodeErrorKind::Char(0x11_0000), "730010ffff"),
    ("bad-constructor", DecodeErrorKind::Constructor(0x46), "45"),
    ("bad-ext-constructor", DecodeErrorKind::Constructor(0x4f), "5000"),
    ("bad-list-size-small", DecodeErrorKind::Count, "c0020141"),
    ("bad-list-trailing", DecodeErrorKind::Size, "c003024142"),
    ("bad-list-size-over-end", DecodeErrorKind::Truncated, "c0020141"),
    ("bad-list-count-huge", DecodeErrorKind::Count, "d0000000050000000141"),
    ("bad-map-odd", DecodeErrorKind::OddMap, "c103024142"),
    ("bad-map-dup", DecodeErrorKind::DuplicateKey, "c10904a3016b41a3016c42"),
    ("bad-array-null-count", DecodeErrorKind::Limit(LimitKind::ZeroWidthElements), "f0000000050000000440"),
    ("bad-array-no-ctor", DecodeErrorKind::Truncated, "e0020040"),
    ("bad-described-no-value", DecodeErrorKind::Truncated, "00532445"),
    // As deep as the limit allows.
    (
        "bad-desc-bomb",
        DecodeErrorKind::Limit(LimitKind::Depth),
        "0000000000000000000000000000000000000000000000000000000000000000\
         404040404040404040404040404040404040404040404040404040404040404040",
    ),
];

const MALFORMED_FRAMES: [Malformed; 4] = [
    ("bad-frame-size-7", DecodeErrorKind::FrameSize(7), "0000000802000000"),
    ("bad-frame-doff-1", DecodeErrorKind::DataOffset(1), "0000000802000000"),
    ("bad-frame-doff-over", DecodeErrorKind::DataOffset(3), "0000000802000000"),
    ("bad-frame-too-many-fields", DecodeErrorKind::TooManyFields, "0000000f02000000005317c0020140"),
];

const MALFORMED_HEADERS: [Malformed; 1] =
    [("bad-header-magic", DecodeErrorKind::ProtocolHeader, "414d515000010000")];

/// Each malformed vector of a kind is refused with its own fault, and its neighbour is accepted.
fn are_refused(kind: &str, table: &[Malformed], decode: impl Fn(&str) -> Result<(), DecodeError>) {
    let all = data("wire-examples.json");
    let all = all["malformed"].as_array().unwrap();
    assert_eq!(all.iter().filter(|bad| text(bad, "kind") == kind).count(), table.len());
    for (name, wrong, neighbour) in table {
        let bad = all.iter().find(|bad| text(bad, "name") == *name).expect(name);
        assert_eq!(decode(text(bad, "hex")).map_err(|error| error.kind()), Err(*wrong), "{name}");
        assert_eq!(decode(neighbour), Ok(()), "{name}");
    }
}

#[test]
fn malformed_values_are_refused_and_their_neighbours_are_not() {
    are_refused("value", &MALFORMED_VALUES, |hex| decode(hex).map(drop));
}

#[test]
fn malformed_frames_are_refused_and_their_neighbours_are_not() {
    are_refused("frame", &MALFORMED_FRAMES, |hex| deframe(&octets(hex)).map(drop));
}

#[test]
fn malformed_headers_are_refused_and_their_neighbours_are_not() {
    are_refused("header", &MALFORMED_HEADERS, |hex| ProtocolHeader::decode(&octets(hex)).map(drop));
}

#[test]
fn all_twenty_four_malformed_vectors_are_in_a_table() {
    let tables = MALFORMED_VALUES.len() + MALFORMED_FRAMES.len() + MALFORMED_HEADERS.len();
    assert_eq!(data("wire-examples.json")["malformed"].as_array().unwrap().len(), tables);
    assert_eq!(tables, 24);
}
