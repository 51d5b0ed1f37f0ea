//! Outcomes and settlement, set by the application and the peer [2.6.12] [2.7.6] [3.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, Pair, disposition, flow, transfer};
use amqp_proto::types::{
    Annotations, DeliveryKey, DeliveryTag, Described, Fields, Limits, LinkKey, ReceiverKey, SenderKey,
    TransactionId, Value,
};
use amqp_proto::wire::{
    AmqpError, Condition, Declared, DeliveryState, Modified, Outcome, Received, ReceiverSettleMode, Rejected,
    Source, TransactionalState,
};
use amqp_proto::{Event, Reading, SettleError, symbol};
use common::wire::Wire;

const ACCEPTED: &str = "00532445";
const RELEASED: &str = "00532645";

/// A link between client and server with these options; earlier events are dropped.
fn linked(sender: SenderOptions, receiver: ReceiverOptions) -> (Pair, SenderKey, ReceiverKey) {
    let mut pair = Pair::opened();
    pair.server.receiver_options = receiver;
    let sender = pair.client.attach_sender_with("x", sender);
    pair.drive();
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!() };
    pair.client.events();
    pair.server.events();
    pair.clear_trace();
    (pair, sender, receiver)
}

/// Sends this number of messages, which are received and not settled.
fn send(
    pair: &mut Pair,
    sender: SenderKey,
    receiver: ReceiverKey,
    count: usize,
) -> Vec<(DeliveryKey, DeliveryKey)> {
    let sent: Vec<_> = (0..count).map(|_| pair.client.sender(sender).unwrap().send("x").unwrap()).collect();
    pair.drive();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    let taken = std::iter::from_fn(|| at_server.receive().map(|delivery| delivery.key()));
    let both = sent.into_iter().zip(taken).collect();
    pair.server.events();
    pair.client.events();
    pair.clear_trace();
    both
}

/// The dispositions that were sent.
fn dispositions(pair: &Pair) -> Vec<String> {
    pair.trace().into_iter().filter(|line| line.contains("disposition")).collect()
}

/// T-DISP-14: at most once: a message settled by its transfer has no later reports at either end.
#[test]
fn t_disp_14_at_most_once() {
    let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
    let options = SendOptions::new().with_settled(true);
    let sent = pair.client.sender(sender).unwrap().send_with(&"x".into(), &options).unwrap();
    assert!(pair.client.delivery(sent).is_err());
    pair.drive();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    let delivery = at_server.receive().unwrap();
    assert!(delivery.is_settled());
    assert_eq!(at_server.accept(delivery.key()), Err(SettleError::Settled));
    pair.drive();
    assert_eq!(dispositions(&pair).len(), 0);
    assert_eq!(pair.client.events(), []);
}

/// T-DISP-15, T-DISP-17: at least once: the receiver settles with its outcome, which ends the delivery.
#[test]
fn t_disp_15_at_least_once() {
    let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
    let (sent, taken) = send(&mut pair, sender, receiver, 1)[0];
    pair.server.receiver(receiver).unwrap().accept(taken).unwrap();
    assert_eq!(pair.server.receiver(receiver).unwrap().accept(taken), Err(SettleError::Settled));
    pair.drive();
    let state = Some(Outcome::Accepted.into());
    let updated = Event::Updated { link: sender.into(), delivery: sent, state, settled: true };
    assert_eq!(pair.client.events(), [updated]);
    assert_eq!(dispositions(&pair).len(), 1);
    assert_eq!(pair.server.events(), []);
    assert_eq!(pair.client.sender(sender).unwrap().settle(sent), Err(SettleError::Settled));
}

