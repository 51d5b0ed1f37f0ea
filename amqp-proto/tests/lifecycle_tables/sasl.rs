//! The security layer [5.3.2].

use amqp_proto::Connection;
use amqp_proto::sasl::{
    AnonymousClient, ClientProfile, ClientSasl, Credentials, Nonce, PlainServer, ServerSasl,
    TransportSecurity,
};
use amqp_proto::testing::{HEADER, Literal, SASL_HEADER, open};
use amqp_proto::types::Moment;

use super::probe::{Probe, options};
use super::{Act, State, walk};

/// A server mechanism's store that accepts every user.
struct Everybody;

impl Credentials for Everybody {
    fn check_password(&self, _: &str, _: &str) -> bool {
        true
    }
}

fn client() -> Probe {
    let profile = ClientProfile::new().with_anonymous(AnonymousClient::new());
    let sasl = ClientSasl::new(profile, TransportSecurity::Clear, Nonce::from_random(&[7; 16]).unwrap());
    Probe::new(Connection::client_with_sasl(options(), sasl, Moment::START)).settled()
}

fn server() -> Probe {
    let sasl = ServerSasl::new(TransportSecurity::Encrypted).with_mechanism(PlainServer::new(Everybody));
    Probe::new(Connection::server_with_sasl(options(), sasl, Moment::START))
}

fn offer() -> Literal {
    Literal::sasl(0x40).symbol("ANONYMOUS")
}

fn init() -> Literal {
    Literal::sasl(0x41).symbol("PLAIN")
}

fn response() -> Literal {
    Literal::sasl(0x43).binary(b"\0user\0pencil")
}

fn outcome(code: u8) -> Literal {
    Literal::sasl(0x44).ubyte(code)
}

const STATES: &[State] = &[
    ("the client has sent a SASL header", client),
    ("the client waits for mechanisms", || client().after(&[&SASL_HEADER])),
    ("the client waits for the outcome", || client().after(&[&SASL_HEADER, &offer().to_octets()])),
    ("the client waits for an AMQP header", || {
        client().after(&[&SASL_HEADER, &offer().to_octets(), &outcome(0).to_octets()])
    }),
    ("the client waits for an open", || {
        client().after(&[&SASL_HEADER, &offer().to_octets(), &outcome(0).to_octets(), &HEADER])
    }),
    ("the client has failed", || client().after(&[&SASL_HEADER, &outcome(0).to_octets()])),
    ("the server waits for a header", server),
    ("the server waits for an init", || server().after(&[&SASL_HEADER])),
    ("the server waits for a response", || server().after(&[&SASL_HEADER, &init().to_octets()])),
    ("the server waits for an AMQP header", || {
        server().after(&[&SASL_HEADER, &init().to_octets(), &response().to_octets()])
    }),
    ("the server waits for an open", || {
        server().after(&[&SASL_HEADER, &init().to_octets(), &response().to_octets(), &HEADER])
    }),
    ("the server has failed", || server().after(&[&SASL_HEADER, &response().to_octets()])),
];

fn peer_writes(probe: &mut Probe, octets: &[u8]) -> String {
    probe.peer_writes(octets);
    "-".to_string()
}

const ACTS: &[Act] = &[
    ("AMQP header", |probe| peer_writes(probe, &HEADER)),
    ("SASL header", |probe| peer_writes(probe, &SASL_HEADER)),
    ("no header", |probe| peer_writes(probe, b"GET / HTTP")),
    ("sasl-mechanisms", |probe| probe.peer_sends(&offer())),
    ("sasl-mechanisms, none in common", |probe| probe.peer_sends(&Literal::sasl(0x40).symbol("EXTERNAL"))),
    ("sasl-init", |probe| probe.peer_sends(&init())),
    ("sasl-init with a password", |probe| probe.peer_sends(&init().binary(b"\0user\0pencil"))),
    ("sasl-init of another mechanism", |probe| probe.peer_sends(&Literal::sasl(0x41).symbol("EXTERNAL"))),
    ("sasl-challenge", |probe| probe.peer_sends(&Literal::sasl(0x42).binary(b"?"))),
    ("sasl-response", |probe| probe.peer_sends(&response())),
    ("sasl-response that is wrong", |probe| probe.peer_sends(&Literal::sasl(0x43).binary(b"!"))),
    ("sasl-outcome ok", |probe| probe.peer_sends(&outcome(0))),
    ("sasl-outcome auth", |probe| probe.peer_sends(&outcome(1))),
    ("sasl-outcome of no code", |probe| probe.peer_sends(&outcome(5))),
    ("empty SASL frame", |probe| peer_writes(probe, b"\0\0\0\x08\x02\x01\0\0")),
    ("empty frame", |probe| peer_writes(probe, b"\0\0\0\x08\x02\0\0\0")),
    ("open", |probe| probe.peer_sends(&open("peer"))),
    ("end of input", |probe| {
        probe.connection.end_of_input();
        "-".to_string()
    }),
    ("next deadline", |probe| match probe.connection.next_deadline() {
        Some((deadline, why)) => {
            probe.connection.handle_deadline(deadline);
            format!("{why:?}")
        }
        None => "none".to_string(),
    }),
    ("close()", |probe| probe.connection.close().to_string()),
];

/// A-SASL-07: every state of SASL with every input and command.
#[test]
fn a_sasl_07_the_security_layer() {
    walk("sasl", STATES, ACTS);
}
