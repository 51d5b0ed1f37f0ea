//! Transactions at the coordinator's end: answers, parked work, commit and rollback [4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, attach, detach, disposition, octets, transfer};
use amqp_proto::types::{DeliveryKey, Limits, LinkKey, ReceiverKey, SenderKey, TransactionKey};
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Outcome, ReceiverSettleMode, Source};
use amqp_proto::{Event, LinkError, StaleKey, TransactionError};
use common::wire::{Wire, credit};

const DECLARE: &str = "005377 005331 45";
/// The source of a control link that knows the outcome rejected.
const REJECTS: &str = "005328 c01e0a 404040404040404040 a312 616d71703a72656a65637465643a6c697374";
const ACCEPTED: &str = "00532445";
const RELEASED: &str = "00532645";

/// The id that the engine gives its transaction of this number.
fn id(number: u8) -> String {
    format!("a004 000000{number:02x}")
}

fn declared(number: u8) -> String {
    format!("005333 c00701 {}", id(number))
}

fn discharge(number: u8, fail: &str) -> String {
    format!("005377 005332 c00802 {} {fail}", id(number))
}

/// The state of a delivery in a transaction.
fn in_transaction(number: u8) -> String {
    format!("005334 c00701 {}", id(number))
}

/// The state of a delivery with an outcome in a transaction.
fn outcome_in(number: u8, outcome: &str) -> String {
    format!("005334 c00b02 {} {outcome}", id(number))
}

/// A controller's frames, with the delivery-ids that it has used.
struct Controller {
    wire: Wire,
    control: ReceiverKey,
    next: u32,
}

impl Controller {
    /// An engine with a control link to its coordinator; the source of the link is given.
    fn with_source(source: &str, limits: Limits) -> Self {
        let mut wire = Wire::begun_with(limits, SessionOptions::new(), 2048);
        let asks = attach("ctl", 0, false).nulls(2).raw(source).raw("00533045").nulls(2).uint(0);
        let LinkKey::Receiver(control) = wire.peer_attaches(asks) else { panic!("a receiver") };
        wire.engine.receiver(control).unwrap().accept_coordinator().unwrap();
        let lines = wire.lines();
        assert!(lines[0].contains("amqp:local-transactions"), "{lines:?}");
        Self { wire, control, next: 0 }
    }

    fn new() -> Self {
        Self::with_source(REJECTS, Limits::DEFAULT)
    }

    /// Sends a transfer on a link with these fields after the tag, and returns its delivery-id.
    fn transfer(&mut self, handle: u32, payload: &str, fields: impl FnOnce(Literal) -> Literal) -> u32 {
        let delivery = self.next;
        self.next += 1;
        let frame = fields(transfer(handle, delivery, &delivery.to_be_bytes()));
        self.wire.peer_sends(frame.payload(octets(payload)));
        delivery
    }

    fn request(&mut self, body: &str) -> u32 {
        self.transfer(0, body, |frame| frame)
    }

    /// Declares a transaction, and returns its key.
    fn declare(&mut self, number: u8) -> TransactionKey {
        let request = self.request(DECLARE);
        let Event::Declared(key) = self.wire.event() else { panic!("a transaction") };
        self.wire.engine_wrote([answer(request, &declared(number))]);
        key
    }

    /// Posts a message, and returns its delivery-id.
    fn post(&mut self, handle: u32, state: &str, settled: bool) -> u32 {
        self.transfer(handle, "00537745", |frame| frame.boolean(settled).nulls(2).raw(state))
    }

    fn retire(&mut self, delivery: u32, settled: bool, state: &str) {
        self.wire.peer_sends(disposition(true, delivery, None).boolean(settled).raw(state));
    }

    /// Attaches a link on which the engine sends two messages.
    fn source(&mut self, options: SenderOptions) -> (SenderKey, [DeliveryKey; 2]) {
        let out = self.wire.sender_on(2, "out", options, 9);
        let sent = ["a", "b"].map(|body| self.wire.engine.sender(out).unwrap().send(body).unwrap());
        self.wire.octets();
        (out, sent)
    }

    /// Receives a message and returns its key.
    #[track_caller]
    fn received(&mut self, link: ReceiverKey) -> DeliveryKey {
        assert!(matches!(self.wire.event(), Event::Message { receiver, .. } if receiver == link));
        self.wire.engine.receiver(link).unwrap().receive().unwrap().key()
    }

