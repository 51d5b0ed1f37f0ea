//! The broker in memory, and clients that resume their links [2.6.13] [3.5.6].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "../../amqp-proto/adapter-tests/tests/common/engine.rs"]
mod engine;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use amqp_tokio as amqp;
use amqp_tokio::broker::{Broker, BrokerBuilder};
use amqp_tokio::proto::Event;
use amqp_tokio::types::DeliveryTag;
use amqp_tokio::wire::{Condition, DistributionMode, ExpiryPolicy, Outcome, Source, Terminus};
use amqp_tokio::{Connection, Listener};
use common::served::{connect, delivery_count, next};
use engine::{Engine, source, target};

const CLOSE: ExpiryPolicy = ExpiryPolicy::ConnectionClose;

/// Serves a broker over TCP.
async fn serve(builder: BrokerBuilder) -> (Broker, SocketAddr) {
    let broker = builder.build().unwrap();
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = broker.clone();
    tokio::spawn(async move { served.serve(listener).await });
    (broker, address)
}

/// Runs a client on a thread of its own.
async fn client<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Waits until something about the broker is so.
fn wait_until(is_so: impl Fn() -> bool) {
    let by = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < by, "it does not come about");
        thread::sleep(Duration::from_millis(2));
    }
}

async fn fill(connection: &Connection, queue: &'static str, messages: u32) {
    let sender = connection.sender(queue).await.unwrap();
    for n in 0..messages {
        assert_eq!(sender.send(format!("{n}")).await.unwrap(), Outcome::Accepted);
    }
    sender.close().await.unwrap();
}

/// T-RES-08, T-RES-23: a sender of mode second loses its connection after each message, before it has the outcome. The
/// broker has each message exactly once.
#[tokio::test]
#[adapter_tests::bounded]
async fn t_res_08_messages_that_are_sent_again_and_again_are_there_once() {
    let (broker, address) = serve(Broker::builder()).await;
    let seen = broker.clone();
    client(move || {
        let (mut state, mut tags) = (None, Vec::<DeliveryTag>::new());
        for n in 0..20_usize {
            let mut client = Engine::connect(address, "producer");
            let link = client.sender(target("jobs", CLOSE, 60), state.take());
            if !tags.is_empty() {
                let fates = client.fates(&tags[tags.len() - 1..]);
                assert_eq!(fates[0].0, Some(Outcome::Accepted));
            }
            tags.push(client.send(link, &n.to_string()));
            client.write();
            if n % 2 == 0 {
                wait_until(|| seen.len("jobs") > n);
            }
            state = Some(client.cut());
        }
        let mut client = Engine::connect(address, "producer");
        client.sender(target("jobs", CLOSE, 60), state);
        client.fates(&tags[tags.len() - 1..]);
    })
    .await;
    let texts: Vec<_> = broker.messages("jobs").iter().map(|payload| payload.to_bytes()).collect();
    assert_eq!(texts.len(), 20);
    let connection = connect(&broker).await;
    let receiver = connection.receiver("jobs").with_auto_accept(true).await.unwrap();
    for n in 0..20 {
        assert_eq!(next(&receiver).await.1, n.to_string());
    }
}

/// T-RES-08: a consumer of mode second loses its connection with messages in all states. Each is handed over once, and no
/// other consumer gets it meanwhile.
#[tokio::test]
#[adapter_tests::bounded]
async fn t_res_08_a_consumer_goes_on_with_its_messages() {
    let (broker, address) = serve(Broker::builder()).await;
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 5).await;
    let seen = broker.clone();
    let texts = client(move || {
        let mut client = Engine::connect(address, "consumer");
        let link = client.receiver(source("jobs", CLOSE, 60), None);
        client.amqp.receiver(link).unwrap().set_credit(4).unwrap();
        let mut texts = Vec::new();
        let mut take = |client: &mut Engine, link| {
            let (delivery, text) = client.recv(link);
            texts.push(text);
            delivery
        };
        let (told, untold) = (take(&mut client, link), take(&mut client, link));
        let _undecided = take(&mut client, link);
        client.amqp.receiver(link).unwrap().accept(told).unwrap();
        client.settle();
        client.amqp.receiver(link).unwrap().reject(untold, None).unwrap();
        // The broker does not learn of the rejection, and the fourth message is not read.
        let state = client.cut();
        wait_until(|| seen.terminus_count() == 1 && seen.len("jobs") == 1);
        let mut client = Engine::connect(address, "consumer");
        let link = client.receiver(source("jobs", CLOSE, 60), Some(state));
        client.amqp.receiver(link).unwrap().set_credit(10).unwrap();
        let mut resumed = Vec::new();
        let undecided = client.until(|event| match event {
            Event::Resumed { delivery, .. } => {
                resumed.push(*delivery);
                (resumed.len() == 2).then(|| resumed[1])
            }
            _ => None,
        });
        client.amqp.receiver(link).unwrap().accept(undecided).unwrap();
        for _ in 0..2 {
            let delivery = take(&mut client, link);
            client.amqp.receiver(link).unwrap().accept(delivery).unwrap();
        }
        client.settle();
        client.amqp.close();
        client.settle();
        texts
    })
    .await;
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    wait_until(|| broker.terminus_count() == 1);
    assert_eq!((broker.len("jobs"), broker.dead_letters().len()), (0, 1));
}

