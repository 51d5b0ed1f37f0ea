//! Transactions at the controller's end: declares, postings, retirements and discharges [4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SendOptions, SenderOptions};
use amqp_proto::testing::{Literal, attach, close, detach, disposition, octets, transfer};
use amqp_proto::types::{DeliveryKey, Limits, SenderKey, TransactionId, TransactionKey};
use amqp_proto::wire::{AmqpError, Condition, Coordinator, DeliveryState, Outcome};
use amqp_proto::{Event, SendError, SettleError, StaleKey, TransactionError};
use common::wire::{Wire, credit, detach_with};

const DECLARE: &str = "005377 005331 45";
const COMMIT: &str = "005377 005332 c00502 a00174 42";
const ROLLBACK: &str = "005377 005332 c00502 a00174 41";
/// The outcome of a declare: the id "t".
const DECLARED: &str = "005333 c00401 a00174";
const ACCEPTED: &str = "00532445";
/// The outcome rejected, with the error amqp:transaction:rollback.
const REFUSED: &str = "005325 c02201 00531d c01c01 a319 616d71703a7472616e73616374696f6e3a726f6c6c6261636b";
/// The state accepted in the transaction, and the one rejected.
const POSTED: &str = "005334 c00802 a00174 00532445";
const NOT_POSTED: &str = "005334 c00802 a00174 00532545";

fn id() -> TransactionId {
    TransactionId::new(b"t").unwrap()
}

fn posting() -> SendOptions {
    SendOptions::new().with_transaction(id())
}

/// A request on the control link.
fn request(delivery: u32, body: &str) -> Literal {
    transfer(0, delivery, &delivery_tag(delivery)).payload(octets(body))
}

