//! The connection [2.4.6].

use amqp_proto::config::SessionOptions;
use amqp_proto::testing::{HEADER, Literal, SASL_HEADER, begin, close, flow, open};

use super::probe::{Probe, refused, why};
use super::{Act, State, walk};

const STATES: &[State] = &[
    ("START, the server waits for a header", Probe::server),
    ("HDR_EXCH, the server waits for an open", || Probe::server().after(&[&HEADER])),
    ("OPEN_PIPE, the client has sent header and open", || Probe::client().settled()),
    ("OPEN_SENT, the client waits for an open", || Probe::client().after(&[&HEADER])),
    ("OC_PIPE, the client has closed it before the header", || {
        let mut probe = Probe::client().settled();
        probe.connection.close();
        probe.settled()
    }),
    ("CLOSE_PIPE, the client has closed it before the open", || {
        let mut probe = Probe::client().after(&[&HEADER]);
        probe.connection.close();
        probe.settled()
    }),
    ("CLOSE_PIPE, the server has closed it before the open", || {
        let mut probe = Probe::server().after(&[&HEADER]);
        probe.connection.close();
        probe.settled()
    }),
    ("OPENED, the server", Probe::opened),
    ("OPENED, the client", || Probe::client().after(&[&HEADER, &open("peer").to_octets()])),
    ("CLOSE_SENT", || {
        let mut probe = Probe::opened();
        probe.connection.close();
        probe.settled()
    }),
    ("END, after a close of the peer", || Probe::opened().after(&[&close().to_octets()])),
    ("END, after a fault of the peer", || Probe::opened().after(&[&open("again").to_octets()])),
];

fn peer_writes(probe: &mut Probe, octets: &[u8]) -> String {
    probe.peer_writes(octets);
    "-".to_string()
}

const ACTS: &[Act] = &[
    ("AMQP header", |probe| peer_writes(probe, &HEADER)),
    ("SASL header", |probe| peer_writes(probe, &SASL_HEADER)),
    ("header of another version", |probe| peer_writes(probe, b"AMQP\0\x01\x01\0")),
    ("no header", |probe| peer_writes(probe, b"GET / HTTP")),
    ("open", |probe| probe.peer_sends(&open("peer"))),
    ("open on channel 1", |probe| probe.peer_sends(&open("peer").on(1))),
    ("begin", |probe| probe.peer_sends(&begin(None, 0, 1, 1))),
    ("begin above channel-max", |probe| probe.peer_sends(&begin(None, 0, 1, 1).on(8))),
    ("flow of no session", |probe| probe.peer_sends(&flow(None, 1, 0, 1))),
    ("close", |probe| probe.peer_sends(&close())),
    ("close on channel 1", |probe| probe.peer_sends(&close().on(1))),
    ("close with an error", |probe| probe.peer_sends(&close().error("amqp:connection:forced"))),
    ("empty frame", |probe| peer_writes(probe, b"\0\0\0\x08\x02\0\0\0")),
    ("SASL frame", |probe| probe.peer_sends(&Literal::sasl(0x44).ubyte(0))),
    ("frame that cannot be read", |probe| probe.peer_sends(&Literal::new(0x7f))),
    ("frame that is too large", |probe| peer_writes(probe, b"\0\0\x10\x01\x02\0\0\0")),
    ("half a frame and the end of input", |probe| {
        probe.peer_writes(b"\0\0\0");
        probe.connection.end_of_input();
        "-".to_string()
    }),
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
    ("begin()", |probe| {
        let begun = probe.connection.begin(SessionOptions::new());
        begun.map_or_else(|error| refused(&error), |_| "done".to_string())
    }),
    ("close()", |probe| probe.connection.close().to_string()),
    ("close_with()", |probe| probe.connection.close_with(why()).to_string()),
];

/// C-STATE-01: every state of a connection with every input and command.
#[test]
fn c_state_01_connections() {
    walk("connection", STATES, ACTS);
}
