//! Selectors: what matches, what is not known, and what is no selector.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::message::{Message, MessageView};
use amqp_proto::policy::{Selector, SelectorErrorKind};
use amqp_proto::symbol;
use amqp_proto::types::{Described, Limits, SequenceNo, SimpleValue, Timestamp, Uuid, Value};
use bytes::Bytes;
use proptest::prelude::*;

/// A message with a value of each kind.
fn sample() -> Message {
    let mut message = Message::from("job")
        .with_durable(true)
        .with_priority(7)
        .with_ttl(std::time::Duration::from_millis(500))
        .with_message_id("ID:7")
        .with_user_id(Bytes::from_static(b"guest"))
        .with_to("jobs")
        .with_subject("print")
        .with_reply_to("answers")
        .with_correlation_id(99)
        .with_content_type("text/plain")
        .with_absolute_expiry_time(Timestamp::from_millis(2_000))
        .with_creation_time(Timestamp::from_millis(1_000))
        .with_group_id("g")
        .with_group_sequence(SequenceNo::new(3))
        .with_reply_to_group_id("rg")
        .with_annotation(symbol!("x-opt-offset"), "123")
        .with_property("colour", "red")
        .with_property("name", "O'Neill")
        .with_property("path", "a_b%c")
        .with_property("tall", "großß")
        .with_property("n", 5)
        .with_property("u", 5_u64)
        .with_property("big", u64::MAX)
        .with_property("long", i64::MAX)
        .with_property("min", i64::MIN)
        .with_property("x", 2.5)
        .with_property("f", 1.1_f32)
        .with_property("yes", true)
        .with_property("no", false)
        .with_property("at", Timestamp::from_millis(12))
        .with_property("word", symbol!("red"))
        .with_property("id", Uuid::from_bytes([7; 16]))
        .with_property("octets", Bytes::from_static(b"red"))
        .with_property("a.b", 1)
        .with_property("$_ü9", 2)
        .with_property("select from", 3)
        .with_property("AND", 4);
    message.header_mut().delivery_count = 2;
    let described = Value::from(Described::new(symbol!("own"), 5));
    message.application_properties_mut().insert("described", SimpleValue::try_from(described).unwrap());
    message
}

/// Evaluates a selector against the message, and against its encoded form, which gives the same.
fn evaluate(expression: &str, message: &Message) -> Option<bool> {
    let selector = Selector::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
    let view = MessageView::new(message.to_payload().unwrap(), &Limits::DEFAULT).unwrap();
    let result = selector.evaluate(message);
    assert_eq!(selector.evaluate(&view), result, "{expression}");
    assert_eq!(selector.matches(&view), result == Some(true));
    result
}

fn assert_all(expected: Option<bool>, expressions: &[&str]) {
    let message = sample();
    for expression in expressions {
        assert_eq!(evaluate(expression, &message), expected, "{expression}");
    }
}

