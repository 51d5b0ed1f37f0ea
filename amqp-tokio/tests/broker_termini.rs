//! The broker in memory: the settings of a source or target that it grants, and those that it refuses [3.5.3]
//! [3.5.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_tokio::Connection;
use amqp_tokio::broker::{Broker, DeadLetterReason};
use amqp_tokio::types::{Described, Fields, Many, Symbol};
use amqp_tokio::wire::{
    Condition, DistributionMode, ExpiryPolicy, LifetimePolicy, Outcome, Source, Target, Terminus,
    TerminusDurability,
};
use common::served::{assert_refused, connect, next};

fn names(names: &[&str]) -> Many<Symbol> {
    names.iter().map(|name| Symbol::new(*name).unwrap()).collect()
}

fn topic() -> Source {
    Source { capabilities: names(&["topic"]), ..Source::at("news") }
}

/// Otherwise a receiver would rely on a filter that is ignored.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_src_09_other_filters_are_refused_by_name() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let receiver = || connection.receiver("jobs");
    let error = receiver().with_sql_filter("n > 1").await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "this broker has no such filter: sql-filter");
    let other = Described::new(Symbol::new("example:other").unwrap(), 1);
    let error = receiver().with_filter(Symbol::new("other").unwrap(), other).await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "this broker has no such filter: other");
    assert!(receiver().await.is_ok());
    assert_eq!(broker.node_count(), 1);
}

#[tokio::test]
#[adapter_tests::bounded]
async fn topics_give_copies() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let asks =
        |source: Source, mode| connection.receiver("").with_source(source).with_distribution_mode(mode);
    let error = asks(topic(), DistributionMode::Move).await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "a topic has no distribution-mode move");
    let other = DistributionMode::Other(Symbol::new("fan").unwrap());
    let error = asks(Source::at("jobs"), other).await.unwrap_err();
    assert_refused(&error, Condition::NotImplemented, "no distribution-mode fan");
    let listener = asks(topic(), DistributionMode::Copy).await.unwrap();
    let source = listener.peer_attach().unwrap().source.unwrap();
    assert_eq!(source.distribution_mode, Some(DistributionMode::Copy));
    assert_eq!(source.capabilities, names(&["topic"]));
}

#[tokio::test]
#[adapter_tests::bounded]
async fn a_node_of_another_kind_is_refused() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let _queue = connection.receiver("jobs").await.unwrap();
    let error = connection.receiver("jobs").with_capabilities(names(&["topic"])).await.unwrap_err();
    assert_refused(&error, Condition::PreconditionFailed, "jobs is a queue, not a topic");
    let _topic = connection.receiver("").with_source(topic()).await.unwrap();
    let error = connection.sender("news").with_capabilities(names(&["queue"])).await.unwrap_err();
    assert_refused(&error, Condition::PreconditionFailed, "news is a topic, not a queue");
}

/// The answer has the settings in force, not the requested ones.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_answer_confirms_nothing_that_is_not_so() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let source = Source {
        durable: TerminusDurability::Configuration,
        expiry_policy: ExpiryPolicy::Never,
        timeout: 60,
        outcomes: names(&["amqp:accepted:list", "example:taken"]),
        capabilities: names(&["queue", "example:fast"]),
        ..Source::at("jobs")
    };
    let receiver = connection.receiver("").with_source(source).await.unwrap();
    let granted = receiver.peer_attach().unwrap().source.unwrap();
    let wanted = Source {
        expiry_policy: ExpiryPolicy::Never,
        timeout: 60,
        distribution_mode: Some(DistributionMode::Move),
        outcomes: names(&["amqp:accepted:list"]),
        capabilities: names(&["queue"]),
        ..Source::at("jobs")
    };
    assert_eq!(*granted, wanted);
    let target = Target {
        durable: TerminusDurability::UnsettledState,
        timeout: 60,
        capabilities: names(&["example:fast"]),
        ..Target::at("jobs")
    };
    let sender = connection.sender("").with_target(target).await.unwrap();
    let granted = *sender.peer_attach().unwrap().target.unwrap();
    let wanted = Target { timeout: 60, ..Target::at("jobs") };
    assert_eq!(granted, Terminus::Target(wanted));
    // Nothing is kept of a link that does not ask for it.
    let plain = connection.sender("jobs").await.unwrap().peer_attach().unwrap();
    let Terminus::Target(granted) = *plain.target.unwrap() else { panic!("a node") };
    assert_eq!((granted.expiry_policy, granted.timeout), (ExpiryPolicy::LinkDetach, 0));
}

