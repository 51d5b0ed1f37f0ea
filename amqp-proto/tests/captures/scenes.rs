//! Conversations for captures.

use amqp_proto::testing::{
    HEADER, Literal, SASL_HEADER, attach_receiver, attach_sender, begin, close, detach, disposition, end,
    flow, octets, open, transfer,
};

use super::packets::{From, Tape};
use From::{Client, Server};

/// A message with the body "hi".
pub(crate) const HI: &str = "005377a1026869";
pub(crate) const ACCEPTED: &str = "00532445";
/// Rejected, with the error `amqp:not-allowed`.
const REJECTED: &str = "005325c0190100531dc01301a310616d71703a6e6f742d616c6c6f776564";

/// Adds headers, opens and a session with this window for the client's transfers.
pub(crate) fn opened(tape: &mut Tape, window: u32) -> &mut Tape {
    tape.octets(Client, &HEADER).octets(Server, &HEADER);
    tape.frame(Client, &open("orders")).frame(Server, &open("broker"));
    tape.frame(Client, &begin(None, 0, 100, 100)).frame(Server, &begin(Some(0), 0, window, 100))
}

/// Adds a link on which the client sends to `jobs`.
pub(crate) fn sending(tape: &mut Tape, credit: u32) -> &mut Tape {
    tape.frame(Client, &attach_sender("up", 0, "", "jobs"))
        .frame(Server, &attach_receiver("up", 0, "", "jobs"));
    tape.frame(Server, &granted(0, credit, 0, 100))
}

/// A flow of the server that grants credit from this delivery-count on.
pub(crate) fn granted(count: u32, credit: u32, incoming_id: u32, window: u32) -> Literal {
    flow(Some(incoming_id), window, 0, 100).uint(0).uint(count).uint(credit)
}

/// A message of the client.
pub(crate) fn message(id: u32, tag: &str) -> Literal {
    transfer(0, id, tag.as_bytes()).payload(octets(HI))
}

/// A disposition of the receiver that settles.
pub(crate) fn decided(first: u32, last: Option<u32>, state: &str) -> Literal {
    disposition(true, first, last).boolean(true).raw(state)
}

/// An end of both ends and a close.
pub(crate) fn closed(tape: &mut Tape) -> &mut Tape {
    tape.frame(Client, &end()).frame(Server, &end());
    tape.frame(Client, &close()).frame(Server, &close());
    tape.segment(Client, "FA", &[]).segment(Server, "FA", &[])
}

/// A client that sends three jobs and receives a reply in two transfers. It waits for credit, one job is rejected, and
/// the broker at last detaches the link.
pub(crate) fn jobs() -> Tape {
    let mut all = Tape::new(40122);
    let tape = &mut all;
    tape.at(100).octets(Client, &SASL_HEADER).at(340).octets(Server, &SASL_HEADER);
    tape.frame(Server, &Literal::sasl(0x40).symbols(&["ANONYMOUS", "PLAIN"]));
    tape.at(410).frame(Client, &Literal::sasl(0x41).symbol("PLAIN").binary(b"\0user\0secret"));
    tape.at(800).frame(Server, &Literal::sasl(0x44).ubyte(0));
    opened(tape.at(900), 100);
    tape.at(1_300).frame(Client, &attach_sender("up", 0, "", "jobs"));
    tape.frame(Client, &attach_receiver("down", 1, "replies", "").null());
    tape.at(1_650).frame(Server, &attach_receiver("up", 0, "", "jobs"));
    tape.frame(Server, &granted(0, 2, 0, 100)).frame(Server, &attach_sender("down", 1, "replies", ""));
    tape.at(1_900).frame(Client, &flow(Some(0), 100, 0, 100).uint(1).uint(0).uint(10));
    tape.at(2_000).frame(Client, &message(0, "job-1")).frame(Client, &message(1, "job-2"));
    tape.at(3_200).frame(Server, &decided(0, None, ACCEPTED));
    tape.at(352_400).frame(Server, &granted(2, 5, 2, 100)).at(352_700).frame(Client, &message(2, "job-3"));
    tape.at(353_900).frame(Server, &decided(1, None, REJECTED));
    let first = transfer(1, 0, b"reply-1").null().boolean(true).payload(octets("005375a0"));
    let second = Literal::new(0x14).uint(1).payload(octets("02686f"));
    tape.at(354_000).frame(Server, &first).frame(Server, &second);
    tape.at(354_800).frame(Client, &decided(0, None, ACCEPTED));
    tape.at(361_000).frame(Server, &detach(0, true).error("amqp:resource-limit-exceeded"));
    tape.at(361_300).frame(Client, &detach(0, true)).frame(Client, &detach(1, true));
    tape.at(361_600).frame(Server, &detach(1, true));
    closed(tape.at(361_900));
    all
}