/// T-DISP-16, T-DISP-17, T-DISP-07: exactly once: the outcome, the sender's settlement, and the receiver's settlement
/// without a frame; the sender settles by itself or by its application.
#[test]
fn t_disp_16_exactly_once() {
    for automatic in [true, false] {
        let second = ReceiverOptions::new().with_rcv_settle_mode(ReceiverSettleMode::Second);
        let (mut pair, sender, receiver) = linked(SenderOptions::to("x").with_auto_settle(automatic), second);
        let (sent, taken) = send(&mut pair, sender, receiver, 1)[0];
        let mut at_server = pair.server.receiver(receiver).unwrap();
        at_server.accept(taken).unwrap();
        assert_eq!(at_server.unsettled_len(), 1);
        assert_eq!(at_server.release(taken), Err(SettleError::Decided));
        pair.drive();
        let state = Some(DeliveryState::from(Outcome::Accepted));
        let updated =
            Event::Updated { link: sender.into(), delivery: sent, state: state.clone(), settled: automatic };
        assert_eq!(pair.client.events(), [updated]);
        if !automatic {
            assert_eq!(pair.client.delivery(sent).unwrap().remote_state(), state);
            assert_eq!(pair.server.events(), []);
            pair.client.sender(sender).unwrap().settle(sent).unwrap();
            pair.drive();
        }
        let updated = Event::Updated { link: receiver.into(), delivery: taken, state: None, settled: true };
        assert_eq!(pair.server.events(), [updated]);
        let told = dispositions(&pair);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(!told[0].contains("settled: true") && told[1].contains("settled: true"), "{told:?}");
        assert_eq!(pair.server.receiver(receiver).unwrap().accept(taken), Err(SettleError::Settled));
        assert_eq!(pair.client.events(), []);
    }
}

/// Every delivery state with all its fields.
fn states() -> Vec<DeliveryState> {
    let info = Fields::from_iter([(symbol!("k"), Value::from("v"))]);
    let error =
        AmqpError::new(Condition::from(symbol!("com.example:odd"))).with_description("no").with_info(info);
    let modified = Modified {
        delivery_failed: Some(true),
        undeliverable_here: Some(true),
        message_annotations: Annotations::from_iter([(symbol!("x-opt-a"), 1)]),
    };
    let other = Described::new(0x99_u64, Value::from("what it says"));
    let txn_id = TransactionId::new(b"txn").unwrap();
    vec![
        Outcome::Accepted.into(),
        Outcome::from(Rejected::default()).into(),
        Outcome::from(Rejected { error: Some(Box::new(error)) }).into(),
        Outcome::Released.into(),
        Outcome::from(Modified::default()).into(),
        Outcome::from(modified.clone()).into(),
        Outcome::from(Declared::new(txn_id.clone())).into(),
        Outcome::Other(Box::new(other)).into(),
        DeliveryState::Received(Received::new(2, 70_000)),
        DeliveryState::Transactional(Box::new(TransactionalState {
            outcome: Some(modified.into()),
            ..TransactionalState::new(txn_id.clone())
        })),
        DeliveryState::Transactional(Box::new(TransactionalState::new(txn_id))),
    ]
}

/// M-STATE-01 to M-STATE-08, M-STATE-12, R-ERR-02, X-RET-01, T-DISP-21: each state of a receiver arrives with all
/// fields. Outcomes settle; other states keep the delivery.
#[test]
fn m_state_08_every_state_of_a_receiver_arrives_whole() {
    for state in states() {
        let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
        let (sent, taken) = send(&mut pair, sender, receiver, 1)[0];
        pair.server.receiver(receiver).unwrap().dispose(taken, &state).unwrap();
        pair.drive();
        let settles = match &state {
            DeliveryState::Transactional(state) => state.outcome.is_some(),
            state => state.is_terminal(),
        };
        let told = Event::Updated {
            link: sender.into(),
            delivery: sent,
            state: Some(state.clone()),
            settled: settles,
        };
        assert_eq!(pair.client.events(), [told]);
        if !settles {
            assert_eq!(pair.client.delivery(sent).unwrap().remote_state(), Some(state.clone()));
            assert_eq!(pair.server.delivery(taken).unwrap().local_state(), Some(state));
            pair.server.receiver(receiver).unwrap().accept(taken).unwrap();
            pair.drive();
            assert_eq!(pair.client.outcome(sent), Some(Outcome::Accepted));
        }
    }
}