/// M-TERM-02, T-RES-23 [3.5.6]: the messages of a consumer that does not come back return to the queue when its source
/// expires, as failed deliveries. A client that comes later finds no state.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_term_02_messages_return_when_their_consumer_expires() {
    let (broker, address) = serve(Broker::builder()).await;
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 1).await;
    let receiver = connection.receiver("jobs").with_auto_accept(true).with_prefetch(0).await.unwrap();
    let seen = broker.clone();
    let state = client(move || {
        let mut client = Engine::connect(address, "consumer");
        let link = client.receiver(source("jobs", ExpiryPolicy::LinkDetach, 1), None);
        client.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let _ = client.recv(link);
        let state = client.cut();
        thread::sleep(Duration::from_millis(200));
        assert_eq!((seen.terminus_count(), seen.len("jobs")), (1, 0));
        state
    })
    .await;
    receiver.set_credit(1).unwrap();
    let (again, text) = next(&receiver).await;
    assert_eq!((text.as_str(), delivery_count(&again)), ("0", (1, false)));
    assert_eq!(broker.terminus_count(), 0);
    client(move || {
        let mut client = Engine::connect(address, "consumer");
        client.receiver(source("jobs", ExpiryPolicy::LinkDetach, 1), Some(state));
        client.until(|event| matches!(event, Event::Unresumed { state: None, .. }).then_some(()));
    })
    .await;
}

/// M-TERM-02, M-TERM-03 [3.5.6]: what is kept when a link is detached, its session ends and its connection is lost, for
/// each policy.
#[tokio::test]
#[adapter_tests::bounded]
async fn m_term_02_each_policy_keeps_the_messages_as_long_as_it_says() {
    use ExpiryPolicy::{ConnectionClose, LinkDetach, Never, SessionEnd};
    let (broker, address) = serve(Broker::builder()).await;
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 1).await;
    let cases =
        [(LinkDetach, 0, 0), (SessionEnd, 0, 0), (SessionEnd, 60, 3), (ConnectionClose, 0, 2), (Never, 0, 3)];
    for (policy, timeout, kept) in cases {
        for event in 1..=3 {
            let seen = broker.clone();
            client(move || {
                let mut client = Engine::connect(address, "consumer");
                let link = client.receiver(source("jobs", policy, timeout), None);
                client.amqp.receiver(link).unwrap().set_credit(1).unwrap();
                let _ = client.recv(link);
                match event {
                    1 => client.amqp.receiver(link).unwrap().detach().unwrap(),
                    2 => client.amqp.session(client.session).unwrap().end().unwrap(),
                    _ => {
                        let state = client.cut();
                        client = Engine::connect(address, "other");
                        assert_eq!(state.deliveries().len(), 1);
                    }
                }
                client.settle();
                let is_kept = event <= kept;
                wait_until(|| seen.len("jobs") == usize::from(!is_kept));
                thread::sleep(Duration::from_millis(20));
                assert_eq!(seen.terminus_count(), usize::from(is_kept), "{policy:?} {timeout} {event}");
                drop(client);
                // A client that knows nothing of the message takes the link over, and closes it.
                let mut client = Engine::connect(address, "consumer");
                let link = client.receiver(source("jobs", LinkDetach, 0), None);
                client.amqp.receiver(link).unwrap().close().unwrap();
                client.settle();
                wait_until(|| seen.len("jobs") == 1 && seen.terminus_count() == 0);
            })
            .await;
        }
    }
}

