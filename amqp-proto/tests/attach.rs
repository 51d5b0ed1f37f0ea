//! Attaching links: names, handles, offers, answers and refusals [2.6.1-2.6.3] [2.7.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{
    Auto, Literal, Pair, attach, attach_receiver, attach_sender, begin, detach, disposition, end, flow,
    transfer,
};
use amqp_proto::types::{Limits, LinkKey};
use amqp_proto::wire::{AmqpError, Condition, Source, Target};
use amqp_proto::{Event, LinkError, Origin, SendError};
use common::wire::{Wire, credit, detach_with};

/// Checks that the engine has ended the session with this condition, and written nothing else.
#[track_caller]
fn ends_with(wire: &mut Wire, condition: &str) {
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].starts_with("[0] end") && lines[0].contains(condition), "{lines:?}");
    assert!(matches!(wire.events().last(), Some(Event::SessionEnded { .. })));
}

/// L-NAME-01: a name is unique among the senders and among the receivers of a connection, across sessions.
#[test]
fn l_name_01_one_link_of_a_name_and_direction() {
    let mut pair = Pair::opened();
    pair.link("x");
    pair.client.attach_receiver("x");
    let second = pair.client.begin(SessionOptions::new()).unwrap();
    for session in [pair.client.default_session(), second] {
        let mut session = pair.client.session(session).unwrap();
        assert_eq!(session.attach_sender("x", SenderOptions::new()), Err(LinkError::NameInUse));
        assert_eq!(session.attach_receiver("x", ReceiverOptions::new()), Err(LinkError::NameInUse));
    }
    pair.drive();
    assert!(matches!(pair.server.expect_attach().key(), LinkKey::Sender(_)));
}

/// L-NAME-03, S-END-06: an attach of a used name on another session takes the link from the first.
#[test]
fn l_name_03_the_second_attach_steals_the_link() {
    let mut wire = Wire::begun();
    let first = wire.receiver(ReceiverOptions::new());
    wire.peer_sends(begin(None, 0, 10, 10).on(1));
    let Event::SessionOffered(session) = wire.event() else { panic!() };
    wire.engine.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    wire.octets();
    wire.peer_sends(attach_sender("in", 5, "a", "b").on(1));
    let events = wire.events();
    let [
        Event::LinkDetached { link, closed: true, reason, .. },
        Event::LinkOffered(LinkKey::Receiver(second)),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*link, reason.origin), (first.into(), Origin::Local));
    assert_eq!(reason.error.as_ref().unwrap().condition, Condition::Stolen);
    let lines = wire.lines();
    assert!(lines.len() == 1 && lines[0].starts_with("[0] detach"), "{lines:?}");
    assert!(lines[0].contains("closed: true") && lines[0].contains("amqp:link:stolen"), "{lines:?}");
    wire.engine.receiver(*second).unwrap().accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
    assert!(wire.lines()[0].starts_with("[1] attach"));
    // The peer's answer belongs to the first link, and has no effect.
    wire.peer_sends(detach(0, true)).quiet();
    assert!(wire.engine.receiver(*second).unwrap().is_attached());
    assert!(wire.engine.receiver(first).is_err());
}

/// L-NAME-02: a link whose attach or detach is unanswered cannot be attached on another session.
#[test]
fn l_name_02_a_link_in_the_making_stays_on_its_session() {
    for abandoned in [false, true] {
        let mut wire = Wire::begun();
        wire.peer_sends(begin(None, 0, 10, 10).on(1));
        let Event::SessionOffered(other) = wire.event() else { panic!() };
        wire.engine.session(other).unwrap().accept(SessionOptions::new()).unwrap();
        let mut session = wire.session();
        let link = session.attach_sender("x", SenderOptions::to("b")).unwrap();
        if abandoned {
            wire.engine.sender(link).unwrap().close().unwrap();
        }
        wire.octets();
        // The application gets no event.
        wire.peer_sends(attach_receiver("x", 0, "a", "b").on(1));
        assert_eq!(wire.events(), []);
        let lines = wire.lines();
        assert!(lines[0].starts_with("[1] attach") && lines[1].contains("amqp:not-allowed"), "{lines:?}");
        // The answer on the right session is still accepted.
        wire.peer_sends(detach(0, true).on(1)).peer_sends(attach_receiver("x", 0, "", "b"));
        assert_eq!(wire.events().len(), usize::from(!abandoned));
        assert_eq!(wire.engine.sender(link).unwrap().is_attached(), !abandoned);
    }
}

