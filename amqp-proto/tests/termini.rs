//! Termini and coordinators, as far as an engine handles them [3.5] [4.1-4.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::message::{Message, Payload};
use amqp_proto::testing::{Auto, Literal, Pair, attach, detach, transfer};
use amqp_proto::types::{Described, Fields, LinkKey, TransactionId, Value};
use amqp_proto::wire::{
    Condition, Coordinator, Declared, DeliveryState, Outcome, Source, Target, TransactionalState,
};
use amqp_proto::{Event, SendError, symbol};
use bytes::Bytes;
use common::wire::{Wire, credit};

/// M-SRC-09: selector and no-local have the names that brokers look for, and the registered descriptors.
#[test]
fn m_src_09_a_selector_has_the_name_that_brokers_look_for() {
    let source = Source::at("jobs").with_selector("n > 1").with_no_local();
    let described = |name: &str| match source.filter.get(name) {
        Some(Value::Described(filter)) => filter.descriptor().clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(source.filter.len(), 2);
    assert_eq!(described("jms-selector"), Value::from(symbol!("apache.org:selector-filter:string")));
    assert_eq!(described("no-local"), Value::from(symbol!("apache.org:no-local-filter:list")));
}

/// M-SRC-04, M-SRC-08, M-SRC-09, M-SRC-11, L-ATT-08: filters, outcomes and node properties arrive unchanged, and the
/// application gets those of the answer.
#[test]
fn m_src_09_filters_are_shown_to_both_ends() {
    let selector = Described::new(0x4_68c0_0000_0004_u64, Value::from("colour = 'red'"));
    let wished = Source {
        dynamic: true,
        dynamic_node_properties: Fields::from_iter([(
            symbol!("lifetime-policy"),
            Value::from(Described::new(0x2b_u64, Value::List(Default::default()))),
        )]),
        filter: Fields::from_iter([
            (symbol!("selector"), Value::from(selector)),
            (symbol!("none"), Value::Null),
        ]),
        outcomes: [symbol!("amqp:accepted:list")].into_iter().collect(),
        default_outcome: Some(Outcome::Released),
        ..Source::default()
    };
    let made = Source { filter: Fields::new(), ..Source::at("made") };
    let mut pair = Pair::opened();
    pair.server.sender_options = SenderOptions::new().with_source(made.clone());
    let receiver = pair.client.attach_receiver_with("x", ReceiverOptions::new().with_source(wished.clone()));
    pair.drive();
    let LinkKey::Sender(sender) = pair.server.expect_attach().key() else { panic!() };
    let asked = pair.server.sender(sender).unwrap().peer_attach().unwrap();
    assert_eq!(asked.source.as_deref(), Some(&wished));
    let answer = pair.client.receiver(receiver).unwrap().peer_attach().unwrap();
    assert_eq!(answer.source.as_deref(), Some(&made));
}

/// X-CTL-01, X-DECL-05, X-DECL-02: a controller attaches a sender to a coordinator, which can give the reason of a
/// failure. The controller's messages are unsettled.
#[test]
fn x_decl_05_a_controller() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let options = SenderOptions::to_coordinator(Coordinator::default());
    let link = session.attach_sender("txn", options).unwrap();
    let symbols = ["amqp:accepted:list", "amqp:rejected:list", "amqp:declared:list"];
    let symbols: Vec<u8> = symbols
        .iter()
        .flat_map(|text| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat())
        .collect();
    let array = [&[0xe0, u8::try_from(symbols.len()).unwrap() + 2, 3, 0xa3][..], &symbols].concat();
    let fields = [&[0x40; 9][..], &array].concat();
    let source =
        [&[0x00, 0x53, 0x28, 0xc0, u8::try_from(fields.len()).unwrap() + 1, 10][..], &fields].concat();
    let asks = attach("txn", 0, false).ubyte(0).null().encoded(&source).raw("00533045");
    wire.engine_wrote([asks.nulls(2).uint(0)]);
    wire.peer_sends(attach("txn", 0, true).nulls(2).encoded(&source).raw("00533045"));
    assert_eq!(wire.event(), Event::LinkAttached(link.into()));
    wire.peer_sends(credit(0, 0, 5)).events();
    let mut sender = wire.engine.sender(link).unwrap();
    let settled = SendOptions::new().with_settled(true);
    assert_eq!(sender.send_with(&Message::from("declare"), &settled), Err(SendError::SettleMode));
    // X-DECL-03: the outcome has the transaction's id.
    let sent = sender.send("declare").unwrap();
    let declared = amqp_proto::testing::disposition(true, 0, None).boolean(true);
    wire.peer_sends(declared.raw("005333 c00401 a00174"));
    let state = Some(Outcome::from(Declared::new(TransactionId::new(b"t").unwrap())).into());
    assert_eq!(wire.events(), [Event::Updated { link: link.into(), delivery: sent, state, settled: true }]);
}

