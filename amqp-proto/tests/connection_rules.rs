//! Connections open and close, and agree on extensions, locales and redirects [2.4] [2.7.1] [2.7.9].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_proto::config::{Options, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, Pair, Script, attach_sender, begin, close, end, flow, open, transfer};
use amqp_proto::types::{Fields, Limits, Many, Moment, Symbol, Value};
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Deadline, Event, Origin, Reading, SessionError, symbol};
use common::wire::{Wire, beginning, opening};

/// Returns the origin and the error of the last close.
fn why(events: &[Event]) -> (Origin, Option<AmqpError>) {
    match events {
        [.., Event::Closed(reason)] => (reason.origin, reason.error.clone()),
        other => panic!("not closed: {other:?}"),
    }
}

/// C-OPEN-01: the first frame must be an open on channel 0.
#[test]
fn c_open_01_the_first_frame_is_an_open_on_channel_0() {
    for (first, condition) in [
        (beginning(0), Condition::IllegalState),
        (flow(None, 1, 0, 1), Condition::IllegalState),
        (close(), Condition::IllegalState),
        (end(), Condition::IllegalState),
        (open("p").on(1), Condition::NotAllowed),
    ] {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(opening([first.clone()]));
        assert_eq!(wire.engine_closes(), condition, "{first}");
    }
    let mut wire = Wire::server(Options::new("s"));
    wire.peer_sends(format!("{}0000000802000000", opening([])));
    assert_eq!(wire.engine_closes(), Condition::IllegalState, "an empty frame");
}

/// C-OPEN-01: a server that closes before its open sends its open first, and then its close.
#[test]
fn c_open_01_an_open_that_is_owed_comes_before_the_close() {
    let mut wire = Wire::server(Options::new("s"));
    wire.peer_sends(opening([]));
    assert!(wire.engine.close());
    let opened = open("s").null().uint(65_536).ushort(255);
    wire.engine_wrote(opening([opened, close()]));
    wire.peer_sends([open("p"), close()]);
    assert_eq!(why(&wire.events()), (Origin::Local, None));
}

/// C-OPEN-02, C-OPEN-10: all fields of both opens arrive, and absent fields read as their defaults.
#[test]
fn c_open_02_all_fields_of_an_open_arrive() {
    let capabilities = |names: &[&'static str]| -> Many<Symbol> {
        names.iter().map(|name| Symbol::new(*name).unwrap()).collect()
    };
    let properties: Fields = [(symbol!("product"), Value::from("x"))].into_iter().collect();
    let options = Options::new("c")
        .with_hostname("broker.example")
        .with_limits(Limits::DEFAULT.with_frame_size(9_000).with_channel_max(3))
        .with_idle_timeout(Duration::from_secs(20))
        .with_outgoing_locales(capabilities(&["en-US", "de"]))
        .with_incoming_locales(capabilities(&["de"]))
        .with_offered_capabilities(capabilities(&["A"]))
        .with_desired_capabilities(capabilities(&["B", "C"]))
        .with_properties(properties.clone());
    let mut pair = Pair::new(options, Options::new("s"));
    pair.drive();
    let heard = pair.server.peer_open().unwrap();
    assert_eq!((heard.container_id.as_str(), heard.hostname.as_deref()), ("c", Some("broker.example")));
    assert_eq!((heard.max_frame_size, heard.channel_max, heard.idle_time_out), (9_000, 3, Some(10_000)));
    assert_eq!(heard.outgoing_locales, capabilities(&["en-US", "de"]));
    assert_eq!(heard.incoming_locales, capabilities(&["de"]));
    assert_eq!(heard.offered_capabilities, capabilities(&["A"]));
    assert_eq!(heard.desired_capabilities, capabilities(&["B", "C"]));
    assert_eq!(heard.properties, properties);

    let bare = Wire::opened();
    let heard = bare.engine.peer_open().unwrap();
    assert_eq!((heard.hostname, heard.max_frame_size, heard.channel_max), (None, u32::MAX, u16::MAX));
    assert_eq!((heard.idle_time_out, heard.properties.len()), (None, 0));
    assert!(bare.engine.is_open() && bare.engine.next_deadline().is_none());
}

/// C-OPEN-03: an open without a container-id is refused.
#[test]
fn c_open_03_an_open_names_its_container() {
    for body in [Literal::new(0x10), Literal::new(0x10).null(), Literal::new(0x10).null().string("host")] {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(opening([body]));
        assert_eq!(wire.engine_closes(), Condition::InvalidField);
    }
}

