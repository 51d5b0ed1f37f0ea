//! How links are built: what is left out, what is required of the peer, and how long sending may take.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod common;

use std::time::Duration;

use amqp_blocking::config::{ReceiverOptions, SenderOptions};
use amqp_blocking::proto::config::Ungranted;
use amqp_blocking::types::Symbol;
use amqp_blocking::wire::{Condition, Coordinator, Source, Target, Terminus};
use amqp_blocking::{Connection, Error, Offer, OfferedLink, OfferedReceiver, OfferedSender};
use common::{piped, run};

fn name(name: &'static str) -> Symbol {
    Symbol::from(name)
}

fn link(server: &Connection) -> OfferedLink {
    loop {
        match server.next_offer().unwrap().unwrap() {
            Offer::Link(link) => return link,
            other => drop(other.accept().unwrap()),
        }
    }
}

fn sends(server: &Connection) -> OfferedSender {
    match link(server) {
        OfferedLink::Sender(link) => link,
        other => panic!("{other:?}"),
    }
}

fn receives(server: &Connection) -> OfferedReceiver {
    match link(server) {
        OfferedLink::Receiver(link) => link,
        other => panic!("{other:?}"),
    }
}

/// L-ATT-08 [2.6.3] [3.5.3]: a filter that the answer does not have is not in force, and attaching fails if it has to be.
#[test]
fn l_att_08_required_filters_are_in_force() {
    for (keeps, requires) in [(true, true), (false, true), (false, false)] {
        let (client, server, _) = piped();
        let attaching = run(move || {
            let builder = client.receiver("jobs").with_selector("n > 1");
            let builder = if requires { builder.with_required_filters() } else { builder };
            (builder.attach(), client)
        });
        let options = match keeps {
            true => SenderOptions::new(),
            false => SenderOptions::new().with_source(Source::at("jobs")),
        };
        let sender = sends(&server).accept_with(options).unwrap();
        let (attached, _client) = attaching.join().unwrap();
        match attached {
            Ok(_) => assert!(keeps || !requires),
            Err(Error::Ungranted(missing)) => {
                assert!(!keeps && requires);
                assert!(matches!(missing[..], [Ungranted::Filter(_)]), "{missing:?}");
                sender.closed();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// L-EXT-01 [2.7.3]: a capability that is not offered is not there, and attaching fails if it has to be.
#[test]
fn l_ext_01_required_capabilities_are_offered() {
    let (client, server, _) = piped();
    let attaching = run(move || {
        let builder = client.sender("jobs").with_desired_capabilities([name("paging"), name("other")]);
        let attached = builder.with_capabilities(vec![name("queue")]).with_required_capabilities().attach();
        (attached.map(drop), client)
    });
    let options = ReceiverOptions::new().with_offered_capabilities(name("paging").into());
    let _receiver = receives(&server).accept_with(options).unwrap();
    let (attached, _client) = attaching.join().unwrap();
    assert_eq!(attached.unwrap_err().to_string(), "the peer does not grant capability other");
}

/// L-ATT-11 [2.6.3]: who looks for a link by its name leaves its node out, and is told it.
#[test]
fn l_att_11_source_and_target_may_be_left_out() {
    let (client, server, _) = piped();
    let attaching = run(move || {
        let receiver = client.receiver("").with_name("subscription").without_source().attach().unwrap();
        let sender = client.sender("").with_name("producer").without_target().attach().unwrap();
        (receiver.address(), sender.address())
    });
    let offered = sends(&server);
    assert_eq!(offered.source(), None);
    let _sender = offered.accept_with(SenderOptions::new().with_source(Source::at("news"))).unwrap();
    let offered = receives(&server);
    assert_eq!(offered.target(), None);
    let _receiver = offered.accept_with(ReceiverOptions::new().with_target(Target::at("jobs"))).unwrap();
    let (source, target) = attaching.join().unwrap();
    assert_eq!((source.as_deref(), target.as_deref()), (Some("news"), Some("jobs")));
}

/// X-CTL-01 [4.3], M-SRC-03 [3.5.3]: a coordinator as a target; nodes without an address, of either kind.
#[test]
fn x_ctl_01_a_coordinator_and_nodes_without_an_address() {
    let (client, server, _) = piped();
    let attaching = run(move || {
        let refused = client.sender("").with_target(Coordinator::default()).attach().map(drop);
        let anonymous = client.anonymous_sender().attach().unwrap();
        let made = client.dynamic_receiver().attach().unwrap();
        drop(anonymous);
        (refused, made.address())
    });
    let offered = receives(&server);
    assert!(matches!(offered.target(), Some(Terminus::Coordinator(_))));
    offered.refuse(Condition::NotImplemented).unwrap();
    let offered = receives(&server);
    assert!(offered.target().is_some() && offered.address().is_none());
    let _receiver = offered.accept().unwrap();
    let offered = sends(&server);
    assert!(offered.source().unwrap().dynamic);
    let _sender = offered.accept_with(SenderOptions::new().with_source(Source::at("made"))).unwrap();
    let (refused, address) = attaching.join().unwrap();
    assert_eq!(refused.unwrap_err().condition(), Some(&Condition::NotImplemented));
    assert_eq!(address.as_deref(), Some("made"));
}

/// T-CREDIT-01 [2.6.7], T-DISP-13 [2.6.12]: without credit nothing is sent; without an outcome nobody knows.
#[test]
fn t_credit_01_sending_may_take_so_long() {
    let (client, server, _) = piped();
    let attaching = run(move || {
        (client.sender("jobs").with_send_timeout(Duration::from_millis(100)).attach().unwrap(), client)
    });
    let receiver = receives(&server).accept_with(ReceiverOptions::new().with_prefetch(0)).unwrap();
    let (sender, _client) = attaching.join().unwrap();
    assert!(matches!(sender.send("no credit"), Err(Error::TimedOut)));
    assert!(matches!(sender.send_queued("no credit"), Err(Error::TimedOut)));
    receiver.add_credit(1).unwrap();
    // Credit may take a while to arrive.
    let outcome = loop {
        match sender.send("no outcome") {
            Err(Error::TimedOut) => {}
            outcome => break outcome,
        }
    };
    assert!(matches!(outcome, Err(Error::Unconfirmed)), "{outcome:?}");
    receiver.recv().unwrap().unwrap().accept().unwrap();
}
