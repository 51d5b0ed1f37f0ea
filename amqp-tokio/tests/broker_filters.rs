//! The broker in memory: selectors, no-local and browsing [3.5.8].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::types::{Described, Limits, Symbol};
use amqp_tokio::wire::{AmqpError, Condition, DistributionMode, Modified, SenderSettleMode, Source};
use amqp_tokio::{Connection, ConnectionOptions, Receiver};
use common::served::{assert_refused, bounded, connect, delivery_count, next};

fn symbol(name: &'static str) -> Symbol {
    Symbol::new(name).unwrap()
}

async fn fill(connection: &Connection, address: &'static str, numbers: std::ops::Range<u32>) {
    let sender = connection.sender(address).await.unwrap();
    for n in numbers {
        let message = Message::from(n.to_string()).with_property("n", n);
        sender.send(message).await.unwrap().accepted().unwrap();
    }
    sender.close().await.unwrap();
}

/// Drains a receiver, and returns the texts of all that it has got.
async fn drained(receiver: &Receiver) -> Vec<String> {
    receiver.set_credit(100).unwrap();
    bounded(receiver.drain()).await.unwrap();
    let mut texts = Vec::new();
    while let Some(delivery) = receiver.try_recv().unwrap() {
        texts.push(delivery.message().unwrap().body().unwrap().as_str().unwrap().to_owned());
        delivery.accept().unwrap();
    }
    texts
}

/// A consumer gets the messages that match, and the others stay for other consumers. The answer has the filter.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_src_09_a_selector_chooses_messages() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 0..10).await;
    let some = connection.receiver("jobs").with_selector("n > 6").with_required_filters();
    let some = some.with_prefetch(10).with_auto_accept(false).await.unwrap();
    let asked = Source::at("jobs").with_selector("n > 6");
    assert_eq!(some.peer_attach().unwrap().source.unwrap().filter, asked.filter);
    let mut got = Vec::new();
    for n in 7..10 {
        let (delivery, body) = bounded(next(&some)).await;
        assert_eq!(body, n.to_string());
        got.push(delivery);
    }
    // A message that comes back is looked at again, as is one that comes later.
    got.remove(1).release().unwrap();
    let (delivery, body) = bounded(next(&some)).await;
    assert_eq!(body, "8");
    got.push(delivery);
    fill(&connection, "jobs", 5..8).await;
    let (delivery, body) = bounded(next(&some)).await;
    assert_eq!(body, "7");
    got.push(delivery);
    got.into_iter().for_each(|delivery| delivery.accept().unwrap());
    let rest = connection.receiver("jobs").with_prefetch(0).with_auto_accept(false).await.unwrap();
    assert_eq!(drained(&rest).await, ["0", "1", "2", "3", "4", "5", "6", "5", "6"]);
    assert!(some.try_recv().unwrap().is_none() && broker.is_empty("jobs"));
}

/// Consumers with different selectors share a queue, and each message goes to one of them.
#[tokio::test]
#[adapter_tests::bounded]
async fn selective_consumers_share_a_queue() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let receiver = |selector: &'static str| {
        connection.receiver("jobs").with_selector(selector).with_prefetch(0).with_auto_accept(false)
    };
    let (low, high) = (receiver("n < 5").await.unwrap(), receiver("n >= 5 OR n IS NULL").await.unwrap());
    fill(&connection, "jobs", 0..10).await;
    assert_eq!(drained(&low).await, ["0", "1", "2", "3", "4"]);
    assert_eq!(drained(&low).await, [""; 0]);
    assert_eq!(drained(&high).await, ["5", "6", "7", "8", "9"]);
}

/// A message that matches is found behind more messages than are looked at in one turn.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_selector_finds_the_last_of_many_messages() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let sender = connection.sender("jobs").await.unwrap();
    let numbered = |n: u32| Message::from(n.to_string()).with_property("n", n);
    for n in 0..1_999 {
        drop(sender.send_queued(numbered(n)).await.unwrap());
    }
    sender.send(numbered(1_999)).await.unwrap().accepted().unwrap();
    let one = connection.receiver("jobs").with_selector("n = 1999").with_prefetch(0).with_auto_accept(false);
    let one = one.await.unwrap();
    assert_eq!(drained(&one).await, ["1999"]);
    assert_eq!(drained(&one).await, [""; 0]);
    assert_eq!(broker.len("jobs"), 1_999);
}