/// C-OPEN-04: header, open, begin and attach in one piece, before any answer, have the same effect on a server.
#[test]
fn c_open_04_frames_may_come_before_the_answers() {
    let mut pair = Pair::new(Options::new("c"), Options::new("s"));
    pair.client.attach_sender_with("jobs", SenderOptions::to("jobs"));
    pair.drive();
    let named: Vec<String> =
        pair.trace().iter().take(5).map(|line| line.split(" {").next().unwrap().to_string()).collect();
    let first =
        ["header Amqp 1.0.0", "[0] open", "[0] begin", "[0] attach"].map(|line| format!("client -> {line}"));
    assert_eq!(named[..4], first);
    assert_eq!(named[4], "server -> header Amqp 1.0.0");
    pair.server.expect_opened();
    pair.server.expect_attach();
    pair.client.expect_opened();
    pair.client.expect_attached();
}

/// C-OPEN-05: a second open closes the connection.
#[test]
fn c_open_05_a_second_open_closes_the_connection() {
    let mut wire = Wire::opened();
    wire.peer_sends(open("p"));
    assert_eq!(wire.engine_closes(), Condition::IllegalState);
}

/// C-OPEN-06, K-02: a peer that sends mandatory fields only can use everything, from the open to the close.
#[test]
fn c_open_06_a_bare_peer_is_accepted() {
    let mut server = Connection::server(Options::new("s"), Moment::START);
    let opened = open("s").null().uint(65_536).ushort(255);
    let script = Script::new()
        .send_hex(&opening([open("p"), begin(None, 0, 1, 0)]))
        .expect_hex(&opening([opened]))
        .expect(begin(Some(0), 0, 512, 0x7fff_ffff).uint(65_535))
        .send(Literal::new(0x12).string("n").uint(0).boolean(true).nulls(2).raw("00532845").raw("00532945"))
        .expect(attach_bare("n"))
        .send(flow(Some(0), 1, 0, 0).uint(0).uint(0).uint(1))
        .expect(transfer(0, 0, &[0, 0, 0, 0]).payload([0, 0x53, 0x77, 0xa1, 1, b'x']))
        .send(amqp_proto::testing::disposition(true, 0, None).boolean(true).raw("00532445"))
        .send(close())
        .expect(close());
    let mut outcomes = 0;
    let run = script.run_with(&mut server, |server, event| match event {
        Event::SessionOffered(key) => server.session(key).unwrap().accept(SessionOptions::new()).unwrap(),
        Event::LinkOffered(link) => {
            let amqp_proto::types::LinkKey::Sender(key) = link else { panic!("the peer receives") };
            server.sender(key).unwrap().accept_link(SenderOptions::new()).unwrap();
        }
        Event::Sendable(key) => drop(server.sender(key).unwrap().send("x").unwrap()),
        Event::Updated { settled, .. } => outcomes += usize::from(settled),
        _ => {}
    });
    assert_eq!((run, outcomes), (Ok(()), 1));
}

/// The answer to a bare attach of a receiver.
fn attach_bare(name: &str) -> Literal {
    amqp_proto::testing::attach(name, 0, false).nulls(2).raw("00532845").raw("00532945").nulls(2).uint(0)
}

/// C-OPEN-10, C-OPEN-11: locales in any form: none, null, one, an array.
#[test]
fn c_open_10_locales_are_read_in_every_form() {
    for (form, expected) in [
        ("40", &[][..]),
        ("e0 02 00 a3", &[]),
        ("a3 05 656e2d5553", &["en-US"]),
        ("e0 0b 02 a3 05 656e2d5553 02 6465", &["en-US", "de"]),
    ] {
        let wire = Wire::opened_by(Options::new("s"), open("p").nulls(4).raw(form).raw(form));
        let heard = wire.engine.peer_open().unwrap();
        for locales in [&heard.outgoing_locales, &heard.incoming_locales] {
            assert!(locales.iter().map(Symbol::as_str).eq(expected.iter().copied()), "{form}");
        }
    }
}

/// C-CHAN-01, C-OPEN-02: this end begins no session above the peer's channel-max.
#[test]
fn c_chan_01_no_channel_above_the_peers_highest() {
    let roomy = Options::new("s").with_limits(Limits::DEFAULT.with_memory(1 << 30));
    let mut wire = Wire::opened_by(roomy, open("p").nulls(2).ushort(2));
    for _ in 0..3 {
        wire.engine.begin(SessionOptions::new()).unwrap();
    }
    assert_eq!(wire.engine.begin(SessionOptions::new()), Err(SessionError::Channels));
    let written = begin(None, 0, 512, 0x7fff_ffff).uint(65_535);
    wire.engine_wrote([written.clone(), written.clone().on(1), written.on(2)]);
}