/// L-NAME-04: a name of 4 KiB is accepted.
#[test]
fn l_name_04_names_may_be_long() {
    let mut pair = Pair::opened();
    let name = "n".repeat(4096);
    let sender = pair.client.attach_sender_with(name.clone(), SenderOptions::new());
    pair.drive();
    assert_eq!(pair.client.expect_attached(), sender.into());
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!() };
    assert_eq!(pair.server.receiver(receiver).unwrap().name(), *name);
}

/// L-HAND-01, L-HAND-03, L-HAND-04: each end chooses its own handles; this end takes the lowest free one, and a
/// handle is free once its detach is sent.
#[test]
fn l_hand_03_the_lowest_free_handle() {
    let mut wire = Wire::begun();
    let keys: Vec<_> = [9, 4, 7]
        .into_iter()
        .map(|handle| wire.sender_on(handle, &format!("l{handle}"), SenderOptions::new(), 0))
        .collect();
    wire.engine.sender(keys[1]).unwrap().close().unwrap();
    wire.engine_wrote([detach(1, true)]);
    let mut session = wire.session();
    session.attach_sender("new", SenderOptions::new()).unwrap();
    session.attach_sender("newer", SenderOptions::new()).unwrap();
    let lines = wire.lines();
    assert!(lines[0].contains("handle: 1") && lines[1].contains("handle: 3"), "{lines:?}");
    // Frames for the peer's handle belong to its link.
    wire.peer_sends(credit(7, 0, 3));
    assert_eq!(wire.event(), Event::Sendable(keys[2]));
}

/// L-HAND-02: an attach on a handle in use ends the session with handle-in-use.
#[test]
fn l_hand_02_a_handle_in_use() {
    let mut wire = Wire::begun();
    wire.receiver(ReceiverOptions::new());
    wire.peer_sends(attach_sender("other", 0, "a", "b"));
    ends_with(&mut wire, "amqp:session:handle-in-use");
}

/// L-HAND-05, S-FLOW-02: a frame for a handle without a link ends the session with unattached-handle.
#[test]
fn l_hand_05_a_handle_of_no_link() {
    for frame in [transfer(5, 0, b"t"), credit(5, 0, 1), detach(5, true)] {
        let mut wire = Wire::begun();
        wire.receiver(ReceiverOptions::new());
        wire.peer_sends(frame);
        ends_with(&mut wire, "amqp:session:unattached-handle");
    }
}

/// L-HAND-04: after its detach the peer may use the handle again at once.
#[test]
fn l_hand_04_a_handle_is_used_again() {
    let mut wire = Wire::begun();
    wire.receiver(ReceiverOptions::new());
    wire.peer_sends(detach(0, true)).peer_sends(attach_sender("next", 0, "a", "b"));
    let events = wire.events();
    assert!(matches!(events[..], [Event::LinkDetached { .. }, Event::LinkOffered(_)]), "{events:?}");
}

/// L-ATT-01: an attach without name, handle or role is refused.
#[test]
fn l_att_01_mandatory_fields() {
    let bare = || Literal::new(0x12);
    for frame in [
        bare().null().uint(0).boolean(true),
        bare().string("x").null().boolean(true),
        bare().string("x").uint(0).null(),
        bare().string("x").uint(0),
    ] {
        let mut wire = Wire::begun();
        wire.peer_sends(frame);
        let lines = wire.lines();
        assert!(lines.len() == 1 && lines[0].contains("close"), "{lines:?}");
        assert!(
            lines[0].contains("amqp:invalid-field") || lines[0].contains("amqp:decode-error"),
            "{lines:?}"
        );
    }
}

