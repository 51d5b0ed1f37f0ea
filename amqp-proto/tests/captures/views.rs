//! The forms in which a conversation is shown: the diagram, the frames, the summary, one delivery, the picture and the page.

use amqp_proto::testing::{attach_sender, disposition, flow, transfer};

use super::packets::{From, Tape, pcap, pcapng};
use super::scenes::{closed, granted, jobs, message, opened, sending};
use super::{is_checked_in, path, shows};
use From::{Client, Server};

/// The samples in the repository are what the tests make, and what the documented commands print about them.
#[test]
fn the_samples_are_checked_in() {
    let file = pcapng(&jobs().packets);
    is_checked_in(&path("jobs.pcapng"), &file);
    is_checked_in(&path("jobs.txt"), shows(&[], &file).as_bytes());
    is_checked_in(&path("jobs.frames.txt"), shows(&["--frames"], &file).as_bytes());
    is_checked_in(&path("jobs.summary.txt"), shows(&["--summary"], &file).as_bytes());
    is_checked_in(&path("jobs.delivery.txt"), shows(&["--delivery", "job-2"], &file).as_bytes());
    is_checked_in(&path("../../../docs/captures.svg"), shows(&["--svg"], &file).as_bytes());
}

/// tcpdump has captured this one, of the example `tcp`.
#[test]
fn a_capture_of_tcpdump_is_shown() {
    let file = std::fs::read(path("loopback.pcap")).unwrap();
    is_checked_in(&path("loopback.txt"), shows(&[], &file).as_bytes());
    let summary = shows(&["--summary"], &file);
    assert!(summary.contains("outcomes") && summary.contains("3 accepted"), "{summary}");
}

#[test]
fn no_password_shows() {
    let file = pcapng(&jobs().packets);
    for view in ["--frames", "--svg", "--html", "--summary"] {
        assert!(!shows(&[view], &file).contains("secret"), "{view}");
    }
}

#[test]
fn transfers_without_credit_or_window_are_faults() {
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 1), 1);
    tape.frame(Client, &message(0, "a")).frame(Client, &message(1, "b"));
    tape.frame(Server, &granted(2, 5, 2, 0)).frame(Client, &message(2, "c"));
    tape.frame(Client, &transfer(9, 3, b"d")).frame(Client, &transfer(0, 3, b"d").on(4));
    let out = shows(&[], &pcap(&tape.packets));
    let faults: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split_once(": ").filter(|_| line.contains("fault at")))
        .map(|(_, fault)| fault)
        .collect();
    let expected = [
        "the receiver has granted no credit for this delivery",
        "the incoming window of the session is closed",
        "no link is attached with handle 9",
        "no session has begun on channel 4",
    ];
    assert_eq!(faults, expected, "{out}");
}

#[test]
fn each_cause_of_a_stall_is_told() {
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 2), 1);
    // There is no credit for 200 ms, then no window for 300 ms, then no disposition for 400 ms.
    tape.at(10_000).frame(Client, &message(0, "a"));
    tape.at(210_000).frame(Server, &granted(1, 5, 1, 1)).frame(Client, &message(1, "b"));
    tape.at(510_000).frame(Server, &flow(Some(2), 100, 0, 100)).frame(Client, &message(2, "c"));
    tape.at(910_000).frame(Server, &disposition(true, 0, Some(2)).boolean(true).raw(super::scenes::ACCEPTED));
    // A link that never gets credit.
    tape.frame(Client, &attach_sender("idle", 1, "", "nothing"));
    tape.at(1_200_000);
    closed(&mut tape);
    let out = shows(&["--summary"], &pcap(&tape.packets));
    let stalls: Vec<&str> =
        out.lines().filter_map(|line| line.trim().strip_prefix("stall ")).map(str::trim).collect();
    let of = |cause: &str| stalls.iter().filter(|stall| stall.ends_with(cause)).count();
    assert_eq!(of("no credit on jobs"), 1, "{out}");
    assert_eq!(of("the window of session 0 was closed"), 1, "{out}");
    assert!(of("the server was silent, and owed an answer") >= 3, "{out}");
    assert_eq!(of("never any credit on nothing"), 1, "{out}");
    assert!(out.contains("200.000 ms from 10.000 ms on: no credit on jobs"), "{out}");
    // Longer waits only.
    let out = shows(&["--summary", "--stall", "350"], &pcap(&tape.packets));
    assert!(!out.contains("no credit on jobs") && out.contains("399.9"), "{out}");
    assert!(shows(&[], &pcap(&tape.packets)).contains("* after 200.000 ms: no credit on jobs"));
}

#[test]
fn unsettled_deliveries_that_a_link_leaves_are_counted() {
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 100), 5);
    tape.frame(Client, &message(0, "a")).frame(Client, &message(1, "b"));
    closed(&mut tape);
    let out = shows(&[], &pcap(&tape.packets));
    assert!(out.contains("session 0: 2 left unsettled"), "{out}");
    let summary = shows(&["--summary"], &pcap(&tape.packets));
    assert!(summary.contains("2 left unsettled"), "{summary}");
}

#[test]
fn pictures_and_pages_are_well_formed_and_self_contained() {
    let mut tape = Tape::new(1025);
    opened(&mut tape, 100);
    // A peer may choose any name.
    let name = "<script>alert(\"&\")</script>\u{7}\u{202e}";
    tape.frame(Client, &attach_sender(name, 0, "", name));
    closed(&mut tape);
    let file = pcap(&tape.packets);
    for view in ["--svg", "--html"] {
        let out = shows(&[view], &file);
        assert!(!out.contains("<script") && !out.contains('\u{7}') && !out.contains('\u{202e}'), "{out}");
        assert!(
            !out.contains("http")
                || out.matches("http").count() == out.matches("http://www.w3.org/2000/svg").count()
        );
        let (opened, closed) = (out.matches("<g").count(), out.matches("</g>").count());
        assert_eq!(opened, closed, "{view}");
        assert_eq!(out.matches("<text").count(), out.matches("</text>").count(), "{view}");
    }
}

#[test]
fn a_long_conversation_is_drawn_in_part() {
    let mut tape = Tape::new(1025);
    sending(opened(&mut tape, 5_000), 5_000);
    (0..2_100).for_each(|id| {
        tape.frame(Client, &message(id, "tag"));
    });
    let out = shows(&["--svg"], &pcap(&tape.packets));
    assert!(out.contains("109 further steps are not drawn"), "{}", out.len());
}
