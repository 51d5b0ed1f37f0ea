//! Attaching links: settings left out, settings required of the peer, and the send timeout.

use std::time::Duration;

use super::common::{next_session, pair, sending};
use crate::adapter::{self, both, spawn};
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::proto::config::Ungranted;
use crate::amqp::types::{ApplicationProperties, Described, Fields, Symbol};
use crate::amqp::wire::{
    Condition, Coordinator, DistributionMode, Outcome, Source, StreamOffset, Target, Terminus,
};
use crate::amqp::{Connection, Error, OfferedLink, OfferedReceiver, OfferedSender, Session};

fn name(name: &'static str) -> Symbol {
    Symbol::from(name)
}

/// Waits for the first link of the next session, on which the peer receives.
#[adapter::helper]
async fn offered_sender(server: &Connection) -> (OfferedSender, Session) {
    let session = next_session(server).await;
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Sender(link)) => (link, session),
        other => panic!("{other:?}"),
    }
}

/// Waits for the first link of the next session, on which the peer sends.
#[adapter::helper]
async fn offered_receiver(server: &Connection) -> (OfferedReceiver, Session) {
    let session = next_session(server).await;
    match session.next_link().await.unwrap() {
        Some(OfferedLink::Receiver(link)) => (link, session),
        other => panic!("{other:?}"),
    }
}