/// L-ATT-02: a sender's attach needs an initial-delivery-count, or its link is refused; in a receiver's attach the
/// field is ignored.
#[test]
fn l_att_02_initial_delivery_count() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach("x", 0, false).nulls(2).terminus(0x28, "a").terminus(0x29, "b"));
    assert!(matches!(wire.event(), Event::LinkDetached { closed: true, .. }));
    let lines = wire.lines();
    assert!(lines[0].starts_with("[0] attach") && lines[1].contains("amqp:invalid-field"), "{lines:?}");
    wire.peer_sends(attach_receiver("y", 1, "a", "b").nulls(2).uint(77));
    let LinkKey::Sender(sender) = wire.offered() else { panic!() };
    let options = SenderOptions::new().with_initial_delivery_count(5.into());
    wire.engine.sender(sender).unwrap().accept_link(options).unwrap();
    assert_eq!(wire.engine.sender(sender).unwrap().delivery_count().get(), 5);
    wire.engine_wrote([attach("y", 0, false)
        .nulls(2)
        .terminus(0x28, "a")
        .terminus(0x29, "b")
        .nulls(2)
        .uint(5)]);
}

/// L-ATT-03, L-ATT-04, L-HAND-01: an attach with an unknown name is an offer. The answer has the name, the other
/// role, a handle of its own, and the settle modes that the peer requested.
#[test]
fn l_att_03_an_offer_and_its_answer() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach_sender("x", 9, "a", "b"));
    let LinkKey::Receiver(link) = wire.offered() else { panic!() };
    wire.engine_wrote([]);
    let mut receiver = wire.engine.receiver(link).unwrap();
    assert!(!receiver.is_attached());
    receiver.accept_link(ReceiverOptions::new().with_prefetch(0)).unwrap();
    assert!(receiver.is_attached());
    assert_eq!(receiver.accept_link(ReceiverOptions::new()), Err(LinkError::NotOffered));
    let source_and_target = attach("x", 0, true).nulls(2).terminus(0x28, "a").terminus(0x29, "b");
    wire.engine_wrote([source_and_target.nulls(3).ulong(32 << 20)]);
}

/// L-ATT-05, K-03: a link is refused by an attach without this end's terminus and a closing detach with the reason.
#[test]
fn l_att_05_a_refusal() {
    for (frame, answer) in [
        (attach_sender("x", 3, "a", "b"), attach("x", 0, true)),
        (attach_receiver("x", 3, "a", "b"), attach("x", 0, false).nulls(6).uint(0)),
    ] {
        let mut wire = Wire::begun();
        wire.peer_sends(frame);
        let link = wire.offered();
        let refused = match link {
            LinkKey::Sender(key) => wire.engine.sender(key).unwrap().refuse_link(Condition::NotFound.into()),
            LinkKey::Receiver(key) => {
                wire.engine.receiver(key).unwrap().refuse_link(Condition::NotFound.into())
            }
        };
        refused.unwrap();
        wire.engine_wrote([answer, detach_with(0, "amqp:not-found")]);
        wire.quiet();
        wire.peer_sends(detach(3, true));
        let (key, closed, reason) = wire.detached();
        assert_eq!((key, closed, reason.origin), (link, true, Origin::Local));
        assert_eq!(reason.error, Some(Condition::NotFound.into()));
        wire.quiet();
    }
}

/// L-ATT-06, L-DET-03: a refusal ends with its attachment; attached again, the link is usable.
#[test]
fn l_att_06_a_refusal_is_over_when_the_link_is_attached_again() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let link = session.attach_sender("x", SenderOptions::to("b")).unwrap();
    wire.engine.sender(link).unwrap().detach().unwrap();
    wire.octets();
    wire.peer_sends(attach("x", 0, true)).peer_sends(detach(0, false));
    assert!(matches!(wire.detached(), (LinkKey::Sender(key), false, _) if key == link));
    wire.peer_sends(attach_receiver("x", 0, "a", "b"));
    assert_eq!(wire.offered(), link.into());
    wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
    wire.peer_sends(credit(0, 0, 1));
    assert_eq!(wire.event(), Event::Sendable(link));
    assert!(wire.engine.sender(link).unwrap().is_attached());
}

