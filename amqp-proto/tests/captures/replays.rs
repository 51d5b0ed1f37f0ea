//! A captured conversation is replayed to an engine, and the differences are shown.

use amqp_proto::testing::{attach_receiver, attach_sender, begin, detach, disposition, end, flow, transfer};

use super::packets::{From, Packet, Tape, pcap, pcapng};
use super::scenes::{closed, decided, jobs, message, opened, sending};
use super::{dump, path, scenes, shows};
use From::{Client, Server};

/// A message with a body.
const MESSAGE: [u8; 6] = [0, 0x53, 0x77, 0xa1, 1, b'x'];

fn packets() -> Vec<Packet> {
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 512), 100);
    tape.frame(Client, &message(0, "a")).frame(Client, &message(1, "b"));
    tape.frame(Server, &decided(0, Some(1), scenes::ACCEPTED));
    closed(&mut tape);
    tape.packets
}

/// The engine behaves as these real peers did, from both ends.
#[test]
fn real_conversations_are_repeated_frame_by_frame() {
    let file = std::fs::read(path("loopback.pcap")).unwrap();
    for end in ["client", "server"] {
        let out = shows(&["--replay", end], &file);
        assert!(out.contains("as in the capture, 0 differences"), "{end}: {out}");
    }
}

#[test]
fn a_written_conversation_is_repeated() {
    let client = shows(&["--replay", "client"], &pcap(&packets()));
    assert!(client.contains("the client of the capture was replayed to an engine as server"), "{client}");
    for end in ["client", "server"] {
        let out = shows(&["--replay", end], &pcapng(&jobs().packets));
        assert!(out.contains("as in the capture, 0 differences"), "{end}: {out}");
    }
}

/// [2.5.1] [2.6.2] [2.7.5]: each end picks its own channels, handles and delivery-ids. This server picks channel 5, handles 9
/// and 8, and ids from 70. The engine picks others and behaves alike: also what the client tells about ids reaches it.
#[test]
fn the_numbers_of_the_captured_end_may_be_its_own() {
    let mut tape = Tape::new(1025);
    opened(&mut tape, 512);
    tape.frame(Client, &begin(None, 0, 100, 100).on(1))
        .frame(Server, &begin(Some(1), 0, 512, 100).on(5))
        .frame(Client, &attach_receiver("out", 0, "q", "").on(1))
        .frame(Server, &attach_sender("out", 9, "q", "").on(5))
        .frame(Client, &attach_sender("in", 1, "", "q").on(1))
        .frame(Server, &attach_receiver("in", 8, "", "q").on(5))
        .frame(Server, &flow(Some(0), 512, 0, 100).uint(8).uint(0).uint(10).on(5))
        .frame(Client, &flow(Some(0), 100, 0, 100).uint(0).uint(0).uint(10).on(1));
    for id in 70..73 {
        let message = transfer(9, id, &id.to_be_bytes()).boolean(false).payload(MESSAGE);
        tape.frame(Server, &message.on(5));
    }
    tape.frame(Client, &disposition(true, 70, Some(71)).boolean(false).raw(scenes::ACCEPTED).on(1))
        .frame(Server, &disposition(false, 70, Some(71)).boolean(true).on(5))
        .frame(Client, &transfer(1, 0, &[1]).boolean(false).payload(MESSAGE).on(1))
        .frame(Server, &decided(0, None, scenes::ACCEPTED).on(5))
        .frame(Client, &detach(1, true).on(1))
        .frame(Server, &detach(8, true).on(5))
        .frame(Client, &end().on(1))
        .frame(Server, &end().on(5));
    closed(&mut tape);
    let out = shows(&["--replay", "client"], &pcap(&tape.packets));
    assert!(out.contains("as in the capture, 0 differences"), "{out}");
}

/// A session of RabbitMQ 4.3.6 on channel 7, with links 5 and 3, and deliveries from 200. An engine at either end picks
/// other numbers, and is told no difference.
#[test]
fn a_real_broker_with_other_numbers_is_repeated() {
    let file = std::fs::read(path("rabbitmq.pcap")).unwrap();
    for end in ["client", "server"] {
        let out = shows(&["--replay", end], &file);
        assert!(out.contains("as in the capture, 0 differences"), "{end}: {out}");
    }
}

#[test]
fn what_differs_is_shown_with_its_place() {
    // This server accepts a delivery without settling it, which its mode forbids, and then one that it never got.
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 512), 100);
    tape.frame(Client, &message(0, "a"))
        .frame(Server, &disposition(true, 0, None).boolean(false).raw(scenes::ACCEPTED))
        .frame(Server, &decided(9, None, scenes::ACCEPTED));
    closed(&mut tape);
    let (out, reason) = dump(&["--replay", "client"], &pcap(&tape.packets)).unwrap_err();
    assert!(out.contains("disposition differs in settled"), "{out}");
    assert!(out.contains("expected  [0] disposition { role: Receiver, first: 0, state: accepted"), "{out}");
    assert!(out.contains("came      [0] disposition { role: Receiver, first: 0, settled: true,"), "{out}");
    assert!(reason.starts_with("the engine differs from the capture: "), "{reason}");
}

#[test]
fn a_trace_cannot_be_replayed() {
    let trace = std::fs::read(path("jobs.trace")).unwrap();
    assert_eq!(
        dump(&["--replay", "client"], &trace).unwrap_err().1,
        "a trace cannot be replayed, as it has no messages"
    );
}