/// A selector that does not parse is refused with its column, and one of another type by the type.
#[tokio::test]
#[adapter_tests::bounded]
async fn malformed_selectors_are_refused() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let receiver = || connection.receiver("jobs");
    let error = receiver().with_selector("colour = 'red' AND").await.unwrap_err();
    assert_refused(&error, Condition::InvalidField, "filter jms-selector: column 19: expected an operand");
    let by_code = Described::new(0x0000_468c_0000_0004_u64, "n >");
    let error = receiver().with_filter(symbol("mine"), by_code).await.unwrap_err();
    assert_refused(&error, Condition::InvalidField, "filter mine: column 4:");
    let number = Described::new(symbol("apache.org:selector-filter:string"), 7);
    let error = receiver().with_filter(symbol("mine"), number).await.unwrap_err();
    assert_refused(&error, Condition::InvalidField, "filter mine: the value of a filter");
    let twice = receiver()
        .with_selector("TRUE")
        .with_filter(symbol("mine"), Described::new(symbol("apache.org:selector-filter:string"), "TRUE"));
    assert_refused(
        &twice.await.unwrap_err(),
        Condition::NotImplemented,
        "one selector, and this is another: mine",
    );
    let deep = format!("{}TRUE{}", "(".repeat(1_000), ")".repeat(1_000));
    let error = receiver().with_selector(deep).await.unwrap_err();
    assert_refused(&error, Condition::InvalidField, "the selector nests too deeply");
    assert_eq!(broker.node_count(), 0);
}

/// A selector sees a message as the consumer would get it: with the failures and annotations of this broker.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_selector_sees_what_has_happened_to_a_message() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 0..2).await;
    let failed = "amqp.delivery_count = 1 AND amqp.annotation.x-opt-why = 'busy'";
    let failed = connection.receiver("jobs").with_selector(failed).with_prefetch(0).with_auto_accept(false);
    let failed = failed.await.unwrap();
    assert_eq!(drained(&failed).await, [""; 0]);
    let first = connection.receiver("jobs").with_selector("amqp.delivery_count = 0").with_prefetch(1);
    let first = first.with_auto_accept(false).await.unwrap();
    let mut modified = Modified { delivery_failed: Some(true), ..Modified::default() };
    modified.message_annotations.insert(symbol("x-opt-why"), "busy");
    next(&first).await.0.modify(modified).unwrap();
    // The next message: the first one does not match any more.
    assert_eq!(bounded(next(&first)).await.1, "1");
    assert_eq!(drained(&failed).await, ["0"]);
}

/// No-local leaves out the messages of the consumer's own connection, at queues and topics.
#[tokio::test]
#[adapter_tests::bounded]
async fn no_local_leaves_out_own_messages() {
    let broker = Broker::new().unwrap();
    let (own, other) = (connect(&broker).await, connect(&broker).await);
    fill(&own, "jobs", 0..2).await;
    fill(&other, "jobs", 2..4).await;
    let receiver = own.receiver("jobs").with_no_local().with_required_filters().with_prefetch(0);
    let receiver = receiver.with_auto_accept(false).await.unwrap();
    assert_eq!(drained(&receiver).await, ["2", "3"]);
    assert_eq!(broker.len("jobs"), 2);
    let topic = own.receiver("news").with_capabilities(symbol("topic")).with_no_local().with_prefetch(0);
    let topic = topic.with_auto_accept(false).await.unwrap();
    fill(&own, "news", 0..2).await;
    fill(&other, "news", 2..4).await;
    assert_eq!(drained(&topic).await, ["2", "3"]);
}

/// The messages that a listener of a topic does not want take none of its room.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_selective_listener_does_not_hold_a_topic_back() {
    let broker = Broker::builder().with_depth(2).build().unwrap();
    let connection = connect(&broker).await;
    let some = connection.receiver("news").with_capabilities(symbol("topic")).with_selector("n >= 20");
    let some = some.with_required_filters().with_prefetch(0).with_auto_accept(false).await.unwrap();
    bounded(fill(&connection, "news", 0..22)).await;
    assert_eq!(drained(&some).await, ["20", "21"]);
}