/// T-DISP-18, M-STATE-02 to M-STATE-08: each state of a sender arrives with all fields, too; the delivery is settled
/// when the receiver has answered. The state `received` is the receiver's [3.4.1].
#[test]
fn t_disp_18_every_state_of_a_sender_arrives_whole() {
    for state in states().into_iter().filter(|state| !matches!(state, DeliveryState::Received(_))) {
        let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
        let (sent, taken) = send(&mut pair, sender, receiver, 1)[0];
        pair.client.sender(sender).unwrap().update(sent, &state).unwrap();
        pair.drive();
        let told = Event::Updated {
            link: receiver.into(),
            delivery: taken,
            state: Some(state.clone()),
            settled: false,
        };
        assert_eq!(pair.server.events(), [told]);
        assert_eq!(pair.server.delivery(taken).unwrap().remote_state(), Some(state));
        pair.server.receiver(receiver).unwrap().settle(taken).unwrap();
        pair.drive();
        assert!(matches!(pair.client.events()[..], [Event::Updated { settled: true, .. }]));
        assert!(pair.client.delivery(sent).is_err());
    }
}

/// T-DISP-01, R-ERR-01, M-STATE-02: a disposition without a mandatory field is refused.
#[test]
fn t_disp_01_mandatory_fields() {
    let bare = || Literal::new(0x15);
    for frame in [
        bare().null().uint(0),
        bare().boolean(true).null(),
        bare().boolean(true),
        disposition(true, 0, None).null().raw("005323 c00302 40 44"),
        disposition(true, 0, None).null().raw("005323 c00201 43"),
        disposition(true, 0, None).boolean(true).raw("005325 c00701 00531d c00201 40"),
    ] {
        let mut wire = Wire::begun();
        wire.sender(SenderOptions::new(), 5);
        wire.peer_sends(frame);
        let lines = wire.lines();
        assert!(lines.len() == 1 && lines[0].starts_with("[0] close"), "{lines:?}");
    }
}

/// A peer to which the engine has sent these numbers of messages, on two links.
fn sent(counts: [u32; 2]) -> (Wire, [SenderKey; 2], Vec<DeliveryKey>) {
    let mut wire = Wire::begun();
    let links = [0, 1].map(|handle| wire.sender_on(handle, &format!("{handle}"), SenderOptions::new(), 99));
    let mut keys = Vec::new();
    for (link, count) in links.iter().zip(counts) {
        (0..count).for_each(|_| keys.push(wire.engine.sender(*link).unwrap().send("x").unwrap()));
    }
    wire.octets();
    (wire, links, keys)
}

fn accepted(first: u32, last: Option<u32>) -> Literal {
    disposition(true, first, last).boolean(true).raw(ACCEPTED)
}

/// The event of an accepted delivery.
fn told(link: SenderKey, delivery: DeliveryKey) -> Event {
    Event::Updated { link: link.into(), delivery, state: Some(Outcome::Accepted.into()), settled: true }
}

/// T-DISP-01, T-DISP-04, T-DISP-06: a range leads to one event for each of its unsettled deliveries, of all links, in
/// order; without `last` it is one delivery.
#[test]
fn t_disp_06_a_range_over_two_links() {
    let (mut wire, links, keys) = sent([3, 2]);
    wire.peer_sends(accepted(1, None));
    assert_eq!(wire.events(), [told(links[0], keys[1])]);
    wire.peer_sends(accepted(0, Some(9)));
    let expected: Vec<_> = [0, 2, 3, 4].map(|at| told(links[at / 3], keys[at])).into();
    assert_eq!(wire.events(), expected);
    wire.peer_sends(accepted(0, Some(9))).quiet();
}

/// T-DISP-05: a range costs only the deliveries in it, however long it is; a range that ends before its start ends
/// the session.
#[test]
fn t_disp_05_odd_ranges() {
    let (mut wire, links, keys) = sent([1, 0]);
    wire.peer_sends(accepted(0, Some(0x7fff_ffff)));
    assert_eq!(wire.events(), [told(links[0], keys[0])]);
    wire.peer_sends(accepted(5, Some(4)));
    assert!(wire.lines()[0].contains("amqp:invalid-field"));
    assert!(matches!(wire.events().last(), Some(Event::SessionEnded { .. })));
}

/// T-DISP-03: a range that wraps.
#[test]
fn t_disp_03_a_range_that_wraps() {
    let first = SessionOptions::new().with_next_outgoing_id(0xffff_fffe.into());
    let mut wire = Wire::begun_with(Limits::DEFAULT, first, 99);
    let link = wire.sender(SenderOptions::new(), 9);
    let keys: Vec<_> = (0..4).map(|_| wire.engine.sender(link).unwrap().send("x").unwrap()).collect();
    wire.peer_sends(accepted(0xffff_ffff, Some(0)));
    assert_eq!(wire.events(), [told(link, keys[1]), told(link, keys[2])]);
    wire.peer_sends(accepted(0xffff_fffe, Some(1)));
    assert_eq!(wire.events(), [told(link, keys[0]), told(link, keys[3])]);
}

