//! Values are written and read by formats of serde; a format with fewer types gives the nearest one back.
#![allow(clippy::unwrap_used, clippy::panic)]

use amqp_proto::message::{Body, JsonError, Message, MessageView};
use amqp_proto::types::{
    Array, Decimal32, Described, Kind, Limits, List, Map, Str, Symbol, Timestamp, Uuid, Value,
};
use serde_json::json;

fn view(message: &Message) -> MessageView {
    MessageView::new(message.to_payload().unwrap(), &Limits::DEFAULT).unwrap()
}

#[test]
fn every_type_has_a_form_in_json() {
    let uuid: Uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse().unwrap();
    let array = Array::from_values(Kind::Symbol, [Symbol::checked("a").into(), Symbol::checked("b").into()]);
    let cases = [
        (Value::Null, json!(null)),
        (true.into(), json!(true)),
        (200_u8.into(), json!(200)),
        (60_000_u16.into(), json!(60_000)),
        (7_u32.into(), json!(7)),
        (u64::MAX.into(), json!(u64::MAX)),
        ((-7_i8).into(), json!(-7)),
        ((-300_i16).into(), json!(-300)),
        ((-7_i32).into(), json!(-7)),
        (i64::MIN.into(), json!(i64::MIN)),
        (1.5_f32.into(), json!(1.5)),
        (2.25_f64.into(), json!(2.25)),
        (Value::Decimal32(Decimal32::from_be_bytes([1, 2, 3, 4])), json!([1, 2, 3, 4])),
        ('ä'.into(), json!("ä")),
        (Timestamp::from_millis(-5).into(), json!(-5)),
        (uuid.into(), json!("3f2504e0-4f89-41d3-9a0c-0305e82c3301")),
        (Value::Binary(vec![0, 255].into()), json!([0, 255])),
        ("text".into(), json!("text")),
        (Symbol::checked("name").into(), json!("name")),
        (List::from_iter([Value::Null, 1_u32.into()]).into(), json!([null, 1])),
        (array.unwrap().into(), json!(["a", "b"])),
        (Map::from([("k", 1_u32)]).into(), json!({"k": 1})),
        (Described::new(0x70_u64, "v").into(), json!({"descriptor": 0x70, "value": "v"})),
    ];
    for (value, expected) in cases {
        assert_eq!(serde_json::to_value(&value).unwrap(), expected, "{value:?}");
    }
}

#[test]
fn json_becomes_the_nearest_types() {
    let read: Value = serde_json::from_str(r#"{"a":[null,true,7,-7,1.5,"x"],"b":{}}"#).unwrap();
    let items: [Value; 6] =
        [Value::Null, true.into(), 7_u64.into(), (-7_i64).into(), 1.5_f64.into(), "x".into()];
    let expected = Map::from([("a", Value::from(List::from_iter(items))), ("b", Map::default().into())]);
    assert_eq!(read, Value::from(expected.clone()));
    assert_eq!(serde_json::from_value::<Map>(serde_json::to_value(&expected).unwrap()).unwrap(), expected);
}

#[test]
fn parts_of_values_come_back() {
    let uuid: Uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse().unwrap();
    let parts =
        (Str::from("s"), Symbol::checked("n"), Timestamp::from_millis(5), uuid, List::from_iter([1_u64]));
    let text = serde_json::to_string(&parts).unwrap();
    assert_eq!(text, r#"["s","n",5,"3f2504e0-4f89-41d3-9a0c-0305e82c3301",[1]]"#);
    assert_eq!(serde_json::from_str::<(Str, Symbol, Timestamp, Uuid, List)>(&text).unwrap(), parts);
}

#[test]
fn what_does_not_fit_is_an_error_that_says_why() {
    let error = |text: &str| serde_json::from_str::<Value>(text).unwrap_err().to_string();
    assert!(error(r#"{"k":1,"k":2}"#).starts_with("a key occurs twice"));
    let error = serde_json::from_str::<Symbol>("\"ä\"").unwrap_err().to_string();
    assert!(error.contains("ASCII"), "{error}");
    assert!(serde_json::from_str::<List>("{}").is_err());
    assert!(serde_json::from_str::<Map>("[]").is_err());
    assert!(serde_json::from_str::<Uuid>("\"3f\"").is_err());
}

/// A value may nest to any depth, and serde needs stack for each level.
#[test]
fn deep_values_are_refused() {
    let nested = |levels: usize| (1..levels).fold(Value::Null, |value, _| List::from_iter([value]).into());
    let text = serde_json::to_string(&nested(128)).unwrap();
    assert_eq!(text, "[".repeat(127) + "null" + &"]".repeat(127));
    let error = serde_json::to_string(&nested(100_000)).unwrap_err();
    assert_eq!(error.to_string(), "the value has more than 128 levels");
    // The reader has a bound of its own, in formats that have none.
    let deep = (0..200).fold(json!(null), |value, _| json!([value]));
    let error = serde_json::from_value::<Value>(deep).unwrap_err();
    assert_eq!(error.to_string(), "the value has more than 128 levels");
}

#[test]
fn a_message_has_a_body_in_json() {
    let message = Message::json(&json!({"job": 7})).unwrap();
    assert_eq!(message.content_type().map(Symbol::as_str), Some("application/json"));
    assert!(matches!(message.body(), Body::Data(_)));
    assert_eq!(view(&message).json::<serde_json::Value>().unwrap(), json!({"job": 7}));
    let text = Message::new("[1,2]");
    assert_eq!(view(&text).json::<Vec<u8>>().unwrap(), [1, 2]);
}

#[test]
fn a_body_that_is_no_json_is_an_error() {
    let number = view(&Message::new(7_u32));
    assert!(matches!(number.json::<u32>(), Err(JsonError::NoOctets)));
    let broken = view(&Message::new("[1,"));
    let error = broken.json::<Vec<u8>>().unwrap_err();
    assert!(error.to_string().starts_with("the body is not the expected JSON: EOF"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}
