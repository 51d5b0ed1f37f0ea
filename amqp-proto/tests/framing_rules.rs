//! Frames of an open connection: faults with their conditions, and the size of sent frames [2.3] [2.7.1].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::codec::EncodeError;
use amqp_proto::config::{Options, SessionOptions};
use amqp_proto::testing::{Alike, Pair, attach, attach_receiver, begin, close, flow, open};
use amqp_proto::types::{Fields, Limits, LinkKey, Value};
use amqp_proto::wire::Condition;
use amqp_proto::{Event, LinkError, Origin, SessionError, symbol};
use common::hex;
use common::wire::{Wire, beginning, opening, raw};

/// F-LAY-02, F-LAY-03, F-LAY-04, F-LAY-06: a malformed frame header closes the connection as soon as its eight octets
/// have arrived.
#[test]
fn f_lay_02_a_malformed_frame_closes_the_connection() {
    let sizes = (0..8).map(|size| format!("{size:08x}02000000"));
    let offsets = [0, 1, 3].map(|words| format!("00000009{words:02x}000000"));
    let kinds = [2, 0xff].map(|kind| format!("0000000802{kind:02x}0000"));
    for head in sizes.chain(offsets).chain(kinds) {
        let mut wire = Wire::opened();
        wire.peer_sends(&head);
        assert_eq!(wire.engine_closes(), Condition::FramingError, "{head}");
    }
}

/// F-LAY-03, F-LAY-05: the extended header is skipped.
#[test]
fn f_lay_03_an_extended_header_is_passed_over() {
    let mut wire = Wire::opened();
    wire.peer_sends("00000010 03000000 ffffffff 00531845");
    assert!(matches!(wire.events()[..], [Event::Closed(_)]));
    wire.engine_wrote([close()]);
}

/// F-LAY-08, F-LAY-09, R-ERR-06: a body that is no performative, and a payload behind a performative that takes none.
#[test]
fn f_lay_08_a_body_is_a_performative() {
    let wrong = ["40", "a10141", "0053 24 45", "0053 40 c00401e00200a3", "45", "0053 17 45 00", "0053 13"];
    for body in wrong {
        let mut wire = Wire::opened();
        wire.peer_sends(raw(0, body));
        assert_eq!(wire.engine_closes(), Condition::DecodeError, "{body}");
    }
}

/// F-LAY-07, F-LAY-10: an empty frame has no effect, on any channel; a performative on an unused channel is a fault.
#[test]
fn f_lay_10_an_empty_frame_has_no_effect() {
    let mut wire = Wire::opened();
    wire.peer_sends("00000008 02000003");
    wire.peer_sends(beginning(0x0102 - 0x00f0));
    assert!(matches!(wire.events()[..], [Event::SessionOffered(_)]));
    wire.engine_wrote("");
}

/// F-MAX-01: an open larger than 512 octets is not sent, and the application gets an error.
#[test]
fn f_max_01_an_open_is_no_larger_than_512_octets() {
    for (name, fits) in [(512 - 8 - 12 - 5 - 6 - 3, true), (512 - 8 - 12 - 5 - 6 - 2, false)] {
        let mut wire = Wire::client(Options::new("x".repeat(name)));
        let octets = wire.written().len() / 2;
        if fits {
            assert_eq!((octets, wire.events().len()), (8 + 512, 0));
            continue;
        }
        assert_eq!(octets, 8);
        let [Event::Closed(reason)] = &wire.events()[..] else { panic!("open with {name} octets") };
        assert_eq!(reason.origin, Origin::Local);
        assert_eq!(reason.error.as_ref().unwrap().condition, Condition::FrameSizeTooSmall);
    }
}

