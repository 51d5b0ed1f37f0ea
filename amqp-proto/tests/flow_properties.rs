//! Properties of a link's state, in flows [2.7.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, detach, flow};
use amqp_proto::types::{Fields, Limits};
use amqp_proto::wire::{Flow, Frame, Performative};
use amqp_proto::{Event, FlowError};
use common::wire::{Wire, credit};

/// The map {lag: 7}, and its octets.
const LAG: &str = "c108 02 a3036c6167 5207";

fn lag() -> Fields {
    Fields::from([("lag", 7_u32)])
}

/// A flow of the peer for the link 0, with these properties.
fn told(properties: &str) -> Literal {
    flow(Some(0), 100, 0, 100).uint(0).nulls(5).raw(properties)
}

/// Takes the output, which is one flow.
fn written(wire: &mut Wire) -> Flow {
    match <[Frame; 1]>::try_from(wire.frames()) {
        Ok([Frame::Amqp { performative: Performative::Flow(flow), .. }]) => flow,
        other => panic!("{other:?}"),
    }
}

#[test]
fn properties_of_the_peer_are_reported_and_kept() {
    let mut wire = Wire::begun();
    let sender = wire.sender_on(0, "out", SenderOptions::new(), 9);
    wire.octets();
    assert_eq!(wire.engine.sender(sender).unwrap().flow_properties(), None);
    wire.peer_sends(credit(0, 0, 9).nulls(3).raw(LAG));
    assert!(wire.events().contains(&Event::FlowProperties(sender.into())));
    assert_eq!(wire.engine.sender(sender).unwrap().flow_properties(), Some(&lag()));
    assert_eq!(wire.engine.sender(sender).unwrap().credit(), 9);
    // A flow without properties says nothing about them.
    for flow in [credit(0, 0, 8), credit(0, 0, 8).nulls(3).raw("c10100")] {
        wire.peer_sends(flow);
        assert!(!wire.events().contains(&Event::FlowProperties(sender.into())));
    }
    assert_eq!(wire.engine.sender(sender).unwrap().flow_properties(), Some(&lag()));
    wire.peer_sends(credit(0, 0, 8).nulls(3).raw("c107 02 a3026e6f 5201"));
    assert_eq!(wire.engine.sender(sender).unwrap().flow_properties().unwrap().get("no"), Some(&1_u32.into()));
}

#[test]
fn properties_go_out_with_the_state_of_the_link() {
    let mut wire = Wire::begun();
    let receiver = wire.receiver_on(0, "in", ReceiverOptions::new().with_prefetch(0));
    wire.engine.receiver(receiver).unwrap().set_credit(3).unwrap();
    wire.octets();
    wire.engine.receiver(receiver).unwrap().send_flow_properties(&lag()).unwrap();
    let flow = written(&mut wire);
    assert_eq!((flow.properties, flow.link_credit, flow.echo), (lag(), Some(3), false));
    wire.engine.receiver(receiver).unwrap().echo().unwrap();
    assert!(written(&mut wire).properties.is_empty(), "they are sent once");
    let sender = wire.sender_on(1, "out", SenderOptions::new(), 5);
    wire.octets();
    wire.engine.sender(sender).unwrap().send_flow_properties(&lag()).unwrap();
    let flow = written(&mut wire);
    assert_eq!((flow.properties, flow.link_credit), (lag(), Some(5)));
}

/// A refused command changes nothing.
#[test]
fn properties_that_cannot_be_sent_are_refused() {
    let mut wire = Wire::framed(512, 100);
    let receiver = wire.receiver_on(0, "in", ReceiverOptions::new().with_prefetch(0));
    wire.octets();
    let mut longest = 0;
    for octets in 0..512 {
        let properties = Fields::from([("text", "x".repeat(octets))]);
        match wire.engine.receiver(receiver).unwrap().send_flow_properties(&properties) {
            Ok(()) => {
                longest = octets;
                assert_eq!(written(&mut wire).properties, properties);
            }
            Err(error) => {
                assert!(matches!(error, FlowError::TooLarge(_)), "{error}");
                assert!(wire.octets().is_empty());
            }
        }
    }
    assert!(longest > 400, "{longest}");
    wire.peer_sends(detach(0, true));
    wire.events();
    if let Ok(mut receiver) = wire.engine.receiver(receiver) {
        assert_eq!(receiver.send_flow_properties(&lag()), Err(FlowError::Detached));
    }
}

/// Properties of the peer count as memory that it makes the connection hold.
#[test]
fn properties_count_as_memory_of_the_peer() {
    let limits = Limits::DEFAULT.with_memory(1 << 14);
    let mut wire = Wire::begun_with(limits, SessionOptions::new(), 100);
    wire.sender_on(0, "out", SenderOptions::new(), 9);
    wire.octets();
    let text = "78".repeat(400);
    let map = format!("d1{:08x}00000002 a3036c6167 b1{:08x}{text}", 4 + 5 + 5 + 400, 400);
    wire.peer_sends(told(&map));
    let lines = wire.lines();
    assert!(lines.iter().any(|line| line.contains("amqp:resource-limit-exceeded")), "{lines:?}");
}