/// L-ATT-06, L-ATT-12: an answer without a terminus makes no link: there is no event, nothing is sent whatever its
/// credit, and the detach that follows is answered.
#[test]
fn l_att_06_an_answer_that_refuses() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let link = session.attach_sender("x", SenderOptions::to("nowhere")).unwrap();
    wire.octets();
    wire.peer_sends(attach("x", 7, true)).peer_sends(credit(7, 0, 10)).quiet();
    let mut sender = wire.engine.sender(link).unwrap();
    assert!(!sender.is_attached() && !sender.is_sendable());
    assert_eq!(sender.send("lost"), Err(SendError::Detached));
    wire.peer_sends(detach_with(7, "amqp:not-found"));
    let (_, closed, reason) = wire.detached();
    assert_eq!((closed, reason.origin), (true, Origin::Remote));
    assert_eq!(reason.error.unwrap().condition, Condition::NotFound);
    wire.engine_wrote([detach(0, true)]);
    assert!(wire.engine.sender(link).is_err());
}

/// L-ATT-07, L-ATT-08, L-ATT-09: the application can read the peer's termini before the first credit is granted.
#[test]
fn l_att_09_termini_before_credit() {
    let mut pair = Pair::opened();
    pair.server.sender_options = SenderOptions::new().with_source(Source::at("made of it"));
    let link = pair.client.attach_receiver_with("x", ReceiverOptions::from("wished for").with_prefetch(0));
    pair.drive();
    let LinkKey::Sender(sender) = pair.server.expect_attach().key() else { panic!() };
    let asked = pair.server.sender(sender).unwrap().peer_attach().unwrap();
    assert_eq!(asked.source.unwrap().address.as_deref(), Some("wished for"));
    assert_eq!(pair.client.expect_attached(), link.into());
    let answer = pair.client.receiver(link).unwrap().peer_attach().unwrap();
    assert_eq!(answer.source.unwrap().address.as_deref(), Some("made of it"));
    assert!(!pair.trace().iter().any(|line| line.contains("flow")));
    pair.client.receiver(link).unwrap().close().unwrap();
    pair.drive();
    pair.server.expect_detached();
}

/// L-ATT-09: prefetch grants no credit before the application gets the event, even if output is taken first.
#[test]
fn l_att_09_no_credit_ahead_of_the_application() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let link = session.attach_receiver("x", ReceiverOptions::from("a")).unwrap();
    wire.octets();
    wire.peer_sends(attach_sender("x", 0, "other", "b"));
    assert_eq!(wire.lines(), [""; 0]);
    assert_eq!(wire.event(), Event::LinkAttached(link.into()));
    assert!(wire.lines()[0].contains("link_credit: 100"));
}

/// L-ATT-10: an attach without the own terminus asks for the stored one, which the answer has. An accepting answer
/// always has this end's terminus, as its absence would refuse the link.
#[test]
fn l_att_10_a_terminus_left_out() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach("x", 0, true).nulls(3).terminus(0x29, "b"));
    let LinkKey::Sender(link) = wire.offered() else { panic!() };
    let stored = SenderOptions::new().with_source(Source::at("stored"));
    wire.engine.sender(link).unwrap().accept_link(stored).unwrap();
    let accepted = attach("x", 0, false).nulls(2).terminus(0x28, "stored").terminus(0x29, "b");
    wire.engine_wrote([accepted.nulls(2).uint(0)]);
    wire.peer_sends(attach("y", 1, false).nulls(2).terminus(0x28, "a").nulls(3).uint(0));
    let LinkKey::Receiver(link) = wire.offered() else { panic!() };
    let own = ReceiverOptions::new().with_target(Target::default()).with_prefetch(0);
    wire.engine.receiver(link).unwrap().accept_link(own).unwrap();
    let accepted = attach("y", 1, true).nulls(2).terminus(0x28, "a").raw("00532945");
    wire.engine_wrote([accepted.nulls(3).ulong(32 << 20)]);
}

/// L-ATT-13: a transfer on a link that is not accepted has no credit.
#[test]
fn l_att_13_a_transfer_on_half_a_link() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach_sender("x", 0, "a", "b"));
    wire.offered();
    wire.peer_sends(transfer(0, 0, b"t").payload("early"));
    let (_, closed, reason) = wire.detached();
    assert_eq!((closed, reason.error.unwrap().condition), (true, Condition::TransferLimitExceeded));
    let lines = wire.lines();
    assert!(lines[0].starts_with("[0] attach") && lines[1].contains("transfer-limit-exceeded"), "{lines:?}");
}

