//! TCP connections are put together from segments, and what is missing is said.

use amqp_proto::testing::{HEADER, Literal, begin, open, transfer};

use super::packets::{From, Packet, Tape, pcap, pcap_cut_at, pcapng};
use super::scenes::{closed, decided, jobs, message, opened, sending};
use super::{dump, scenes, shows};
use From::{Client, Server};

/// A client that sends this many messages, all accepted.
fn sends(port: u16, count: u32) -> Tape {
    let mut tape = Tape::new(port);
    sending(opened(&mut tape, 100), 100);
    for id in 0..count {
        tape.frame(Client, &message(id, &format!("tag-{id}")));
    }
    tape.frame(Server, &decided(0, Some(count - 1), scenes::ACCEPTED));
    closed(&mut tape);
    tape
}

/// The diagram of a capture without times, which the order of its packets changes.
fn arrows(packets: &[Packet]) -> Vec<String> {
    let out = shows(&[], &pcap(packets));
    out.lines()
        .filter(|line| line.contains("|-- ") || line.contains("|<--"))
        .map(|line| line[13..].to_owned())
        .collect()
}

#[test]
fn both_formats_give_the_same_diagram() {
    let tape = jobs();
    assert_eq!(shows(&[], &pcap(&tape.packets)), shows(&[], &pcapng(&tape.packets)));
}

#[test]
fn a_connection_in_order_has_no_remarks() {
    let out = shows(&[], &pcap(&sends(1025, 3).packets));
    assert!(
        out.starts_with("connection 1: client 10.0.0.1:1025 \"orders\", server 10.0.0.2:5672 \"broker\"\n"),
        "{out}"
    );
    assert!(!out.contains('!'), "{out}");
    let remarks: Vec<_> =
        out.lines().filter_map(|line| line.split_once(" * ")).map(|(_, words)| words).collect();
    assert_eq!(remarks, ["client sends no more octets", "server sends no more octets"], "{out}");
    assert!(out.contains("jobs: credit 97, window 97, 3 unsettled"), "{out}");
    assert!(out.contains("<---"), "{out}");
}

#[test]
fn segments_again_and_out_of_order_change_no_frame() {
    let packets = sends(1025, 4).packets;
    let expected = arrows(&packets);
    let first = packets.iter().position(|packet| packet.octets.ends_with(b"hi")).unwrap();
    let mut swapped = packets.clone();
    swapped.swap(first, first + 1);
    swapped.swap(first + 2, first + 3);
    assert_eq!(arrows(&swapped), expected);
    let out = shows(&[], &pcap(&swapped));
    assert!(out.contains("client sent 2 TCP segments out of order"), "{out}");
    let mut again = packets.clone();
    again.insert(first + 2, packets[first].clone());
    again.insert(first + 3, packets[first + 1].clone());
    assert_eq!(arrows(&again), expected);
    assert!(shows(&[], &pcap(&again)).contains("client sent 2 TCP segments again"));
}

#[test]
fn frames_may_lie_across_segments_that_overlap() {
    let mut tape = Tape::new(1025);
    let stream = [HEADER.to_vec(), open("orders").to_octets(), begin(None, 0, 5, 5).to_octets()].concat();
    for octet in &stream {
        tape.octets(Client, &[*octet]);
    }
    let single = arrows(&tape.packets);
    assert_eq!(single.len(), 3, "{single:?}");
    // The first ten octets come again with five more in front of the rest.
    let mut tape = Tape::new(1025);
    let mut again = tape.clone();
    tape.octets(Client, &stream[..10]);
    again.octets(Client, &stream[..15]);
    tape.packets.push(again.packets.pop().unwrap());
    again.octets(Client, &stream[15..]);
    tape.packets.push(again.packets.pop().unwrap());
    assert_eq!(arrows(&tape.packets), single);
}

#[test]
fn a_missing_segment_costs_its_frame_alone() {
    let packets = sends(1025, 4).packets;
    let lost = packets.iter().position(|packet| packet.octets.ends_with(b"hi")).unwrap();
    let mut torn = packets.clone();
    torn.remove(lost + 1);
    let out = shows(&[], &pcap(&torn));
    assert!(out.contains("client 32 octets are missing: the capture has no segment with them"), "{out}");
    assert!(
        out.contains("transfer #0") && !out.contains("transfer #1") && out.contains("transfer #2"),
        "{out}"
    );
    assert!(out.contains("close"), "{out}");
}

#[test]
fn a_frame_that_lacks_its_middle_is_passed_over() {
    let mut tape = Tape::new(1025);
    opened(&mut tape, 100);
    let large = transfer(0, 0, b"large").payload(vec![0; 3_000]).to_octets();
    for part in large.chunks(1_000) {
        tape.octets(Client, part);
    }
    closed(&mut tape);
    let at = tape.packets.iter().rposition(|packet| packet.octets.len() > 1_000).unwrap();
    tape.packets.remove(at);
    let out = shows(&[], &pcap(&tape.packets));
    let words =
        "1000 octets are missing: the capture has no segment with them; a frame of 3024 octets is not shown";
    assert!(out.contains(words), "{out}");
    assert!(out.contains("-- end -"), "{out}");
    assert!(!out.contains("no frame could be found"), "{out}");
}

