//! The filters of sources: octets, meanings, and what a peer grants [3.5.3] [3.5.8].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, Ungranted};
use amqp_proto::symbol;
use amqp_proto::types::{Described, Handle, List, Symbol, Timestamp, Value};
use amqp_proto::wire::{Attach, Filter, FilterError, FilterKind, Role, Source, StreamOffset};
use common::{decode, encode, hex};

/// Asserts that a filter has these octets: a symbolic descriptor, then a value in hexadecimal digits.
fn assert_octets(filter: Filter, descriptor: &str, value: &str) {
    let length = descriptor.len();
    let written = format!("00a3{length:02x}{}{}", hex(descriptor.as_bytes()), value.replace(' ', ""));
    assert_eq!(encode(Described::from(filter.clone())), written, "{filter:?}");
    assert_eq!(Filter::try_from(&decode(&written).unwrap()), Ok(filter));
}

/// M-SRC-09 [3.5.8]: each filter has its registered descriptor and the value that its definition says.
#[test]
fn m_src_09_filters_have_the_octets_of_their_definitions() {
    let text = "a105 61203d2031";
    assert_octets(Filter::Selector("a = 1".into()), "apache.org:selector-filter:string", text);
    assert_octets(Filter::NoLocal, "apache.org:no-local-filter:list", "45");
    assert_octets(Filter::Sql("a = 1".into()), "amqp:sql-filter", text);
    let properties = [(symbol!("to"), "a")].into();
    assert_octets(Filter::Properties(properties), "amqp:properties-filter", "c108 02 a302746f a10161");
    let properties = [("n", 7)].into();
    let descriptor = "amqp:application-properties-filter";
    assert_octets(Filter::ApplicationProperties(properties), descriptor, "c106 02 a1016e 5407");
    let descriptor = "rabbitmq:stream-offset-spec";
    for (offset, value) in [
        (StreamOffset::First, "a105 6669727374"),
        (StreamOffset::Last, "a104 6c617374"),
        (StreamOffset::Next, "a104 6e657874"),
        (StreamOffset::Offset(7), "5307"),
        (StreamOffset::Timestamp(Timestamp::from_millis(1)), "83 0000000000000001"),
        (StreamOffset::Interval("7D".into()), "a102 3744"),
    ] {
        assert_octets(Filter::StreamOffset(offset), descriptor, value);
    }
    let descriptor = "rabbitmq:stream-filter";
    assert_octets(Filter::Stream(vec!["a".into()]), descriptor, "a101 61");
    assert_octets(Filter::Stream(vec!["a".into(), "b".into()]), descriptor, "c007 02 a10161 a10162");
    assert_octets(Filter::StreamUnfiltered(true), "rabbitmq:stream-match-unfiltered", "41");
}

/// M-SRC-09 [3.5.8]: a peer may write the numeric descriptor. The octets are those that rhea writes.
#[test]
fn m_src_09_a_filter_of_rhea_is_read() {
    let written = "00800000468c00000004a10d636f6c6f72203d202772656427";
    let filter = Filter::try_from(&decode(written).unwrap());
    assert_eq!(filter, Ok(Filter::Selector("color = 'red'".into())));
    for kind in FilterKind::ALL {
        assert_eq!(FilterKind::of(&kind.descriptor().into()), Some(*kind));
        assert!(kind.code().is_none_or(|code| FilterKind::of(&code.into()) == Some(*kind)));
    }
    // A text is no descriptor, even if it reads like one.
    assert_eq!(FilterKind::of(&"amqp:sql-filter".into()), None);
}

/// Some writers take another type for a value whose meaning is clear.
#[test]
fn values_of_lenient_writers_are_read() {
    let read = |kind: FilterKind, value: Value| {
        Filter::try_from(&Value::from(Described::new(kind.descriptor(), value))).unwrap()
    };
    let selector = read(FilterKind::Selector, symbol!("a").into());
    assert_eq!(selector, Filter::Selector("a".into()));
    for value in [Value::Null, "".into(), List::new().into()] {
        assert_eq!(read(FilterKind::NoLocal, value), Filter::NoLocal);
    }
    for offset in [Value::Int(7), Value::Long(7), Value::Ubyte(7)] {
        let read = read(FilterKind::StreamOffset, offset);
        assert_eq!(read, Filter::StreamOffset(StreamOffset::Offset(7)));
    }
}