fn lifetime(policy: LifetimePolicy) -> Fields {
    [(LifetimePolicy::KEY, policy)].into_iter().collect()
}

/// [3.5.9] A dynamic node has the lifetime that is asked for, by default that of its link, and its properties say so.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_dyn_lifetimes_of_dynamic_nodes_are_announced() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let source =
        |dynamic_node_properties| Source { dynamic: true, dynamic_node_properties, ..Source::default() };
    let target =
        |dynamic_node_properties| Target { dynamic: true, dynamic_node_properties, ..Target::default() };
    let default = (Fields::default(), lifetime(LifetimePolicy::DeleteOnClose));
    for (asked, granted) in
        LifetimePolicy::ALL.map(|policy| (lifetime(policy), lifetime(policy))).into_iter().chain([default])
    {
        let receiver = connection.receiver("").with_source(source(asked.clone())).await.unwrap();
        assert_eq!(receiver.peer_attach().unwrap().source.unwrap().dynamic_node_properties, granted);
        let sender = connection.sender("").with_target(target(asked)).await.unwrap();
        let Terminus::Target(found) = *sender.peer_attach().unwrap().target.unwrap() else {
            panic!("a node")
        };
        assert_eq!(found.dynamic_node_properties, granted);
        receiver.close().await.unwrap();
        sender.close().await.unwrap();
    }
    assert_eq!(broker.node_count(), 0);
    let unknown: Fields = [(LifetimePolicy::KEY, "for ever")].into_iter().collect();
    let error = connection.receiver("").with_source(source(unknown)).await.unwrap_err();
    assert_refused(&error, Condition::InvalidField, "the lifetime-policy is not one of the standard");
}

/// [3.5.10-3.5.13] A dynamic node ends when its maker, its links or its messages are gone.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_node_dynamic_nodes_end_by_their_policies() {
    use LifetimePolicy::{DeleteOnClose, DeleteOnNoLinks, DeleteOnNoLinksOrMessages, DeleteOnNoMessages};
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    // Whether the node is there when its maker is gone, then without the other link but with a message, and at the end.
    for (policy, expected) in [
        (DeleteOnClose, [false, false, false]),
        (DeleteOnNoLinks, [true, false, false]),
        (DeleteOnNoMessages, [true, true, false]),
        (DeleteOnNoLinksOrMessages, [true, true, false]),
    ] {
        let target = Target { dynamic: true, dynamic_node_properties: lifetime(policy), ..Target::default() };
        let maker = connection.sender("").with_target(target).await.unwrap();
        let address = maker.address().unwrap();
        let other = connection.sender(address.clone()).await.unwrap();
        assert_eq!(maker.send("first").await.unwrap(), Outcome::Accepted);
        maker.close().await.unwrap();
        let mut found = vec![broker.node_count() == 1];
        other.close().await.unwrap();
        found.push(broker.node_count() == 1);
        if broker.node_count() == 1 {
            let receiver = connection.receiver(address).with_auto_accept(true).await.unwrap();
            assert_eq!(next(&receiver).await.1, "first");
            if policy == DeleteOnNoMessages {
                // The node ends with its last message, although it has a link.
                let error = receiver.recv().await.unwrap_err();
                assert_refused(&error, Condition::ResourceDeleted, "the node has been deleted");
            } else {
                receiver.close().await.unwrap();
            }
        }
        found.push(broker.node_count() == 1);
        assert_eq!(found, expected, "{policy:?}");
    }
    // Only the messages of nodes that do not wait for their end are dead letters.
    assert_eq!(broker.dead_letters().len(), 2);
}

