//! A captured conversation is replayed to an engine, and the differences are shown.

use amqp_proto::testing::{attach_sender, begin};

use super::packets::{From, Packet, Tape, pcap, pcapng};
use super::scenes::{closed, decided, jobs, message, opened, sending};
use super::{dump, path, scenes, shows};
use From::{Client, Server};

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

#[test]
fn what_differs_is_shown_with_its_place() {
    // This server settles a delivery that the engine never got, and answers a begin on another channel.
    let mut tape = Tape::new(1025);
    opened(&mut tape, 512);
    tape.frame(Client, &begin(None, 0, 100, 100).on(1)).frame(Server, &begin(Some(1), 0, 512, 100).on(5));
    sending(&mut tape, 100);
    tape.frame(Client, &message(0, "a"));
    tape.frame(Server, &decided(0, None, scenes::ACCEPTED))
        .frame(Server, &attach_sender("more", 9, "more", ""));
    closed(&mut tape);
    let (out, reason) = dump(&["--replay", "client"], &pcap(&tape.packets)).unwrap_err();
    assert!(out.contains("begin differs in channel"), "{out}");
    assert!(out.contains("expected  [5] begin { remote_channel: 1,"), "{out}");
    assert!(out.contains("came      [1] begin { remote_channel: 1,"), "{out}");
    assert!(out.contains("attach differs in handle"), "{out}");
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
