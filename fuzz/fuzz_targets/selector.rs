//! Fuzzes selectors: parsed, and evaluated against a message and its encoded form.
#![no_main]

use amqp_proto::message::{Message, MessageView};
use amqp_proto::policy::Selector;
use amqp_proto::types::Limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column()));
            return;
        }
    };
    assert_eq!(selector.as_str(), text);
    // The longest words of the text are values, so that patterns meet texts that they nearly match.
    let long = text.split('\'').max_by_key(|word| word.len()).unwrap_or_default();
    let message = Message::from("job")
        .with_durable(true)
        .with_message_id("ID:7")
        .with_property("a", long)
        .with_property("n", i64::MAX)
        .with_property("x", -0.5)
        .with_property("t", true);
    let payload = message.to_payload().expect("it is valid");
    let view = MessageView::new(payload, &Limits::DEFAULT).expect("it was written here");
    let result = selector.evaluate(&message);
    assert_eq!(selector.evaluate(&view), result);
    // What is parsed again means the same, and so does its negation, up to the bounds of a selector.
    if let Ok(negation) = Selector::parse(format!("NOT ({text}\n)")) {
        assert_eq!(negation.evaluate(&message), result.map(|holds| !holds));
    }
});