/// The tags that an engine makes for the deliveries of its first link that sends nothing else.
fn delivery_tag(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// The peer's state of a delivery of the engine.
fn told(delivery: u32, settled: bool, state: &str) -> Literal {
    disposition(true, delivery, None).boolean(settled).raw(state)
}

/// An engine with a control link, and this credit on it.
fn controller_of(limits: Limits, messages: u32) -> (Wire, SenderKey) {
    let mut wire = Wire::begun_with(limits, amqp_proto::config::SessionOptions::new(), 2048);
    let options = SenderOptions::to_coordinator(Coordinator::default());
    let link = wire.session().attach_sender("txn", options).unwrap();
    wire.peer_sends(attach("txn", 0, true).nulls(3).raw("00533045"));
    if messages > 0 {
        wire.peer_sends(credit(0, 0, messages));
    }
    wire.events();
    wire.octets();
    (wire, link)
}

fn controller() -> (Wire, SenderKey) {
    controller_of(Limits::DEFAULT, 9)
}

/// An engine with a live transaction of the id "t".
fn live() -> (Wire, SenderKey, TransactionKey) {
    let (mut wire, link) = controller();
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    wire.peer_sends(told(0, true, DECLARED));
    assert_eq!(wire.events(), [Event::Declared(key)]);
    (wire, link, key)
}

/// An engine with a live transaction and a link to post on.
fn posting_link() -> (Wire, SenderKey, TransactionKey) {
    let (mut wire, _, key) = live();
    let out = wire.sender_on(1, "out", SenderOptions::new(), 9);
    (wire, out, key)
}

fn post(wire: &mut Wire, out: SenderKey) -> DeliveryKey {
    wire.engine.sender(out).unwrap().send_with(&"x".into(), &posting()).unwrap()
}

fn commit(wire: &mut Wire, key: TransactionKey) -> Result<(), TransactionError> {
    wire.engine.transaction(key).unwrap().commit()
}

fn rollback(wire: &mut Wire, key: TransactionKey) -> Result<(), TransactionError> {
    wire.engine.transaction(key).unwrap().rollback(None)
}

fn condition(event: &Event) -> Option<Condition> {
    match event {
        Event::RolledBack { error, .. } => error.as_ref().map(|error| error.condition.clone()),
        Event::Undeclared { error, .. } => Some(error.condition.clone()),
        other => panic!("{other:?}"),
    }
}

fn rolled_back(key: TransactionKey) -> Event {
    Event::RolledBack { transaction: key, error: None }
}

/// X-DECL-01, X-DECL-02, X-DECL-03, X-DECL-06: a declare is an unsettled message with one amqp-value and no global id;
/// its outcome has the id. X-DISC-01: a discharge names the id, and accepted is its success.
#[test]
fn x_decl_03_declared_and_discharged() {
    for (fails, octets) in [(false, COMMIT), (true, ROLLBACK)] {
        let (mut wire, link) = controller();
        let key = wire.engine.sender(link).unwrap().declare().unwrap();
        assert_eq!(wire.engine.transaction(key).unwrap().id(), None);
        wire.engine_wrote([request(0, DECLARE)]);
        wire.peer_sends(told(0, true, DECLARED));
        assert_eq!(wire.event(), Event::Declared(key));
        let mut transaction = wire.engine.transaction(key).unwrap();
        assert_eq!((transaction.id(), transaction.control()), (Some(id()), Some(link.into())));
        if fails {
            transaction.rollback(None).unwrap()
        } else {
            transaction.commit().unwrap()
        }
        assert_eq!(transaction.commit(), Err(TransactionError::Discharged));
        wire.engine_wrote([request(1, octets)]);
        wire.peer_sends(told(1, true, ACCEPTED));
        assert_eq!(wire.event(), if fails { rolled_back(key) } else { Event::Committed(key) });
        assert_eq!(wire.engine.transaction(key).map(|_| ()), Err(StaleKey));
        wire.quiet();
    }
}

/// X-ID-01: a coordinator may choose ids that are longer than the standard allows. All that is done in the transaction, and
/// its end, name them whole.
#[test]
fn x_id_01_a_coordinator_with_long_ids() {
    let (mut wire, link) = controller();
    let out = wire.sender_on(1, "out", SenderOptions::new(), 9);
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    let id = format!("a024{}", "74".repeat(36));
    wire.peer_sends(told(0, true, &format!("005333 c02701 {id}")));
    assert_eq!(wire.event(), Event::Declared(key));
    let posting = wire.engine.transaction(key).unwrap().id().unwrap();
    assert_eq!(*posting, [b't'; 36]);
    let options = SendOptions::new().with_transaction(posting.clone());
    let posted = wire.engine.sender(out).unwrap().send_with(&"x".into(), &options).unwrap();
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].contains(&format!("{posting:?}")), "{lines:?}");
    wire.peer_sends(told(1, false, &format!("005334 c02b02 {id} {ACCEPTED}")));
    let Event::Updated { delivery, .. } = wire.event() else { panic!("an outcome") };
    assert_eq!(delivery, posted);
    commit(&mut wire, key).unwrap();
    let discharge = format!("005377 005332 c02802 {id} 42");
    wire.engine_wrote([transfer(0, 2, &delivery_tag(1)).payload(octets(&discharge))]);
    wire.peer_sends(told(2, true, ACCEPTED));
    assert!(wire.events().contains(&Event::Committed(key)));
}

/// X-ID-01: an id that is too long even for that breaks the encoding.
#[test]
fn x_id_01_an_id_beyond_the_bound() {
    let (mut wire, link) = controller();
    wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    wire.peer_sends(told(0, true, &format!("005333 d00000010900000001 b000000100{}", "74".repeat(256))));
    let lines = wire.lines();
    assert!(
        lines.iter().any(|line| line.contains("amqp:invalid-field") && line.contains("4.5.4")),
        "{lines:?}"
    );
}

/// X-DISC-01: an answer that is not settled is settled by the controller.
#[test]
fn x_disc_01_unsettled_answers_are_settled() {
    let (mut wire, link) = controller();
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    wire.peer_sends(told(0, false, DECLARED));
    assert_eq!(wire.event(), Event::Declared(key));
    wire.engine_wrote([disposition(false, 0, None).boolean(true)]);
}