/// L-ATT-08 [2.6.3] [3.5.3]: a filter that is not in the answer is not in force; attaching fails if it is required.
#[adapter::test]
async fn l_att_08_required_filters_are_in_force() {
    for (keeps, requires) in [(true, true), (false, true), (false, false)] {
        let (client, server) = pair().await;
        let builder = client.receiver("jobs").with_selector("n > 1");
        let builder = if requires { builder.with_required_filters() } else { builder };
        let options = match keeps {
            true => SenderOptions::new(),
            false => SenderOptions::new().with_source(Source::at("jobs")),
        };
        let attach = async { builder.attach().await };
        let accept = async {
            let (link, session) = offered_sender(&server).await;
            (link.accept_with(options).unwrap(), session)
        };
        let (attached, (sender, _session)) = both(attach, accept).await;
        match attached {
            Ok(_) => assert!(keeps || !requires),
            Err(Error::Ungranted(missing)) => {
                assert!(!keeps && requires);
                assert!(matches!(missing[..], [Ungranted::Filter(_)]), "{missing:?}");
                sender.closed().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// L-EXT-01 [2.7.3]: a capability that is not offered is not in force; attaching fails if it is required.
#[adapter::test]
async fn l_ext_01_required_capabilities_are_offered() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_desired_capabilities([name("paging"), name("other")]);
    let builder = builder.with_capabilities(vec![name("queue")]).with_required_capabilities();
    let attach = async { builder.attach().await };
    let accept = async {
        let (link, session) = offered_receiver(&server).await;
        let options = ReceiverOptions::new().with_offered_capabilities(name("paging"));
        (link.accept_with(options).unwrap(), session)
    };
    let (attached, _accepted) = both(attach, accept).await;
    assert_eq!(attached.unwrap_err().to_string(), "the peer does not grant capability other");
}

/// L-ATT-11 [2.6.3]: a client that asks for a link by its name leaves the source out, and learns it from the answer.
#[adapter::test]
async fn l_att_11_a_source_may_be_left_out() {
    let (client, server) = pair().await;
    let attach = async {
        client.receiver("").with_name("subscription").without_source().attach().await.unwrap().address()
    };
    let accept = async {
        let (link, session) = offered_sender(&server).await;
        assert_eq!((link.source(), &*link.peer_attach().unwrap().name), (None, "subscription"));
        let options = SenderOptions::new().with_source(Source::at("news"));
        (link.accept_with(options).unwrap(), session)
    };
    let (address, _accepted) = both(attach, accept).await;
    assert_eq!(address.as_deref(), Some("news"));
}

/// L-ATT-11 [2.6.3]: a client that asks for a link by its name leaves the target out, and learns it from the answer.
#[adapter::test]
async fn l_att_11_a_target_may_be_left_out() {
    let (client, server) = pair().await;
    let attach =
        async { client.sender("").with_name("producer").without_target().attach().await.unwrap().address() };
    let accept = async {
        let (link, session) = offered_receiver(&server).await;
        assert_eq!((link.target(), &*link.peer_attach().unwrap().name), (None, "producer"));
        let options = ReceiverOptions::new().with_target(Target::at("jobs"));
        (link.accept_with(options).unwrap(), session)
    };
    let (address, _accepted) = both(attach, accept).await;
    assert_eq!(address.as_deref(), Some("jobs"));
}

/// [2.7.3] [3.5.3]: what the builder of a receiver is given stands in its attach.
#[adapter::test]
async fn l_att_11_the_attach_of_a_receiver_says_what_was_set() {
    let (client, server) = pair().await;
    let properties = || Fields::from_iter([(name("subject"), "job")]);
    let builder = client
        .receiver("jobs")
        .with_distribution_mode(DistributionMode::Copy)
        .with_filter(name("own"), Described::new(name("own:filter"), "own"))
        .with_no_local()
        .with_sql_filter("n > 1")
        .with_properties_filter(properties())
        .with_application_properties_filter(ApplicationProperties::from_iter([("n", 1)]))
        .with_stream_offset(StreamOffset::First)
        .with_stream_filter(["red"], true)
        .with_session("tenant")
        .with_max_message_size(1_000_000)
        .with_offered_capabilities(name("offered"))
        .with_properties(Fields::from_iter([(name("own"), true)]))
        .with_target(Target::at("here"));
    let source = Source::at("jobs")
        .with_filter(name("own"), Described::new(name("own:filter"), "own"))
        .with_no_local()
        .with_sql_filter("n > 1")
        .with_properties_filter(properties())
        .with_application_properties_filter(ApplicationProperties::from_iter([("n", 1)]))
        .with_stream_offset(StreamOffset::First)
        .with_stream_filter(["red"], true)
        .with_session("tenant");
    let accept = async {
        let (link, session) = offered_sender(&server).await;
        let attach = link.peer_attach().unwrap();
        assert_eq!(attach.source.as_ref().unwrap().filter, source.filter);
        assert_eq!(attach.source.as_ref().unwrap().distribution_mode, Some(DistributionMode::Copy));
        assert_eq!(attach.target.as_deref(), Some(&Terminus::from(Target::at("here"))));
        assert_eq!(attach.max_message_size, Some(1_000_000));
        assert_eq!(attach.offered_capabilities, ["offered"]);
        assert_eq!(attach.properties, Fields::from_iter([(name("own"), true)]));
        (link.accept().unwrap(), session)
    };
    let (_receiver, _accepted) = both(async { builder.attach().await.unwrap() }, accept).await;
}

/// [2.7.3] [3.5.4]: what the builder of a sender is given stands in its attach.
#[adapter::test]
async fn l_att_11_the_attach_of_a_sender_says_what_was_set() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_source(Source::at("here")).with_dynamic();
    let builder = builder.with_offered_capabilities(name("offered"));
    let accept = async {
        let (link, session) = offered_receiver(&server).await;
        let attach = link.peer_attach().unwrap();
        assert_eq!(attach.source.as_deref(), Some(&Source::at("here")));
        assert_eq!(attach.offered_capabilities, ["offered"]);
        let Some(Terminus::Target(target)) = attach.target.as_deref() else { panic!("{attach:?}") };
        assert_eq!((target.dynamic, &target.address), (true, &None));
        (link.accept_with(ReceiverOptions::new().with_target(Target::at("made"))).unwrap(), session)
    };
    let (sender, (_receiver, session)) = both(async { builder.attach().await.unwrap() }, accept).await;
    assert_eq!(sender.address().as_deref(), Some("made"));
    let builder = client.sender("jobs").without_address();
    let accept = async {
        let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else {
            panic!("a receiver")
        };
        assert!(link.target().is_some() && link.address().is_none());
        link.accept().unwrap()
    };
    let (_anonymous, _receiver) = both(async { builder.attach().await.unwrap() }, accept).await;
}

/// X-CTL-01 [4.3]: the target of a controller is a coordinator.
#[adapter::test]
async fn x_ctl_01_a_target_may_be_a_coordinator() {
    let (client, server) = pair().await;
    let attach = async { client.sender("").with_target(Coordinator::default()).attach().await };
    let refuse = async {
        let (link, session) = offered_receiver(&server).await;
        assert!(matches!(link.target(), Some(Terminus::Coordinator(_))));
        link.refuse(Condition::NotImplemented).unwrap();
        session
    };
    let (attached, _session) = both(attach, refuse).await;
    assert_eq!(attached.unwrap_err().condition(), Some(&Condition::NotImplemented));
}

/// M-SRC-03, M-TGT-02 [3.5.3] [3.5.4]: nodes without an address: dynamic nodes and the anonymous relay.
#[adapter::test]
async fn m_src_03_nodes_without_an_address() {
    let (client, server) = pair().await;
    let attach = async { client.anonymous_sender().attach().await.unwrap() };
    let accept = async {
        let (link, session) = offered_receiver(&server).await;
        assert!(link.target().is_some() && link.address().is_none());
        (link.accept().unwrap(), session)
    };
    let (_anonymous, (_receiver, session)) = both(attach, accept).await;
    let attach = async { client.dynamic_receiver().attach().await.unwrap() };
    let accept = async {
        let Some(OfferedLink::Sender(link)) = session.next_link().await.unwrap() else { panic!("a sender") };
        assert!(link.source().unwrap().dynamic && link.address().is_none());
        link.accept_with(SenderOptions::new().with_source(Source::at("made"))).unwrap()
    };
    let (receiver, _sender) = both(attach, accept).await;
    assert_eq!(receiver.address().as_deref(), Some("made"));
}

/// T-CREDIT-01 [2.6.7], T-DISP-13 [2.6.12]: the send timeout: without credit nothing is sent; without an outcome the
/// result is unknown.
#[adapter::test]
async fn t_credit_01_sending_may_take_so_long() {
    let (client, server) = pair().await;
    let builder = client.sender("jobs").with_send_timeout(Duration::from_millis(100));
    let (sender, receiver, _session) =
        sending(builder, &server, ReceiverOptions::new().with_prefetch(0)).await;
    assert!(matches!(sender.send("no credit").await, Err(Error::TimedOut)));
    assert!(matches!(sender.send_queued("no credit").await, Err(Error::TimedOut)));
    receiver.add_credit(1).unwrap();
    // The credit may take a while to arrive.
    let outcome = loop {
        match sender.send("no outcome").await {
            Err(Error::TimedOut) => {}
            outcome => break outcome,
        }
    };
    assert!(matches!(outcome, Err(Error::Unconfirmed)), "{outcome:?}");
    receiver.recv().await.unwrap().unwrap().accept().unwrap();
    receiver.add_credit(1).unwrap();
    let take = spawn(async move { receiver.recv().await.unwrap().map(|delivery| delivery.accept()) });
    let outcome = sender.send("in time").await;
    assert!(matches!(outcome, Ok(Outcome::Accepted) | Err(Error::TimedOut | Error::Unconfirmed)));
    // The receiver's last handle is dropped, so the link may already be closed.
    drop(sender.close().await);
    take.join().await.unwrap();
}
