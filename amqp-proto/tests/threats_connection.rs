//! Hostile streams B01 to B29 at a connection: protocol headers, frames, opens and closes. Each hostile stream closes
//! the connection with one condition; next to it, a stream that differs in one detail is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::testing::{HEADER, Literal, begin, close, flow, open};
use amqp_proto::wire::{Condition, ProtocolHeader};
use common::octets;
use endpoint::{Endpoint, accepts, attack_server, closes, flood, silent, threat};

/// Checks that the stream of this id closes the connection with this condition.
#[track_caller]
fn closed_by(id: &str, condition: Condition) -> Endpoint {
    closes(&threat(id).stream, condition)
}

/// Header, and open of container `e`.
fn up() -> Vec<u8> {
    [&HEADER[..], &open("e").to_octets()].concat()
}

/// Returns the protocol header and these octets.
fn first(hex: &str) -> Vec<u8> {
    [&HEADER[..], &octets(hex)].concat()
}

/// Returns the protocol header, an open and these octets.
fn then(hex: &str) -> Vec<u8> {
    [&up()[..], &octets(hex)].concat()
}

fn then_frame(frame: &Literal) -> Vec<u8> {
    [up(), frame.to_octets()].concat()
}

const OPEN: &str = "0000001102000000005310c00401a10165";

/// B01: a frame of size 0.
#[test]
fn b01_size_0() {
    closed_by("B01", Condition::FramingError);
    closes(&then("0000000002000000"), Condition::FramingError);
    accepts(&then("0000000802000000"));
}

/// B02: a frame of size 7.
#[test]
fn b02_size_7() {
    closed_by("B02", Condition::FramingError);
    closes(&then("0000000702000000"), Condition::FramingError);
    accepts(&then("0000000802000000"));
}

/// B03: a frame of 4 GiB before the open is refused after its size, without waiting for the rest.
#[test]
fn b03_size_4_gib() {
    let threat = threat("B03");
    closes(&threat.stream, Condition::FramingError);
    assert!(attack_server(&first("00010000 02000000")).events.is_empty(), "waited for");
}

/// B04: a frame of one octet more than max-frame-size is refused before it has arrived.
#[test]
fn b04_size_one_more_than_announced() {
    let endpoint = closed_by("B04", Condition::FramingError);
    assert_eq!(endpoint.events[0], "Opened");
    closes(&then("00010001 02000000"), Condition::FramingError);
    accepts(&then("00010000 02000000"));
    let sized = |size: usize| {
        let overhead = open("e").string(&"h".repeat(256)).to_octets().len() - 256;
        let frame = open("e").string(&"h".repeat(size - overhead)).to_octets();
        assert_eq!(frame.len(), size);
        [&HEADER[..], &frame].concat()
    };
    closes(&sized(65_537), Condition::FramingError);
    accepts(&sized(65_536));
}

/// B05: a data offset of 1.
#[test]
fn b05_data_offset_1() {
    closed_by("B05", Condition::FramingError);
    accepts(&first(OPEN));
}

/// B06: a data offset of 0.
#[test]
fn b06_data_offset_0() {
    closed_by("B06", Condition::FramingError);
    accepts(&first(OPEN));
}

/// B07: a data offset beyond the frame.
#[test]
fn b07_data_offset_beyond_the_frame() {
    closed_by("B07", Condition::FramingError);
    accepts(&first(OPEN));
}

/// B08: an extended header is ignored.
#[test]
fn b08_extended_header() {
    let endpoint = accepts(&threat("B08").stream);
    assert_eq!(endpoint.events, ["Opened"]);
    assert_eq!(endpoint.written, accepts(&first(OPEN)).written);
}

/// B09: a frame of type 2.
#[test]
fn b09_type_2() {
    closed_by("B09", Condition::FramingError);
    accepts(&first(OPEN));
}

/// B10: a SASL frame after the open.
#[test]
fn b10_sasl_after_open() {
    closed_by("B10", Condition::FramingError);
    closes(&first("0000001002010000 005344c003015000"), Condition::FramingError);
    accepts(&up());
}

/// B11: octets behind a performative that is no transfer.
#[test]
fn b11_octets_behind_a_performative() {
    closed_by("B11", Condition::DecodeError);
    accepts(&first(OPEN));
}

/// B12: a body that is null.
#[test]
fn b12_body_null() {
    closed_by("B12", Condition::DecodeError);
    closes(&then("0000000902000000 40"), Condition::DecodeError);
    accepts(&then("0000000802000000"));
}

/// B13: a body of an unknown type.
#[test]
fn b13_unknown_descriptor() {
    closed_by("B13", Condition::DecodeError);
    closes(&then_frame(&Literal::new(0x7f)), Condition::DecodeError);
    let endpoint = attack_server(&then_frame(&Literal::new(0x18)));
    assert!(endpoint.wrote().errors().is_empty() && endpoint.connection.is_over());
}

/// B14: more fields than an open has.
#[test]
fn b14_too_many_fields() {
    closed_by("B14", Condition::DecodeError);
    closes(&[&HEADER[..], &open("e").nulls(10).to_octets()].concat(), Condition::DecodeError);
    accepts(&[&HEADER[..], &open("e").nulls(9).to_octets()].concat());
}

/// B15, C-OPEN-03: an open without a container-id.
#[test]
fn b15_no_container_id() {
    closed_by("B15", Condition::InvalidField);
    accepts(&[&HEADER[..], &open("").to_octets()].concat());
}

/// B16, F-MAX-04: an open with a max-frame-size of 1.
#[test]
fn b16_max_frame_size_1() {
    let sized = |size| [&HEADER[..], &open("e").null().uint(size).to_octets()].concat();
    for size in [0, 1, 511, 512] {
        accepts(&sized(size));
    }
}