/// Declares and discharges wait for credit, and before that for the peer's attach.
#[test]
fn requests_wait_for_credit() {
    let mut wire = Wire::begun();
    let options = SenderOptions::to_coordinator(Coordinator::default());
    let link = wire.session().attach_sender("txn", options).unwrap();
    let first = wire.engine.sender(link).unwrap().declare().unwrap();
    let second = wire.engine.sender(link).unwrap().declare().unwrap();
    assert_eq!(wire.lines().len(), 1, "only the attach");
    wire.peer_sends(attach("txn", 0, true).nulls(3).raw("00533045"));
    assert_eq!(wire.event(), Event::LinkAttached(link.into()));
    assert!(!wire.engine.has_output());
    wire.peer_sends(credit(0, 0, 1)).events();
    wire.engine_wrote([request(0, DECLARE)]);
    assert!(!wire.engine.has_output());
    // A declare that was not sent is taken back.
    rollback(&mut wire, second).unwrap();
    assert_eq!(wire.events(), [rolled_back(second)]);
    // One that was sent is rolled back as soon as there is an id.
    rollback(&mut wire, first).unwrap();
    wire.peer_sends(told(0, true, DECLARED));
    assert_eq!(wire.events(), []);
    wire.peer_sends(credit(0, 1, 1)).events();
    wire.engine_wrote([request(1, ROLLBACK)]);
    wire.peer_sends(told(1, true, ACCEPTED));
    assert_eq!(wire.event(), rolled_back(first));
}

/// X-DECL-04: a declare that is rejected, or answered otherwise, is reported with the error.
#[test]
fn x_decl_04_a_refused_declare() {
    for (state, expected) in [(REFUSED, Condition::TransactionRollback), (ACCEPTED, Condition::IllegalState)]
    {
        let (mut wire, link) = controller();
        let key = wire.engine.sender(link).unwrap().declare().unwrap();
        wire.octets();
        wire.peer_sends(told(0, true, state));
        let event = wire.event();
        assert!(matches!(event, Event::Undeclared { transaction, .. } if transaction == key), "{event:?}");
        assert_eq!(condition(&event), Some(expected));
    }
    // X-DECL-04: without the outcome rejected, the coordinator detaches with the error.
    let (mut wire, link) = controller();
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    wire.peer_sends(detach_with(0, "amqp:not-implemented"));
    let events = wire.events();
    let [Event::Undeclared { transaction, error }, Event::LinkDetached { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((*transaction, &error.condition), (key, &Condition::NotImplemented));
}

/// X-DISC-02: a commit that is rejected, or answered by a detach with a transaction error, is rolled back.
#[test]
fn x_disc_02_a_refused_commit() {
    for refusal in [told(1, true, REFUSED), detach_with(0, "amqp:transaction:rollback")] {
        let (mut wire, _, key) = live();
        commit(&mut wire, key).unwrap();
        wire.octets();
        wire.peer_sends(refusal);
        let events = wire.events();
        assert!(
            matches!(events[0], Event::RolledBack { transaction, .. } if transaction == key),
            "{events:?}"
        );
        assert_eq!(condition(&events[0]), Some(Condition::TransactionRollback));
    }
}

/// [4.1] The end of the control link, the session or the connection: a transaction without a discharge is rolled back,
/// and a commit without an answer is in doubt. Nothing is sent again.
#[test]
fn a_lost_answer_is_in_doubt() {
    for end in ["link", "closed link", "close", "transport"] {
        for asks in [None, Some(false), Some(true)] {
            let (mut wire, _, key) = live();
            match asks {
                Some(true) => rollback(&mut wire, key).unwrap(),
                Some(false) => commit(&mut wire, key).unwrap(),
                None => {}
            }
            wire.octets();
            match end {
                "link" => _ = wire.peer_sends(detach(0, false)),
                "closed link" => _ = wire.peer_sends(detach_with(0, "amqp:internal-error")),
                "close" => _ = wire.peer_sends(close()),
                _ => wire.engine.end_of_input(),
            }
            let events = wire.events();
            let first = events.first().unwrap();
            match asks {
                Some(false) => assert!(
                    matches!(first, Event::InDoubt { transaction, .. } if *transaction == key),
                    "{end}: {events:?}"
                ),
                asks => {
                    assert!(
                        matches!(first, Event::RolledBack { transaction, .. } if *transaction == key),
                        "{end}: {events:?}"
                    );
                    assert_eq!(condition(first).is_none(), asks == Some(true), "{end}");
                }
            }
            assert!(wire.engine.transaction(key).is_err());
            assert!(!wire.lines().iter().any(|line| line.contains("transfer")), "{end}");
        }
    }
}

/// A commit that waited for credit when the control link ended was never sent, so the transaction is rolled back.
#[test]
fn an_unsent_commit_is_rolled_back() {
    let (mut wire, link) = controller_of(Limits::DEFAULT, 1);
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    wire.peer_sends(told(0, true, DECLARED)).events();
    commit(&mut wire, key).unwrap();
    assert_eq!(wire.lines(), [] as [&str; 0]);
    wire.peer_sends(detach(0, true));
    let events = wire.events();
    assert!(matches!(events[0], Event::RolledBack { error: Some(_), .. }), "{events:?}");
}

/// X-POST-01, X-POST-03: a message is posted with the transaction's id. The commit waits until the peer has said what
/// becomes of the message. X-SET-01: postings that the peer leaves unsettled are settled after the discharge.
#[test]
fn x_post_03_a_commit_waits_for_outcomes() {
    let (mut wire, out, key) = posting_link();
    let posted = post(&mut wire, out);
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].contains("txn_id: 0x74"), "{lines:?}");
    commit(&mut wire, key).unwrap();
    assert_eq!(wire.lines(), [] as [&str; 0], "the outcome is not known");
    wire.peer_sends(told(1, false, POSTED));
    let events = wire.events();
    assert!(
        matches!(events[..], [Event::Updated { delivery, settled: false, .. }] if delivery == posted),
        "{events:?}"
    );
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].contains("transfer"), "{lines:?}");
    wire.peer_sends(told(2, true, ACCEPTED));
    assert_eq!(wire.events(), [Event::Committed(key)]);
    wire.engine_wrote([disposition(false, 1, None).boolean(true)]);
    assert!(wire.engine.delivery(posted).is_err());
}