    #[track_caller]
    fn commit(&mut self, key: TransactionKey) {
        assert_eq!(self.wire.event(), Event::Discharge(key));
        self.wire.engine.transaction(key).unwrap().commit().unwrap();
    }

    /// Returns the condition with which the engine has closed a link.
    #[track_caller]
    fn closes(&mut self, link: impl Into<LinkKey>) -> Condition {
        let link = link.into();
        let events = self.wire.events();
        let told = events.iter().find_map(|event| match event {
            Event::LinkDetached { link: closed, reason, .. } if *closed == link => reason.error.clone(),
            _ => None,
        });
        told.unwrap_or_else(|| panic!("{link:?} is not closed: {events:?}")).condition
    }
}

/// The engine's outcome of a delivery of the peer.
fn answer(delivery: u32, state: &str) -> Literal {
    disposition(true, delivery, None).boolean(true).raw(state)
}

/// X-CTL-01, X-CTL-02, X-DECL-03, X-DISC-01: the coordinator tells its capabilities, declares transactions, and commits
/// as the application says. X-WORK-02: the ids are right.
#[test]
fn x_disc_01_declared_and_committed() {
    let mut peer = Controller::new();
    let keys = [peer.declare(0), peer.declare(1)];
    let commit = peer.request(&discharge(1, "42"));
    peer.commit(keys[1]);
    peer.wire.engine_wrote([answer(commit, ACCEPTED)]);
    assert_eq!(peer.wire.engine.transaction(keys[1]).map(|_| ()), Err(StaleKey));
    // Null means a commit, too; and the application may refuse it.
    let refused = peer.request(&discharge(0, "40"));
    assert_eq!(peer.wire.event(), Event::Discharge(keys[0]));
    let error = AmqpError::new(Condition::TransactionTimeout);
    peer.wire.engine.transaction(keys[0]).unwrap().rollback(error).unwrap();
    let lines = peer.wire.lines();
    assert!(lines[0].contains("rejected") && lines[0].contains("amqp:transaction:timeout"), "{lines:?}");
    assert!(lines[0].contains(&format!("first: {refused}")), "{lines:?}");
    assert_eq!(peer.wire.events(), []);
}

/// X-DISC-03: a rollback always succeeds, also of a transaction that can only be rolled back; an unknown id is an error.
#[test]
fn x_disc_03_a_rollback_always_succeeds() {
    let mut peer = Controller::new();
    for fails in [false, true] {
        let key = peer.declare(u8::from(fails));
        if fails {
            let error = AmqpError::new(Condition::InternalError);
            peer.wire.engine.transaction(key).unwrap().rollback(error).unwrap();
        }
        let rollback = peer.request(&discharge(u8::from(fails), "41"));
        assert_eq!(peer.wire.event(), Event::RolledBack { transaction: key, error: None });
        peer.wire.engine_wrote([answer(rollback, ACCEPTED)]);
    }
    for fail in ["41", "42"] {
        peer.request(&discharge(7, fail));
        let lines = peer.wire.lines();
        assert!(lines[0].contains("amqp:transaction:unknown-id"), "{lines:?}");
        assert_eq!(peer.wire.events(), []);
    }
}

/// X-DISC-02: a transaction that the application has made rollback-only is not committed.
#[test]
fn x_disc_02_a_failed_transaction_is_not_committed() {
    let mut peer = Controller::new();
    let key = peer.declare(0);
    let error = AmqpError::new(Condition::ResourceLimitExceeded);
    peer.wire.engine.transaction(key).unwrap().rollback(error).unwrap();
    peer.request(&discharge(0, "42"));
    assert!(
        matches!(peer.wire.event(), Event::RolledBack { transaction, error: Some(_) } if transaction == key)
    );
    let lines = peer.wire.lines();
    assert!(lines[0].contains("rejected") && lines[0].contains("resource-limit"), "{lines:?}");
}

/// X-DECL-02: a settled declare or discharge ends the control link with illegal-state.
#[test]
fn x_decl_02_settled_requests_end_the_link() {
    for body in [DECLARE.to_string(), discharge(0, "42")] {
        let mut peer = Controller::new();
        peer.transfer(0, &body, |frame| frame.boolean(true));
        let control = peer.control;
        assert_eq!(peer.closes(control), Condition::IllegalState);
    }
}

