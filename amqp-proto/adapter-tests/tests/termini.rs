//! Servers that keep the state of their links, so that clients can resume them.

use std::sync::mpsc;
use std::time::Duration;

use super::common::engine::{Engine, source, target};
use super::common::port::Port;
use super::common::{accepted_texts, offered_receiver, offered_sender};
use crate::adapter::{self, on_thread};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::policy::{Claim, Lifetime, LinkPlace, Termini, TerminusName};
use crate::amqp::proto::Event;
use crate::amqp::types::Moment;
use crate::amqp::wire::{Condition, ExpiryPolicy, Outcome, Role, Terminus};
use crate::amqp::{OfferedReceiver, Reason, Resumed};

const FOREVER: ExpiryPolicy = ExpiryPolicy::Never;

/// T-RES-08, T-RES-12 [2.6.13]: the client's connection is lost when one message is accepted, one is in the
/// application's hands and one has only arrived. After the link is resumed, each has come once, and each is accepted.
#[adapter::test]
async fn t_res_08_a_server_resumes_the_links_on_which_it_receives() {
    let port = Port::bind();
    let address = port.address();
    let (cut, when) = mpsc::channel();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.sender(target("jobs", FOREVER, 0), None);
        let tags: Vec<_> = ["accepted", "undecided", "unread"].map(|text| client.send(link, text)).into();
        client.write();
        // The outcome of the first one does not reach the client.
        when.recv().unwrap();
        let state = client.cut();
        assert_eq!(state.deliveries().len(), 3);
        let mut client = Engine::connect(address, "client");
        client.sender(target("jobs", FOREVER, 0), Some(state));
        client.fates(&tags)
    });
    let options = || ReceiverOptions::new().with_auto_accept(false).with_resumable(true);
    let (server, _cable) = port.accept().await;
    let (offered, _session) = offered_receiver(&server).await;
    let receiver = offered.accept_with(options()).unwrap();
    assert_eq!(receiver.take_state(), None);
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    let undecided = receiver.recv().await.unwrap().unwrap();
    cut.send(()).unwrap();
    let _ = receiver.closed().await;
    let mut state = receiver.take_state().unwrap();
    assert_eq!((state.deliveries().len(), receiver.take_state()), (3, None));
    // The application has dropped the message. So the client sends it again.
    assert!(state.forget(&undecided.tag()));
    assert!(!state.forget(&undecided.tag()));
    drop((undecided, receiver));
    let (server, _cable) = port.accept().await;
    let (offered, _session) = offered_receiver(&server).await;
    let receiver = offered.accept_resumed(options(), state).unwrap();
    assert_eq!(accepted_texts::<2>(&receiver).await, ["undecided", "unread"]);
    let accepted = |is_new| (Some(Outcome::Accepted), is_new);
    assert_eq!(client.join().await.unwrap(), [accepted(false), accepted(true), accepted(false)]);
}

/// T-RES-08 [2.6.13]: the server sends. The client has accepted one message, has another, and has not seen the third.
#[adapter::test]
async fn t_res_08_a_server_resumes_the_links_on_which_it_sends() {
    let port = Port::bind();
    let address = port.address();
    let client = on_thread(move || {
        let mut client = Engine::connect(address, "client");
        let link = client.receiver(source("jobs", FOREVER, 0), None);
        client.amqp.receiver(link).unwrap().set_credit(2).unwrap();
        let (accepted, _) = client.recv(link);
        let _ = client.recv(link);
        client.amqp.receiver(link).unwrap().accept(accepted).unwrap();
        let state = client.amqp.receiver(link).unwrap().link_state();
        // The acceptance is not written.
        client.cut();
        let mut client = Engine::connect(address, "client");
        let link = client.receiver(source("jobs", FOREVER, 0), Some(state));
        client.amqp.receiver(link).unwrap().set_credit(10).unwrap();
        let (delivery, text) = client.recv(link);
        assert_eq!(text, "three");
        client.amqp.receiver(link).unwrap().accept(delivery).unwrap();
        client.settle();
    });
    let (server, _cable) = port.accept().await;
    let (offered, _session) = offered_sender(&server).await;
    let sender = offered.accept_with(SenderOptions::new().with_resumable(true)).unwrap();
    let mut sent = Vec::new();
    for text in ["one", "two"] {
        sent.push(sender.send_queued(text).await.unwrap());
    }
    let tags: Vec<_> = sent.iter().map(|sent| sent.tag().unwrap()).collect();
    let _ = sender.closed().await;
    let state = sender.take_state().unwrap();
    drop((sent, sender));
    let (server, _cable) = port.accept().await;
    let (offered, _session) = offered_sender(&server).await;
    let sender = offered.accept_resumed(SenderOptions::new().with_resumable(true), state).unwrap();
    let third = sender.send("three").await.unwrap();
    assert_eq!(third, Outcome::Accepted);
    let news = sender.take_resumed();
    let continued = |news: &&Resumed| matches!(news, Resumed::Continued { is_new: false, .. });
    assert_eq!(news.iter().filter(continued).count(), 2);
    let over = Resumed::Over { tag: tags[0], outcome: Some(Outcome::Accepted) };
    assert!(news.contains(&over), "{news:?}");
    assert_eq!(news.len(), 3);
    client.join().await.unwrap();
}