/// T-DISP-02: the role of a disposition selects the direction, when both directions use the same ids.
#[test]
fn t_disp_02_the_role_is_the_speakers() {
    for state in ["40", ACCEPTED] {
        let mut wire = Wire::begun();
        let out = wire.sender(SenderOptions::new(), 9);
        let inbox = wire.receiver_on(1, "in", ReceiverOptions::new());
        let delivery = wire.engine.sender(out).unwrap().send("x").unwrap();
        wire.peer_sends(transfer(1, 0, b"t").payload("y"));
        let Event::Message { delivery: taken, .. } = wire.event() else { panic!() };
        wire.peer_sends(disposition(false, 0, None).boolean(true).raw(state));
        let [Event::Updated { link, delivery: updated, settled: true, .. }] = wire.events()[..] else {
            panic!()
        };
        assert_eq!((link, updated), (inbox.into(), taken));
        // A settled message can still be received.
        assert!(wire.engine.receiver(inbox).unwrap().receive().unwrap().is_settled());
        wire.peer_sends(accepted(0, None));
        assert_eq!(wire.events(), [told(out, delivery)]);
    }
}

/// T-XFER-06 [2.6.12]: a tag that the application has chosen is not given to a later message while its delivery is unsettled.
#[test]
fn t_xfer_06_assigned_tags_avoid_those_in_use() {
    let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
    let chosen = SendOptions::new().with_tag(DeliveryTag::from(1_u32));
    pair.client.sender(sender).unwrap().send_with(&"x".into(), &chosen).unwrap();
    for _ in 0..3 {
        pair.client.sender(sender).unwrap().send("x").unwrap();
    }
    pair.drive();
    let mut at_server = pair.server.receiver(receiver).unwrap();
    let received: Vec<_> = std::iter::from_fn(|| at_server.receive()).collect();
    let tags: Vec<_> = received.iter().map(|delivery| delivery.tag()).collect();
    // The same delivery is equal, another one with the same message is not.
    assert!(received[0] == received[0].clone() && received[0] != received[1]);
    assert_eq!(tags, [1_u32, 0, 2, 3].map(DeliveryTag::from));
}

/// T-DISP-08, M-SRC-10, T-DISP-19: settled without a state, or with a state that is no outcome: the source's default
/// outcome applies, whichever end has named it.
#[test]
fn t_disp_08_settled_without_an_outcome() {
    let default = Outcome::from(Modified { delivery_failed: Some(true), ..Modified::default() });
    let source = || Source { default_outcome: Some(default.clone()), ..Source::at("a") };
    for asked_by_peer in [false, true] {
        let mut pair = Pair::opened();
        let options =
            if asked_by_peer { SenderOptions::new() } else { SenderOptions::new().with_source(source()) };
        pair.server.sender_options = options;
        let asks = ReceiverOptions::new().with_source(if asked_by_peer { source() } else { Source::at("a") });
        let receiver = pair.client.attach_receiver_with("x", asks);
        pair.drive();
        let LinkKey::Sender(sender) = pair.server.expect_attach().key() else { panic!() };
        let [with_state, without] = [0, 1].map(|_| pair.server.sender(sender).unwrap().send("x").unwrap());
        pair.drive();
        let mut at_client = pair.client.receiver(receiver).unwrap();
        let keys: Vec<_> = at_client.unsettled().collect();
        let state = DeliveryState::Received(Received::new(0, 1));
        at_client.dispose(keys[0], &state).unwrap();
        keys.iter().for_each(|key| at_client.settle(*key).unwrap());
        pair.drive();
        let mut updates = std::iter::from_fn(|| pair.server.next_event()).filter_map(|event| match event {
            Event::Updated { delivery, state, settled: true, .. } => Some((delivery, state.unwrap())),
            _ => None,
        });
        assert_eq!(updates.next(), Some((with_state, default.clone().into())));
        assert_eq!(updates.next(), Some((without, default.clone().into())));
    }
}

