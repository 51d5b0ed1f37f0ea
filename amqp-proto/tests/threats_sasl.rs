//! Hostile streams C01 to C10 in the security layer: an unauthenticated peer never counts as authenticated, and the
//! connection ends after a bounded number of octets and rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/endpoint.rs"]
mod endpoint;

use amqp_proto::Connection;
use amqp_proto::config::Options;
use amqp_proto::sasl::{
    AnonymousClient, AnonymousServer, ClientProfile, ClientSasl, Login, Nonce, ServerMechanism, ServerSasl,
    Step, TransportSecurity,
};
use amqp_proto::testing::{HEADER, Literal, SASL_HEADER, open};
use amqp_proto::types::{Limits, Moment, Symbol};
use amqp_proto::wire::{Frame, ProtocolHeader, SaslBody, SaslCode, Secret};
use endpoint::{Endpoint, attack, flood, silent, threat};

/// A client that may use ANONYMOUS or a password.
fn client() -> Endpoint {
    let profile = ClientProfile::new()
        .with_login(Login::new("user", "pencil").unwrap())
        .with_anonymous(AnonymousClient::new());
    let nonce = Nonce::from_random(&[7; 16]).unwrap();
    let sasl = ClientSasl::new(profile, TransportSecurity::Encrypted, nonce);
    Endpoint::new(Connection::client_with_sasl(Options::new("endpoint"), sasl, Moment::START))
}

/// A server that accepts anonymous clients and requires SASL.
fn server() -> Endpoint {
    let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new());
    Endpoint::new(Connection::server_with_sasl(Options::new("endpoint"), sasl, Moment::START))
}

/// Checks that the stream ends the connection: no AMQP was written, no identity is known, and one event gives the
/// reason.
#[track_caller]
fn fails(make: fn() -> Endpoint, stream: &[u8], why: &str) -> Endpoint {
    let mut endpoint = attack(make, stream);
    assert_eq!(endpoint.events.len(), 1, "{:?}", endpoint.events);
    assert!(endpoint.events[0].starts_with("Closed"), "{:?}", endpoint.events);
    assert!(endpoint.events[0].contains(why), "{why} is not said: {:?}", endpoint.events);
    let wrote = endpoint.wrote();
    assert!(!wrote.headers.contains(&ProtocolHeader::AMQP));
    assert!(wrote.frames.iter().all(|frame| matches!(frame, Frame::Sasl(_))));
    assert!(endpoint.connection.is_over() && endpoint.connection.identity().is_none());
    silent(&mut endpoint);
    endpoint
}

/// Checks that the frames lead to an open connection.
#[track_caller]
fn opens(make: fn() -> Endpoint, frames: &[&[u8]]) -> Endpoint {
    let open = open("peer").to_octets();
    let stream = [&SASL_HEADER[..], &frames.concat(), &HEADER, &open].concat();
    let endpoint = attack(make, &stream);
    assert_eq!(endpoint.events, ["Opened"]);
    endpoint
}

/// Returns the code of the outcome that the server has sent.
fn outcome(endpoint: &Endpoint) -> SaslCode {
    match endpoint.wrote().frames.last() {
        Some(Frame::Sasl(SaslBody::Outcome(outcome))) => outcome.code,
        other => panic!("{other:?}"),
    }
}

fn mechanisms(name: &str) -> Vec<u8> {
    Literal::sasl(0x40).symbol(name).to_octets()
}

fn init(name: &str) -> Vec<u8> {
    Literal::sasl(0x41).symbol(name).to_octets()
}

fn coded(code: u8) -> Vec<u8> {
    Literal::sasl(0x44).ubyte(code).to_octets()
}

/// C01, A-SASL-03: a SASL frame of more than 512 octets.
#[test]
fn c01_frame_of_more_than_512_octets() {
    fails(client, &threat("C01").stream, "");
    let overhead = offer(300).len() - 300;
    let largest = offer(512 - overhead);
    assert_eq!(largest.len(), 512);
    opens(client, &[&largest, &coded(0)]);
    fails(client, &[&SASL_HEADER[..], &offer(513 - overhead)].concat(), "");
}

/// An offer of ANONYMOUS and of a mechanism with a name of this length.
fn offer(length: usize) -> Vec<u8> {
    let size = |octets: usize| u32::try_from(octets).unwrap().to_be_bytes();
    let symbols = [&size(9)[..], b"ANONYMOUS", &size(length), &vec![b'X'; length]].concat();
    let array = [&[0xf0][..], &size(symbols.len() + 5), &size(2), &[0xb3], &symbols].concat();
    Literal::sasl(0x40).encoded(&array).to_octets()
}

