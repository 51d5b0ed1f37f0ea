//! SASL between two connections, and against a hand-written peer: order, choice, secrets, limits [5.3].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use amqp_proto::config::Options;
use amqp_proto::sasl::*;
use amqp_proto::testing::{HEADER, Literal, Pair, SASL_HEADER, Script, close, open};
use amqp_proto::types::{Limits, Moment, Symbol};
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Event, Origin, Reading, symbol};
use common::hex;
use common::wire::{Wire, frames, opening};

const MECHANISMS: u8 = 0x40;
const INIT: u8 = 0x41;
const CHALLENGE: u8 = 0x42;
const RESPONSE: u8 = 0x43;
const OUTCOME: u8 = 0x44;

/// A store with one user, `user`, whose password is `pencil`.
struct Users;

impl Credentials for Users {
    fn check_password(&self, user: &str, password: &str) -> bool {
        (user, password) == ("user", "pencil")
    }

    fn scram(&self, user: &str, hash: ScramHash) -> Option<ScramVerifier> {
        (user == "user").then(|| ScramVerifier::derive(hash, "pencil", b"salt and more", 4_096).unwrap())
    }
}

fn nonce(octet: u8) -> Nonce {
    Nonce::from_random(&[octet; 16]).unwrap()
}

fn profile(password: &str) -> ClientProfile {
    ClientProfile::new().with_login(Login::new("user", password).unwrap())
}

fn client(profile: ClientProfile, link: TransportSecurity) -> ClientSasl {
    ClientSasl::new(profile, link, nonce(7))
}

/// A server with all mechanisms, the strongest last.
fn server(link: TransportSecurity) -> ServerSasl {
    let scram = |hash| ScramServer::new(hash, Users, nonce(9), Decoy::new(&[5; 32]));
    ServerSasl::new(link)
        .with_mechanism(PlainServer::new(Users))
        .with_mechanism(scram(ScramHash::Sha1))
        .with_mechanism(scram(ScramHash::Sha256))
}

fn anonymous() -> ClientProfile {
    ClientProfile::new().with_anonymous(AnonymousClient::new())
}

fn anonymous_server() -> ServerSasl {
    ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new())
}

fn pair(client: ClientSasl, server: ServerSasl) -> Pair {
    Pair::with_sasl(Options::new("c"), client, Options::new("s"), server)
}