/// T-DISP-08, X-RET-04: the default outcome also replaces a state that is no outcome in the settlement itself; a
/// transactional state stays. Without a default the last state is reported.
#[test]
fn t_disp_08_settled_by_a_state_that_is_no_outcome() {
    let of_transaction = |outcome| {
        let id = TransactionId::new(b"t").unwrap();
        DeliveryState::Transactional(Box::new(TransactionalState { outcome, ..TransactionalState::new(id) }))
    };
    let received = DeliveryState::Received(Received::new(0, 1));
    let default = Outcome::Released;
    for (raw, with_default, without) in [
        ("005323 c00402 43 5301", default.clone().into(), received),
        ("005334 c00401 a001 74", of_transaction(Some(default.clone())), of_transaction(None)),
        (
            "005334 c00802 a001 74 00532445",
            of_transaction(Some(Outcome::Accepted)),
            of_transaction(Some(Outcome::Accepted)),
        ),
    ] {
        for (has_default, state) in [(true, with_default), (false, without)] {
            let mut wire = Wire::begun();
            let source = Source { default_outcome: has_default.then(|| default.clone()), ..Source::at("a") };
            let link = wire.sender(SenderOptions::new().with_source(source), 9);
            let delivery = wire.engine.sender(link).unwrap().send("x").unwrap();
            wire.peer_sends(disposition(true, 0, None).boolean(true).raw(raw));
            let told = Event::Updated { link: link.into(), delivery, state: Some(state), settled: true };
            assert_eq!(wire.events(), [told], "{raw}, default: {has_default}");
        }
    }
}

/// [2.7.6]: a state that was told before is told once, and again when it is another or the delivery is settled.
#[test]
fn an_unchanged_state_is_not_reported_again() {
    let (mut wire, links, keys) = sent([2, 0]);
    let received = |last| disposition(true, 0, Some(last)).null().raw("005323 c00302 43 44");
    let told = |at: usize, section, settled| Event::Updated {
        link: links[0].into(),
        delivery: keys[at],
        state: Some(DeliveryState::Received(Received::new(section, 0))),
        settled,
    };
    wire.peer_sends(received(0));
    assert_eq!(wire.events(), [told(0, 0, false)]);
    wire.peer_sends(received(1));
    assert_eq!(wire.events(), [told(1, 0, false)]);
    wire.peer_sends(received(1)).peer_sends(received(1)).quiet();
    wire.peer_sends(disposition(true, 0, None).null().raw("005323 c00402 5201 44"));
    assert_eq!(wire.events(), [told(0, 1, false)]);
    wire.peer_sends(received(1));
    assert_eq!(wire.events(), [told(0, 0, false)]);
    wire.peer_sends(disposition(true, 0, Some(1)).boolean(true).raw("005323 c00302 43 44"));
    assert_eq!(wire.events(), [told(0, 0, true), told(1, 0, true)]);
}

/// [2.7.6]: one poll looks at so many deliveries and no more; a driver learns that there is more by an event. What is
/// between deliveries that are unsettled costs the same.
#[test]
fn a_long_range_is_looked_at_in_parts() {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 100_000);
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(flow(Some(0), 100_000, 0, 2_048).uint(0).uint(0).uint(100_000)).events();
    let send = |wire: &mut Wire| {
        let key = wire.engine.sender(link).unwrap().send("x").unwrap();
        wire.octets();
        key
    };
    let keys: Vec<_> = (0..5_000).map(|_| send(&mut wire)).collect();
    let received = || disposition(true, 0, Some(0x7fff_ffff)).null().raw("005323 c00302 43 44");
    assert_eq!(wire.peer_sends(received()).events().len(), 5_000, "each is told");
    let busy = vec![Event::Busy; 4];
    assert_eq!(wire.peer_sends(received()).events(), busy, "none is");
    assert_eq!(wire.engine.reading(), Reading::Wanted);
    wire.peer_sends(accepted(1, Some(4_998)));
    assert_eq!(wire.events().len(), 4_998);
    let rest = wire.peer_sends(received()).events();
    assert!(rest.len() <= 1, "the ring has shrunk, and 904 looks are left of before: {rest:?}");
    wire.peer_sends(disposition(true, 0, Some(4_999)).boolean(true));
    let settled = wire.events().into_iter().map(|event| match event {
        Event::Updated { delivery, settled: true, .. } => delivery,
        other => panic!("{other:?}"),
    });
    assert_eq!(settled.collect::<Vec<_>>(), [keys[0], keys[4_999]]);
}

