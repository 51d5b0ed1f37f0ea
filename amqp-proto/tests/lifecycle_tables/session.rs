//! Sessions [2.5.5].

use amqp_proto::config::SessionOptions;
use amqp_proto::testing::{attach_sender, begin, close, detach, disposition, end, flow, transfer};

use super::probe::{Probe, answer, refused, why};
use super::{Act, State, walk};

fn begun() -> Probe {
    let mut probe = Probe::opened();
    probe.session = probe.connection.begin(SessionOptions::new()).ok();
    probe.settled()
}

fn offered() -> Probe {
    Probe::opened().after(&[&begin(None, 0, 100, 100).to_octets()])
}

fn ended(mut probe: Probe) -> Probe {
    probe.on_session(|session| answer(session.end()));
    probe.settled()
}

const STATES: &[State] = &[
    ("UNMAPPED, the session has ended", || {
        let probe = ended(Probe::mapped());
        probe.after(&[&end().to_octets()])
    }),
    ("BEGIN_SENT", begun),
    ("BEGIN_RCVD, the application has not accepted it", offered),
    ("MAPPED, begun by the peer", Probe::mapped),
    ("MAPPED, begun by this end", || begun().after(&[&begin(Some(0), 0, 100, 100).to_octets()])),
    ("END_SENT", || ended(Probe::mapped())),
    ("END_SENT before the peer has begun it", || ended(begun())),
    ("END_SENT, the application has refused it", || ended(offered())),
    ("DISCARDING, the peer has sent a transfer on no link", || {
        Probe::mapped().after(&[&transfer(5, 0, b"t").to_octets()])
    }),
    ("over with the connection", || Probe::mapped().after(&[&close().to_octets()])),
];

const ACTS: &[Act] = &[
    ("begin", |probe| probe.peer_sends(&begin(None, 0, 100, 100))),
    ("begin in answer", |probe| probe.peer_sends(&begin(Some(0), 0, 100, 100))),
    ("begin in answer to another", |probe| probe.peer_sends(&begin(Some(6), 0, 100, 100))),
    ("attach", |probe| probe.peer_sends(&attach_sender("l", 0, "q", "q"))),
    ("attach above handle-max", |probe| probe.peer_sends(&attach_sender("l", 8, "q", "q"))),
    ("flow", |probe| probe.peer_sends(&flow(Some(0), 100, 0, 100))),
    ("flow without next-incoming-id", |probe| probe.peer_sends(&flow(None, 100, 0, 100))),
    ("flow that asks for one", |probe| probe.peer_sends(&flow(Some(0), 100, 0, 100).nulls(5).boolean(true))),
    ("flow of no link", |probe| probe.peer_sends(&flow(Some(0), 100, 0, 100).uint(5))),
    ("transfer on no link", |probe| probe.peer_sends(&transfer(5, 0, b"t"))),
    ("disposition", |probe| probe.peer_sends(&disposition(true, 0, Some(9)).boolean(true))),
    ("disposition backwards", |probe| probe.peer_sends(&disposition(true, 9, Some(0)))),
    ("detach of no link", |probe| probe.peer_sends(&detach(5, true))),
    ("end", |probe| probe.peer_sends(&end())),
    ("end with an error", |probe| probe.peer_sends(&end().error("amqp:not-allowed"))),
    ("close", |probe| probe.peer_sends(&close())),
    ("end of input", |probe| {
        probe.connection.end_of_input();
        "-".to_string()
    }),
    ("accept()", Probe::accept_session),
    ("attach_sender()", Probe::attach_sender),
    ("attach_receiver()", Probe::attach_receiver),
    ("end()", |probe| probe.on_session(|session| answer(session.end()))),
    ("end_with()", |probe| probe.on_session(|session| answer(session.end_with(why())))),
    ("begin()", |probe| {
        let begun = probe.connection.begin(SessionOptions::new());
        begun.map_or_else(|error| refused(&error), |_| "done".to_string())
    }),
    ("close()", |probe| probe.connection.close().to_string()),
];

/// S-STATE-01: every state of a session with every input and command.
#[test]
fn s_state_01_sessions() {
    walk("session", STATES, ACTS);
}