/// F-MAX-01: before the peer's open, only channel 0 exists.
#[test]
fn f_max_01_before_the_open_there_is_channel_0() {
    let mut wire = Wire::client(Options::new("c"));
    wire.engine.begin(SessionOptions::new()).unwrap();
    assert_eq!(wire.engine.begin(SessionOptions::new()), Err(SessionError::Channels));
    let large = properties(600);
    let mut pipelining = Wire::client(Options::new("c"));
    let refused = pipelining.engine.begin(SessionOptions::new().with_properties(large));
    assert!(matches!(refused, Err(SessionError::TooLarge(EncodeError::TooLarge { limit: 512, .. }))));
}

/// Fields of about this number of octets.
fn properties(octets: usize) -> Fields {
    [(symbol!("x"), Value::from("x".repeat(octets)))].into_iter().collect()
}

/// F-MAX-02, F-MAX-05, C-OPEN-02: sent frames fit the peer's max-frame-size, however large received ones are.
#[test]
fn f_max_02_no_frame_exceeds_the_peers_limit() {
    for (ours, theirs) in [(512, 4_096), (4_096, 512), (513, 1_000)] {
        let options = |name, size| Options::new(name).with_limits(Limits::DEFAULT.with_frame_size(size));
        let mut pair = Pair::new(options("c", ours), options("s", theirs));
        pair.server.collects = true;
        let sender = pair.client.attach_sender("jobs");
        pair.drive();
        let message = "x".repeat(10_000);
        pair.client.sender(sender).unwrap().send(message.as_str()).unwrap();
        pair.drive();
        let received = pair.server.messages();
        let whole = received[0].1.message().unwrap();
        assert_eq!(whole.body().unwrap().as_str(), Some(&*message));
        let frames = pair.trace().iter().filter(|line| line.contains("transfer {")).count();
        let least = message.len() / usize::try_from(theirs).unwrap();
        assert!((least + 1..=least + least / 5 + 1).contains(&frames), "{frames} frames of {theirs}");
    }
}

/// F-MAX-02, F-MAX-07: a frame that cannot be split and does not fit is refused without an effect.
#[test]
fn f_max_02_a_frame_that_does_not_fit_is_refused() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").null().uint(512));
    let large = SessionOptions::new().with_properties(properties(500));
    assert!(matches!(wire.engine.begin(large), Err(SessionError::TooLarge(_))));
    let session = wire.engine.begin(SessionOptions::new()).unwrap();
    wire.engine_wrote([begin(None, 0, 512, 0x7fff_ffff).uint(65_535)]);
    let mut view = wire.engine.session(session).unwrap();
    let name = "n".repeat(500);
    let refused = view.attach_sender(name.as_str(), amqp_proto::config::SenderOptions::new());
    assert!(matches!(refused, Err(LinkError::TooLarge(EncodeError::TooLarge { limit: 512, .. }))));
    view.attach_sender("n", amqp_proto::config::SenderOptions::new()).unwrap();
    let written = attach("n", 0, false).nulls(2).raw("00532845").raw("00532945").nulls(2).uint(0);
    wire.engine_wrote([written]);
}

/// F-MAX-02: an error that does not fit is sent without its info, or without its description.
#[test]
fn f_max_02_an_error_is_cut_down_to_what_fits() {
    let mut wire = Wire::opened_by(Options::new("s"), open("p").null().uint(512));
    let error = amqp_proto::wire::AmqpError::new(Condition::InternalError).with_description("x".repeat(600));
    assert!(wire.engine.close_with(error));
    wire.engine_wrote([close().error("amqp:internal-error")]);
}

/// F-MAX-03: a frame is refused by its size alone, before it has arrived.
#[test]
fn f_max_03_a_frame_too_large_closes_the_connection_by_its_size() {
    let options = || Options::new("s").with_limits(Limits::DEFAULT.with_frame_size(1_000));
    let mut wire = Wire::opened_by(options(), open("p"));
    wire.peer_sends("000003e9 02000000");
    assert_eq!(wire.engine_closes(), Condition::FramingError);
    let mut wire = Wire::opened_by(options(), open("p"));
    wire.peer_sends(format!("000003e8 fa000000 {}", "00".repeat(992)));
    wire.quiet();
}