/// C-CHAN-02, C-OPEN-02: every frame on a channel above this end's channel-max closes the connection.
#[test]
fn c_chan_02_a_channel_above_the_highest_closes_the_connection() {
    let options = || Options::new("s").with_limits(Limits::DEFAULT.with_channel_max(7));
    let all = [beginning(8), flow(None, 1, 0, 1).on(8), close().on(8), end().on(0xffff)];
    for frame in all {
        let mut wire = Wire::opened_by(options(), open("p"));
        wire.peer_sends(frame);
        assert_eq!(wire.engine_closes(), Condition::FramingError);
    }
    let mut wire = Wire::opened_by(options(), open("p"));
    wire.peer_sends("00000008 02000008");
    assert_eq!(wire.engine_closes(), Condition::FramingError);
    let mut wire = Wire::opened_by(options(), open("p"));
    wire.peer_begins(beginning(7), SessionOptions::new());
}

/// C-CHAN-03, C-CHAN-04: the channels of both directions are independent; a frame on a channel without a session
/// closes the connection.
#[test]
fn c_chan_03_channels_go_one_way() {
    let roomy = Options::new("s").with_limits(Limits::DEFAULT.with_memory(1 << 30));
    let mut wire = Wire::opened_by(roomy, open("p"));
    let session = wire.peer_begins(beginning(3), SessionOptions::new());
    wire.engine_wrote([begin(Some(3), 0, 512, 0x7fff_ffff).uint(65_535)]);
    let own = wire.engine.begin(SessionOptions::new()).unwrap();
    wire.engine_wrote([begin(None, 0, 512, 0x7fff_ffff).uint(65_535).on(1)]);
    wire.peer_sends(begin(Some(1), 0, 1, 1).on(0));
    assert_eq!(wire.events(), [Event::SessionBegun(own)]);
    wire.peer_sends(end().on(3));
    assert!(matches!(&wire.events()[..], [Event::SessionEnded { session: ended, .. }] if *ended == session));
    wire.engine_wrote([end()]);
    for unmapped in [flow(None, 1, 0, 1).on(3), attach_sender("n", 0, "a", "b").on(5), end().on(3)] {
        let mut other = Wire::opened();
        other.peer_begins(beginning(1), SessionOptions::new());
        other.peer_sends(unmapped);
        assert_eq!(other.engine_closes(), Condition::NotAllowed);
    }
}

/// C-CLOSE-01: nothing is written after a close, whichever end closed first.
#[test]
fn c_close_01_a_close_is_the_last_frame() {
    let mut wire = Wire::opened();
    let session = wire.peer_begins(beginning(0), SessionOptions::new());
    wire.octets();
    assert!(wire.engine.close() && !wire.engine.close());
    wire.engine_wrote([close()]);
    wire.peer_sends([
        beginning(1),
        attach_sender("n", 0, "a", "b"),
        flow(Some(0), 1, 0, 1).nulls(5).boolean(true),
    ]);
    wire.events();
    assert_eq!(wire.engine.begin(SessionOptions::new()), Err(SessionError::NotOpen));
    let mut view = wire.engine.session(session).unwrap();
    assert_eq!(view.end(), Err(SessionError::NotOpen));
    view.attach_sender("m", SenderOptions::new()).unwrap_err();
    wire.time_passes(1_000);
    wire.engine_wrote("");
    wire.peer_sends(close());
    wire.engine_wrote("");
}

/// C-CLOSE-02: after its close this end reads until the peer's close; without one, the connection ends at a deadline.
#[test]
fn c_close_02_the_answer_is_waited_for_and_not_for_ever() {
    let mut wire = Wire::opened_by(Options::new("s").with_close_timeout(Duration::from_secs(5)), open("p"));
    wire.engine.close_with(Condition::ConnectionForced.into());
    wire.engine_wrote([close().error("amqp:connection:forced")]);
    assert_eq!(wire.engine.next_deadline(), Some((wire.now + Duration::from_millis(5_000), Deadline::Close)));
    wire.peer_sends(beginning(0));
    assert_eq!(wire.events(), [], "it could not be answered any more");
    assert_eq!(wire.engine.reading(), Reading::Wanted);
    wire.time_passes(4_999);
    assert_eq!(wire.events(), []);
    wire.time_passes(1);
    let events = wire.events();
    assert_eq!(events.len(), 1);
    assert_eq!(why(&events), (Origin::Local, Some(Condition::ConnectionForced.into())));
    assert_eq!((wire.engine.reading(), wire.engine.next_deadline()), (Reading::Over, None));
}