/// B17, C-OPEN-01: a begin before the open.
#[test]
fn b17_begin_before_open() {
    closed_by("B17", Condition::IllegalState);
    accepts(&then_frame(&begin(None, 0, 1, 1)));
}

/// B18, C-OPEN-05: a second open.
#[test]
fn b18_second_open() {
    let endpoint = closed_by("B18", Condition::IllegalState);
    assert_eq!(endpoint.events[0], "Opened");
    accepts(&up());
}

/// B19, C-OPEN-01: an open on channel 5.
#[test]
fn b19_open_on_channel_5() {
    closed_by("B19", Condition::NotAllowed);
    accepts(&[&HEADER[..], &open("e").on(0).to_octets()].concat());
}

/// B20, C-CLOSE-06: frames after a close are dropped.
#[test]
fn b20_octets_after_close() {
    let stream = threat("B20").stream;
    let mut endpoint = attack_server(&stream);
    assert!(endpoint.events[1].starts_with("Closed(Reason { origin: Remote"), "{:?}", endpoint.events);
    assert_eq!((endpoint.events.len(), endpoint.wrote().names()), (2, vec!["open", "close"]));
    silent(&mut endpoint);
    // Without the close there are three begins, the second on a channel that is in use.
    let without = [&stream[..8 + 0x20], &stream[8 + 0x20 + 12..]].concat();
    closes(&without, Condition::IllegalState);
}

/// Checks that the endpoint writes only its own header and closes the transport.
#[track_caller]
fn mismatched(stream: &[u8]) {
    let mut endpoint = attack_server(stream);
    let wrote = endpoint.wrote();
    assert_eq!((&wrote.headers[..], wrote.frames.len()), (&[ProtocolHeader::AMQP][..], 0));
    assert!(endpoint.events[0].starts_with("Closed(Reason { origin: Transport"), "{:?}", endpoint.events);
    silent(&mut endpoint);
}

/// B21, H-HDR-07: an HTTP request.
#[test]
fn b21_http() {
    mismatched(&threat("B21").stream);
    // The first wrong octet decides (H-HDR-11).
    mismatched(b"AMQX");
    assert!(attack_server(b"AMQP").written.is_empty(), "waited for");
}

/// B22, H-HDR-05: version 1.1.0.
#[test]
fn b22_version_1_1_0() {
    mismatched(&threat("B22").stream);
    mismatched(b"AMQP\0\0\x09\x01");
    accepts(&up());
}

/// B23, H-HDR-09: a TLS header, although the server offers no TLS.
#[test]
fn b23_tls() {
    mismatched(&threat("B23").stream);
    mismatched(&octets("414d515003010000"));
    accepts(&up());
}

/// B24: header and open, sent octet by octet, have the same effect as in one piece.
#[test]
fn b24_octet_by_octet() {
    assert_eq!(accepts(&threat("B24").stream).events, ["Opened"]);
}

/// B25, F-LAY-10: endless empty frames cost nothing and get no answer.
#[test]
fn b25_empty_frames() {
    let threat = threat("B25");
    let mut endpoint = Endpoint::server().counting();
    let cost = flood(&mut endpoint, &threat, false);
    assert_eq!(cost.read, threat.stream.len() + threat.times.next_multiple_of(512) * 8);
    assert!(cost.live < 32 * 1024, "{cost:?}");
    endpoint.write();
    assert_eq!(endpoint.counts.events, 1);
    assert_eq!(endpoint.counts.octets_written, accepts(&threat.stream).written.len());
    accepts(&[&threat.stream[..], &threat.repeated.repeat(3)].concat());
}

/// B26, C-IDLE-07: an empty frame on a channel without a session restarts the idle time-out.
#[test]
fn b26_empty_frame_on_another_channel() {
    assert_eq!(accepts(&threat("B26").stream).events, ["Opened"]);
    accepts(&then("0000000802000000"));
    accepts(&then("00000008020000ff"));
    closes(&then("0000000802000100"), Condition::FramingError);
}

/// B27, C-IDLE-06: an idle-time-out of 1 ms is below the limit.
#[test]
fn b27_idle_time_out_of_1_ms() {
    closed_by("B27", Condition::NotAllowed);
    let timed = |millis| [&HEADER[..], &open("e").null().null().null().uint(millis).to_octets()].concat();
    closes(&timed(99), Condition::NotAllowed);
    let endpoint = accepts(&timed(100));
    let (deadline, _) = endpoint.connection.next_deadline().unwrap();
    assert_eq!(deadline.as_millis(), 25);
    assert_eq!(accepts(&timed(0)).connection.next_deadline(), None);
}

/// B28, C-CHAN-02: a frame on a channel above channel-max.
#[test]
fn b28_channel_above_the_highest() {
    closed_by("B28", Condition::FramingError);
    closes(&then_frame(&begin(None, 0, 1, 1).on(256)), Condition::FramingError);
    accepts(&then_frame(&begin(None, 0, 1, 1).on(255)));
}

/// B29, C-CHAN-04: a frame on a channel without a session.
#[test]
fn b29_channel_of_no_session() {
    closed_by("B29", Condition::NotAllowed);
    closes(&then_frame(&flow(None, 1, 0, 1).on(3)), Condition::NotAllowed);
    accepts(&[then_frame(&begin(None, 0, 1, 1).on(3)), flow(None, 1, 0, 1).on(3).to_octets()].concat());
    let endpoint = attack_server(&then_frame(&close().on(3)));
    assert!(
        endpoint.wrote().errors().is_empty() && endpoint.connection.is_over(),
        "a close may (C-CLOSE-04)"
    );
}