/// F-MAX-04: this end announces and accepts frames of 512 octets, even with a lower limit.
#[test]
fn f_max_04_frames_of_512_octets_are_always_accepted() {
    let options = Options::new("s").with_limits(Limits::DEFAULT.with_frame_size(100));
    let mut wire = Wire::server(options);
    wire.peer_sends(opening([open(&"p".repeat(512 - 8 - 12 - 5))]));
    assert_eq!(wire.events(), [Event::Opened]);
    wire.engine_wrote(opening([open("s").null().uint(512).ushort(255)]));
}

/// F-MAX-04: a max-frame-size below 512 octets counts as 512.
#[test]
fn f_max_04_less_than_512_octets_counts_as_512() {
    for size in [511, 0, 512] {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(opening([open("p").null().uint(size)]));
        assert_eq!(wire.events(), [Event::Opened]);
        // The peer refuses the connection, and the application gets the peer's reason.
        wire.peer_sends(close().error("amqp:not-found"));
        let [Event::Closed(reason)] = &wire.events()[..] else { panic!("not closed") };
        assert_eq!(reason.origin, Origin::Remote);
        assert_eq!(reason.error, Some(Condition::NotFound.into()), "{size}");
    }
}

/// F-MAX-06: real peers send opens of more than 512 octets; this end accepts up to its max-frame-size.
#[test]
fn f_max_06_a_large_open_is_accepted() {
    let mut wire = Wire::server(Options::new("s"));
    wire.peer_sends(opening([open(&"p".repeat(600))]));
    assert_eq!(wire.events(), [Event::Opened]);
    assert_eq!(wire.engine.peer_open().unwrap().container_id.len(), 600);
}

/// F-LAY-11, F-LAY-12: a stream cut anywhere leads to the same output and events.
#[test]
fn f_lay_11_a_stream_may_be_cut_anywhere() {
    let stream = opening([
        open("p"),
        beginning(0),
        attach_receiver("jobs", 0, "jobs", "here"),
        flow(None, 10, 0, 10).uint(0).null().uint(3),
        begin(None, 7, 1, 1).on(9),
        amqp_proto::testing::end().on(9),
        close(),
    ]);
    let run = |pieces: &[&str]| {
        let mut wire = Wire::server(Options::new("s"));
        let mut told = Vec::new();
        for piece in pieces {
            wire.peer_sends(piece);
            while let Some(event) = wire.engine.poll_event() {
                match event {
                    Event::SessionOffered(key) => {
                        wire.engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                    }
                    Event::LinkOffered(LinkKey::Sender(key)) => {
                        wire.engine.sender(key).unwrap().accept_link(Default::default()).unwrap();
                    }
                    _ => {}
                }
                told.push(event);
            }
        }
        (told, wire.written())
    };
    let whole = run(&[&stream]);
    assert!(matches!(
        whole.0[..],
        [
            Event::Opened,
            Event::SessionOffered(_),
            Event::LinkOffered(_),
            Event::Sendable(_),
            Event::SessionOffered(_),
            Event::SessionEnded { .. },
            Event::LinkDetached { .. },
            Event::SessionEnded { .. },
            Event::Closed(_)
        ]
    ));
    let octets: Vec<&str> = (0..stream.len()).step_by(2).map(|at| &stream[at..at + 2]).collect();
    let alike = |(told, says): &(Vec<Event>, String)| (Alike::of(told), says.clone());
    assert_eq!(alike(&run(&octets)), alike(&whole));
    for at in (0..stream.len()).step_by(2) {
        assert_eq!(alike(&run(&[&stream[..at], &stream[at..]])), alike(&whole), "cut at {}", at / 2);
    }
    assert!(whole.1.starts_with(&hex(b"AMQP\0\x01\0\0")));
}
