//! The broker in memory: durable and shared subscriptions to topics, as JMS has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::broker::Broker;
use amqp_tokio::types::{Many, Symbol};
use amqp_tokio::wire::{Condition, DistributionMode, ExpiryPolicy, Outcome, Source, TerminusDurability};
use amqp_tokio::{Connection, ConnectionOptions, Receiver};
use common::served::{assert_refused, connect_as, delivery_count, next};

fn names(names: &[&str]) -> Many<Symbol> {
    names.iter().map(|name| Symbol::new(*name).unwrap()).collect()
}

fn topic() -> Many<Symbol> {
    names(&["topic"])
}

/// The source of a durable subscription, as Qpid JMS has it.
fn durable(address: &'static str) -> Source {
    Source {
        durable: TerminusDurability::UnsettledState,
        expiry_policy: ExpiryPolicy::Never,
        distribution_mode: Some(DistributionMode::Copy),
        capabilities: topic(),
        ..Source::at(address)
    }
}

async fn client(broker: &Broker, container: &str) -> Connection {
    connect_as(broker, ConnectionOptions::new().with_container_id(container)).await.unwrap()
}

async fn subscribe(connection: &Connection, source: Source) -> Receiver {
    connection.receiver("").with_name("news").with_source(source).await.unwrap()
}

async fn publish(connection: &Connection, texts: &[&'static str]) {
    let sender = connection.sender("news").with_capabilities(topic()).await.unwrap();
    for text in texts {
        assert_eq!(sender.send(*text).await.unwrap(), Outcome::Accepted);
    }
    sender.close().await.unwrap();
}

/// Receives messages with these texts, and nothing behind them.
async fn expect(receiver: &Receiver, texts: &[&str]) {
    for text in texts {
        let (delivery, got) = next(receiver).await;
        assert_eq!(got, *text);
        delivery.accept().unwrap();
    }
    receiver.drain().await.unwrap();
    assert!(receiver.try_recv().unwrap().is_none());
}

/// A detached link keeps its subscription, also when it ends with its connection. A closed one ends it.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_subscription_outlives_its_link_until_that_is_closed() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    publish(&publisher, &["one", "two"]).await;
    expect(&receiver, &["one", "two"]).await;
    receiver.detach().await.unwrap();
    publish(&publisher, &["three"]).await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    expect(&receiver, &["three"]).await;
    subscriber.close().await.unwrap();
    publish(&publisher, &["four", "five"]).await;
    assert_eq!(broker.terminus_count(), 1);
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    expect(&receiver, &["four", "five"]).await;
    receiver.close().await.unwrap();
    assert_eq!((broker.terminus_count(), broker.node_count()), (0, 0));
    publish(&publisher, &["unheard"]).await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    expect(&receiver, &[]).await;
}

/// The subscription is that of the client: another container has one of its own by this name.
#[tokio::test]
#[adapter_tests::bounded]
async fn subscriptions_belong_to_containers() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let (one, other) = (client(&broker, "one").await, client(&broker, "other").await);
    subscribe(&one, durable("news")).await.detach().await.unwrap();
    publish(&publisher, &["first"]).await;
    let theirs = subscribe(&other, durable("news")).await;
    publish(&publisher, &["second"]).await;
    expect(&theirs, &["second"]).await;
    expect(&subscribe(&one, durable("news")).await, &["first", "second"]).await;
}

/// A message that the client had and did not settle comes again, as a failed delivery.
#[tokio::test]
#[adapter_tests::bounded]
async fn unsettled_messages_return_to_their_subscription() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    publish(&publisher, &["one", "two"]).await;
    let (held, _) = next(&receiver).await;
    assert_eq!(delivery_count(&held).0, 0);
    std::mem::forget(held);
    subscriber.close().await.unwrap();
    drop(receiver);
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    let (again, text) = next(&receiver).await;
    assert_eq!((text.as_str(), delivery_count(&again).0), ("one", 1));
    again.accept().unwrap();
    expect(&receiver, &["two"]).await;
}

/// Another topic or selector makes another subscription of it, as JMS says.
#[tokio::test]
#[adapter_tests::bounded]
async fn another_source_begins_anew() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let subscriber = client(&broker, "subscriber").await;
    let urgent = || durable("news").with_selector("JMSPriority > 5");
    subscribe(&subscriber, durable("news")).await.detach().await.unwrap();
    publish(&publisher, &["dropped"]).await;
    subscribe(&subscriber, urgent()).await.detach().await.unwrap();
    publish(&publisher, &["not urgent"]).await;
    expect(&subscribe(&subscriber, urgent()).await, &[]).await;
    assert_eq!(broker.terminus_count(), 1);
}

/// No-local concerns the connection of the client that has attached the link last.
#[tokio::test]
#[adapter_tests::bounded]
async fn no_local_follows_the_client() {
    let broker = Broker::new().unwrap();
    let source = || durable("news").with_no_local();
    let subscriber = client(&broker, "subscriber").await;
    subscribe(&subscriber, source()).await.detach().await.unwrap();
    subscriber.close().await.unwrap();
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, source()).await;
    publish(&subscriber, &["own"]).await;
    publish(&client(&broker, "publisher").await, &["of another"]).await;
    expect(&receiver, &["of another"]).await;
}