/// A server with only ANONYMOUS, after the client's header.
fn alone() -> Wire {
    let mut wire =
        Wire::of(Connection::server_with_sasl(Options::new("s"), anonymous_server(), Moment::START));
    wire.peer_sends(hex(&SASL_HEADER));
    wire.engine_wrote(hex(&SASL_HEADER) + &frames([Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"])]));
    wire
}

/// A client that may use ANONYMOUS, after the server's header.
fn dialling(options: Options, profile: ClientProfile) -> Wire {
    let sasl = client(profile, TransportSecurity::Encrypted);
    let mut wire = Wire::of(Connection::client_with_sasl(options, sasl, Moment::START));
    wire.peer_sends(hex(&SASL_HEADER));
    wire.engine_wrote(hex(&SASL_HEADER));
    wire
}

/// Returns the origin and the error text of the connection's end.
fn over(wire: &mut Wire) -> (Origin, String) {
    let events = wire.events();
    let [Event::Closed(reason)] = &events[..] else { panic!("not closed: {events:?}") };
    assert_eq!(wire.engine.reading(), Reading::Over);
    (reason.origin, reason.to_string())
}

fn refused(pair: &mut Pair) -> (AmqpError, AmqpError) {
    let (client, server) = (pair.client.expect_closed(), pair.server.expect_closed());
    assert!(pair.trace().iter().all(|line| !line.contains("[0] open")), "an open after a failure");
    (client.error.unwrap(), server.error.unwrap())
}

/// A-SASL-09, A-SASL-15, A-SASL-16, K-04: a complete SCRAM exchange with the strongest common mechanism, in any
/// pieces.
#[test]
fn a_sasl_09_scram_from_end_to_end() {
    for octets in [1, 7, 1_000] {
        let mut pair =
            pair(client(profile("pencil"), TransportSecurity::Clear), server(TransportSecurity::Clear))
                .chunked(octets);
        pair.drive();
        pair.client.expect_opened();
        pair.server.expect_opened();
        assert_eq!(pair.server.identity().unwrap().user().unwrap(), "user");
        assert_eq!(pair.client.identity(), None);
        let init = pair.trace().into_iter().find(|line| line.contains("sasl-init")).unwrap();
        assert!(init.contains("SCRAM-SHA-256"), "{init}");
        assert!(pair.trace().iter().all(|line| !line.contains("pencil")));
    }
}

/// K-04: each of the mechanisms that a server should have, by itself.
#[test]
fn k_04_plain_and_scram_sha_1() {
    for name in [symbol!("PLAIN"), symbol!("SCRAM-SHA-1")] {
        let profile = profile("pencil").with_only([name.clone()]);
        let mut pair =
            pair(client(profile, TransportSecurity::Encrypted), server(TransportSecurity::Encrypted));
        pair.drive();
        pair.server.expect_opened();
        assert!(pair.trace().iter().any(|line| line.contains(name.as_str()) && line.contains("sasl-init")));
    }
}

/// A-SASL-07, A-SASL-16: a wrong password or an unknown user ends with the outcome auth, without AMQP.
#[test]
fn a_sasl_16_a_wrong_password_opens_nothing() {
    let stranger = ClientProfile::new().with_login(Login::new("nobody", "pencil").unwrap());
    for (user, profile) in [("user", profile("pencils")), ("nobody", stranger)] {
        for only in ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"] {
            let profile = profile.clone().with_only([Symbol::new(only).unwrap()]);
            let mut pair =
                pair(client(profile, TransportSecurity::Encrypted), server(TransportSecurity::Encrypted));
            pair.drive();
            let (told, known) = refused(&mut pair);
            let words = format!(
                "authentication failed for user '{user}' by {only}: the server refused the credentials (outcome auth)"
            );
            assert_eq!(told.description.as_deref(), Some(&*words));
            assert_eq!(known.description.as_deref(), Some("SASL: the client's credentials are wrong"));
            assert_eq!(
                (told.condition, known.condition),
                (Condition::UnauthorizedAccess, Condition::UnauthorizedAccess)
            );
            assert!(pair.trace().last().unwrap().contains("sasl-outcome"));
            assert_eq!(pair.server.identity(), None);
        }
    }
}

/// A-SASL-09: on a transport in clear, PLAIN is neither offered nor used, unless both ends allow it.
#[test]
fn a_sasl_09_plain_is_kept_off_links_in_clear() {
    let only = || profile("pencil").with_only([symbol!("PLAIN")]);
    let mut hidden = pair(client(only(), TransportSecurity::Clear), server(TransportSecurity::Clear));
    hidden.drive();
    let offer = hidden.trace().into_iter().find(|line| line.contains("mechanisms")).unwrap();
    assert!(!offer.contains("PLAIN"), "{offer}");
    assert_eq!(hidden.client.expect_closed().origin, Origin::Local);

    let mut offered = pair(
        client(only(), TransportSecurity::Clear),
        server(TransportSecurity::Clear).with_plain_in_clear(),
    );
    offered.drive();
    let reason = offered.client.expect_closed();
    assert!(reason.to_string().contains("unencrypted transport"), "{reason}");
    assert!(offered.trace().iter().all(|line| !line.contains("sasl-init")));

    let profile = only().with_plain_in_clear();
    let mut wanted = pair(
        client(profile, TransportSecurity::Clear),
        server(TransportSecurity::Clear).with_plain_in_clear(),
    );
    wanted.drive();
    wanted.server.expect_opened();
}

/// A-SASL-09: a client without a common mechanism ends without an init.
#[test]
fn a_sasl_09_none_in_common() {
    let mut wire = dialling(Options::new("c"), anonymous());
    wire.peer_sends(Literal::sasl(MECHANISMS).raw("e0 0f 02 a3 05 504c41494e 06 474f4c442d31"));
    wire.engine_wrote("");
    let words =
        "no SASL mechanism in common with the server: it offers PLAIN, GOLD-1, this client allows ANONYMOUS";
    assert_eq!(over(&mut wire), (Origin::Local, words.to_string()));
}

/// A-SASL-08, A-SASL-09: an offer is one mechanism or an array; an empty offer is refused.
#[test]
fn a_sasl_08_at_least_one_mechanism() {
    for (form, is_right) in [
        ("a3 09 414e4f4e594d4f5553", true),
        ("e0 0c 01 a3 09 414e4f4e594d4f5553", true),
        ("e0 02 00 a3", false),
        ("40", false),
    ] {
        let mut wire = dialling(Options::new("c"), anonymous());
        wire.peer_sends(Literal::sasl(MECHANISMS).raw(form));
        if is_right {
            wire.engine_wrote([Literal::sasl(INIT).symbol("ANONYMOUS").binary(b"")]);
        } else {
            assert_eq!((over(&mut wire).0, wire.written()), (Origin::Transport, String::new()));
        }
    }
    let none = ServerSasl::new(TransportSecurity::Clear).with_mechanism(PlainServer::new(Users));
    let mut wire = Wire::of(Connection::server_with_sasl(Options::new("s"), none, Moment::START));
    wire.peer_sends(hex(&SASL_HEADER));
    assert_eq!(over(&mut wire).0, Origin::Local);
    wire.engine_wrote(hex(&SASL_HEADER));
}

/// A-SASL-10: a mechanism that was not offered leads to the outcome auth and the end.
#[test]
fn a_sasl_10_a_mechanism_that_was_not_offered() {
    for name in ["PLAIN", "anonymous", "X"] {
        let mut wire = alone();
        wire.peer_sends(Literal::sasl(INIT).symbol(name));
        wire.engine_wrote([Literal::sasl(OUTCOME).ubyte(1)]);
        assert_eq!(
            over(&mut wire),
            (Origin::Local, "SASL: the client chose a mechanism that was not offered".to_string())
        );
    }
}

/// A-SASL-11, C-OPEN-07: init and open name the same host, or neither names one.
#[test]
fn a_sasl_11_one_hostname_for_init_and_open() {
    for host in [None, Some("broker.example")] {
        let options = host.map_or(Options::new("c"), |host| Options::new("c").with_hostname(host));
        let mut wire = dialling(options, anonymous());
        wire.peer_sends(Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"]));
        let init = Literal::sasl(INIT).symbol("ANONYMOUS").binary(b"");
        wire.engine_wrote([host.map_or(init.clone(), |host| init.string(host))]);
        wire.peer_sends(Literal::sasl(OUTCOME).ubyte(0));
        let opened = host.map_or(open("c").null(), |host| open("c").string(host)).uint(65_536).ushort(255);
        wire.engine_wrote(opening([opened]));
    }
}

/// A-SASL-07: every frame in every state: a frame out of order ends the connection, at the server with an outcome.
#[test]
fn a_sasl_07_frames_out_of_order() {
    let init = || Literal::sasl(INIT).symbol("ANONYMOUS").binary(b"");
    let all = [
        Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"]),
        Literal::sasl(CHALLENGE).binary(b"x"),
        Literal::sasl(RESPONSE).binary(b"x"),
        Literal::sasl(OUTCOME).ubyte(0),
    ];
    for frame in &all {
        let mut wire = alone();
        wire.peer_sends(frame.clone());
        assert_eq!(wire.written(), frames([Literal::sasl(OUTCOME).ubyte(1)]), "{frame}");
        assert_eq!(over(&mut wire), (Origin::Local, "SASL: the peer sent a frame out of order".to_string()));
    }
    for (at, frame) in [init(), all[1].clone(), all[2].clone(), all[3].clone()].iter().enumerate() {
        let mut wire = dialling(Options::new("c"), anonymous());
        wire.peer_sends(frame.clone());
        assert_eq!(wire.written(), "", "{frame}");
        assert_eq!(
            over(&mut wire),
            (Origin::Local, "SASL: the peer sent a frame out of order".to_string()),
            "{at}"
        );
    }
    // An init, and a second one.
    let mut wire = alone();
    wire.peer_sends([init(), init()]);
    assert_eq!(over(&mut wire).0, Origin::Transport);
    wire.engine_wrote(frames([Literal::sasl(OUTCOME).ubyte(0)]) + &hex(&HEADER));
}

/// A-SASL-13, A-SASL-14: mandatory fields, and unknown codes.
#[test]
fn a_sasl_13_frames_need_their_fields() {
    let after_init = || {
        let mut wire = dialling(Options::new("c"), anonymous());
        wire.peer_sends(Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"]));
        wire.octets();
        wire
    };
    for frame in [
        Literal::sasl(CHALLENGE),
        Literal::sasl(CHALLENGE).null(),
        Literal::sasl(OUTCOME),
        Literal::sasl(OUTCOME).ubyte(5),
    ] {
        let mut wire = after_init();
        wire.peer_sends(frame);
        assert_eq!((over(&mut wire).0, wire.written()), (Origin::Transport, String::new()));
    }
    for frame in [Literal::sasl(RESPONSE).null(), Literal::sasl(INIT).null()] {
        let mut wire = alone();
        wire.peer_sends(frame);
        assert_eq!((over(&mut wire).0, wire.written()), (Origin::Transport, String::new()));
    }
    for code in 1..=4 {
        let mut wire = after_init();
        wire.peer_sends(Literal::sasl(OUTCOME).ubyte(code));
        assert_eq!(over(&mut wire).0, Origin::Remote);
    }
}

/// A-SASL-02, A-SASL-03, A-SASL-04, A-SASL-05: a SASL frame is bounded and not empty, has no octets behind its body,
/// and its channel is ignored.
#[test]
fn a_sasl_03_the_form_of_a_sasl_frame() {
    for wrong in [
        "00000201 02010000".to_string(),
        "00000008 02010000".to_string(),
        "0000001a 02010000 005341 c00c01a309414e4f4e594d4f5553 00".to_string(),
    ] {
        let mut wire = alone();
        wire.peer_sends(&wrong);
        assert!(matches!(wire.events()[..], [Event::Closed(_)]), "{wrong}");
        assert_eq!((wire.written(), wire.engine.reading()), (String::new(), Reading::Over));
    }
    let mut wire = alone();
    wire.peer_sends("00000019 02011234 005341 c00c01a309414e4f4e594d4f5553");
    wire.engine_wrote([Literal::sasl(OUTCOME).ubyte(0)]);

    let large = Limits::DEFAULT.with_sasl_frame_size(513);
    let trace = "x".repeat(255);
    let init = Literal::sasl(INIT).symbol("ANONYMOUS").binary(trace.as_bytes()).string(&"h".repeat(223));
    assert_eq!(init.to_octets().len(), 513);
    let sasl = anonymous_server();
    let options = Options::new("s").with_limits(large);
    let mut wire = Wire::of(Connection::server_with_sasl(options, sasl, Moment::START));
    wire.peer_sends(hex(&SASL_HEADER) + &frames([init]));
    assert!(wire.written().ends_with(&frames([Literal::sasl(OUTCOME).ubyte(0)])));
    assert_eq!(wire.events(), []);
}

/// A-SASL-17: a client may send everything up to its close without waiting.
#[test]
fn a_sasl_17_a_client_need_not_wait() {
    let mut server = Connection::server_with_sasl(Options::new("s"), anonymous_server(), Moment::START);
    let init = Literal::sasl(INIT).symbol("ANONYMOUS");
    let opened = open("s").null().uint(65_536).ushort(255);
    let script = Script::new()
        .send_hex(&(hex(&SASL_HEADER) + &frames([init]) + &opening([open("p"), close()])))
        .expect_hex(&hex(&SASL_HEADER))
        .expect(Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"]))
        .expect(Literal::sasl(OUTCOME).ubyte(0))
        .expect_hex(&opening([opened, close()]));
    let events = script.run(&mut server).unwrap();
    assert!(matches!(events[..], [Event::Opened, Event::Closed(_)]));
    assert!(server.identity().unwrap().user().is_none());
}

/// A-SASL-18: octets behind the outcome in the same read belong to AMQP.
#[test]
fn a_sasl_18_octets_behind_the_outcome() {
    let mut wire = dialling(Options::new("c"), anonymous());
    wire.peer_sends(Literal::sasl(MECHANISMS).symbols(&["ANONYMOUS"]));
    wire.octets();
    wire.peer_sends(frames([Literal::sasl(OUTCOME).ubyte(0)]) + &opening([open("s")]));
    assert_eq!(wire.events(), [Event::Opened]);
}

/// A-LAY-01: after a failure the layer writes its output and wants no more input.
#[test]
fn a_lay_01_a_layer_that_fails_ends_the_transport() {
    let mut wire = alone();
    wire.peer_sends(Literal::sasl(INIT).symbol("X"));
    assert!(matches!(wire.events()[..], [Event::Closed(_)]));
    assert_eq!((wire.engine.reading(), wire.engine.is_over()), (Reading::Over, true));
    wire.peer_sends(opening([open("p")]));
    wire.engine_wrote([Literal::sasl(OUTCOME).ubyte(1)]);
    wire.quiet();
}