/// L-NAME-03 [2.6.1]: a client that comes back before its old connection is gone takes its link over. Another container's
/// link of the same name, and one to another address, have nothing of it.
#[tokio::test]
#[adapter_tests::bounded]
async fn l_name_03_links_are_stolen_by_their_own_container_alone() {
    let (broker, address) = serve(Broker::builder()).await;
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 1).await;
    let seen = broker.clone();
    client(move || {
        let minute = || source("jobs", CLOSE, 60);
        let mut old = Engine::connect(address, "consumer");
        let link = old.receiver(minute(), None);
        old.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let _ = old.recv(link);
        let state = old.amqp.receiver(link).unwrap().link_state();
        let mut other = Engine::connect(address, "other");
        other.receiver(minute(), Some(state.clone()));
        other.until(|event| matches!(event, Event::Unresumed { state: None, .. }).then_some(()));
        assert_eq!(seen.terminus_count(), 2);
        let mut new = Engine::connect(address, "consumer");
        let link = new.receiver(minute(), Some(state));
        new.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let delivery = new.until(|event| match event {
            Event::Resumed { delivery, .. } => Some(*delivery),
            _ => None,
        });
        let stolen = old.until(|event| match event {
            Event::LinkDetached { reason, .. } => Some(reason.error.clone().unwrap()),
            _ => None,
        });
        assert_eq!((stolen.condition, seen.len("jobs")), (Condition::Stolen, 0));
        new.amqp.receiver(link).unwrap().release(delivery).unwrap();
        new.settle();
        assert_eq!(seen.len("jobs"), 1);
        new.amqp.receiver(link).unwrap().set_credit(1).unwrap();
        let _ = new.recv(link);
        let state = new.cut();
        wait_until(|| seen.len("jobs") == 0);
        // The same name leads elsewhere now: the old source is given up.
        let mut new = Engine::connect(address, "consumer");
        new.receiver(source("others", CLOSE, 60), None);
        wait_until(|| seen.len("jobs") == 1);
        assert_eq!(state.deliveries().len(), 1);
    })
    .await;
}

/// The broker keeps so many termini, for so long, with so many octets. The answer says what is granted.
#[tokio::test]
#[adapter_tests::bounded]
async fn what_is_kept_is_bounded() {
    let builder = Broker::builder().with_termini(1).with_terminus_timeout(Duration::from_secs(9));
    let (broker, address) = serve(builder.with_terminus_octets(400)).await;
    let seen = broker.clone();
    client(move || {
        let granted = |client: &mut Engine, link| {
            let target = *client.amqp.sender(link).unwrap().peer_attach().unwrap().target.unwrap();
            let Terminus::Target(target) = target else { panic!("{target:?}") };
            (target.expiry_policy, target.timeout)
        };
        let mut first = Engine::connect(address, "first");
        let link = first.sender(target("jobs", ExpiryPolicy::Never, 60), None);
        assert_eq!(granted(&mut first, link), (ExpiryPolicy::Never, 9));
        let mut second = Engine::connect(address, "second");
        let other = second.sender(target("jobs", ExpiryPolicy::Never, 60), None);
        assert_eq!(granted(&mut second, other), (ExpiryPolicy::LinkDetach, 0));
        assert_eq!(seen.terminus_count(), 1);
        // A state with two deliveries is too large, and its client sends what is not settled again.
        let tags = [first.send(link, "one"), first.send(link, "two")];
        first.write();
        wait_until(|| seen.len("jobs") == 2);
        let state = first.cut();
        wait_until(|| seen.terminus_count() == 0);
        let mut first = Engine::connect(address, "first");
        first.sender(target("jobs", ExpiryPolicy::Never, 60), Some(state));
        let accepted = (Some(Outcome::Accepted), true);
        assert_eq!(first.fates(&tags), [accepted.clone(), accepted]);
        assert_eq!(seen.len("jobs"), 4);
    })
    .await;
}