#[test]
fn true_selectors() {
    assert_all(
        Some(true),
        &[
            "",
            "  \t\r\n ",
            "TRUE",
            "yes",
            "(((yes)))",
            "not no",
            "NOT NOT yes",
            "colour = 'red'",
            "'red' = colour",
            "colour <> 'blue'",
            "yes = TRUE AND no = false",
            "(n = 5) = TRUE",
            "name = 'O''Neill'",
            "tall = 'großß'",
            "word = 'red' AND colour = word",
            "n = 5 AND n = 5.0 AND u = n AND n = 0x5 AND n = 05 AND n = 5L AND n = 5d AND n = 0.5E1 AND n = +5",
            "x = 2.5 AND x = .25e1 AND x = 25E-1 AND x < 3. AND x > -3",
            "f = 1.1f AND f <> 1.1",
            "at = 12 AND at BETWEEN 11 AND 12",
            "described = 5",
            "long = 9223372036854775807 AND min = -9223372036854775808 AND min = - 0x8000000000000000",
            "big > long AND big > 18446744073709550000.0",
            "1 + 2 * 3 = 7",
            "(1 + 2) * 3 = 9",
            "10 - 4 - 3 = 3",
            "100 / 10 / 5 = 2",
            "7 / 2 = 3 AND -7 / 2 = -3 AND 7 / 2.0 = 3.5",
            "n-1=4 AND n+-1=4 AND -n=-5 AND - -n = n AND -(n) = -5",
            "1.0 / 0 > 9e307 AND -1.0 / 0 < -9e307",
            "long + 1 >= long AND min - 1 < -9.2e18 AND long * 2 > 1.8e19 AND -min = 9223372036854775807.0",
            "n BETWEEN 5 AND 5",
            "n NOT BETWEEN 6 AND 9",
            "n BETWEEN 1 + 1 AND 2 * 3 AND yes",
            "n between 1 and 9 and x between 2 and 3",
            "NOT n BETWEEN 6 AND 9",
            "colour IN ('blue', 'red')",
            "colour NOT IN ('blue')",
            "n IN (1, 5) AND n IN (5.0) AND -n IN (-5, +7) AND min IN (-9223372036854775808)",
            "missing IS NULL AND colour IS NOT NULL AND octets IS NOT NULL AND id is not null",
            "missing + 1 IS NULL AND 1 / 0 IS NULL AND -missing IS NULL AND -colour IS NULL",
            "path LIKE 'a%' AND path LIKE '%' AND path LIKE '_____' AND path LIKE '%c' AND path LIKE '%_b%'",
            r"path LIKE 'a\_b\%c' ESCAPE '\' AND path LIKE 'a!_%' ESCAPE '!'",
            "path NOT LIKE 'a' AND path NOT LIKE '' AND path NOT LIKE 'A%' AND path NOT LIKE '______'",
            "tall LIKE 'gro__' AND tall LIKE '%ßß' AND tall LIKE '%%ß%%'",
            "'abc' LIKE 'a_c'",
            "a.b = 1 AND $_ü9 = 2 AND \"select from\" = 3 AND \"AND\" = 4",
            "n NOT LIKE '5' AND n NOT IN ('5')",
            "yes OR missing",
            "missing OR yes",
            "yes OR no AND no",
            "NOT no AND NOT no",
            "NOT (no OR missing = 1 AND no)",
        ],
    );
}

/// Values of different types compare as false, whatever the comparison.
#[test]
fn false_selectors() {
    assert_all(
        Some(false),
        &[
            "FALSE",
            "no",
            "NOT yes",
            "colour = 'Red'",
            "n = 'x' OR n <> 'x'",
            "colour = 5 OR colour <> 5 OR colour < 5 OR colour >= 5",
            "yes = 1 OR yes <> 1 OR yes = 'true'",
            "octets = 'red' OR octets <> 'red' OR id = 'x' OR id = id",
            "colour < word OR colour >= word",
            "n LIKE '5'",
            "n IN ('5')",
            "n BETWEEN 6 AND missing",
            "n BETWEEN missing AND 4",
            "no AND missing",
            "missing AND no",
            "NOT (yes OR missing)",
            "colour IS NULL",
            "missing IS NOT NULL",
            "0.0 / 0 = 0.0 / 0",
        ],
    );
}

#[test]
fn selectors_that_are_not_known() {
    assert_all(
        None,
        &[
            "missing",
            "NOT missing",
            "missing = 1",
            "missing <> 1",
            "missing = missing",
            "missing < 1",
            "missing LIKE '%'",
            "missing NOT LIKE '%'",
            "missing IN ('a')",
            "missing NOT IN ('a')",
            "missing BETWEEN 1 AND 2",
            "n BETWEEN missing AND 6",
            "n NOT BETWEEN 1 AND missing",
            "n + missing = 5",
            "1 / 0 = 1",
            "colour + 1 = 1",
            "yes * 2 = 2",
            "yes AND missing",
            "no OR missing",
            "missing OR missing",
            "missing AND missing",
            // A field that is no condition.
            "colour",
            "NOT n",
            "n AND yes",
        ],
    );
}