/// [3.5.12] A message that a consumer has is still at the node; one that it gives back, too.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_node_unsettled_messages_keep_their_node() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let properties = lifetime(LifetimePolicy::DeleteOnNoMessages);
    let target = Target { dynamic: true, dynamic_node_properties: properties, ..Target::default() };
    let maker = connection.sender("").with_target(target).await.unwrap();
    let receiver = connection.receiver(maker.address().unwrap()).with_auto_accept(false).await.unwrap();
    assert_eq!(maker.send("job").await.unwrap(), Outcome::Accepted);
    let (held, _) = next(&receiver).await;
    maker.close().await.unwrap();
    assert_eq!(broker.node_count(), 1);
    held.release().unwrap();
    let (again, _) = next(&receiver).await;
    assert_eq!(broker.node_count(), 1);
    again.accept().unwrap();
    let error = receiver.recv().await.unwrap_err();
    assert_refused(&error, Condition::ResourceDeleted, "the node has been deleted");
    assert_eq!((broker.node_count(), broker.dead_letters().len()), (0, 0));
}

async fn publish(connection: &Connection, address: &str) -> Outcome {
    connection.sender(address.to_owned()).await.unwrap().send("news").await.unwrap()
}

/// A dynamic topic can be made at a source or a target, and each of its consumers gets each message.
#[tokio::test]
#[adapter_tests::bounded]
async fn temporary_topics_are_topics() {
    let broker = Broker::new().unwrap();
    let (connection, other) = (connect(&broker).await, connect(&broker).await);
    let temporary = || names(&["temporary-topic"]);
    let owner = connection
        .receiver("")
        .with_dynamic()
        .with_capabilities(temporary())
        .with_auto_accept(true)
        .await
        .unwrap();
    assert_eq!(owner.peer_attach().unwrap().source.unwrap().capabilities, temporary());
    let address = owner.address().unwrap();
    let listener =
        other.receiver(address.clone()).with_capabilities(temporary()).with_auto_accept(true).await.unwrap();
    assert_eq!(publish(&other, &address).await, Outcome::Accepted);
    for receiver in [&owner, &listener] {
        assert_eq!(next(receiver).await.1, "news");
    }
    let maker = connection.sender("").with_dynamic().with_capabilities(temporary()).await.unwrap();
    let address = maker.address().unwrap();
    let second = other.receiver(address).with_auto_accept(true).await.unwrap();
    let _ = maker.send("made").await.unwrap();
    assert_eq!(next(&second).await.1, "made");
    // The node ends with its owner, and the consumers learn that.
    owner.close().await.unwrap();
    maker.close().await.unwrap();
    for receiver in [listener, second] {
        let error = receiver.recv().await.unwrap_err();
        assert_refused(&error, Condition::ResourceDeleted, "the node has been deleted");
    }
}

/// The messages of an ended dynamic node become dead letters, and no other node gets its address.
#[tokio::test]
#[adapter_tests::bounded]
async fn the_address_of_a_dynamic_node_is_never_used_again() {
    let broker = Broker::new().unwrap();
    let connection = connect(&broker).await;
    let owner = connection.receiver("").with_dynamic().with_prefetch(0).await.unwrap();
    let address = owner.address().unwrap();
    let sender = connection.sender(address.clone()).await.unwrap();
    let _ = sender.send("too late").await.unwrap();
    owner.close().await.unwrap();
    assert_eq!(broker.dead_letters()[0].reason(), &DeadLetterReason::NodeGone);
    assert!(matches!(sender.send("later").await.unwrap(), Outcome::Rejected(_)));
    let error = connection.sender(address.clone()).await.unwrap_err();
    assert_refused(&error, Condition::NotFound, "there is no node at");
    let relay = connection.sender("").without_address().await.unwrap();
    let answer = amqp_tokio::message::Message::from("answer").with_to(address);
    assert!(matches!(relay.send(answer).await.unwrap(), Outcome::Rejected(_)));
    sender.close().await.unwrap();
    assert_eq!(broker.node_count(), 0);
}