#[test]
fn a_capture_with_the_front_of_packets_says_so() {
    let mut tape = Tape::new(1025);
    opened(&mut tape, 100);
    sending(&mut tape, 10);
    tape.frame(Client, &transfer(0, 0, b"large").payload(vec![0; 1_000]));
    closed(&mut tape);
    let out = shows(&[], &pcap_cut_at(&tape.packets, 200));
    assert!(out.contains("octets are missing: the capture keeps only the front of packets"), "{out}");
    assert!(out.contains("-- close -"), "{out}");
    // Here not even the headers of TCP are kept.
    let (out, reason) = dump(&[], &pcap_cut_at(&tape.packets, 40)).unwrap_err();
    assert!(out.contains("packets left out, cut inside their headers"), "{out}");
    assert_eq!(reason, "no AMQP connection is in it");
}

#[test]
fn a_capture_that_begins_late_finds_the_first_frame() {
    let mut tape = Tape::silent(1025);
    tape.octets(Client, b"the end of a frame").frame(Client, &message(7, "late"));
    tape.frame(Server, &decided(7, None, scenes::ACCEPTED));
    let out = shows(&[], &pcap(&tape.packets));
    assert!(out.contains("client 18 octets in which no frame could be found"), "{out}");
    assert!(out.contains("transfer #7 \"late\"") && out.contains("disposition #7, accepted"), "{out}");
    // What came before is not known, so nothing is wrong about a session that has not begun.
    assert!(!out.contains('!'), "{out}");
}

#[test]
fn several_connections_are_told_apart() {
    let (one, other) = (sends(1025, 1), sends(1026, 2));
    let mut mixed: Vec<Packet> = one.packets.iter().chain(&other.packets).cloned().collect();
    mixed.sort_by_key(|packet| packet.at);
    let out = shows(&[], &pcap(&mixed));
    assert_eq!(out.matches("connection ").count(), 2, "{out}");
    let second = shows(&["--connection", "2"], &pcap(&mixed));
    assert!(second.starts_with("connection 2: client 10.0.0.1:1026"), "{second}");
    assert_eq!(second.matches("transfer").count(), 2, "{second}");
    // The same ports are used again.
    let mut later = sends(1025, 3).packets;
    later.iter_mut().for_each(|packet| packet.at += 1_000_000);
    let twice = [one.packets, later].concat();
    let out = shows(&["--summary"], &pcap(&twice));
    assert!(out.contains("connection 2: client 10.0.0.1:1025"), "{out}");
    assert_eq!(dump(&["--connection", "3"], &pcap(&twice)).unwrap_err().1, "no connection 3 is in it");
}

#[test]
fn other_protocols_are_named() {
    let mut all = Vec::new();
    let streams: [(u16, &[u8]); 3] =
        [(1027, b"\x16\x03\x01\x02\x00\x01\x00"), (1028, b"GET / HTTP/1.1\r\n"), (1029, b"220 mail\r\n")];
    for (port, stream) in streams {
        let mut tape = Tape::new(port);
        tape.octets(Client, stream);
        all.extend(tape.packets);
    }
    let (out, reason) = dump(&[], &pcap(&all)).unwrap_err();
    assert_eq!(reason, "no AMQP connection is in it");
    let remarks = concat!(
        "* connection 10.0.0.1:1027 to 10.0.0.2:5672: TLS. Its frames are not shown, as dump cannot decrypt.\n",
        "* connection 10.0.0.1:1028 to 10.0.0.2:5672: HTTP. Frames in a WebSocket are not shown.\n",
        "* connection 10.0.0.1:1029 to 10.0.0.2:5672: no AMQP: it begins with 0x32323020.\n",
    );
    assert_eq!(out, remarks);
    // TLS may follow AMQP's own header.
    let mut tape = Tape::new(1025);
    tape.octets(Client, b"AMQP\x02\x01\x00\x00").octets(Server, b"AMQP\x02\x01\x00\x00");
    tape.octets(Client, b"\x16\x03\x01\x02\x00\x01\x00");
    assert!(shows(&[], &pcap(&tape.packets)).contains("client goes on with TLS"));
}

#[test]
fn a_capture_that_is_cut_short_is_shown_up_to_there() {
    let file = pcap(&sends(1025, 2).packets);
    let out = shows(&[], &file[..file.len() - 5]);
    assert!(out.contains("* the capture is cut short: it ends inside what follows packet "), "{out}");
    let file = pcapng(&sends(1025, 2).packets);
    let out = shows(&[], &file[..file.len() - 5]);
    assert!(out.contains("* the capture is cut short"), "{out}");
}

#[test]
fn octets_that_are_wrong_are_a_fault_and_do_not_hide_the_rest() {
    let mut tape = Tape::new(1025);
    opened(&mut tape, 100);
    tape.frame(Client, &Literal::new(0x14).string("no handle"));
    tape.octets(Client, &[0, 0, 0, 3, 2, 0, 0, 0]);
    closed(&mut tape);
    let out = shows(&[], &pcap(&tape.packets));
    assert!(out.contains("uint expected in transfer.handle"), "{out}");
    assert!(out.contains("the frame size 3 is less than the 8 octets of a frame header"), "{out}");
    assert!(out.contains("client 8 octets in which no frame could be found"), "{out}");
    assert!(out.contains("-- end -"), "{out}");
}