/// Condition resource-limit-exceeded: a client whose links never expire gets no more than its share. Others, and its own
/// links that do not ask, are served. Room comes back when it closes a link.
#[tokio::test]
#[adapter_tests::bounded]
async fn no_client_keeps_more_than_its_share() {
    let (broker, address) = serve(Broker::builder().with_termini(9).with_terminus_share(2, 1 << 20)).await;
    let seen = broker.clone();
    client(move || {
        let attach = |client: &mut Engine, name: &'static str, target: amqp::wire::Target| {
            let options = amqp::config::SenderOptions::new().with_target(target);
            let mut session = client.amqp.session(client.session).unwrap();
            let link = session.attach_sender(name, options).unwrap();
            let refused = client.until(|event| match event {
                Event::LinkAttached(_) => Some(None),
                Event::LinkDetached { reason, .. } => Some(reason.error.clone()),
                _ => None,
            });
            (link, refused.map(|error| error.condition))
        };
        let never = || target("jobs", ExpiryPolicy::Never, 60);
        let mut greedy = Engine::connect(address, "greedy");
        let (first, refused) = attach(&mut greedy, "1", never());
        assert_eq!(refused, None);
        assert_eq!(attach(&mut greedy, "2", never()).1, None);
        for n in 0..3 {
            let refused = attach(&mut greedy, "3", never()).1;
            assert_eq!(refused, Some(Condition::ResourceLimitExceeded), "{n}");
        }
        assert_eq!(attach(&mut greedy, "4", amqp::wire::Target::at("jobs")).1, None);
        let mut modest = Engine::connect(address, "modest");
        assert_eq!(attach(&mut modest, "1", never()).1, None);
        assert_eq!(seen.terminus_count(), 3);
        greedy.amqp.sender(first).unwrap().close().unwrap();
        greedy.settle();
        wait_until(|| seen.terminus_count() == 2);
        assert_eq!(attach(&mut greedy, "3", never()).1, None);
    })
    .await;
}

/// L-ATT-10 [2.6.3]: a client that has lost its settings attaches the link without a source, and gets the one that is kept.
#[tokio::test]
#[adapter_tests::bounded]
async fn l_att_10_a_source_is_found_by_the_name_of_its_link() {
    let (broker, address) = serve(Broker::builder()).await;
    let seen = broker.clone();
    client(move || {
        let mut client = Engine::connect(address, "consumer");
        client.receiver(source("jobs", CLOSE, 60), None);
        client.cut();
        wait_until(|| seen.terminus_count() == 1);
        let mut client = Engine::connect(address, "consumer");
        let options = amqp::config::ReceiverOptions::new().without_source();
        let mut session = client.amqp.session(client.session).unwrap();
        let link = session.attach_receiver("x", options).unwrap();
        client.until(|event| matches!(event, Event::LinkAttached(_)).then_some(()));
        let found = client.amqp.receiver(link).unwrap().peer_attach().unwrap().source.unwrap();
        let found = (found.address.clone(), found.expiry_policy, found.timeout);
        let wanted: Source = source("jobs", CLOSE, 60);
        assert_eq!(found, (wanted.address, CLOSE, 60));
    })
    .await;
}

/// A consumer with a selector, and a browser, go on with what they have. The browser does not see a message twice.
#[tokio::test]
#[adapter_tests::bounded]
async fn consumers_with_filters_and_browsers_go_on() {
    let (broker, address) = serve(Broker::builder()).await;
    let connection = connect(&broker).await;
    fill(&connection, "jobs", 3).await;
    let browsing = Source { distribution_mode: Some(DistributionMode::Copy), ..source("jobs", CLOSE, 60) };
    for source in [browsing, source("jobs", CLOSE, 60).with_selector("JMSPriority = 4")] {
        client(move || {
            let mut client = Engine::connect(address, "consumer");
            let link = client.receiver(source.clone(), None);
            client.amqp.receiver(link).unwrap().set_credit(2).unwrap();
            assert_eq!((client.recv(link).1, client.recv(link).1), ("0".into(), "1".into()));
            let state = client.cut();
            let mut client = Engine::connect(address, "consumer");
            let link = client.receiver(source, Some(state));
            client.amqp.receiver(link).unwrap().set_credit(3).unwrap();
            let mut resumed = Vec::new();
            client.until(|event| match event {
                Event::Resumed { delivery, .. } => {
                    resumed.push(*delivery);
                    (resumed.len() == 2).then_some(())
                }
                _ => None,
            });
            let (last, text) = client.recv(link);
            assert_eq!(text, "2");
            for delivery in resumed.into_iter().chain([last]) {
                client.amqp.receiver(link).unwrap().accept(delivery).unwrap();
            }
            client.settle();
            client.amqp.close();
            client.settle();
        })
        .await;
    }
    let seen = broker.clone();
    client(move || wait_until(|| seen.is_empty("jobs"))).await;
}