/// T-CREDIT-04, C-OPEN-04: credit, drain and echo right behind the attach take effect, however late the link is
/// accepted.
#[test]
fn t_credit_04_credit_before_the_link_is_accepted() {
    let mut wire = Wire::begun();
    wire.peer_sends(attach_receiver("x", 0, "a", "b"));
    let LinkKey::Sender(link) = wire.offered() else { panic!() };
    let grant = || flow(Some(0), 2048, 0, 2048).uint(0).null().uint(3);
    wire.peer_sends(grant()).quiet();
    let options = SenderOptions::new().with_initial_delivery_count(u32::MAX.into());
    wire.engine.sender(link).unwrap().accept_link(options).unwrap();
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    assert_eq!(wire.engine.sender(link).unwrap().credit(), 3);
    assert_eq!(wire.lines().len(), 1);

    wire.peer_sends(attach_receiver("y", 1, "a", "b"));
    let LinkKey::Sender(link) = wire.offered() else { panic!() };
    wire.peer_sends(flow(Some(0), 2048, 0, 2048).uint(1).null().uint(3).null().boolean(true).boolean(true))
        .quiet();
    wire.engine.sender(link).unwrap().accept_link(SenderOptions::new()).unwrap();
    assert_eq!(wire.events(), [Event::Sendable(link)]);
    let lines = wire.lines();
    assert!(lines[1].contains("delivery_count: 3") && lines[1].contains("link_credit: 0"), "{lines:?}");
}

/// L-ATT-05, S-BEG-10: a link attached and detached before its session is accepted is answered once the session is,
/// and the application gets no link.
#[test]
fn l_att_05_a_link_withdrawn_before_the_session_is_accepted() {
    let mut wire = Wire::begun();
    wire.peer_sends(begin(None, 0, 10, 10).on(1));
    let Event::SessionOffered(session) = wire.event() else { panic!() };
    wire.peer_sends(attach_sender("x", 0, "a", "b").on(1)).peer_sends(detach(0, true).on(1));
    let events = wire.events();
    assert!(matches!(events[..], [Event::LinkOffered(_), Event::LinkDetached { closed: true, .. }]));
    assert_eq!(wire.lines().len(), 0);
    wire.engine.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    let lines = wire.lines();
    let begins = ["[1] begin", "[1] attach", "[1] detach"];
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    wire.peer_sends(end().on(1));
    assert!(matches!(wire.event(), Event::SessionEnded { .. }));
}

/// S-END-03, L-ATT-13: a fault on a link whose session is not accepted cannot be answered on the link, so it ends the
/// session.
#[test]
fn s_end_03_a_fault_before_the_session_is_accepted() {
    let mut wire = Wire::begun();
    wire.peer_sends(begin(None, 0, 10, 10).on(1));
    wire.event();
    wire.peer_sends(attach("x", 0, false).on(1));
    let events = wire.events();
    assert!(matches!(events[..], [Event::LinkDetached { .. }, Event::SessionEnded { .. }]), "{events:?}");
    let lines = wire.lines();
    assert!(lines[0].starts_with("[1] begin") && lines[1].contains("amqp:invalid-field"), "{lines:?}");
    wire.peer_sends(disposition(false, 0, None).on(1)).peer_sends(end().on(1)).quiet();
}

/// M-SRC-03, M-TGT-02: a dynamic node is requested without an address, and the answer has the address.
#[test]
fn m_src_03_dynamic_nodes() {
    let mut pair = Pair::opened();
    pair.server.sender_options =
        SenderOptions::new().with_source(Source { dynamic: true, ..Source::at("made-1") });
    pair.server.receiver_options =
        ReceiverOptions::new().with_target(Target { dynamic: true, ..Target::at("made-2") });
    let inbox = pair.client.attach_receiver_with("in", ReceiverOptions::from_dynamic());
    let outbox = pair.client.attach_sender_with("out", SenderOptions::to_dynamic());
    pair.drive();
    let (LinkKey::Sender(at_source), LinkKey::Receiver(at_target)) =
        (pair.server.expect_attach().key(), pair.server.expect_attach().key())
    else {
        panic!()
    };
    let asked = pair.server.sender(at_source).unwrap().peer_attach().unwrap().source.unwrap();
    assert!(asked.dynamic && asked.address.is_none());
    let asked = pair.server.receiver(at_target).unwrap().peer_attach().unwrap().target.unwrap();
    assert_eq!(*asked, Target { dynamic: true, ..Target::default() }.into());
    let source = pair.client.receiver(inbox).unwrap().peer_attach().unwrap().source.unwrap();
    assert_eq!(source.address.as_deref(), Some("made-1"));
    let target = pair.client.sender(outbox).unwrap().peer_attach().unwrap().target.unwrap();
    assert_eq!(*target, Target { dynamic: true, ..Target::at("made-2") }.into());
}