/// X-DECL-04, X-DECL-06: a declare that cannot be done is rejected with the error: one too many, one of a global
/// transaction, one that is none. A link without the outcome rejected is detached with the error.
#[test]
fn x_decl_04_refused_requests() {
    let global = "005377 005331 c00401 a00167";
    let cases = [
        (DECLARE, Some("amqp:resource-limit-exceeded")),
        (global, Some("amqp:not-implemented")),
        ("00537745", Some("amqp:decode-error")),
        ("005375 a00178", Some("amqp:invalid-field")),
    ];
    for (body, condition) in cases {
        let condition = condition.unwrap();
        for source in [REJECTS, "00532845"] {
            let mut peer = Controller::with_source(source, Limits::DEFAULT.with_transactions(1));
            if body == DECLARE {
                peer.declare(0);
            }
            peer.request(body);
            let lines = peer.wire.lines();
            assert!(lines[0].contains(condition), "{lines:?}");
            let is_rejected = source == REJECTS;
            assert_eq!(lines[0].contains("rejected"), is_rejected, "{lines:?}");
            assert_eq!(lines[0].contains("detach"), !is_rejected, "{lines:?}");
        }
    }
}

/// X-CTL-03: transactional work on the control link ends it.
#[test]
fn x_ctl_03_no_work_on_the_control_link() {
    let mut peer = Controller::new();
    peer.declare(0);
    peer.post(0, &in_transaction(0), false);
    let control = peer.control;
    assert_eq!(peer.closes(control), Condition::NotAllowed);
}

/// X-POST-01, X-POST-03, X-WORK-02: a posting's outcome is that in its transaction, and the commit waits for it.
#[test]
fn x_post_03_the_outcome_comes_before_the_commit() {
    for mode in [ReceiverSettleMode::First, ReceiverSettleMode::Second] {
        let is_first = mode == ReceiverSettleMode::First;
        let mut peer = Controller::new();
        let link = peer.wire.receiver_on(1, "in", ReceiverOptions::new().with_rcv_settle_mode(mode));
        let key = peer.declare(0);
        let posted = peer.post(1, &in_transaction(0), false);
        let delivery = peer.received(link);
        let commit = peer.request(&discharge(0, "42"));
        assert_eq!(peer.wire.events(), [], "the posting has no outcome");
        peer.wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
        let told = disposition(true, posted, None);
        let told = if is_first { told.boolean(true) } else { told.null() };
        peer.wire.engine_wrote([told.raw(&outcome_in(0, ACCEPTED))]);
        peer.commit(key);
        peer.wire.engine_wrote([answer(commit, ACCEPTED)]);
    }
}

/// X-POST-05: the coordinator knows how many settled messages came in a transaction.
#[test]
fn x_post_05_settled_postings_are_counted() {
    let mut peer = Controller::new();
    let link = peer.wire.receiver_on(1, "in", ReceiverOptions::new());
    let key = peer.declare(0);
    for _ in 0..3 {
        peer.post(1, &in_transaction(0), true);
        peer.received(link);
    }
    assert_eq!(peer.wire.engine.transaction(key).unwrap().settled_postings(), 3);
    peer.request(&discharge(0, "42"));
    peer.commit(key);
}

/// X-POST-02: the discharge of a transaction with an incomplete posting ends the control link with rollback.
#[test]
fn x_post_02_a_partial_posting_ends_the_link() {
    for (settled, fail) in [(false, "42"), (true, "41"), (true, "42")] {
        let mut peer = Controller::new();
        peer.wire.receiver_on(1, "in", ReceiverOptions::new());
        let key = peer.declare(0);
        let other = peer.declare(1);
        peer.transfer(1, "005377", |frame| {
            frame.boolean(settled).boolean(true).null().raw(&in_transaction(0))
        });
        peer.request(&discharge(0, fail));
        let events = peer.wire.events();
        for transaction in [key, other] {
            let is_told = |event: &Event| matches!(event, Event::RolledBack { transaction: told, .. } if *told == transaction);
            assert!(events.iter().any(is_told), "{events:?}");
        }
        let lines = peer.wire.lines();
        assert!(lines.iter().any(|line| line.contains("amqp:transaction:rollback")), "{lines:?}");
    }
}