/// The three-valued logic of SQL-92, by its own tables.
#[test]
fn the_tables_of_the_logic() {
    let values = ["yes", "no", "missing"];
    let (t, f, u) = (Some(true), Some(false), None);
    let tables = [("AND", [[t, f, u], [f, f, f], [u, f, u]]), ("OR", [[t, t, t], [t, f, u], [t, u, u]])];
    let message = sample();
    for (operator, table) in tables {
        for (left, row) in values.iter().zip(table) {
            for (right, expected) in values.iter().zip(row) {
                let expression = format!("{left} {operator} {right}");
                assert_eq!(evaluate(&expression, &message), expected, "{expression}");
            }
        }
    }
    for (value, expected) in values.iter().zip([f, t, u]) {
        assert_eq!(evaluate(&format!("NOT {value}"), &message), expected);
    }
}

/// The names of JMS and those of the standard mean fields of header, properties and annotations.
#[test]
fn names_of_fields() {
    assert_all(
        Some(true),
        &[
            "JMSDeliveryMode = 'PERSISTENT' AND amqp.durable",
            "JMSPriority = 7 AND amqp.priority = 7",
            "JMSRedelivered AND JMSXDeliveryCount = 3 AND amqp.delivery_count = 2",
            "amqp.ttl = 500 AND NOT amqp.first_acquirer",
            "JMSMessageID = 'ID:7' AND amqp.message_id = 'ID:7'",
            "JMSCorrelationID = 99 AND amqp.correlation_id = 99",
            "JMSDestination = 'jobs' AND amqp.to = 'jobs'",
            "JMSReplyTo = 'answers' AND amqp.reply_to = 'answers'",
            "JMSType = 'print' AND amqp.subject = 'print'",
            "JMSTimestamp = 1000 AND amqp.creation_time = 1000",
            "JMSExpiration = 2000 AND amqp.absolute_expiry_time = 2000",
            "JMSXGroupID = 'g' AND amqp.group_id = 'g'",
            "JMSXGroupSeq = 3 AND amqp.group_sequence = 3",
            "JMSXUserID = 'guest' AND amqp.user_id LIKE 'g%'",
            "amqp.content_type = 'text/plain' AND amqp.content_encoding IS NULL",
            "amqp.reply_to_group_id = 'rg'",
            "amqp.annotation.x-opt-offset = '123' AND amqp.annotation.x-opt-other IS NULL",
            "\"amqp.annotation.x-opt-offset\" IN ('123')",
            // A name that is not reserved is a property.
            "JMSXOther IS NULL AND jmspriority IS NULL",
        ],
    );
    let bare = Message::from("job");
    for expression in [
        "JMSDeliveryMode = 'NON_PERSISTENT' AND JMSPriority = 4 AND NOT JMSRedelivered AND JMSXDeliveryCount = 1",
        "JMSMessageID IS NULL AND JMSXUserID IS NULL AND JMSXGroupSeq IS NULL AND amqp.ttl IS NULL",
    ] {
        assert_eq!(evaluate(expression, &bare), Some(true), "{expression}");
    }
    // Octets that are no text, and ids that are no text.
    let other = Message::from("job").with_user_id(vec![0xff]).with_message_id(Uuid::from_bytes([7; 16]));
    assert_eq!(evaluate("JMSXUserID IS NOT NULL AND NOT JMSXUserID = 'x'", &other), Some(true));
    assert_eq!(evaluate("JMSMessageID IS NOT NULL AND NOT JMSMessageID = 'x'", &other), Some(true));
}

