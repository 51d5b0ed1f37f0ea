//! Parts of messages and attaches for certain brokers: the octets of addresses, filters, annotations and properties, and what is read back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use core::time::Duration;

use amqp_proto::brokers::artemis::{self, NotQualifiable, RoutingType};
use amqp_proto::brokers::azure::{self, Batch, BatchError, EventPosition};
use amqp_proto::brokers::rabbitmq::{self, ConsumerProperties, Rejection};
use amqp_proto::config::{ReceiverOptions, Ungranted};
use amqp_proto::message::{Body, Message};
use amqp_proto::policy::{ManagementRequest, QueueOptions};
use amqp_proto::symbol;
use amqp_proto::types::{DeliveryTag, Described, Fields, Handle, Limits, List, Many, Map, Timestamp, Value};
use amqp_proto::wire::{
    AmqpError, Attach, Condition, ExpiryPolicy, Filter, FilterError, FilterKind, Role, Source,
};
use common::{decode, encode, hex};

/// Returns the octets of one annotation, without the map around it.
fn annotation(message: &Message, name: &str) -> String {
    encode(message.annotation(name).unwrap().clone())
}

fn answer(source: Source) -> Attach {
    Attach { source: Some(Box::new(source)), ..Attach::new("link".into(), Handle::new(0), Role::Sender) }
}

#[test]
fn names_in_addresses_of_rabbitmq_are_encoded() {
    assert_eq!(rabbitmq::queue("a-B.0_~"), "/queues/a-B.0_~");
    assert_eq!(rabbitmq::queue(""), "/queues/");
    assert_eq!(rabbitmq::queue("a/b%2F"), "/queues/a%2Fb%252F");
    assert_eq!(rabbitmq::exchange("\u{20ac} "), "/exchanges/%E2%82%AC%20");
    assert_eq!(rabbitmq::exchange_with_key("x", "a.#"), "/exchanges/x/a.%23");
    assert_eq!(rabbitmq::virtual_host("a/b"), "vhost:a/b");
}

#[test]
fn annotations_and_properties_of_rabbitmq_have_their_types() {
    let message = rabbitmq::with_stream_filter_value(Message::from("event"), "emea");
    assert_eq!(annotation(&message, "x-stream-filter-value"), "a104656d6561");
    let properties = ConsumerProperties::new().with_priority(-1).with_timeout(Duration::from_secs(60));
    let properties = Fields::from(properties);
    assert_eq!(encode(properties.get("rabbitmq:priority").unwrap().clone()), "54ff");
    assert_eq!(encode(properties.get("rabbitmq:consumer-timeout").unwrap().clone()), "700000ea60");
    let endless = Fields::from(ConsumerProperties::new().with_timeout(Duration::MAX));
    assert_eq!(endless.get("rabbitmq:consumer-timeout"), Some(&u32::MAX.into()));
    let replies = rabbitmq::direct_reply_to();
    assert_eq!(
        (replies.dynamic, replies.address, replies.expiry_policy),
        (true, None, ExpiryPolicy::LinkDetach)
    );
    assert_eq!(replies.capabilities, Many::from(symbol!("rabbitmq:volatile-queue")));
}

#[test]
fn an_offset_of_a_stream_is_a_number() {
    let with = |value: Value| Message::from("event").with_annotation("x-stream-offset", value);
    assert_eq!(rabbitmq::stream_offset(&with(7_u64.into())), Some(7));
    assert_eq!(rabbitmq::stream_offset(&with(7_i64.into())), Some(7));
    for wrong in [Value::from(-1_i64), "7".into(), Value::Null] {
        assert_eq!(rabbitmq::stream_offset(&with(wrong)), None);
    }
    assert_eq!(rabbitmq::stream_offset(&Message::from("event")), None);
}

#[test]
fn a_rejection_of_rabbitmq_has_both_parts() {
    let error = |info: Fields| AmqpError::new(Condition::PreconditionFailed).with_info(info);
    let whole = error(Fields::from([("queue", "jobs"), ("reason", "unavailable")]));
    assert_eq!(Rejection::of(&whole).unwrap().reason, "unavailable");
    assert_eq!(Rejection::of(&error(Fields::from([("queue", "jobs")]))), None);
    let number = [("queue", Value::from("jobs")), ("reason", 7.into())];
    assert_eq!(Rejection::of(&error(Fields::from(number))), None);
}