/// [2.7.6]: many short ranges of which nothing is to be told are a long one: the driver has turns between them, wherever
/// the input is cut.
#[test]
fn many_ranges_are_looked_at_in_parts() {
    let mut wire = Wire::begun_with(Limits::DEFAULT, SessionOptions::new(), 100_000);
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(flow(Some(0), 100_000, 0, 2_048).uint(0).uint(0).uint(100_000)).events();
    for _ in 0..512 {
        wire.engine.sender(link).unwrap().send("x").unwrap();
        wire.octets();
    }
    let received = || disposition(true, 0, Some(511)).null().raw("005323 c00302 43 44");
    assert_eq!(wire.peer_sends(received()).events().len(), 512, "each is told");
    for _ in 0..3 {
        assert_eq!(wire.peer_sends(received()).events(), []);
        assert_eq!(wire.peer_sends(received()).events(), [Event::Busy]);
    }
    for _ in 0..6 {
        wire.peer_sends(received());
    }
    assert_eq!(wire.events(), vec![Event::Busy; 3]);
}

/// T-DISP-06: a range concerns the deliveries at its arrival, not those sent while its events are handled.
#[test]
fn t_disp_06_a_range_excludes_later_deliveries() {
    let (mut wire, links, keys) = sent([1, 0]);
    wire.peer_sends(accepted(0, Some(9)));
    let told_first = wire.engine.poll_event();
    let later = wire.engine.sender(links[0]).unwrap().send("x").unwrap();
    assert_eq!(told_first, Some(told(links[0], keys[0])));
    assert_eq!(wire.events(), []);
    assert!(wire.engine.delivery(later).is_ok());
}

/// X-RET-01, X-RET-03: a delivery retired in a transaction stays unsettled. After a rollback it can be retired again
/// or get an outcome, and either end settles it.
#[test]
fn x_ret_03_retired_again_after_a_rollback() {
    let (mut pair, sender, receiver) = linked(SenderOptions::to("x"), ReceiverOptions::new());
    let (sent, taken) = send(&mut pair, sender, receiver, 1)[0];
    for (id, outcome) in [(b"1", Outcome::Accepted), (b"2", Outcome::Released)] {
        let transaction = TransactionId::new(id).unwrap();
        let mut at_server = pair.server.receiver(receiver).unwrap();
        at_server.retire(taken, transaction.clone(), outcome.clone()).unwrap();
        pair.drive();
        let state = TransactionalState { outcome: Some(outcome), ..TransactionalState::new(transaction) };
        let state = DeliveryState::Transactional(Box::new(state));
        let told = Event::Updated {
            link: sender.into(),
            delivery: sent,
            state: Some(state.clone()),
            settled: false,
        };
        assert_eq!(pair.client.events(), [told]);
        assert_eq!(pair.server.delivery(taken).unwrap().local_state(), Some(state));
    }
    pair.server.receiver(receiver).unwrap().accept(taken).unwrap();
    pair.drive();
    assert_eq!(pair.client.outcome(sent), Some(Outcome::Accepted));
    assert!(pair.client.delivery(sent).is_err() && pair.server.delivery(taken).is_err());
}

/// T-DISP-16, [2.8.3]: a receiver of mode second does not settle before the sender, even after its outcome.
#[test]
fn t_disp_16_a_receiver_of_mode_second_waits_for_the_sender() {
    let mut wire = Wire::begun();
    let second = ReceiverOptions::new().with_rcv_settle_mode(ReceiverSettleMode::Second);
    let link = wire.receiver(second);
    wire.peer_sends(transfer(0, 0, b"t"));
    let Event::Message { delivery, .. } = wire.event() else { panic!() };
    assert_eq!(wire.engine.receiver(link).unwrap().settle(delivery), Err(SettleError::Second));
    wire.engine_wrote([]);
    wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
    wire.engine_wrote([disposition(true, 0, None).null().raw(ACCEPTED)]);
    assert_eq!(wire.engine.receiver(link).unwrap().settle(delivery), Err(SettleError::Second));
    wire.engine_wrote([]);
    wire.peer_sends(disposition(false, 0, None).boolean(true));
    assert!(matches!(wire.event(), Event::Updated { settled: true, .. }));
    assert_eq!(wire.engine.receiver(link).unwrap().settle(delivery), Err(SettleError::Settled));
}