/// X-CTL-05, T-RES-22: a link to a missing coordinator is refused; a link to a coordinator cannot be resumed.
#[test]
fn t_res_22_a_coordinator_is_not_resumed() {
    let mut pair = Pair::opened();
    pair.server.auto = Auto::Sessions;
    pair.client.attach_sender_with("txn", SenderOptions::to_coordinator(Coordinator::default()));
    pair.drive();
    let offer = pair.server.expect_attach();
    offer.refuse(Condition::NotImplemented.into());
    pair.drive();
    let (_, _, reason) = pair.client.expect_detached();
    assert_eq!(reason.error.unwrap().condition, Condition::NotImplemented);
    for (map, is_refused) in [("40", false), ("c10100", true)] {
        let mut wire = Wire::begun();
        let asks = attach("txn", 0, false).nulls(2).terminus(0x28, "a").raw("00533045").raw(map);
        wire.peer_sends(asks.null().uint(0));
        match wire.event() {
            Event::LinkOffered(_) => assert!(!is_refused),
            other => {
                assert!(is_refused && matches!(other, Event::LinkDetached { closed: true, .. }), "{other:?}")
            }
        }
        assert_eq!(wire.lines().iter().any(|line| line.contains("amqp:not-allowed")), is_refused);
        wire.peer_sends(detach(0, true));
    }
}

/// X-POST-01: every transfer of a posting names its transaction; other fields of the first transfer are not repeated.
#[test]
fn x_post_01_all_frames_of_a_posting() {
    let txn =
        DeliveryState::Transactional(Box::new(TransactionalState::new(TransactionId::new(b"t").unwrap())));
    let frames = |state: &DeliveryState| {
        let mut wire = Wire::framed(512, 99);
        let link = wire.sender(SenderOptions::new(), 5);
        let payload = Payload::from(Bytes::from(vec![7; 1_300]));
        let options = SendOptions::new().with_state(state.clone());
        wire.engine.sender(link).unwrap().send_payload(&payload, &options).unwrap();
        wire.lines()
    };
    let lines = frames(&txn);
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains("txn_id: 0x74")), "{lines:?}");
    let lines = frames(&Outcome::Released.into());
    assert_eq!(lines.iter().filter(|line| line.contains("released")).count(), 1);
    // The octets of the last of two transfers.
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 5);
    let mut sender = wire.engine.sender(link).unwrap();
    sender.begin_delivery(&SendOptions::new().with_state(txn)).unwrap();
    sender.write("a").unwrap();
    sender.finish().unwrap();
    let state = "005334 c00401 a00174";
    wire.engine_wrote([
        transfer(0, 0, &[0; 4]).null().boolean(true).null().raw(state).payload("a"),
        Literal::new(0x14).uint(0).nulls(6).raw(state),
    ]);
}

/// M-TERM-01 to M-TERM-03, M-TGT-01: a target arrives with all its fields.
#[test]
fn m_tgt_01_all_fields_of_a_target() {
    let target =
        Target { timeout: 30, capabilities: [symbol!("queue")].into_iter().collect(), ..Target::at("b") };
    let mut pair = Pair::opened();
    pair.client.attach_sender_with("x", SenderOptions::new().with_target(target.clone()));
    pair.drive();
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!() };
    let asked = pair.server.receiver(receiver).unwrap().peer_attach().unwrap();
    assert_eq!(*asked.target.unwrap(), target.into());
}