/// X-POST-02: a commit of another transaction changes nothing for an incomplete posting.
#[test]
fn x_post_02_a_partial_posting_outlives_other_transactions() {
    let mut peer = Controller::new();
    peer.wire.receiver_on(1, "in", ReceiverOptions::new());
    let key = peer.declare(0);
    let other = peer.declare(1);
    peer.transfer(1, "005377", |frame| frame.null().boolean(true).null().raw(&in_transaction(0)));
    peer.request(&discharge(1, "42"));
    peer.commit(other);
    peer.wire.octets();
    peer.request(&discharge(0, "42"));
    let is_told =
        |event: &Event| matches!(event, Event::RolledBack { transaction, .. } if *transaction == key);
    let events = peer.wire.events();
    assert!(events.iter().any(is_told), "{events:?}");
}

/// X-POST-01: a delivery in several frames is posted once it is complete; a frame of another transaction ends the link.
#[test]
fn x_post_01_postings_in_several_frames() {
    for other in [false, true] {
        let mut peer = Controller::new();
        let link = peer.wire.receiver_on(1, "in", ReceiverOptions::new());
        let key = peer.declare(0);
        peer.declare(1);
        peer.transfer(1, "005377", |frame| frame.null().boolean(true).null().raw(&in_transaction(0)));
        let more = Literal::new(0x14).uint(1).nulls(6).raw(&in_transaction(u8::from(other)));
        peer.wire.peer_sends(more.payload(octets("45")));
        if other {
            assert_eq!(peer.closes(link), Condition::InvalidField);
            continue;
        }
        let delivery = peer.received(link);
        peer.wire.engine.receiver(link).unwrap().accept(delivery).unwrap();
        peer.request(&discharge(0, "42"));
        peer.commit(key);
    }
}

/// An incomplete posting that is aborted, or whose link ends: the first is no part of the transaction, the second makes
/// it rollback-only.
#[test]
fn postings_that_are_never_complete() {
    for aborted in [true, false] {
        let mut peer = Controller::new();
        peer.wire.receiver_on(1, "in", ReceiverOptions::new());
        let key = peer.declare(0);
        peer.transfer(1, "005377", |frame| frame.null().boolean(true).null().raw(&in_transaction(0)));
        if aborted {
            peer.wire.peer_sends(Literal::new(0x14).uint(1).nulls(8).boolean(true));
        } else {
            peer.wire.peer_sends(detach(1, true)).events();
        }
        peer.request(&discharge(0, "42"));
        if aborted {
            peer.commit(key);
        } else {
            assert!(matches!(peer.wire.event(), Event::RolledBack { error: Some(_), .. }));
        }
    }
}

/// X-CTL-04: work in a transaction that does not exist, or not any more, ends its link.
#[test]
fn x_ctl_04_unknown_transactions() {
    for number in [0, 9] {
        let mut peer = Controller::new();
        let link = peer.wire.receiver_on(1, "in", ReceiverOptions::new());
        let (out, _) = peer.source(SenderOptions::new());
        peer.declare(0);
        peer.request(&discharge(0, "41"));
        peer.wire.events();
        peer.wire.octets();
        peer.post(1, &in_transaction(number), false);
        assert_eq!(peer.closes(link), Condition::UnknownTransaction);
        peer.retire(0, true, &outcome_in(number, ACCEPTED));
        assert_eq!(peer.closes(out), Condition::UnknownTransaction);
    }
}