#[test]
fn a_queue_is_declared_with_the_arguments_of_its_type() {
    let body = |options| Message::from(ManagementRequest::declare_queue("q", options)).into_body();
    let arguments = |map: Map| {
        let body: Map = [("arguments", Value::from(map))].into_iter().collect();
        Body::Value(body.into())
    };
    let quorum = QueueOptions::quorum()
        .with_group_size(3)
        .with_delivery_limit(5)
        .with_dead_letter_exchange("failed")
        .with_dead_letter_key("jobs")
        .with_max_length(100)
        .with_overflow("reject-publish")
        .with_single_active_consumer(true);
    let map: Map = [
        ("x-queue-type", Value::from("quorum")),
        ("x-quorum-initial-group-size", 3_u32.into()),
        ("x-delivery-limit", 5_u32.into()),
        ("x-dead-letter-exchange", "failed".into()),
        ("x-dead-letter-routing-key", "jobs".into()),
        ("x-max-length", 100_u64.into()),
        ("x-overflow", "reject-publish".into()),
        ("x-single-active-consumer", true.into()),
    ]
    .into_iter()
    .collect();
    assert_eq!(body(quorum), arguments(map));
    let map: Map = [
        ("x-queue-type", Value::from("stream")),
        ("x-max-age", "7D".into()),
        ("x-max-length-bytes", 1_000_u64.into()),
    ]
    .into_iter()
    .collect();
    assert_eq!(body(QueueOptions::stream().with_max_age("7D").with_max_octets(1_000)), arguments(map));
}

#[test]
fn annotations_of_artemis_have_their_types() {
    let message = artemis::with_delivery_delay(Message::from("job"), Duration::from_millis(258));
    assert_eq!(annotation(&message, "x-opt-delivery-delay"), "810000000000000102");
    let endless = artemis::with_delivery_delay(Message::from("job"), Duration::MAX);
    assert_eq!(endless.annotation("x-opt-delivery-delay"), Some(&i64::MAX.into()));
    let message = artemis::with_delivery_time(Message::from("job"), Timestamp::from_millis(-1));
    assert_eq!(annotation(&message, "x-opt-delivery-time"), "55ff");
    for (routing_type, octets) in [(RoutingType::Multicast, "5100"), (RoutingType::Anycast, "5101")] {
        let message = artemis::with_routing_type(Message::from("job"), routing_type);
        assert_eq!(annotation(&message, "x-opt-routing-type"), octets);
        assert_eq!(RoutingType::of(&message), Some(routing_type));
    }
    for wrong in [Value::from(2), "ANYCAST".into(), Value::Null] {
        let message = Message::from("job").with_annotation("x-opt-routing-type", wrong);
        assert_eq!(RoutingType::of(&message), None);
    }
    assert_eq!(RoutingType::of(&Message::from("job")), None);
    assert_eq!(RoutingType::Anycast.capability(), "queue");
    assert_eq!(RoutingType::Multicast.capability(), "topic");
    assert_eq!(artemis::priority(7).get("priority"), Some(&7.into()));
}

#[test]
fn a_qualified_name_names_one_queue() {
    assert_eq!(artemis::queue_of("a:b", "c:d").as_deref(), Ok("a:b::c:d"));
    for (address, queue) in [("", "q"), ("a", ""), ("a::b", "q"), ("a", "q::r"), ("a:", "q"), ("a", ":q")] {
        assert_eq!(artemis::queue_of(address, queue), Err(NotQualifiable), "{address} {queue}");
    }
}

#[test]
fn a_session_filter_has_the_octets_of_azure() {
    let named = "0080000000137000000ca10161";
    assert_eq!(encode(Described::from(Filter::Session(Some("a".into())))), named);
    assert_eq!(Filter::try_from(&decode(named).unwrap()), Ok(Filter::Session(Some("a".into()))));
    let next = "0080000000137000000c40";
    assert_eq!(encode(Described::from(Filter::Session(None))), next);
    assert_eq!(Filter::try_from(&decode(next).unwrap()), Ok(Filter::Session(None)));
    let number = decode("0080000000137000000c5407").unwrap();
    assert_eq!(Filter::try_from(&number), Err(FilterError::Value(FilterKind::Session)));
}

/// The answer names the session, described or not; another session, or none, is not granted.
#[test]
fn a_session_is_granted_by_its_name() {
    let bare = |session: Value| {
        let mut source = Source::at("orders");
        source.filter.insert("com.microsoft:session-filter", session);
        source
    };
    let missing = [Ungranted::Filter(FilterKind::Session.name())];
    let options = |source| ReceiverOptions::new().with_source(source);
    let named = options(Source::at("orders").with_session("a"));
    let next = options(Source::at("orders").with_session(None));
    for granted in [bare("a".into()), Source::at("orders").with_session("a")] {
        assert_eq!(azure::granted_session(&granted), Some("a"));
        assert_eq!(named.ungranted(&answer(granted.clone())), []);
        assert_eq!(next.ungranted(&answer(granted)), []);
    }
    assert_eq!(named.ungranted(&answer(bare("b".into()))), missing);
    for refused in
        [bare(Value::Null), bare(7.into()), Source::at("orders").with_session(None), Source::at("orders")]
    {
        assert_eq!(azure::granted_session(&refused), None);
        assert_eq!(named.ungranted(&answer(refused.clone())), missing);
        assert_eq!(next.ungranted(&answer(refused)), missing);
    }
}