/// A message that is not accepted makes the transaction rollback-only, whether the commit was asked for before or not.
#[test]
fn a_failed_posting_rolls_back() {
    for outcome in [NOT_POSTED, "00532545", "00532645"] {
        let (mut wire, out, key) = posting_link();
        let posted = post(&mut wire, out);
        wire.octets();
        wire.peer_sends(told(1, true, outcome));
        let events = wire.events();
        assert!(matches!(events[..], [Event::Updated { delivery, .. }] if delivery == posted));
        assert!(wire.engine.transaction(key).unwrap().failure().is_some());
        assert_eq!(commit(&mut wire, key), Err(TransactionError::RollbackOnly));
        wire.quiet();
        rollback(&mut wire, key).unwrap();
        let lines = wire.lines();
        assert!(lines[0].contains("transfer"), "{lines:?}");
    }
    // The commit was asked for, and becomes a rollback.
    let (mut wire, out, key) = posting_link();
    post(&mut wire, out);
    commit(&mut wire, key).unwrap();
    wire.octets();
    wire.peer_sends(told(1, true, NOT_POSTED)).events();
    let sent = wire.frames();
    assert!(format!("{sent:?}").contains("transfer") || sent.len() == 1, "{sent:?}");
    wire.peer_sends(told(2, true, ACCEPTED));
    let event = wire.event();
    assert_eq!(condition(&event), Some(Condition::TransactionRollback));
}

/// A message whose link ends before its outcome is known makes the transaction rollback-only.
#[test]
fn a_lost_posting_rolls_back() {
    let (mut wire, out, key) = posting_link();
    post(&mut wire, out);
    commit(&mut wire, key).unwrap();
    wire.octets();
    wire.peer_sends(detach(1, true)).events();
    let lines = wire.lines();
    assert!(lines.iter().any(|line| line.contains("transfer")), "{lines:?}");
    wire.peer_sends(told(2, true, ACCEPTED));
    assert_eq!(condition(&wire.event()), Some(Condition::TransactionRollback));
}

/// Work in a transaction that is over, or is being discharged, is refused, and so is work in an unknown one.
#[test]
fn no_work_after_the_discharge() {
    let (mut wire, out, key) = posting_link();
    let input = wire.receiver_on(2, "in", ReceiverOptions::new());
    wire.peer_sends(transfer(2, 0, b"m").payload("m")).events();
    let delivery = wire.engine.receiver(input).unwrap().receive().unwrap().key();
    let other = SendOptions::new().with_transaction(TransactionId::new(b"other").unwrap());
    let mut sender = wire.engine.sender(out).unwrap();
    assert_eq!(sender.send_with(&"x".into(), &other), Err(SendError::Discharged));
    commit(&mut wire, key).unwrap();
    for _ in 0..2 {
        let mut sender = wire.engine.sender(out).unwrap();
        assert_eq!(sender.send_with(&"x".into(), &posting()), Err(SendError::Discharged));
        assert_eq!(sender.begin_delivery(&posting()), Err(SendError::Discharged));
        let mut receiver = wire.engine.receiver(input).unwrap();
        assert_eq!(receiver.retire(delivery, id(), Outcome::Accepted), Err(SettleError::Discharged));
        wire.octets();
        wire.peer_sends(told(1, true, ACCEPTED)).events();
    }
    wire.engine.receiver(input).unwrap().accept(delivery).unwrap();
}