/// An expression that is no selector is refused with a column and a reason.
#[test]
fn errors_have_a_column_and_a_reason() {
    use SelectorErrorKind::*;
    let operand = Expected("an operand");
    let operator = Expected("an operator");
    let condition = Type("condition");
    let number = Type("number");
    let chained = Expected("AND or OR, or parentheses around the comparison before");
    for (expression, column, kind) in [
        ("=", 1, operand),
        ("a =", 4, operand),
        ("a = AND b", 5, operand),
        ("a AND", 6, operand),
        ("NOT", 4, operand),
        ("a = NOT b", 5, operand),
        ("- NOT b", 3, operand),
        ("()", 2, operand),
        ("NULL", 1, operand),
        ("a b", 3, operator),
        ("a TRUE", 3, operator),
        ("a (b)", 3, operator),
        ("a)", 2, operator),
        ("a, b", 2, operator),
        ("(a", 1, Expected(") for this parenthesis")),
        ("a AND ((b OR c)", 7, Expected(") for this parenthesis")),
        ("a = b = c", 7, chained),
        ("a < b IS NULL", 7, chained),
        ("a IN ('b') = c", 12, chained),
        ("a IS NULL IS NULL", 11, chained),
        ("a IS b", 6, Expected("NULL")),
        ("a IS NOT 'b'", 10, Expected("NULL")),
        ("a NOT b", 7, Expected("BETWEEN, IN or LIKE")),
        ("a NOT = b", 7, Expected("BETWEEN, IN or LIKE")),
        ("a BETWEEN 1", 12, Expected("AND")),
        ("a BETWEEN 1 OR 2", 13, Expected("AND")),
        ("a BETWEEN 1 = 2 AND 3", 13, Expected("AND")),
        ("(a BETWEEN 1) AND 2", 13, Expected("AND")),
        ("a BETWEEN 1 AND", 16, operand),
        ("a IN 'b'", 6, Expected("(")),
        ("a IN ()", 7, Expected("a text or a number")),
        ("a IN (b)", 7, Expected("a text or a number")),
        ("a IN ('b' 'c')", 11, Expected(", or )")),
        ("a IN ('b',", 11, Expected("a text or a number")),
        ("a IN (- 'b')", 9, Expected("a text or a number")),
        ("a IN (- - 1)", 9, Expected("a number")),
        ("a IN ('b', 1)", 12, Type("text")),
        ("a IN (1, 'b')", 10, number),
        ("5 IN ('b')", 1, Type("text")),
        ("a LIKE b", 8, Expected("a text")),
        ("a LIKE 'b' ESCAPE c", 19, Expected("a text")),
        ("a LIKE 'b' ESCAPE ''", 19, Escape),
        ("a LIKE 'b' ESCAPE 'cc'", 19, Escape),
        ("a LIKE 'b!' ESCAPE '!'", 8, Escape),
        ("5 LIKE 'b'", 1, Type("text")),
        ("TRUE LIKE 'b'", 1, Type("text")),
        ("5", 1, condition),
        ("'a'", 1, condition),
        ("a + 1", 1, condition),
        ("NOT 5", 5, condition),
        ("a AND 5", 7, condition),
        ("5 OR a", 1, condition),
        ("a = 1 AND 'b'", 11, condition),
        ("a + 'b' = 1", 5, number),
        ("'b' * 2 = 1", 1, number),
        ("-'b' = 1", 2, number),
        ("+TRUE = 1", 2, number),
        ("(a = 1) + 1 = 2", 2, number),
        ("a < 'b'", 5, number),
        ("TRUE >= a", 1, number),
        ("a BETWEEN 'b' AND 'c'", 19, number),
        ("'b' BETWEEN 1 AND 2", 1, number),
        ("1 = 'b'", 5, number),
        ("'b' = 1", 7, Type("text")),
        ("TRUE <> 1", 9, condition),
        ("a # b", 3, Character('#')),
        ("a = ü§", 6, Character('§')),
        ("a != b", 3, Character('!')),
        ("a = 'b", 5, Unterminated),
        ("a = 'b''", 5, Unterminated),
        ("ü = \"b", 5, Unterminated),
        ("a = 1x", 5, Number),
        ("a = 0x", 5, Number),
        ("a = 08", 5, Number),
        ("a = 1e", 5, Number),
        ("a = 1e999", 5, Number),
        ("a = 1e39f", 5, Number),
        ("a = 1..2", 5, Number),
        ("a = 9223372036854775808", 5, Number),
        ("a = -9223372036854775809", 6, Number),
        ("a = +9223372036854775808", 6, Number),
        ("a = -(9223372036854775808)", 7, Number),
        ("a = 99999999999999999999", 5, Number),
        ("a IN (9223372036854775808)", 7, Number),
        ("amqp.nothing = 1", 1, Field),
        ("a = amqp.", 5, Field),
    ] {
        let error = Selector::parse(expression).expect_err(expression);
        assert_eq!((error.column(), error.kind()), (column, kind), "{expression}");
    }
}