/// X-CTL-04: the end of the control link rolls its transactions back, and settles the messages without an outcome.
#[test]
fn x_ctl_04_the_end_of_the_control_link() {
    let mut peer = Controller::new();
    let link = peer.wire.receiver_on(1, "in", ReceiverOptions::new());
    let (_, sent) = peer.source(SenderOptions::new());
    let key = peer.declare(0);
    let posted = peer.post(1, &in_transaction(0), false);
    peer.received(link);
    peer.retire(0, false, &outcome_in(0, ACCEPTED));
    assert_eq!(peer.wire.events(), []);
    peer.wire.peer_sends(detach(0, true));
    let events = peer.wire.events();
    assert!(matches!(events[0], Event::RolledBack { transaction, .. } if transaction == key), "{events:?}");
    let lines = peer.wire.lines();
    let is_rejected = |line: &String| {
        line.contains(&format!("first: {posted}")) && line.contains("amqp:transaction:rollback")
    };
    assert!(lines.iter().any(is_rejected), "{lines:?}");
    // X-RET-03: the delivery can get an outcome as if nothing had happened.
    assert_eq!(peer.wire.engine.delivery(sent[0]).unwrap().remote_state(), None);
    peer.retire(0, true, ACCEPTED);
    assert!(
        matches!(peer.wire.event(), Event::Updated { delivery, settled: true, .. } if delivery == sent[0])
    );
}

/// X-RET-01: an outcome in a transaction is reported at the commit, and the delivery is settled then.
#[test]
fn x_ret_01_outcomes_apply_at_the_commit() {
    for settled in [false, true] {
        let mut peer = Controller::new();
        let (_, sent) = peer.source(SenderOptions::new());
        let key = peer.declare(0);
        peer.retire(0, settled, &outcome_in(0, ACCEPTED));
        peer.retire(1, settled, &outcome_in(0, RELEASED));
        assert_eq!(peer.wire.events(), [], "before the commit");
        peer.request(&discharge(0, "42"));
        peer.commit(key);
        let told: Vec<_> = peer
            .wire
            .events()
            .into_iter()
            .map(|event| match event {
                Event::Updated {
                    delivery, state: Some(DeliveryState::Outcome(outcome)), settled, ..
                } => (delivery, outcome, settled),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(sent[0], Outcome::Accepted, true), (sent[1], Outcome::Released, true)];
        assert_eq!(told, expected);
        let lines = peer.wire.lines();
        let is_settlement = |line: &&String| line.contains("role: Sender") && line.contains("settled");
        assert_eq!(lines.iter().filter(is_settlement).count(), if settled { 0 } else { 2 }, "{lines:?}");
        assert_eq!(peer.wire.session().unsettled_sent(), 0);
    }
}

/// X-RET-04: after a rollback the default outcome applies to what the controller has settled; what it has not settled is
/// as before (X-RET-03).
#[test]
fn x_ret_04_settled_and_rolled_back() {
    for default in [None, Some(Outcome::Released)] {
        let mut peer = Controller::new();
        let source = Source { default_outcome: default.clone(), ..Source::at("a") };
        let (_, sent) = peer.source(SenderOptions::new().with_source(source));
        let key = peer.declare(0);
        peer.retire(0, true, &outcome_in(0, ACCEPTED));
        peer.retire(1, false, &outcome_in(0, ACCEPTED));
        peer.request(&discharge(0, "41"));
        let events = peer.wire.events();
        let [Event::Updated { delivery, state, settled: true, .. }, Event::RolledBack { transaction, .. }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((*delivery, *transaction), (sent[0], key));
        assert_eq!(*state, default.map(DeliveryState::from));
        assert!(peer.wire.engine.delivery(sent[1]).is_ok());
        peer.wire.octets();
        // The same outcome in another transaction is news.
        let key = peer.declare(1);
        peer.retire(1, false, &outcome_in(1, ACCEPTED));
        peer.request(&discharge(1, "42"));
        peer.commit(key);
        assert!(matches!(peer.wire.event(), Event::Updated { delivery, .. } if delivery == sent[1]));
    }
}

/// X-RET-02: an outcome in a second transaction ends the control link with rollback.
#[test]
fn x_ret_02_two_transactions_for_one_delivery() {
    let mut peer = Controller::new();
    peer.source(SenderOptions::new());
    let keys = [peer.declare(0), peer.declare(1)];
    peer.retire(0, false, &outcome_in(0, ACCEPTED));
    peer.retire(0, false, &outcome_in(1, ACCEPTED));
    let events = peer.wire.events();
    let rolled_back: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::RolledBack { transaction, .. } => Some(*transaction),
            _ => None,
        })
        .collect();
    assert_eq!(rolled_back, keys);
    let lines = peer.wire.lines();
    assert!(lines.iter().any(|line| line.contains("amqp:transaction:rollback")), "{lines:?}");
}