/// S-BEG-07: no link is attached above the peer's handle-max, nor beyond this end's limit on links.
#[test]
fn s_beg_07_handles_and_links_have_limits() {
    let few = Options::new("server").with_limits(Limits::DEFAULT.with_handle_max(1));
    let mut pair = Pair::new(Options::new("client").with_limits(Limits::DEFAULT.with_links(3)), few);
    pair.server.auto = Auto::Links;
    pair.drive();
    let session = pair.client.default_session();
    pair.drive();
    let mut view = pair.client.session(session).unwrap();
    let one = view.attach_sender("1", SenderOptions::new()).unwrap();
    view.attach_sender("2", SenderOptions::new()).unwrap();
    assert_eq!(view.attach_sender("3", SenderOptions::new()), Err(LinkError::Handles));
    pair.drive();
    pair.client.sender(one).unwrap().close().unwrap();
    pair.drive();
    let mut view = pair.client.session(session).unwrap();
    view.attach_sender("3", SenderOptions::new()).unwrap();
    let other = pair.client.begin(SessionOptions::new()).unwrap();
    let mut view = pair.client.session(other).unwrap();
    view.attach_sender("4", SenderOptions::new()).unwrap();
    assert_eq!(view.attach_sender("5", SenderOptions::new()), Err(LinkError::Limit));
    pair.drive();
}

/// L-EXT-01, L-EXT-02: each end can read the capabilities and properties of the other, unchanged.
#[test]
fn l_ext_02_capabilities_and_properties() {
    use amqp_proto::symbol;
    use amqp_proto::types::{Fields, Many};
    let mut pair = Pair::opened();
    let properties = Fields::from_iter([(symbol!("k"), 1)]);
    let wishes = Many::from_iter([symbol!("wish")]);
    let offers = Many::from_iter([symbol!("one"), symbol!("two")]);
    pair.server.receiver_options =
        ReceiverOptions::new().with_offered_capabilities(offers.clone()).with_properties(properties.clone());
    let options =
        SenderOptions::to("x").with_desired_capabilities(wishes.clone()).with_properties(properties.clone());
    let sender = pair.client.attach_sender_with("x", options);
    pair.drive();
    let LinkKey::Receiver(receiver) = pair.server.expect_attach().key() else { panic!() };
    let asked = pair.server.receiver(receiver).unwrap().peer_attach().unwrap();
    assert_eq!((asked.desired_capabilities, asked.properties), (wishes, properties.clone()));
    let answer = pair.client.sender(sender).unwrap().peer_attach().unwrap();
    assert_eq!((answer.offered_capabilities, answer.properties), (offers, properties));
}

/// L-REDIR-01: a refusal may redirect, and the application gets all of its fields.
#[test]
fn l_redir_01_a_refusal_that_redirects() {
    use amqp_proto::symbol;
    use amqp_proto::types::{Fields, Value};
    let mut pair = Pair::opened();
    pair.server.auto = Auto::Sessions;
    let sender = pair.client.attach_sender("x");
    pair.drive();
    let info = Fields::from_iter([
        (symbol!("hostname"), Value::from("b.example")),
        (symbol!("port"), Value::from(5672)),
        (symbol!("address"), Value::from("x2")),
    ]);
    let error = AmqpError::new(Condition::LinkRedirect).with_info(info);
    pair.server.expect_attach().refuse(error.clone());
    pair.drive();
    let (link, closed, reason) = pair.client.expect_detached();
    assert_eq!((link, closed, reason.origin), (sender.into(), true, Origin::Remote));
    assert_eq!(reason.error, Some(error));
    pair.client.expect_session_begun();
    pair.client.expect_quiet();
}
