//! Refusals by the peer, in the order of the standard or in its own, and refusals by this end: the application gets
//! the reason, and only the refused thing ends [2.6.3] [2.7.3] [2.7.4].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::sasl::{ClientProfile, ClientSasl, Login, Nonce, TransportSecurity};
use amqp_proto::testing::{Literal, attach, begin, close, detach, end, flow, open};
use amqp_proto::types::{Limits, LinkKey, Moment};
use amqp_proto::wire::{Condition, Source, Target};
use amqp_proto::{Connection, Event, LinkError, Origin};
use bytes::Buf;
use common::octets;
use common::wire::{Wire, detach_with};

const SASL_HEADER: &str = "414d515003010000";

/// L-ATT-06 [2.6.3]: an attach without a source refuses the link and needs no initial-delivery-count; the detach
/// behind it has the reason.
#[test]
fn l_att_06_a_refusal_needs_no_delivery_count() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    session.attach_receiver("x", ReceiverOptions::from("nowhere")).unwrap();
    wire.octets();
    wire.peer_sends(attach("x", 7, false)).quiet();
    wire.peer_sends(detach_with(7, "amqp:not-found"));
    let (_, closed, reason) = wire.detached();
    assert_eq!((closed, reason.origin), (true, Origin::Remote));
    assert_eq!(reason.error, Some(Condition::NotFound.into()));
    wire.engine_wrote([detach(0, true)]);
}

/// L-ATT-05, L-HAND-05 [2.6.3]: a peer refuses a link by a detach without an attach: only that link ends, with the
/// peer's reason.
#[test]
fn l_att_05_a_detach_without_an_attach_refuses_one_link() {
    let mut wire = Wire::begun();
    let mut session = wire.session();
    let first = session.attach_sender("x", SenderOptions::to("a")).unwrap();
    let second = session.attach_receiver("y", ReceiverOptions::from("nowhere")).unwrap();
    wire.octets();
    // Of two unanswered links, the detach is for the one with its handle.
    wire.peer_sends(detach_with(1, "amqp:not-found"));
    let (link, closed, reason) = wire.detached();
    assert_eq!((link, closed, reason.origin), (second.into(), true, Origin::Remote));
    assert_eq!(reason.error, Some(Condition::NotFound.into()));
    wire.engine_wrote([detach(1, true)]);
    // A single unanswered link is the one, whatever the handle.
    wire.peer_sends(detach_with(9, "amqp:unauthorized-access"));
    let (link, _, reason) = wire.detached();
    assert_eq!(link, first.into());
    assert_eq!(reason.error, Some(Condition::UnauthorizedAccess.into()));
    wire.engine_wrote([detach(0, true)]);
    assert!(wire.session().is_mapped());
    // The names are free again.
    let mut session = wire.session();
    assert!(session.attach_sender("x", SenderOptions::to("a")).is_ok());
}

/// L-HAND-05 [2.6.3]: a detach without any link ends the session, and the error text has the peer's reason.
#[test]
fn l_hand_05_a_detach_without_a_link_shows_the_peers_reason() {
    let mut wire = Wire::begun();
    wire.peer_sends(detach_with(3, "amqp:not-found"));
    let Event::SessionEnded { reason, .. } = wire.event() else { panic!() };
    let error = reason.error.unwrap();
    assert_eq!(error.condition, Condition::UnattachedHandle);
    assert!(error.description.unwrap().contains("amqp:not-found"));
}

/// L-ATT-04, L-ATT-05 [2.7.3]: a link for which the peer names no terminus of this end cannot be accepted without
/// one.
#[test]
fn l_att_04_no_terminus_is_made_up() {
    for is_sender in [false, true] {
        let mut wire = Wire::begun();
        let frame = attach("x", 0, is_sender).nulls(2);
        let frame =
            if is_sender { frame.null().terminus(0x29, "b") } else { frame.terminus(0x28, "a").null() };
        let frame = if is_sender { frame } else { frame.nulls(2).uint(0) };
        wire.peer_sends(frame);
        let link = wire.offered();
        let refused = match link {
            LinkKey::Sender(key) => wire.engine.sender(key).unwrap().accept_link(SenderOptions::new()),
            LinkKey::Receiver(key) => wire.engine.receiver(key).unwrap().accept_link(ReceiverOptions::new()),
        };
        assert_eq!(refused, Err(LinkError::NoTerminus));
        wire.quiet();
        // With a terminus from the application's options it can.
        match link {
            LinkKey::Sender(key) => {
                let options = SenderOptions::new().with_source(Source::at("a"));
                wire.engine.sender(key).unwrap().accept_link(options).unwrap();
            }
            LinkKey::Receiver(key) => {
                let options = ReceiverOptions::new().with_target(Target::at("b"));
                wire.engine.receiver(key).unwrap().accept_link(options).unwrap();
            }
        }
        assert!(wire.lines()[0].contains("attach"));
    }
}

