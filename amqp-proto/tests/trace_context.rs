//! The trace context of messages: where it is written and looked for, and texts that are none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_proto::message::{Message, MessageView, ParseTraceparentError, SpanLinks, TraceContext};
use amqp_proto::types::{Limits, Value};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn parsed(text: &str) -> TraceContext {
    text.parse().unwrap()
}

/// Asserts the context of a message, and of its octets.
fn assert_context(message: &Message, expected: Option<&TraceContext>) {
    assert_eq!(message.trace_context().as_ref(), expected);
    let view = MessageView::new(message.to_payload().unwrap(), &Limits::default()).unwrap();
    assert_eq!(view.trace_context().unwrap().as_ref(), expected);
}

#[test]
fn a_context_is_written_as_it_is_read() {
    for text in [PARENT, OTHER] {
        assert_eq!(parsed(text).to_string(), text);
    }
    let context = parsed(PARENT);
    assert_eq!(context.trace_id()[..3], [0x4b, 0xf9, 0x2f]);
    assert_eq!(context.span_id(), &[0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((context.is_sampled(), parsed(OTHER).is_sampled()), (true, false));
    assert_eq!(TraceContext::new(*context.trace_id(), *context.span_id(), true), Some(context));
}

#[test]
fn ids_of_zero_are_none() {
    assert_eq!(TraceContext::new([0; 16], [1; 8], true), None);
    assert_eq!(TraceContext::new([1; 16], [0; 8], true), None);
}

/// Parts that a later version adds are left out, as flags that version 0 does not have are.
#[test]
fn a_later_version_is_read_as_version_0() {
    for text in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
    ] {
        assert_eq!(parsed(text).to_string(), PARENT);
    }
}

#[test]
fn what_is_no_traceparent_is_refused() {
    let digits = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut wrong: Vec<String> =
        ["0-", "000-", "ff-", "0x-", "-", "00", ""].map(|v| format!("{v}{digits}")).into();
    for text in [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.",
        "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47-3600f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\u{e9}",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-701",
    ] {
        wrong.push(text.to_owned());
    }
    wrong.extend((0..PARENT.len()).map(|end| PARENT[..end].to_owned()));
    for text in wrong {
        assert_eq!(text.parse::<TraceContext>(), Err(ParseTraceparentError), "{text}");
    }
}

#[test]
fn a_sender_writes_application_properties() {
    let context = parsed(PARENT).with_state("vendor=1");
    let message = Message::from("job").with_trace_context(&context);
    assert_eq!(message.property("traceparent"), Some(&PARENT.into()));
    assert_eq!(message.property("tracestate"), Some(&"vendor=1".into()));
    assert_context(&message, Some(&context));
    // Another context replaces both parts.
    let message = message.with_trace_context(&parsed(OTHER));
    assert_eq!(message.property("tracestate"), None);
    assert_context(&message, Some(&parsed(OTHER)));
}

#[test]
fn the_annotations_of_an_intermediary_come_first() {
    let sent = Message::from("job").with_trace_context(&parsed(PARENT).with_state("vendor=1"));
    let passed = sent.clone().with_annotation("traceparent", OTHER);
    assert_context(&passed, Some(&parsed(OTHER)));
    let passed = passed.with_annotation("tracestate", "other=2");
    assert_context(&passed, Some(&parsed(OTHER).with_state("other=2")));
    // What is no context there hides none.
    for wrong in [Value::from("00-"), 7.into(), Value::Null] {
        let passed = sent.clone().with_annotation("traceparent", wrong);
        assert_context(&passed, Some(&parsed(PARENT).with_state("vendor=1")));
    }
}

#[test]
fn a_message_without_a_context_has_none() {
    assert_context(&Message::from("job"), None);
    assert_context(&Message::from("job").with_property("traceparent", "00-"), None);
    assert_context(&Message::from("job").with_property("tracestate", "vendor=1"), None);
}

/// A batch is linked to each span once, in the order of the messages, and to no more than the limit.
#[test]
fn a_batch_has_a_link_for_each_span() {
    let [one, other] = [parsed(PARENT), parsed(OTHER)];
    let batch = [
        Message::from("a").with_trace_context(&one),
        Message::from("b"),
        Message::from("c").with_trace_context(&other),
        Message::from("d").with_trace_context(&one.clone().with_state("vendor=1")),
    ];
    let mut links: SpanLinks = batch.iter().filter_map(Message::trace_context).collect();
    assert!(links.iter().eq([&one, &other]));
    assert_eq!((links.to_string(), links.dropped()), (format!("{PARENT},{OTHER}"), 0));
    assert_eq!((&links).into_iter().count(), 2);

    let spans = (1..=200_u8).map(|span| TraceContext::new([1; 16], [span; 8], true).unwrap());
    links.extend(spans.clone().chain(spans));
    assert_eq!((links.iter().count(), links.dropped()), (128, 2 * (200 - 126)));
    let mut few = SpanLinks::new().with_most(1);
    few.extend([one.clone(), other]);
    assert!(few.iter().eq([&one]));
    assert_eq!((few.dropped(), SpanLinks::default().to_string()), (1, String::new()));
}