/// A filter that cannot be read says why.
#[test]
fn m_src_09_a_filter_that_makes_no_sense_says_why() {
    let wrong = |kind: FilterKind, value: Value| {
        let filter = Value::from(Described::new(kind.descriptor(), value));
        assert_eq!(Filter::try_from(&filter), Err(FilterError::Value(kind)), "{filter:?}");
    };
    wrong(FilterKind::Selector, 7.into());
    wrong(FilterKind::Sql, Value::Null);
    wrong(FilterKind::Properties, List::new().into());
    wrong(FilterKind::Properties, [(7, 7)].into_iter().collect::<amqp_proto::types::Map>().into());
    wrong(FilterKind::ApplicationProperties, "subject".into());
    wrong(FilterKind::StreamOffset, Value::Int(-1));
    wrong(FilterKind::StreamOffset, true.into());
    wrong(FilterKind::Stream, [7].into_iter().collect::<List>().into());
    wrong(FilterKind::StreamUnfiltered, 1.into());

    let error = Filter::try_from(&Value::from("a = 1")).unwrap_err();
    assert_eq!(error, FilterError::NotDescribed);
    assert_eq!(error.to_string(), "a filter is a described value");
    let unknown = Described::new(0x7_u64, "a = 1");
    let error = Filter::try_from(&Value::from(unknown)).unwrap_err();
    assert_eq!(error.to_string(), "no known filter has the descriptor ulong 7");
    let text = FilterError::Value(FilterKind::Sql).to_string();
    assert_eq!(text, "the value of a filter amqp:sql-filter is of another type");
}

fn ungranted(asked: &Source, granted: Source) -> Vec<Ungranted> {
    let options = ReceiverOptions::new().with_source(asked.clone());
    let answer = Attach::new("link".into(), Handle::new(0), Role::Sender);
    options.ungranted(&Attach { source: Some(Box::new(granted)), ..answer })
}

/// M-SRC-08 [3.5.3]: the filters that the peer's answer leaves out are named, one by one.
#[test]
fn m_src_08_each_filter_that_is_not_granted_is_named() {
    let asked = Source::at("events")
        .with_sql_filter("a = 1")
        .with_properties_filter([(symbol!("subject"), "&p:order.")])
        .with_application_properties_filter([("region", "emea")])
        .with_stream_offset(StreamOffset::First)
        .with_stream_filter(["emea", "apac"], true);
    let names: Vec<Symbol> = [
        "sql-filter",
        "properties-filter",
        "application-properties-filter",
        "rabbitmq:stream-offset-spec",
        "rabbitmq:stream-filter",
        "rabbitmq:stream-match-unfiltered",
    ]
    .map(Symbol::checked)
    .into();
    assert_eq!(ungranted(&asked, asked.clone()), []);
    let missing: Vec<_> = names.iter().cloned().map(Ungranted::Filter).collect();
    assert_eq!(ungranted(&asked, Source::at("events")), missing);
    for name in &names {
        let mut granted = asked.clone();
        granted.filter.remove(name.as_str()).unwrap();
        assert_eq!(ungranted(&asked, granted), [Ungranted::Filter(name.clone())]);
    }
    // RabbitMQ applies one or the other, and says which.
    let sql = Source::at("events").with_sql_filter("a = 1");
    assert_eq!(ungranted(&asked, sql).len(), names.len() - 1);
}

/// M-SRC-08 [3.5.3]: a filter of the same name and value and of another kind is not the one that was requested.
#[test]
fn m_src_08_a_filter_of_another_kind_is_not_granted() {
    let asked = Source::at("a").with_filter("f", Filter::Selector("a = 1".into()));
    let missing = [Ungranted::Filter(symbol!("f"))];
    let sql = Filter::Sql("a = 1".into());
    assert_eq!(ungranted(&asked, Source::at("a").with_filter("f", sql)), missing);
    for (descriptor, is_other) in [(0x120_u64, true), (0x7, true), (0x0000_468c_0000_0004, false)] {
        let granted = Source::at("a").with_filter("f", Described::new(descriptor, "a = 1"));
        assert_eq!(!ungranted(&asked, granted).is_empty(), is_other);
    }
    // The two descriptors of an unknown kind cannot be compared.
    let own = |descriptor: Value| Source::at("a").with_filter("f", Described::new(descriptor, 1));
    let asked = own(symbol!("mine").into());
    assert_eq!(ungranted(&asked, own(7_u64.into())), []);
    assert_eq!(ungranted(&asked, own(symbol!("yours").into())), missing);
}

/// The filters of a source are read one by one, by both ends.
#[test]
fn m_src_09_filters_are_read_one_by_one() {
    let source = Source::at("jobs").with_no_local().with_filter("own", Described::new(symbol!("own"), 1));
    let read: Vec<_> = source.filters().map(|(name, filter)| (name.as_str().unwrap(), filter)).collect();
    assert_eq!(
        read,
        [("no-local", Ok(Filter::NoLocal)), ("own", Err(FilterError::Unknown(symbol!("own").into())))]
    );
}