/// An outcome outside of the transaction counts, and that in the transaction does not any more.
#[test]
fn an_outcome_outside_of_the_transaction_counts() {
    let mut peer = Controller::new();
    let (_, sent) = peer.source(SenderOptions::new());
    let key = peer.declare(0);
    peer.retire(0, false, &outcome_in(0, ACCEPTED));
    peer.retire(0, true, RELEASED);
    let Event::Updated { delivery, state, .. } = peer.wire.event() else { panic!("an outcome") };
    assert_eq!((delivery, state), (sent[0], Some(Outcome::Released.into())));
    peer.request(&discharge(0, "42"));
    peer.commit(key);
    assert_eq!(peer.wire.events(), []);
}

/// An outcome whose link has ended cannot be applied: the transaction is rolled back.
#[test]
fn an_outcome_without_its_link_fails_the_transaction() {
    for settled in [false, true] {
        let mut peer = Controller::new();
        peer.source(SenderOptions::new());
        let key = peer.declare(0);
        peer.retire(0, settled, &outcome_in(0, ACCEPTED));
        peer.wire.peer_sends(detach(2, true)).events();
        peer.wire.octets();
        peer.request(&discharge(0, "42"));
        if peer.wire.events().contains(&Event::Discharge(key)) {
            let committed = peer.wire.engine.transaction(key).unwrap().commit();
            assert_eq!(committed, Err(TransactionError::RollbackOnly));
        }
        let lines = peer.wire.lines();
        assert!(lines[0].contains("rejected"), "{lines:?}");
        assert!(peer.wire.engine.transaction(key).is_err());
    }
}

/// X-ACQ-02: messages cannot be acquired in a transaction: the link ends with not-implemented.
#[test]
fn x_acq_02_no_acquisition() {
    let mut peer = Controller::new();
    let (out, _) = peer.source(SenderOptions::new());
    let properties = "c10f02 a306 74786e2d6964 a004 00000000";
    peer.wire.peer_sends(credit(2, 2, 5).nulls(3).raw(properties));
    assert_eq!(peer.closes(out), Condition::NotImplemented);
}

/// The number of outcomes that wait for a commit is bounded, also of those that are settled.
#[test]
fn outcomes_in_transactions_are_bounded() {
    let mut peer = Controller::with_source(REJECTS, Limits::DEFAULT.with_unsettled(1));
    let out = peer.wire.sender_on(2, "out", SenderOptions::new(), 9);
    let key = peer.declare(0);
    for number in 0..2 {
        let sent = peer.wire.engine.sender(out).unwrap().send("a").unwrap();
        peer.retire(number, true, &outcome_in(0, ACCEPTED));
        let mut told = peer.wire.events();
        // The settlement makes room for another message.
        told.retain(|event| !matches!(event, Event::Sendable(_)));
        assert_eq!(told.is_empty(), number == 0, "{told:?}");
        assert!(peer.wire.engine.delivery(sent).is_err());
    }
    assert!(peer.wire.engine.transaction(key).unwrap().failure().is_some());
    peer.request(&discharge(0, "42"));
    assert!(peer.wire.events().iter().any(|event| matches!(event, Event::RolledBack { .. })));
}

/// The coordinator is accepted only for a link that asks for one, and commits only what was asked for.
#[test]
fn refused_commands() {
    let mut wire = Wire::begun();
    let asks = amqp_proto::testing::attach_sender("in", 0, "a", "b");
    let LinkKey::Receiver(link) = wire.peer_attaches(asks) else { panic!("a receiver") };
    let accepted = wire.engine.receiver(link).unwrap().accept_coordinator();
    assert_eq!(accepted, Err(LinkError::NoTerminus));
    let mut peer = Controller::new();
    let key = peer.declare(0);
    let committed = peer.wire.engine.transaction(key).unwrap().commit();
    assert_eq!(committed, Err(TransactionError::NotAsked));
    // A second discharge while the first waits is refused.
    peer.request(&discharge(0, "42"));
    assert_eq!(peer.wire.event(), Event::Discharge(key));
    peer.request(&discharge(0, "41"));
    let lines = peer.wire.lines();
    assert!(lines[0].contains("amqp:illegal-state"), "{lines:?}");
    peer.wire.engine.transaction(key).unwrap().commit().unwrap();
}