/// S-FLOW-03 [2.7.4]: an echo request before the session is accepted is answered after that.
#[test]
fn s_flow_03_an_early_echo_is_answered() {
    let mut wire = Wire::begun();
    wire.peer_sends(begin(None, 0, 10, 10).on(1));
    let Event::SessionOffered(session) = wire.event() else { panic!() };
    wire.peer_sends(flow(None, 10, 0, 10).nulls(5).boolean(true).on(1)).quiet();
    wire.engine.session(session).unwrap().accept(SessionOptions::new()).unwrap();
    let lines = wire.lines();
    let begins = ["[1] begin", "[1] flow"];
    assert!(
        lines.len() == 2 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)),
        "{lines:?}"
    );
}

/// The end of a session is reported once, also if the connection is lost before the event is polled.
#[test]
fn s_end_04_a_session_ends_once() {
    let mut amqp =
        Connection::server(Options::new("s").with_idle_timeout(Duration::from_secs(1)), Moment::START);
    amqp.receive(Moment::START, b"AMQP\x00\x01\x00\x00");
    amqp.receive(Moment::START, &open("p").to_octets());
    amqp.receive(Moment::START, &begin(None, 0, 10, 10).to_octets());
    amqp.receive(Moment::START, &attach("x", 0, true).to_octets());
    assert!(std::iter::from_fn(|| amqp.poll_event()).count() == 3);
    amqp.receive(Moment::START, &end().to_octets());
    // The next is that of the session.
    assert!(matches!(amqp.poll_event(), Some(Event::LinkDetached { .. })));
    amqp.handle_deadline(Moment::from_millis(5_000));
    let events: Vec<Event> = std::iter::from_fn(|| amqp.poll_event()).collect();
    assert!(matches!(events[..], [Event::SessionEnded { .. }, Event::Closed(_)]), "{events:?}");
}

/// No event follows the end of the connection, whatever command is given.
#[test]
fn c_close_01_no_event_follows_the_end() {
    let mut wire = Wire::begun();
    let link = wire.sender(SenderOptions::new(), 0);
    wire.peer_sends(detach(0, false));
    wire.events();
    wire.engine.end_of_input();
    assert!(matches!(wire.events().last(), Some(Event::Closed(_))));
    let closed = wire.engine.sender(link).map(|mut link| link.close());
    assert!(!matches!(closed, Ok(Ok(()))));
    assert_eq!(wire.events(), []);
}

/// A client with a password of this size, after the server's offer of PLAIN, and its failure, if any.
fn plain(password: usize, options: Options) -> (Connection, Option<String>) {
    let login = Login::new("user", "x".repeat(password).as_str()).unwrap();
    let profile = ClientProfile::new().with_login(login);
    let nonce = Nonce::from_random(&[7; 16]).unwrap();
    let sasl = ClientSasl::new(profile, TransportSecurity::Encrypted, nonce);
    let mut client = Connection::client_with_sasl(options, sasl, Moment::START);
    client.receive(Moment::START, &octets(SASL_HEADER));
    client.receive(Moment::START, &Literal::sasl(0x40).symbols(&["PLAIN"]).to_octets());
    let failed = match client.poll_event() {
        Some(Event::Closed(reason)) => Some(reason.to_string()),
        _ => None,
    };
    (client, failed)
}

/// A-SASL-03 [5.3.1]: a response that needs a frame of more than 512 octets is sent if the options allow it;
/// otherwise the error names the response and the option.
#[test]
fn a_sasl_03_a_long_response_needs_the_option() {
    let (_, failed) = plain(4_000, Options::new("c"));
    let words = failed.unwrap();
    assert!(
        words.contains("response") && words.contains("sasl_send_size") && words.contains("512"),
        "{words}"
    );
    let (mut client, failed) = plain(4_000, Options::new("c").with_sasl_send_size(8_192));
    assert_eq!(failed, None);
    assert!(client.output().remaining() > 4_000);
    // AMQP frames before the peer's open are bounded as before (F-MAX-01).
    let (_, failed) = plain(9_000, Options::new("c").with_sasl_send_size(8_192));
    assert!(failed.unwrap().contains("8192"));
}

/// The limits on output have a minimum: with 0, output would be unbounded or input would stop.
#[test]
fn bounds_of_0_count_as_the_smallest_that_works() {
    let limits = Limits::DEFAULT.with_output_octets(0).with_output_octets_hard(0).with_frame_size(0);
    assert_eq!((limits.output_octets(), limits.output_octets_hard(), limits.frame_size()), (1, 1, 512));
    let mut amqp = Connection::server(Options::new("s").with_limits(limits), Moment::START);
    amqp.receive(Moment::START, b"AMQP\x00\x01\x00\x00");
    amqp.receive(Moment::START, &open("p").to_octets());
    amqp.receive(Moment::START, &close().to_octets());
    let mut events = Vec::new();
    for _ in 0..9 {
        events.extend(std::iter::from_fn(|| amqp.poll_event()));
        let octets = amqp.output().remaining();
        amqp.output().advance(octets);
    }
    assert!(matches!(events[..], [Event::Opened, Event::Closed(_)]), "{events:?}");
    assert!(!amqp.has_output());
}