/// The answer says that the subscription stays, and that it is a topic's; the broker stores nothing.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_answer_to_a_subscription() {
    let broker = Broker::new().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    let receiver = subscribe(&subscriber, durable("news")).await;
    let granted = receiver.peer_attach().unwrap().source.unwrap();
    assert_eq!(*granted, Source { durable: TerminusDurability::None, ..durable("news") });
    let moving = Source { distribution_mode: Some(DistributionMode::Move), ..durable("other") };
    let error = subscriber.receiver("").with_source(moving).await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "a topic has no distribution-mode move");
}

/// The source of a shared subscription that ends with its last link.
fn shared() -> Source {
    let capabilities = names(&["topic", "shared"]);
    Source {
        expiry_policy: ExpiryPolicy::LinkDetach,
        durable: TerminusDurability::None,
        capabilities,
        ..durable("news")
    }
}

/// The source of one that all clients have in common, and that outlives its links.
fn global() -> Source {
    Source { capabilities: names(&["topic", "shared", "global"]), ..durable("news") }
}

async fn share(connection: &Connection, link: &str, source: Source) -> Receiver {
    connection.receiver("").with_name(link).with_source(source).with_prefetch(1).await.unwrap()
}

/// The links of a shared subscription have each message once; another subscription has it, too. The last link ends it.
#[tokio::test]
#[adapter_tests::bounded]
async fn links_share_a_subscription() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let subscriber = client(&broker, "subscriber").await;
    let first = share(&subscriber, "work|volatile1", shared()).await;
    let second = share(&subscriber, "work|volatile2", shared()).await;
    let other = share(&subscriber, "other|volatile1", shared()).await;
    publish(&publisher, &["one", "two"]).await;
    let ((one, first_text), (two, second_text)) = (next(&first).await, next(&second).await);
    let mut both = [first_text, second_text];
    both.sort();
    assert_eq!(both, ["one", "two"]);
    one.accept().unwrap();
    // What one link gives back, the other one gets.
    two.release().unwrap();
    second.close().await.unwrap();
    next(&first).await.0.accept().unwrap();
    expect(&first, &[]).await;
    expect(&other, &["one", "two"]).await;
    first.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!((broker.terminus_count(), broker.node_count()), (0, 0));
}

/// A durable one stays when all its links are detached, and ends when the last one is closed.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_shared_subscription_outlives_its_links() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let (one, other) = (client(&broker, "one").await, client(&broker, "other").await);
    let first = share(&one, "work|global", global()).await;
    let second = share(&other, "work|global", global()).await;
    first.detach().await.unwrap();
    second.detach().await.unwrap();
    publish(&publisher, &["meanwhile"]).await;
    assert_eq!(broker.terminus_count(), 1);
    // Another client gets it by a link with another name.
    let third = share(&client(&broker, "third").await, "work|global2", global()).await;
    expect(&third, &["meanwhile"]).await;
    let fourth = share(&other, "work|global", global()).await;
    third.close().await.unwrap();
    assert_eq!(broker.terminus_count(), 1);
    fourth.close().await.unwrap();
    assert_eq!((broker.terminus_count(), broker.node_count()), (0, 0));
}

/// The name of one client's subscription is another one for another client.
#[tokio::test]
#[adapter_tests::bounded]
async fn a_shared_subscription_belongs_to_its_client() {
    let broker = Broker::new().unwrap();
    let publisher = client(&broker, "publisher").await;
    let (one, other) = (client(&broker, "one").await, client(&broker, "other").await);
    let (first, second) = (share(&one, "work", shared()).await, share(&other, "work", shared()).await);
    publish(&publisher, &["news"]).await;
    expect(&first, &["news"]).await;
    expect(&second, &["news"]).await;
}

/// A subscription with links keeps its topic and filters. Without links, another source begins it anew.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_source_of_a_shared_subscription() {
    let broker = Broker::builder().with_termini(1).build().unwrap();
    let subscriber = client(&broker, "subscriber").await;
    let attach = |link: &'static str, source| subscriber.receiver("").with_name(link).with_source(source);
    let first = attach("work|1", global()).await.unwrap();
    let granted = first.peer_attach().unwrap().source.unwrap();
    assert_eq!(*granted, Source { durable: TerminusDurability::None, ..global() });
    let error = attach("work|2", global().with_selector("a = 1")).await.unwrap_err();
    assert_refused(&error, Condition::PreconditionFailed, "the subscription work has links");
    let error = attach("more|1", global()).await.unwrap_err();
    assert_refused(&error, Condition::ResourceLimitExceeded, "the limit of 1 durable shared subscriptions");
    let error = attach("local|1", shared().with_no_local()).await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "a shared subscription has no filter no-local");
    first.detach().await.unwrap();
    let _anew = attach("work|2", global().with_selector("a = 1")).await.unwrap();
    assert_eq!(broker.terminus_count(), 1);
}