#[test]
fn a_position_is_a_selector() {
    let expected = [
        (EventPosition::earliest(), "x-opt-offset > '-1'"),
        (EventPosition::latest(), "x-opt-offset > '@latest'"),
        (EventPosition::after_offset("12"), "x-opt-offset > '12'"),
        (EventPosition::from_offset("1' OR '1"), "x-opt-offset >= '1'' OR ''1'"),
        (EventPosition::after_sequence_number(7), "x-opt-sequence-number > '7'"),
        (EventPosition::from_sequence_number(-7), "x-opt-sequence-number >= '-7'"),
        (EventPosition::after_time(Timestamp::from_millis(5)), "x-opt-enqueued-time > '5'"),
    ];
    for (position, comparison) in expected {
        let expression = format!("amqp.annotation.{comparison}");
        assert_eq!(position.to_string(), expression);
        let length = expression.len();
        let octets = format!("00800000468c00000004a1{length:02x}{}", hex(expression.as_bytes()));
        assert_eq!(encode(Described::from(position)), octets);
    }
    let source = Source::at("hub").with_filter(EventPosition::NAME, EventPosition::latest());
    let (name, filter) = source.filters().next().unwrap();
    assert_eq!(name, "apache.org:selector-filter:string");
    assert_eq!(filter, Ok(Filter::Selector("amqp.annotation.x-opt-offset > '@latest'".into())));
}

#[test]
fn addresses_and_properties_of_azure_are_those_of_its_clients() {
    assert_eq!(azure::subscription("t", "s"), "t/Subscriptions/s");
    assert_eq!(azure::partition("h", "0"), "h/Partitions/0");
    assert_eq!(azure::dead_letters("q"), "q/$DeadLetterQueue");
    assert_eq!(azure::transfer_dead_letters("q"), "q/$Transfer/$DeadLetterQueue");
    assert_eq!(azure::management("q"), "q/$management");
    assert_eq!(encode(azure::owner_level(2).get("com.microsoft:epoch").unwrap().clone()), "5502");
    let error = azure::dead_letter("why", "how");
    assert_eq!(error.info.get("DeadLetterReason"), Some(&"why".into()));
    assert_eq!(error.info.get("DeadLetterErrorDescription"), Some(&"how".into()));
}

#[test]
fn annotations_of_azure_have_their_types() {
    let message = azure::with_scheduled_enqueue_time(Message::from("job"), Timestamp::from_millis(1));
    let message = azure::with_partition_key(message, "k");
    assert_eq!(annotation(&message, "x-opt-scheduled-enqueue-time"), "830000000000000001");
    assert_eq!(annotation(&message, "x-opt-partition-key"), "a1016b");
    let received = Message::from("job")
        .with_annotation(azure::SEQUENCE_NUMBER, 7_i64)
        .with_annotation(azure::ENQUEUED_TIME, Timestamp::from_millis(2))
        .with_annotation(azure::LOCKED_UNTIL, 3_i64);
    assert_eq!(azure::sequence_number(&received), Some(7));
    assert_eq!(azure::enqueued_time(&received), Some(Timestamp::from_millis(2)));
    assert_eq!(azure::locked_until(&received), None);
    assert_eq!(azure::sequence_number(&Message::from("job")), None);
    for length in [0, 15, 17, 32] {
        assert_eq!(azure::lock_token(&DeliveryTag::new(&vec![0; length]).unwrap()), None, "{length}");
    }
}

#[test]
fn a_batch_has_a_data_section_for_each_message() {
    let mut batch = Batch::new(1_000);
    let large = Message::from(vec![7; 300]);
    for message in [&Message::from("a"), &large] {
        batch.push(message).unwrap();
    }
    assert_eq!((batch.len(), batch.is_empty()), (2, false));
    let octets = batch.octets();
    let message = batch.into_message();
    let written = message.to_payload().unwrap().to_bytes();
    assert_eq!(written.len(), octets);
    // A data section, in which there is an amqp-value section.
    assert!(hex(&written).starts_with("005375a006005377a10161005375b000000134005375b00000012c07"));
    assert_eq!(Batch::messages(message.body(), &Limits::default()), Ok(vec![Message::from("a"), large]));
    assert_eq!(Batch::FORMAT, 0x8001_3700);
}

#[test]
fn a_batch_refuses_what_does_not_fit() {
    let mut batch = Batch::new(11);
    batch.push(&Message::from("a")).unwrap();
    assert_eq!(batch.octets(), 11);
    assert_eq!(batch.push(&Message::from("")), Err(BatchError::Full));
    assert_eq!((batch.len(), batch.octets()), (1, 11));
}

#[test]
fn what_is_no_batch_is_not_read() {
    let limits = Limits::default();
    for body in [Body::Empty, Body::from("a"), Body::Sequence(Many::from(List::new()))] {
        assert_eq!(Batch::messages(&body, &limits), Err(BatchError::NoBatch));
    }
    let message = Message::from("a").to_payload().unwrap().to_bytes();
    let body = Body::Data(Many::from([message.clone(), message.slice(..3)]));
    let error = Batch::messages(&body, &limits).unwrap_err();
    assert!(matches!(error, BatchError::Decode { index: 1, .. }), "{error}");
    assert!(error.to_string().starts_with("message 1 of the batch: "));
}