#[test]
fn errors_are_told_in_words() {
    for (expression, words) in [
        ("5", "column 1: an operand of another type than condition"),
        ("#", "column 1: unexpected character '#'"),
        ("'", "column 1: a quote without its end"),
        ("1e", "column 1: a number that is malformed or out of range"),
        ("amqp.x", "column 1: messages have no field of this name"),
        (
            "a LIKE 'b' ESCAPE ''",
            "column 19: an escape is one character, and another follows it in the pattern",
        ),
    ] {
        assert_eq!(expression.parse::<Selector>().unwrap_err().to_string(), words);
    }
}

/// A selector is bounded in length and depth, and nothing recurses.
#[test]
fn selectors_are_bounded() {
    let long = |len: usize| format!("a = '{}'", "x".repeat(len - 6));
    assert!(Selector::parse(long(Selector::MAX_LEN)).is_ok());
    let error = Selector::parse(long(Selector::MAX_LEN + 1)).unwrap_err();
    assert_eq!((error.column(), error.kind()), (Selector::MAX_LEN + 1, SelectorErrorKind::TooLong));
    assert_eq!(error.to_string(), "column 8193: the selector is too long");

    let depth = Selector::MAX_DEPTH;
    let parentheses = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    let negations = |depth: usize| format!("{}yes", "NOT ".repeat(depth));
    let signs = |depth: usize| format!("0 < {}n", "-".repeat(depth - 1));
    let nests: [fn(usize) -> String; 3] = [parentheses, negations, signs];
    for (nest, width) in nests.into_iter().zip([1, 4, 1]) {
        assert!(Selector::parse(nest(depth)).is_ok());
        let error = Selector::parse(nest(depth + 1)).unwrap_err();
        assert_eq!(error.kind(), SelectorErrorKind::TooDeep);
        assert!(error.column().abs_diff(depth * width + 1) <= 4, "{error}");
    }
    // Operators that follow each other do not wait for each other.
    let wide = vec!["n = 5"; 800].join(" AND ");
    assert_eq!(evaluate(&wide, &sample()), Some(true));
    let wide = format!("0 < {}", vec!["n"; 2_000].join(" + "));
    assert_eq!(evaluate(&wide, &sample()), Some(true));
}

/// A message is looked at without an allocation.
#[test]
fn evaluating_does_not_allocate() {
    let view = MessageView::new(sample().to_payload().unwrap(), &Limits::DEFAULT).unwrap();
    let selector = Selector::parse(
        "colour IN ('blue', 'red') AND (n + 2) * 3 BETWEEN 10 AND 30 AND JMSType LIKE 'pr%' \
         AND amqp.annotation.x-opt-offset = '123' AND JMSDeliveryMode = 'PERSISTENT' AND missing IS NULL",
    )
    .unwrap();
    let message = sample();
    for _ in 0..2 {
        assert!(selector.matches(&view) && selector.matches(&message));
    }
    let counted = allocation_counter::measure(|| {
        assert!(selector.matches(&view) && selector.matches(&message));
    });
    assert_eq!(counted.count_total, 0);
}

/// A field of a malformed section is null, and the others are not.
#[test]
fn malformed_sections_are_null() {
    // A header whose priority is text, and whole application-properties.
    let octets =
        b"\x00\x53\x70\xc0\x05\x02\x41\xa1\x01x\x00\x53\x74\xc1\x06\x02\xa1\x01n\x54\x05\x00\x53\x77\x40";
    let view = MessageView::new(Bytes::from_static(octets), &Limits::DEFAULT).unwrap();
    assert!(view.header().is_err());
    let selector = Selector::parse("n = 5 AND JMSPriority IS NULL AND amqp.durable IS NULL").unwrap();
    assert!(selector.matches(&view));
}

/// A selector shows its expression.
#[test]
fn selectors_show_their_expression() {
    let selector = Selector::parse("a = 1").unwrap();
    assert_eq!(format!("{selector} {selector:?}"), "a = 1 Selector(\"a = 1\")");
    assert_eq!(selector.as_str(), "a = 1");
}