/// L-NAME-03 [2.6.1], T-RES-23 [3.5.6]: a client that comes back before the server has seen the end of its connection
/// steals the link. The state of the old link goes to the new one, and expires when nobody comes back.
#[adapter::test]
async fn l_name_03_a_client_that_comes_back_early_takes_its_link_over() {
    let port = Port::bind();
    let address = port.address();
    let client = on_thread(move || {
        let minute = || target("jobs", ExpiryPolicy::ConnectionClose, 60);
        let mut old = Engine::connect(address, "client");
        let link = old.sender(minute(), None);
        let tag = old.send(link, "job");
        old.settle();
        let state = old.amqp.sender(link).unwrap().link_state();
        let mut new = Engine::connect(address, "client");
        new.sender(minute(), Some(state));
        let stolen = old.until(|event| match event {
            Event::LinkDetached { closed: true, reason, .. } => Some(Reason::clone(reason)),
            _ => None,
        });
        let fate = new.fates(&[tag]);
        new.settle();
        (stolen.error.unwrap().condition, fate)
    });
    let mut termini = Termini::new(1, 1 << 20);
    let name = || TerminusName::new("client", "x", Role::Receiver);
    let place = |connection: u64| LinkPlace { connection, session: connection, link: connection };
    let options = || ReceiverOptions::new().with_auto_accept(false).with_resumable(true);
    let lifetime = |link: &OfferedReceiver| match link.target() {
        Some(Terminus::Target(target)) => Lifetime::of_target(&target),
        other => panic!("{other:?}"),
    };
    let (first, _cable) = port.accept().await;
    let (link, _session) = offered_receiver(&first).await;
    assert_eq!(termini.claim(&name(), place(1), true), Claim::New);
    termini.attached(&name(), place(1), lifetime(&link));
    let old = link.accept_with(options()).unwrap();
    let kept = old.recv().await.unwrap().unwrap();

    let (second, _cable) = port.accept().await;
    let (link, _session) = offered_receiver(&second).await;
    assert_eq!(termini.claim(&name(), place(2), true), Claim::Attached(place(1)));
    old.steal().unwrap();
    assert!(old.steal().is_err());
    let (mut state, now) = (old.take_state().unwrap(), Moment::START);
    // The application has the message, and decides now.
    assert!(state.set_outcome(&kept.tag(), Outcome::Accepted));
    assert!(!state.set_outcome(&kept.tag(), Outcome::Released));
    assert_eq!(termini.detached(&name(), place(1), state.clone(), state.octets(), now), None);
    assert_eq!(termini.claim(&name(), place(2), true), Claim::Kept(state.clone()));
    termini.attached(&name(), place(2), lifetime(&link));
    let new = link.accept_resumed(options(), state).unwrap();
    drop((kept, old));
    let accepted = (Some(Outcome::Accepted), false);
    assert_eq!(client.join().await.unwrap(), (Condition::Stolen, vec![accepted]));

    assert_eq!(new.closed().await.condition(), None);
    let state = new.take_state().unwrap();
    assert!(state.deliveries().is_empty());
    assert_eq!(termini.detached(&name(), place(2), state.clone(), 0, now), None);
    assert!(termini.connection_closed(2, now).is_empty());
    let expiry = now + Duration::from_secs(60);
    assert_eq!((termini.next_expiry(), termini.poll_expired(now)), (Some(expiry), None));
    assert_eq!(termini.poll_expired(expiry), Some(state));
}