/// C-CLOSE-03, C-CLOSE-09, C-CLOSE-10: a close is answered, its reason is reported, and the end of input is no fault
/// then.
#[test]
fn c_close_03_a_close_is_answered() {
    for error in [None, Some("amqp:connection:forced")] {
        let mut wire = Wire::opened();
        wire.peer_sends(error.map_or(close(), |condition| close().error(condition)));
        wire.engine_wrote([close()]);
        wire.engine.end_of_input();
        let error = error.map(|_| AmqpError::from(Condition::ConnectionForced));
        assert_eq!(why(&wire.events()), (Origin::Remote, error.clone()));
        assert_eq!(wire.engine.remote_error(), error.as_ref());
        assert!(!wire.engine.close());
    }
}

/// C-CLOSE-04: this end sends its close on channel 0 and accepts the peer's on any channel.
#[test]
fn c_close_04_a_close_may_come_on_any_channel() {
    for channel in [0, 5, 255] {
        let mut wire = Wire::opened();
        wire.peer_sends(close().on(channel));
        assert!(matches!(wire.events()[..], [Event::Closed(_)]));
        wire.engine_wrote([close()]);
    }
    let mut client = Wire::client(Options::new("c"));
    client.engine.close();
    client.engine_wrote(opening([open("c").null().uint(65_536).ushort(255), close()]));
}

/// C-CLOSE-05: crossing closes answer each other, and both reasons are reported.
#[test]
fn c_close_05_crossing_closes() {
    let mut pair = Pair::opened();
    pair.client.close_with(AmqpError::new(Condition::InternalError));
    pair.server.close_with(AmqpError::new(Condition::ConnectionForced));
    pair.drive();
    assert_eq!(pair.trace().iter().filter(|line| line.contains("close")).count(), 2);
    for (end, own, other) in [
        (&mut pair.client, Condition::InternalError, Condition::ConnectionForced),
        (&mut pair.server, Condition::ConnectionForced, Condition::InternalError),
    ] {
        assert_eq!(why(&end.events()), (Origin::Local, Some(own.into())));
        assert_eq!(end.remote_error(), Some(&other.into()));
        assert!(end.is_over());
    }
}

/// C-CLOSE-06, C-CLOSE-07, C-CLOSE-08: after a close for a fault, later frames have no effect.
#[test]
fn c_close_06_after_a_fault_all_input_is_dropped() {
    let mut wire = Wire::opened();
    wire.peer_sends([flow(None, 1, 0, 1).on(5), beginning(0)]);
    assert_eq!(wire.engine_closes(), Condition::NotAllowed);
    for more in ["00000007", "0000000c 02000000 00531845", "00000008 02000000", "ff"] {
        wire.peer_sends(more);
        wire.time_passes(60_000);
        assert_eq!(
            (wire.events(), wire.written(), wire.engine.reading()),
            (vec![], String::new(), Reading::Over)
        );
    }
    wire.engine.end_of_input();
    assert_eq!((wire.events(), wire.engine.close(), wire.engine.is_over()), (vec![], false, true));
    assert_eq!(wire.engine.begin(SessionOptions::new()), Err(SessionError::NotOpen));
}

/// C-REDIR-01: a redirect names its host and port, in both directions.
#[test]
fn c_redir_01_a_redirect_names_host_and_port() {
    let info: Fields = [
        (symbol!("hostname"), Value::from("other.example")),
        (symbol!("network-host"), Value::from("10.0.0.7")),
        (symbol!("port"), Value::from(5_672_u16)),
    ]
    .into_iter()
    .collect();
    let mut pair = Pair::opened();
    pair.server.close_with(AmqpError::new(Condition::ConnectionRedirect).with_info(info.clone()));
    pair.drive();
    let (origin, error) = why(&pair.client.events());
    let error = error.unwrap();
    assert_eq!(
        (origin, error.condition, &error.info),
        (Origin::Remote, Condition::ConnectionRedirect, &info)
    );
    assert_eq!(error.info.get("port"), Some(&Value::from(5_672_u16)));
}