/// A condition, as a tree.
#[derive(Debug, Clone)]
enum Model {
    Flag(&'static str),
    Compare(&'static str, Box<Number>, Box<Number>),
    Between(bool, Box<Number>, Box<Number>, Box<Number>),
    Same(&'static str, &'static str, bool),
    IsNull(Box<Number>, bool),
    In(&'static str, Vec<&'static str>, bool),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

/// A number, as a tree.
#[derive(Debug, Clone)]
enum Number {
    Literal(i64),
    Field(&'static str),
    Negative(Box<Number>),
    Compute(char, Box<Number>, Box<Number>),
}

/// Returns a text with parentheses only where the flag asks for them or the precedence does.
impl Number {
    fn show(&self, outer: u8) -> String {
        let (own, text) = match self {
            Self::Literal(n) if *n < 0 => (3, n.to_string()),
            Self::Literal(n) => (9, n.to_string()),
            Self::Field(name) => (9, (*name).to_owned()),
            Self::Negative(inner) => (3, format!("- {}", inner.show(3))),
            Self::Compute(how, left, right) => {
                let own = if matches!(how, '+' | '-') { 1 } else { 2 };
                (own, format!("{} {how} {}", left.show(own), right.show(own + 1)))
            }
        };
        if own < outer { format!("({text})") } else { text }
    }

    fn eval(&self) -> Option<i64> {
        match self {
            Self::Literal(n) => Some(*n),
            Self::Field("n") => Some(5),
            Self::Field("m") => Some(-2),
            Self::Field(_) => None,
            Self::Negative(inner) => Some(-inner.eval()?),
            Self::Compute(how, left, right) => {
                let (left, right) = (left.eval()?, right.eval()?);
                match how {
                    '+' => Some(left + right),
                    '-' => Some(left - right),
                    '*' => Some(left * right),
                    _ => left.checked_div(right),
                }
            }
        }
    }
}

impl Model {
    fn show(&self, outer: u8) -> String {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        let (own, text) = match self {
            Self::Flag(name) => (9, (*name).to_owned()),
            Self::Compare(how, left, right) => (4, format!("{} {how} {}", left.show(1), right.show(1))),
            Self::Between(negated, value, low, high) => {
                let (value, low, high) = (value.show(1), low.show(1), high.show(1));
                (4, format!("{value} {}BETWEEN {low} AND {high}", not(negated)))
            }
            Self::Same(name, text, is_equal) => {
                (4, format!("{name} {} '{text}'", if *is_equal { "=" } else { "<>" }))
            }
            Self::IsNull(value, negated) => (4, format!("{} IS {}NULL", value.show(1), not(negated))),
            Self::In(name, texts, negated) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("'{text}'")).collect();
                (4, format!("{name} {}IN ({})", not(negated), texts.join(", ")))
            }
            Self::Not(inner) => (3, format!("NOT {}", inner.show(3))),
            Self::And(left, right) => (2, format!("{} AND {}", left.show(2), right.show(3))),
            Self::Or(left, right) => (1, format!("{} OR {}", left.show(1), right.show(2))),
        };
        if own < outer { format!("({text})") } else { text }
    }

    fn eval(&self) -> Option<bool> {
        let text = |name: &str| match name {
            "colour" => Some("red"),
            _ => None,
        };
        match self {
            Self::Flag("yes" | "TRUE") => Some(true),
            Self::Flag("no" | "FALSE") => Some(false),
            Self::Flag(_) => None,
            Self::Compare(how, left, right) => {
                let (left, right) = (left.eval()?, right.eval()?);
                Some(match *how {
                    "=" => left == right,
                    "<>" => left != right,
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    _ => left >= right,
                })
            }
            Self::Between(negated, value, low, high) => {
                let value = value.eval();
                let above = value.zip(low.eval()).map(|(value, low)| low <= value);
                let below = value.zip(high.eval()).map(|(value, high)| value <= high);
                let within = match (above, below) {
                    (Some(false), _) | (_, Some(false)) => false,
                    (Some(true), Some(true)) => true,
                    _ => return None,
                };
                Some(within != *negated)
            }
            Self::Same(name, other, is_equal) => Some((text(name)? == *other) == *is_equal),
            Self::IsNull(value, negated) => Some(value.eval().is_none() != *negated),
            Self::In(name, texts, negated) => Some(texts.contains(&text(name)?) != *negated),
            Self::Not(inner) => inner.eval().map(|holds| !holds),
            Self::And(left, right) => match (left.eval(), right.eval()) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.eval(), right.eval()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn numbers() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![
        (-9_i64..10).prop_map(Number::Literal),
        prop::sample::select(vec!["n", "m", "missing"]).prop_map(Number::Field),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        let how = prop::sample::select(vec!['+', '-', '*', '/']);
        prop_oneof![
            inner.clone().prop_map(Number::Negative),
            (how, inner.clone(), inner).prop_map(|(how, left, right)| Number::Compute(how, left, right)),
        ]
    })
}

fn conditions() -> impl Strategy<Value = Model> {
    let number = || numbers().prop_map(Box::new);
    let how = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let text = || prop::sample::select(vec!["red", "blue", ""]);
    let name = || prop::sample::select(vec!["colour", "missing"]);
    let leaf = prop_oneof![
        prop::sample::select(vec!["yes", "no", "missing", "TRUE", "FALSE"]).prop_map(Model::Flag),
        (how, number(), number()).prop_map(|(how, left, right)| Model::Compare(how, left, right)),
        (any::<bool>(), number(), number(), number())
            .prop_map(|(negated, value, low, high)| Model::Between(negated, value, low, high)),
        (name(), text(), any::<bool>()).prop_map(|(name, text, is_equal)| Model::Same(name, text, is_equal)),
        (number(), any::<bool>()).prop_map(|(value, negated)| Model::IsNull(value, negated)),
        (name(), prop::collection::vec(text(), 1..4), any::<bool>())
            .prop_map(|(name, texts, negated)| Model::In(name, texts, negated)),
    ];
    leaf.prop_recursive(5, 24, 2, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            inner.clone().prop_map(Model::Not),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Model::And(left, right)),
            (inner.clone(), inner).prop_map(|(left, right)| Model::Or(left, right)),
        ]
    })
}