/// X-POST-02: a transaction is not discharged before its incomplete message is written to the end.
#[test]
fn x_post_02_the_discharge_follows_the_message() {
    for settled in [false, true] {
        let (mut wire, out, key) = posting_link();
        let mut sender = wire.engine.sender(out).unwrap();
        sender.begin_delivery(&posting().with_settled(settled)).unwrap();
        sender.write("a").unwrap();
        rollback(&mut wire, key).unwrap();
        let lines = wire.lines();
        assert!(lines.len() == 1 && lines[0].contains("handle: 1"), "{lines:?}");
        let mut sender = wire.engine.sender(out).unwrap();
        sender.write("b").unwrap();
        sender.finish().unwrap();
        let lines = wire.lines();
        assert!(lines.last().unwrap().contains("handle: 0"), "{lines:?}");
    }
}

/// X-RET-01, X-RET-03: an outcome is retired in a transaction, before the discharge. After the rollback the delivery is
/// as before.
#[test]
fn x_ret_03_a_delivery_is_retired_again() {
    let (mut wire, _, key) = live();
    let input = wire.receiver_on(1, "in", ReceiverOptions::new());
    wire.peer_sends(transfer(1, 0, b"m").payload("m")).events();
    let mut receiver = wire.engine.receiver(input).unwrap();
    let delivery = receiver.receive().unwrap().key();
    receiver.retire(delivery, id(), Outcome::Accepted).unwrap();
    rollback(&mut wire, key).unwrap();
    let lines = wire.lines();
    assert!(lines[0].contains("disposition") && lines[1].contains("transfer"), "{lines:?}");
    wire.peer_sends(told(1, true, ACCEPTED));
    assert_eq!(wire.event(), rolled_back(key));
    wire.engine.receiver(input).unwrap().release(delivery).unwrap();
    wire.engine_wrote([disposition(true, 0, None).boolean(true).raw("00532645")]);
}

/// The commands of a transaction say why they cannot be done.
#[test]
fn refused_commands() {
    let (mut wire, link) = controller_of(Limits::DEFAULT.with_transactions(1), 9);
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    assert_eq!(commit(&mut wire, key), Err(TransactionError::Undeclared));
    let declared = wire.engine.sender(link).unwrap().declare();
    assert_eq!(declared, Err(TransactionError::Limit(1)));
    let plain = wire.sender_on(1, "out", SenderOptions::new(), 9);
    let declared = wire.engine.sender(plain).unwrap().declare();
    assert_eq!(declared, Err(TransactionError::NotCoordinator));
    wire.engine.sender(link).unwrap().close_with(AmqpError::new(Condition::InternalError)).unwrap();
    let declared = wire.engine.sender(link).unwrap().declare();
    assert_eq!(declared, Err(TransactionError::Detached));
}

/// X-ID-01: an id has up to 32 octets.
#[test]
fn x_id_01_ids_of_32_octets() {
    let (mut wire, link) = controller();
    let key = wire.engine.sender(link).unwrap().declare().unwrap();
    wire.octets();
    let long = "74".repeat(32);
    wire.peer_sends(told(0, true, &format!("005333 c02301 a020{long}")));
    assert_eq!(wire.event(), Event::Declared(key));
    assert_eq!(wire.engine.transaction(key).unwrap().id().unwrap().len(), 32);
}

/// The presumptive outcome of a message reaches the application with the transaction's id.
#[test]
fn outcomes_name_their_transaction() {
    let (mut wire, out, _) = posting_link();
    let posted = post(&mut wire, out);
    wire.octets();
    wire.peer_sends(told(1, true, POSTED));
    let Event::Updated { delivery, state: Some(DeliveryState::Transactional(state)), settled: true, .. } =
        wire.event()
    else {
        panic!("an outcome")
    };
    assert_eq!((delivery, state.txn_id, state.outcome), (posted, id(), Some(Outcome::Accepted)));
}
