//! How links are built: what is left out, what is required of the peer, and how long sending may take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::config::{ReceiverOptions, SenderOptions};
use amqp_tokio::proto::config::Ungranted;
use amqp_tokio::types::Symbol;
use amqp_tokio::wire::{Coordinator, Outcome, Source, Terminus};
use amqp_tokio::{Connection, Error, OfferedLink, OfferedReceiver, OfferedSender, Receiver, Sender, Session};
use common::{pair, receiver, session};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

fn name(name: &'static str) -> Symbol {
    Symbol::from(name)
}

/// Has a link attached, and does something with the server's end of it.
async fn offered<T>(
    server: &Connection,
    attach: impl IntoFuture<Output = amqp_tokio::Result<T>>,
    take: impl FnOnce(OfferedLink),
) -> (amqp_tokio::Result<T>, Session) {
    let accept = async {
        let session = session(server).await;
        take(session.next_link().await.unwrap().unwrap());
        session
    };
    timeout(LONG, async { tokio::join!(attach.into_future(), accept) }).await.unwrap()
}

fn sends(link: OfferedLink) -> OfferedSender {
    let OfferedLink::Sender(link) = link else { panic!("{link:?}") };
    link
}

fn receives(link: OfferedLink) -> OfferedReceiver {
    let OfferedLink::Receiver(link) = link else { panic!("{link:?}") };
    link
}

/// L-ATT-08 [2.6.3] [3.5.3]: a filter that the answer does not have is not in force, and attaching fails if it has to be.
#[tokio::test]
async fn l_att_08_required_filters_are_in_force() {
    for (keeps, requires) in [(true, true), (false, true), (false, false)] {
        let (client, server) = pair().await;
        let builder = client.receiver("jobs").with_selector("n > 1");
        let builder = if requires { builder.with_required_filters() } else { builder };
        let mut sender = None;
        let (attached, _session) = offered(&server, builder, |link| {
            let options = match keeps {
                true => SenderOptions::new(),
                false => SenderOptions::new().with_source(Source::at("jobs")),
            };
            sender = Some(sends(link).accept_with(options).unwrap());
        })
        .await;
        match attached {
            Ok(_) => assert!(keeps || !requires),
            Err(Error::Ungranted(missing)) => {
                assert!(!keeps && requires);
                assert!(matches!(missing[..], [Ungranted::Filter(_)]), "{missing:?}");
                timeout(LONG, sender.unwrap().closed()).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// L-EXT-01 [2.7.3]: a capability that is not offered is not there, and attaching fails if it has to be.
#[tokio::test]
async fn l_ext_01_required_capabilities_are_offered() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_desired_capabilities([name("paging"), name("other")]);
    let builder = builder.with_capabilities(vec![name("queue")]).with_required_capabilities();
    let mut held = None;
    let (attached, _session) = offered(&server, builder, |link| {
        let options = ReceiverOptions::new().with_offered_capabilities(name("paging").into());
        held = Some(receives(link).accept_with(options).unwrap());
    })
    .await;
    let error = attached.unwrap_err();
    assert_eq!(error.to_string(), "the peer does not grant capability other");
}

/// L-ATT-11 [2.6.3]: who looks for a link by its name leaves the source out, and is told it.
#[tokio::test]
async fn l_att_11_a_source_may_be_left_out() {
    let (client, server) = pair().await;
    let builder = client.receiver("").with_name("subscription").without_source();
    let mut held = None;
    let (attached, _session) = offered(&server, builder, |link| {
        let link = sends(link);
        assert_eq!((link.source(), &*link.peer_attach().unwrap().name), (None, "subscription"));
        let options = SenderOptions::new().with_source(Source::at("news"));
        held = Some(link.accept_with(options).unwrap());
    })
    .await;
    assert_eq!(attached.unwrap().address().unwrap(), "news");
}

/// L-ATT-11 [2.6.3]: the same of a sender and its target.
#[tokio::test]
async fn l_att_11_a_target_may_be_left_out() {
    let (client, server) = pair().await;
    let builder = client.sender("").with_name("producer").without_target();
    let mut held = None;
    let (attached, _session) = offered(&server, builder, |link| {
        let link = receives(link);
        assert_eq!(link.target(), None);
        let target = amqp_tokio::wire::Target::at("jobs");
        held = Some(link.accept_with(ReceiverOptions::new().with_target(target)).unwrap());
    })
    .await;
    assert_eq!(attached.unwrap().address().unwrap(), "jobs");
}

/// X-CTL-01 [4.3]: the target of a controller is a coordinator.
#[tokio::test]
async fn x_ctl_01_a_target_may_be_a_coordinator() {
    let (client, server) = pair().await;
    let builder = client.sender("").with_target(Coordinator::default());
    let (attached, _session) = offered(&server, builder, |link| {
        let link = receives(link);
        assert!(matches!(link.target(), Some(Terminus::Coordinator(_))));
        link.refuse(amqp_tokio::wire::Condition::NotImplemented).unwrap();
    })
    .await;
    assert_eq!(attached.unwrap_err().condition(), Some(&amqp_tokio::wire::Condition::NotImplemented));
}

/// M-SRC-03, M-TGT-02 [3.5.3] [3.5.4]: nodes without an address, of either kind.
#[tokio::test]
async fn m_src_03_nodes_without_an_address() {
    let (client, server) = pair().await;
    let mut held: Option<Receiver> = None;
    let (attached, session) = offered(&server, client.anonymous_sender(), |link| {
        let link = receives(link);
        assert!(link.target().is_some() && link.address().is_none());
        held = Some(link.accept().unwrap());
    })
    .await;
    assert!(attached.is_ok());
    let mut made: Option<Sender> = None;
    let accept = async {
        let link = sends(session.next_link().await.unwrap().unwrap());
        assert!(link.source().unwrap().dynamic && link.address().is_none());
        let options = SenderOptions::new().with_source(Source::at("made"));
        made = Some(link.accept_with(options).unwrap());
    };
    let (attached, ()) = tokio::join!(client.dynamic_receiver().into_future(), accept);
    assert_eq!(attached.unwrap().address().unwrap(), "made");
}

/// T-CREDIT-01 [2.6.7], T-DISP-13 [2.6.12]: without credit nothing is sent; without an outcome nobody knows.
#[tokio::test]
async fn t_credit_01_sending_may_take_so_long() {
    let (client, server) = pair().await;
    let by_hand = ReceiverOptions::new().with_prefetch(0);
    let accept = async {
        let session = session(&server).await;
        (receiver(&session, by_hand).await, session)
    };
    let attach = client.sender("jobs").with_send_timeout(Duration::from_millis(100)).into_future();
    let (sender, (receiver, _session)) = tokio::join!(attach, accept);
    let sender = sender.unwrap();
    assert!(matches!(sender.send("no credit").await, Err(Error::TimedOut)));
    assert!(matches!(sender.send_queued("no credit").await, Err(Error::TimedOut)));
    receiver.add_credit(1).unwrap();
    assert!(matches!(sender.send("no outcome").await, Err(Error::Unconfirmed)));
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    receiver.add_credit(1).unwrap();
    let take = async { receiver.recv().await.unwrap().unwrap().accept().unwrap() };
    let (outcome, ()) = tokio::join!(sender.send("in time"), take);
    assert!(matches!(outcome, Ok(Outcome::Accepted) | Err(Error::TimedOut | Error::Unconfirmed)));
}
