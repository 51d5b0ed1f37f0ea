//! Protocol headers at both ends: which end is first, which answers there are, which headers end the connection [2.2]
//! [5.2] [5.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::Options;
use amqp_proto::sasl::{
    AnonymousClient, AnonymousServer, ClientProfile, ClientSasl, Nonce, ServerSasl, TransportSecurity,
};
use amqp_proto::testing::{HEADER, Pair, SASL_HEADER, Script, begin, close, open};
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Event, Origin, Reading};
use common::hex;
use common::wire::{Wire, frames, opening};

const TLS_HEADER: &str = "414d515002010000";

fn client_sasl() -> ClientSasl {
    let profile = ClientProfile::new().with_anonymous(AnonymousClient::new());
    ClientSasl::new(profile, TransportSecurity::Clear, Nonce::from_random(&[7; 16]).unwrap())
}

fn server_sasl() -> ServerSasl {
    ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new())
}

fn sasl_client() -> Wire {
    Wire::of(Connection::client_with_sasl(Options::new("c"), client_sasl(), Moment::START))
}

fn sasl_server(sasl: ServerSasl) -> Wire {
    Wire::of(Connection::server_with_sasl(Options::new("s"), sasl, Moment::START))
}

/// Checks that the connection has ended with this reason, and writes and reads nothing more.
fn ends_saying(wire: &mut Wire, words: &str) {
    let [Event::Closed(reason)] = &wire.events()[..] else { panic!("not closed") };
    assert_eq!(reason.origin, Origin::Transport);
    assert_eq!(reason.error, None);
    let said = reason.to_string();
    assert!(said.contains(words), "{said}");
    assert_eq!(wire.engine.reading(), Reading::Over);
    wire.octets();
    wire.peer_sends(opening([open("p"), begin(None, 0, 1, 1), close()]));
    wire.time_passes(100_000);
    assert_eq!((wire.written(), wire.events(), wire.engine.next_deadline()), (String::new(), vec![], None));
}

/// H-HDR-01, H-HDR-02: a client sends its header and open at once, without waiting. With SASL, it sends the SASL
/// header first.
#[test]
fn h_hdr_02_a_client_does_not_wait() {
    let written = open("c").null().uint(65_536).ushort(255);
    assert_eq!(Wire::client(Options::new("c")).written(), opening([written]));
    assert_eq!(sasl_client().written(), hex(&SASL_HEADER));
}

/// H-HDR-03, H-HDR-04: a server waits for a header and answers its own version with the same header.
#[test]
fn h_hdr_04_a_server_answers_with_the_same_version() {
    let mut wire = Wire::server(Options::new("s"));
    wire.engine_wrote("");
    wire.peer_sends(hex(&HEADER));
    assert_eq!((wire.written(), wire.events()), (hex(&HEADER), vec![]));
}

/// H-HDR-03: a client accepts a server that sends its header first.
#[test]
fn h_hdr_03_a_server_may_speak_first() {
    let mut client = Connection::client(Options::new("c"), Moment::START);
    let script = Script::new()
        .send_hex(&opening([open("s")]))
        .expect_hex(&opening([open("c").null().uint(65_536).ushort(255)]));
    assert_eq!(script.run(&mut client), Ok(vec![Event::Opened]));
}

/// H-HDR-05, H-HDR-06: a server answers another version with the version that it supports, and closes the transport.
#[test]
fn h_hdr_05_another_version_is_answered_by_ours() {
    let versions = ["00010100", "00010001", "00000901", "00020000", "00ffffff"];
    for version in versions.map(|version| format!("414d5150{version}")) {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(format!("{version}{}", frames([open("p")])));
        assert_eq!(wire.written(), hex(&HEADER), "{version}");
        ends_saying(&mut wire, "the peer speaks AMQP ");
    }
}

/// H-HDR-07, H-HDR-11: a server answers octets that are no header with a header, at the first wrong octet.
#[test]
fn h_hdr_07_other_octets_are_answered_by_a_header() {
    for octets in ["GET / HTTP/1.1\r\n", "AMQX", "X", "\u{16}\u{3}\u{1}"] {
        let mut wire = Wire::server(Options::new("s"));
        for octet in octets.bytes() {
            assert_eq!(wire.engine.reading(), Reading::Wanted);
            wire.peer_sends(hex(&[octet]));
            if wire.engine.reading() != Reading::Wanted {
                break;
            }
        }
        assert_eq!(wire.written(), hex(&HEADER), "{octets:?}");
        ends_saying(&mut wire, "the peer does not speak AMQP");
    }
}

