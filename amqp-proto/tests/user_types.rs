//! Composite types of an application: their octets, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use amqp_proto::bytes::{Bytes, BytesMut};
use amqp_proto::composite;
use amqp_proto::message::{Body, Message, MessageView};
use amqp_proto::types::{
    Composite, Described, FieldReader, FromValue, Kind, Limits, List, Map, Str, Symbol, Timestamp, Uuid,
    Value, WrongValue,
};

composite! {
    /// A reading of a meter.
    #[derive(Debug, Clone, PartialEq)]
    struct Reading: "com.example:reading:list", 0x4e20_0000_0001 {
        meter: Str,
        watts: Option<f64>,
        note: Option<String>,
    }
}

composite! {
    /// The readings of a station.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Report: "com.example:report:list" {
        /// Composites nest.
        pub last: Reading,
        pub(crate) all: Vec<Reading>,
        octets: Vec<u8>,
    }
}

composite! {
    #[derive(Debug, Clone, PartialEq)]
    struct Ping: "com.example:ping:list" {}
}

/// A type with a part that the wire has in another form, by hand.
#[derive(Debug, PartialEq)]
struct Level(bool);

impl Composite for Level {
    const NAME: &'static str = "com.example:level:list";

    fn into_fields(self) -> List {
        List::from([if self.0 { "high" } else { "low" }])
    }

    fn from_fields(fields: &mut FieldReader<'_>) -> Result<Self, WrongValue> {
        match fields.next::<Str>("level")?.as_str() {
            "high" => Ok(Self(true)),
            "low" => Ok(Self(false)),
            other => Err(WrongValue::new("high or low", &other.into())),
        }
    }
}

fn reading(watts: Option<f64>) -> Reading {
    Reading { meter: "17".into(), watts, note: None }
}

/// Returns the octets of a value.
fn octets(value: impl Into<Value>) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.into().encode(&mut out).unwrap();
    out.to_vec()
}

/// The numeric descriptor is written if there is one, else the symbolic one; trailing nulls are left out.
#[test]
fn a_composite_is_a_described_list() {
    let code = [&[0x00, 0x80][..], &0x4e20_0000_0001_u64.to_be_bytes()].concat();
    let expected = [&code[..], &[0xc0, 5, 1, 0xa1, 2], b"17"].concat();
    assert_eq!(octets(reading(None)), expected[..]);
    let expected = [&code[..], &[0xc0, 14, 2, 0xa1, 2], b"17", &[0x82], &2.5_f64.to_be_bytes()].concat();
    assert_eq!(octets(reading(Some(2.5))), expected);
    let expected = [&[0x00, 0xa3, 21][..], b"com.example:ping:list", &[0x45]].concat();
    assert_eq!(octets(Ping {}), expected);
}

#[test]
fn either_descriptor_is_read() {
    let list = List::from_iter([Value::from("17"), 2.5_f64.into()]);
    for descriptor in [Value::from(0x4e20_0000_0001_u64), Symbol::checked("com.example:reading:list").into()]
    {
        let value = Value::from(Described::new(descriptor, list.clone()));
        assert_eq!(Reading::from_value(&value), Ok(reading(Some(2.5))));
    }
}

#[test]
fn composites_go_through_a_message() {
    let report = Report { last: reading(Some(1.0)), all: vec![reading(None); 3], octets: vec![0, 255] };
    let message = Message::new(report.clone()).with_annotation("x-opt-level", Level(true));
    let view = MessageView::new(message.to_payload().unwrap(), &Limits::DEFAULT).unwrap();
    assert_eq!(view.body().unwrap().read::<Report>().unwrap(), report);
    assert_eq!(Level::from_value(&view.annotation("x-opt-level").unwrap().unwrap()), Ok(Level(true)));
    assert_eq!(Body::from(Ping {}).read::<Ping>(), Ok(Ping {}));
    assert_eq!(Body::from(reading(None)).read::<Option<Reading>>(), Ok(Some(reading(None))));
    assert_eq!(Body::Empty.read::<Option<Reading>>(), Ok(None));
}