/// M-SRC-06: a browser gets a copy of each message once, whatever it makes of it; the messages stay.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_src_06_a_browser_leaves_the_messages() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 0..4).await;
    let browser = || {
        let browser = connection.receiver("jobs").with_distribution_mode(DistributionMode::Copy);
        browser.with_prefetch(0).with_auto_accept(false)
    };
    let one = browser().await.unwrap();
    let mode = one.peer_attach().unwrap().source.unwrap().distribution_mode;
    assert_eq!(mode, Some(DistributionMode::Copy));
    one.set_credit(4).unwrap();
    next(&one).await.0.accept().unwrap();
    next(&one).await.0.reject(AmqpError::new(Condition::InvalidField)).unwrap();
    next(&one).await.0.modify(Modified { delivery_failed: Some(true), ..Modified::default() }).unwrap();
    next(&one).await.0.release().unwrap();
    assert_eq!(drained(&one).await, [""; 0]);
    fill(&connection, "jobs", 4..5).await;
    assert_eq!(drained(&one).await, ["4"]);
    assert_eq!((broker.len("jobs"), broker.dead_letters().len()), (5, 0));
    // Another one, with a selector, gets settled copies.
    let two = browser().with_selector("n <> 2").with_snd_settle_mode(SenderSettleMode::Settled);
    assert_eq!(drained(&two.await.unwrap()).await, ["0", "1", "3", "4"]);
    // One that is gone in the middle leaves all as it was.
    let three = browser().await.unwrap();
    three.set_credit(2).unwrap();
    let _copies = (next(&three).await, next(&three).await);
    three.close().await.unwrap();
    let taker = connection.receiver("jobs").with_prefetch(0).with_auto_accept(false).await.unwrap();
    taker.set_credit(1).unwrap();
    let (first, body) = next(&taker).await;
    assert_eq!((delivery_count(&first), &*body), ((0, false), "0"));
    // What a consumer has is not shown, until it comes back.
    let four = browser().await.unwrap();
    assert_eq!(drained(&four).await, ["1", "2", "3", "4"]);
    first.release().unwrap();
    let shown = async {
        loop {
            if let [text] = &drained(&four).await[..] {
                break text.clone();
            }
        }
    };
    assert_eq!(bounded(shown).await, "0");
    assert_eq!(drained(&taker).await, ["0", "1", "2", "3", "4"]);
}

/// A copy that cannot be sent yet, since too many are unsettled, is sent once that is possible.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_browser_that_does_not_settle_gets_the_rest_later() {
    let limits = Limits::default().with_unsettled(4);
    let options = ConnectionOptions::new().with_limits(limits);
    let broker = Broker::builder().with_options(options).build().unwrap();
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 0..10).await;
    let browser = connection.receiver("jobs").with_distribution_mode(DistributionMode::Copy);
    let browser = browser.with_prefetch(0).with_auto_accept(false).await.unwrap();
    browser.set_credit(100).unwrap();
    let mut copies = std::collections::VecDeque::new();
    for n in 0..10 {
        if n >= 4 {
            common::polls::rest().await;
            assert!(browser.try_recv().unwrap().is_none());
            let oldest: amqp_tokio::Delivery = copies.pop_front().unwrap();
            oldest.release().unwrap();
        }
        let (delivery, text) = bounded(next(&browser)).await;
        assert_eq!(text, n.to_string());
        copies.push_back(delivery);
    }
    assert_eq!(broker.len("jobs"), 10);
}

/// Each consumer has numbered messages of its own, made on demand.
#[tokio::test]
#[adapter_tests::bounded]
async fn numbered_messages_are_neither_browsed_nor_filtered() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let browser = connection.receiver("source.5").with_distribution_mode(DistributionMode::Copy);
    let selective = connection.receiver("source.5").with_selector("seq > 2");
    for receiver in [browser, selective] {
        let error = receiver.await.unwrap_err();
        assert_refused(&error, Condition::NotImplemented, "neither browsed nor filtered");
    }
}