/// H-HDR-08: a client that gets another header closes the transport and drops what follows.
#[test]
fn h_hdr_08_another_header_is_the_end_for_a_client() {
    for (answer, words) in [
        ("414d515000010100", "the peer speaks AMQP 1.1.0"),
        (TLS_HEADER, "the peer speaks TLS 1.0.0"),
        ("414d515003010000", "the peer speaks SASL 1.0.0"),
        ("414d515007010000", "the peer speaks protocol 7 1.0.0"),
        ("48545450", "the peer does not speak AMQP, it seems to speak HTTP"),
        ("15030100020246", "the peer does not speak AMQP, it seems to speak TLS"),
        ("00000000", "the peer does not speak AMQP"),
    ] {
        let mut wire = Wire::client(Options::new("c"));
        wire.octets();
        wire.peer_sends(format!("{answer}{}", frames([open("p")])));
        wire.engine_wrote("");
        ends_saying(&mut wire, words);
    }
}

/// H-HDR-09, A-SASL-01, A-TLS-01: a server that requires SASL answers the headers of AMQP and TLS with that of SASL;
/// a server without SASL answers with that of AMQP.
#[test]
fn h_hdr_09_a_server_names_the_layer_that_it_requires() {
    for (asked, wants_sasl, answer) in [
        (hex(&HEADER), true, hex(&SASL_HEADER)),
        (TLS_HEADER.to_string(), true, hex(&SASL_HEADER)),
        (TLS_HEADER.to_string(), false, hex(&HEADER)),
        (hex(&SASL_HEADER), false, hex(&HEADER)),
    ] {
        let mut wire = if wants_sasl { sasl_server(server_sasl()) } else { Wire::server(Options::new("s")) };
        wire.peer_sends(&asked);
        wire.engine_wrote(answer);
        ends_saying(&mut wire, "the peer speaks ");
    }
}

/// H-HDR-09: two ends that require different layers send one header each, and the client's error names the layer that
/// the server requires.
#[test]
fn h_hdr_09_ends_that_require_different_layers_part() {
    let now = Moment::START;
    let plain = Connection::client(Options::new("c"), now);
    let server = Connection::server_with_sasl(Options::new("s"), server_sasl(), now);
    let mut pair = Pair::of(plain, server);
    pair.drive();
    let [Event::Closed(reason)] = &pair.client.events()[..] else { panic!("not closed") };
    assert!(reason.to_string().contains("the peer speaks SASL 1.0.0"), "{reason}");
    assert!(matches!(pair.server.events()[..], [Event::Closed(_)]));
    assert_eq!(pair.trace().last().unwrap(), "server -> header Sasl 1.0.0");

    let mut optional = sasl_server(server_sasl().with_optional());
    optional.peer_sends(opening([open("p")]));
    assert_eq!(optional.events(), [Event::Opened]);
}

/// H-HDR-10, A-SASL-06: after a header come only frames of its protocol.
#[test]
fn h_hdr_10_frames_are_those_of_the_header_before_them() {
    let mut wire = sasl_server(server_sasl());
    wire.peer_sends(format!("{}{}", hex(&SASL_HEADER), frames([open("p")])));
    ends_saying(&mut wire, "an AMQP frame inside the security layer");

    let mut wire = Wire::server(Options::new("s"));
    wire.peer_sends(opening([open("p"), amqp_proto::testing::Literal::sasl(0x41).symbol("ANONYMOUS")]));
    assert_eq!(wire.engine_closes(), amqp_proto::wire::Condition::FramingError);
}

/// H-HDR-12, A-SASL-16: after SASL both ends exchange headers again.
#[test]
fn h_hdr_12_each_layer_begins_with_a_header() {
    let mut pair = Pair::with_sasl(Options::new("c"), client_sasl(), Options::new("s"), server_sasl());
    pair.drive();
    let lines: Vec<String> =
        pair.trace().iter().map(|line| line.split(" {").next().unwrap().to_string()).collect();
    assert_eq!(
        lines,
        [
            "client -> header Sasl 1.0.0",
            "server -> header Sasl 1.0.0",
            "server -> [sasl] sasl-mechanisms",
            "client -> [sasl] sasl-init",
            "server -> [sasl] sasl-outcome",
            "client -> header Amqp 1.0.0",
            "client -> [0] open",
            "server -> header Amqp 1.0.0",
            "server -> [0] open",
        ]
    );
}

/// H-HDR-11, H-HDR-13: input that ends inside a header or a frame is an error.
#[test]
fn h_hdr_13_an_end_inside_a_header_or_a_frame_is_no_clean_one() {
    let whole = opening([open("p"), begin(None, 0, 1, 1)]);
    for octets in 0..=whole.len() / 2 {
        let mut wire = Wire::server(Options::new("s"));
        wire.peer_sends(&whole[..2 * octets]);
        wire.engine.end_of_input();
        let events = wire.events();
        let Some(Event::Closed(reason)) = events.last() else { panic!("{events:?}") };
        assert_eq!(reason.origin, Origin::Transport);
        let is_whole = [0, 8, opening([open("p")]).len() / 2, whole.len() / 2].contains(&octets);
        let inside = reason.to_string().contains("inside a frame");
        assert_eq!(inside, !is_whole, "after {octets} octets: {reason}");
        let opened = octets >= opening([open("p")]).len() / 2;
        assert_eq!(events.contains(&Event::Opened), opened);
    }
}