/// T-DISP-12, T-DISP-13: the first outcome of a delivery is final, and so is its settlement, whatever follows.
#[test]
fn t_disp_13_an_outcome_does_not_change() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new().with_auto_settle(false), 9);
    let delivery = wire.engine.sender(link).unwrap().send("x").unwrap();
    wire.octets();
    wire.peer_sends(disposition(true, 0, None).null().raw(RELEASED));
    assert_eq!(wire.events().len(), 1);
    wire.peer_sends(disposition(true, 0, None).null().raw(ACCEPTED)).quiet();
    wire.peer_sends(accepted(0, None));
    let state = Some(Outcome::Released.into());
    assert_eq!(wire.events(), [Event::Updated { link: link.into(), delivery, state, settled: true }]);
    wire.peer_sends(accepted(0, None)).peer_sends(disposition(true, 0, None).boolean(true)).quiet();
}

/// T-DISP-10, T-DISP-11: a sender may send a state between the frames of a delivery, and hint that the answer may
/// wait. The application gets it with the message, once.
#[test]
fn t_disp_10_a_disposition_between_frames() {
    let mut wire = Wire::begun();
    let link = wire.receiver(ReceiverOptions::new());
    wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"))
        .peer_sends(disposition(false, 0, None).null().raw(RELEASED).boolean(true))
        .peer_sends(Literal::new(0x14).uint(0).payload("b"));
    assert!(matches!(wire.event(), Event::Message { .. }));
    let delivery = wire.engine.receiver(link).unwrap().receive().unwrap();
    assert_eq!(delivery.payload().to_bytes(), "ab");
    assert_eq!((delivery.is_settled(), delivery.state()), (false, Some(&Outcome::Released.into())));
    assert_eq!(wire.engine.delivery(delivery.key()).unwrap().remote_state(), Some(Outcome::Released.into()));
}

/// T-DISP-10: a sender settles before its last transfer: the message is reported once, as settled. A streamed message
/// was reported before, and its settlement follows in order.
#[test]
fn t_disp_10_settled_between_frames() {
    for streaming in [false, true] {
        let mut wire = Wire::begun();
        let link = wire.receiver(ReceiverOptions::new().with_streaming(streaming));
        wire.peer_sends(transfer(0, 0, b"t").null().boolean(true).payload("a"))
            .peer_sends(disposition(false, 0, None).boolean(true))
            .peer_sends(Literal::new(0x14).uint(0).payload("b"));
        let events = wire.events();
        if streaming {
            assert!(
                matches!(
                    events[..],
                    [Event::Message { .. }, Event::Updated { settled: true, .. }, Event::Data { .. }]
                ),
                "{events:?}"
            );
        } else {
            assert!(matches!(events[..], [Event::Message { .. }]), "{events:?}");
            assert!(wire.engine.receiver(link).unwrap().receive().unwrap().is_settled());
        }
        assert_eq!(wire.engine.receiver(link).unwrap().unsettled_len(), 0);
    }
}

/// T-DISP-02: deliveries of another link, of the other direction, or that never existed cannot be settled.
#[test]
fn a_delivery_of_another_link_is_not_settled() {
    let mut wire = Wire::begun();
    let out = wire.sender(SenderOptions::new(), 9);
    let links = [1, 2].map(|handle| wire.receiver_on(handle, &format!("{handle}"), ReceiverOptions::new()));
    let sent = wire.engine.sender(out).unwrap().send("x").unwrap();
    wire.peer_sends(transfer(1, 0, b"t"));
    let Event::Message { delivery, .. } = wire.event() else { panic!() };
    wire.octets();
    assert_eq!(wire.engine.receiver(links[1]).unwrap().accept(delivery), Err(SettleError::WrongLink));
    assert_eq!(wire.engine.receiver(links[1]).unwrap().accept(sent), Err(SettleError::WrongLink));
    assert_eq!(wire.engine.sender(out).unwrap().settle(delivery), Err(SettleError::WrongLink));
    wire.engine_wrote([]);
    wire.engine.receiver(links[0]).unwrap().accept(delivery).unwrap();
    wire.engine_wrote([accepted(0, None)]);
}