/// Matches by trying every split, which is slow and plainly right.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['%', rest @ ..], text) => (0..=text.len()).any(|taken| like(rest, &text[taken..])),
        (['_', rest @ ..], [_, after @ ..]) => like(rest, after),
        ([own, rest @ ..], [next, after @ ..]) => own == next && like(rest, after),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A selector means what a recursive evaluation of its tree gives, with as few parentheses as precedence needs.
    #[test]
    fn selectors_mean_what_a_model_says(model in conditions()) {
        let message = Message::from("job")
            .with_property("n", 5)
            .with_property("m", -2)
            .with_property("yes", true)
            .with_property("no", false)
            .with_property("colour", "red");
        let expression = model.show(0);
        prop_assert_eq!(evaluate(&expression, &message), model.eval(), "{}", expression);
    }

    /// LIKE matches as trying every split does.
    #[test]
    fn patterns_match_what_a_model_says(pattern in "[ab%_]{0,8}", text in "[abü]{0,10}") {
        let message = Message::from("job").with_property("t", text.as_str());
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = like(&chars(&pattern), &chars(&text));
        prop_assert_eq!(evaluate(&format!("t LIKE '{pattern}'"), &message), Some(expected));
    }

    /// No text breaks the parser, and the column of an error lies in the text or behind it.
    #[test]
    fn no_text_breaks_the_parser(words in prop::collection::vec(
        prop_oneof![
            prop::sample::select(vec![
                "a", "5", "1.5", "'x'", "(", ")", "AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "IS", "NULL", "ESCAPE",
                "=", "<", "-", "+", "*", "/", ",", "TRUE", "\"q\"", "'", "9223372036854775808", "amqp.to",
            ]).prop_map(str::to_owned),
            any::<String>(),
        ], 0..20)) {
        let text = words.join(" ");
        match Selector::parse(text.as_str()) {
            Ok(selector) => assert_eq!(selector.matches(&sample()), selector.evaluate(&sample()) == Some(true)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column())),
        }
    }
}