/// C02: a client answers a bounded number of challenges.
#[test]
fn c02_challenges_without_end() {
    let threat = threat("C02");
    // SCRAM refuses the first challenge.
    fails(client, &[threat.stream.to_vec(), threat.repeated.repeat(20)].concat(), "malformed");

    /// A server mechanism that never comes to an end.
    #[derive(Debug)]
    struct Curious;
    impl ServerMechanism for Curious {
        fn name(&self) -> Symbol {
            Symbol::checked("CURIOUS")
        }
        fn init(&mut self, _: Option<&Secret>) -> Step {
            Step::Challenge(Secret::from(&b"?"[..]))
        }
        fn response(&mut self, _: &Secret) -> Step {
            Step::Challenge(Secret::from(&b"?"[..]))
        }
    }
    fn curious() -> Endpoint {
        let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(Curious);
        Endpoint::new(Connection::server_with_sasl(Options::new("endpoint"), sasl, Moment::START))
    }
    let response = Literal::sasl(0x43).binary(b"!").to_octets();
    let stream = [&SASL_HEADER[..], &init("CURIOUS"), &response.repeat(1_000)].concat();
    let endpoint = fails(curious, &stream, "too many challenges");
    let asked = endpoint.wrote().frames.len() - 2;
    assert_eq!(asked, usize::try_from(Limits::DEFAULT.sasl_rounds()).unwrap());
    assert_eq!(outcome(&endpoint), SaslCode::Auth);
}

/// C03, A-SASL-07: an outcome before the offer of mechanisms.
#[test]
fn c03_outcome_before_mechanisms() {
    fails(client, &threat("C03").stream, "out of order");
    fails(client, &[&SASL_HEADER[..], &coded(0), &HEADER, &open("e").to_octets()].concat(), "out of order");
    opens(client, &[&mechanisms("ANONYMOUS"), &coded(0)]);
}

/// C04, A-SASL-14: an outcome with an unknown code, and a second outcome.
#[test]
fn c04_outcome_of_code_200_and_twice() {
    fails(client, &threat("C04").stream, "");
    fails(client, &[&SASL_HEADER[..], &mechanisms("ANONYMOUS"), &coded(1)].concat(), "Auth");
    opens(client, &[&mechanisms("ANONYMOUS"), &coded(0)]);
    // A protocol header must follow the first outcome; header and open were sent at once.
    let twice = [&SASL_HEADER[..], &mechanisms("ANONYMOUS"), &coded(0), &coded(0)].concat();
    let endpoint = attack(client, &twice);
    assert!(endpoint.events[0].starts_with("Closed(Reason { origin: Transport"), "{:?}", endpoint.events);
    assert_eq!(endpoint.wrote().headers, [ProtocolHeader::SASL, ProtocolHeader::AMQP]);
    assert_eq!(endpoint.wrote().names(), ["sasl", "open"]);
}

/// C05, A-SASL-08: an empty offer.
#[test]
fn c05_no_mechanisms() {
    fails(client, &threat("C05").stream, "");
    fails(client, &[&SASL_HEADER[..], &mechanisms("GSSAPI")].concat(), "no SASL mechanism in common");
    opens(client, &[&mechanisms("ANONYMOUS"), &coded(0)]);
}

/// C06, H-HDR-09: a client that skips SASL where it is required.
#[test]
fn c06_amqp_without_sasl() {
    let endpoint = fails(server, &threat("C06").stream, "");
    assert_eq!((endpoint.wrote().headers, endpoint.written.len()), (vec![ProtocolHeader::SASL], 8));
    let endpoint = opens(server, &[&init("ANONYMOUS")]);
    assert!(endpoint.connection.identity().is_some());
}

/// C07, A-SASL-06: an AMQP frame in the security layer.
#[test]
fn c07_amqp_frame_inside_sasl() {
    for make in [client, server] {
        fails(make, &threat("C07").stream, "an AMQP frame inside the security layer");
    }
    opens(server, &[&init("ANONYMOUS")]);
}

/// C08, A-SASL-10: a mechanism that was not offered.
#[test]
fn c08_mechanism_not_offered() {
    let endpoint = fails(server, &threat("C08").stream, "not offered");
    assert_eq!(outcome(&endpoint), SaslCode::Auth);
    opens(server, &[&init("ANONYMOUS")]);
}

/// C09: many clients choose a mechanism with a name of 400 octets, and none of it is kept.
#[test]
fn c09_long_name() {
    let stream = threat("C09").stream;
    assert_eq!(outcome(&fails(server, &stream, "not offered")), SaslCode::Auth);
    let cost = allocation_counter::measure(|| {
        for client in 0..1_000 {
            let name = format!("{client:0400}");
            let mut endpoint = server().counting();
            endpoint.read(&[&SASL_HEADER[..], &init(&name)].concat());
            assert!(endpoint.connection.is_over());
        }
    });
    assert_eq!(cost.bytes_current, 0);
    assert!(cost.bytes_max < 16 * 1024, "{cost:?}");
}

/// C10, A-SASL-05: empty SASL frames; the first one ends the connection.
#[test]
fn c10_empty_frames() {
    let threat = threat("C10");
    for make in [client, server] {
        fails(make, &[&threat.stream[..], &threat.repeated].concat(), "");
        let mut endpoint = make().counting();
        let cost = flood(&mut endpoint, &threat, false);
        assert!(cost.read <= threat.stream.len() + 4096 && cost.live < 16 * 1024, "{cost:?}");
    }
    opens(client, &[&mechanisms("ANONYMOUS"), &coded(0)]);
}