#[test]
fn a_value_of_another_type_is_named_by_its_field() {
    let error = |value: &Value| Report::from_value(value).unwrap_err().to_string();
    let report = |items: List| Value::from(Described::new(Symbol::checked("com.example:report:list"), items));
    assert_eq!(error(&Value::Null), "expected com.example:report:list, found null");
    assert_eq!(error(&"text".into()), "expected com.example:report:list, found string");
    let other = Described::new(Symbol::checked("com.example:other:list"), List::new());
    assert_eq!(error(&other.into()), "expected com.example:report:list, found another descriptor");
    let map = Described::new(Symbol::checked("com.example:report:list"), Map::default());
    assert_eq!(error(&map.into()), "expected list, found map");
    assert_eq!(error(&report(List::new())), "last: expected com.example:reading:list, found null");

    let inner = Described::new(0x4e20_0000_0001_u64, List::from_iter([Value::from("17"), 7_u32.into()]));
    let items = List::from_iter([Value::from(inner)]);
    assert_eq!(error(&report(items)), "last.watts: expected double, found uint");
    let items = [Value::from(reading(None)), Value::from(7_u32)];
    assert_eq!(error(&report(List::from(items))), "all: expected list, found uint");
    let items = [reading(None).into(), Value::from(List::new()), Value::from(&b""[..]), Value::Null];
    assert_eq!(error(&report(List::from(items))), "expected com.example:report:list, found more fields");

    // Descriptors of other types name nothing.
    let odd = Described::new(Value::Null, List::new());
    assert!(Report::from_value(&odd.into()).is_err());
    let error = Level::from_value(&Described::new(Symbol::checked(Level::NAME), List::from(["up"])).into());
    assert_eq!(error.unwrap_err().to_string(), "expected high or low, found string");
}

/// Every primitive type has a Rust type that reads it, and no other does.
#[test]
fn each_type_reads_its_own_values_only() {
    fn reads<T: FromValue + Into<Value> + Clone>(sample: T, all: &[Value]) {
        let sample: Value = sample.into();
        for value in all {
            let read = T::from_value(value).map(Into::into);
            assert_eq!(read.ok(), (value.kind() == sample.kind()).then(|| value.clone()), "{value:?}");
        }
    }
    let all = [
        Value::Null,
        true.into(),
        1_u8.into(),
        1_u16.into(),
        1_u32.into(),
        1_u64.into(),
        1_i8.into(),
        1_i16.into(),
        1_i32.into(),
        1_i64.into(),
        1_f32.into(),
        1_f64.into(),
        'a'.into(),
        Timestamp::from_millis(1).into(),
        Uuid::from_bytes([1; 16]).into(),
        Value::from(&b"a"[..]),
        "a".into(),
        Symbol::checked("a").into(),
        List::new().into(),
        Map::default().into(),
        amqp_proto::types::Array::from_values(Kind::Uint, [1_u32.into()]).unwrap().into(),
    ];
    reads(true, &all);
    reads(1_u8, &all);
    reads(1_u16, &all);
    reads(1_u32, &all);
    reads(1_u64, &all);
    reads(1_i8, &all);
    reads(1_i16, &all);
    reads(1_i32, &all);
    reads(1_i64, &all);
    reads(1_f32, &all);
    reads(1_f64, &all);
    reads('a', &all);
    reads(Timestamp::from_millis(0), &all);
    reads(Uuid::from_bytes([0; 16]), &all);
    reads(Vec::<u8>::new(), &all);
    reads(Bytes::new(), &all);
    reads(String::new(), &all);
    reads(Str::default(), &all);
    reads(Symbol::checked(""), &all);
    reads(List::new(), &all);
    reads(Map::default(), &all);
    assert!(all.iter().all(|value| Value::from_value(value).as_ref() == Ok(value)));
    assert!(Described::from_value(&Value::Null).is_err());
}

/// A value that nests deeper than the limit does not get as far as a Rust type.
#[test]
fn depth_is_bounded_by_the_decoder() {
    composite! {
        #[derive(Debug)]
        struct Tree: "com.example:tree:list" { children: Vec<Tree> }
    }
    let nested = (0..5_000).fold(Value::Null, |value, _| {
        Described::new(Symbol::checked("com.example:tree:list"), List::from([value])).into()
    });
    assert!(Value::decode(&mut octets(nested).into(), &Limits::DEFAULT).is_err());
}
