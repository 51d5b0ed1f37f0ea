//! Traces of `PN_TRACE_FRM` and `set_trace` are read like captures.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use amqp_proto::config::{Options, ReceiverOptions};
use amqp_proto::testing::Pair;
use amqp_proto::wire::{AmqpError, Condition};

use super::{dump, is_checked_in, path, shows};

/// The frames of a client that sends two jobs; one is accepted, the other rejected, and the link detached with an error.
/// Each line begins with `before`.
fn traced(before: &'static str) -> String {
    let trace = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&trace);
    let mut pair = Pair::new(Options::new("orders").with_hostname("in \"memory\""), Options::new("broker"));
    pair.client.set_trace(move |frame| writeln!(kept.lock().unwrap(), "{before}{frame}").unwrap());
    pair.server.receiver_options = ReceiverOptions::new().with_auto_accept(false);
    pair.drive();
    let sender = pair.client.attach_sender("jobs");
    pair.drive();
    for job in ["print a page", "print a book"] {
        pair.client.sender(sender).unwrap().send(job).unwrap();
    }
    pair.drive();
    let (link, first) = pair.server.expect_message();
    let (_, second) = pair.server.expect_message();
    let mut receiver = pair.server.receiver(link).unwrap();
    while receiver.receive().is_some() {}
    receiver.accept(first).unwrap();
    receiver
        .reject(second, AmqpError::new(Condition::NotAllowed).with_description("too {much\" paper"))
        .unwrap();
    pair.drive();
    let error = AmqpError::new(Condition::NotFound).with_description("the queue is gone");
    pair.server.receiver(link).unwrap().close_with(error).unwrap();
    pair.drive();
    pair.client.close();
    pair.drive();
    trace.lock().unwrap().clone()
}

#[test]
fn a_trace_of_the_environment_variable_is_a_conversation() {
    let trace = traced("[0x5d1a07c3f2be]: ");
    let out = shows(&[], trace.as_bytes());
    assert!(
        out.starts_with("connection 1: client this end 0x5d1a07c3f2be \"orders\", server peer \"broker\""),
        "{out}"
    );
    // Every frame is understood.
    assert!(!out.contains("are no frames"), "{out}");
    assert_eq!(
        out.lines().filter(|line| line.contains("|-- ") || line.contains("|<-")).count(),
        trace.lines().count()
    );
    assert!(out.contains("rejected (amqp:not-allowed), settled"), "{out}");
    assert!(out.contains("amqp:not-found: the queue is gone"), "{out}");
}

/// The sample is such a trace.
#[test]
fn the_sample_is_shown_as_it_is_checked_in() {
    let out = shows(&[], &std::fs::read(path("jobs.trace")).unwrap());
    is_checked_in(&path("jobs.trace.txt"), out.as_bytes());
}

#[test]
fn lines_of_a_hook_are_found_among_others() {
    let mut text = traced("        ");
    text.insert_str(0, "client: 'print a page' goes to jobs\n");
    text.push_str("client: done\n\n");
    let out = shows(&["--summary"], text.as_bytes());
    assert!(out.starts_with("connection 1: client this end \"orders\", server peer \"broker\""), "{out}");
    assert!(out.contains("outcomes   1 accepted, 1 rejected (amqp:not-allowed)"), "{out}");
    assert!(out.contains("unknown, as there are no times"), "{out}");
    assert!(out.contains("* 2 lines are no frames, the first of them line 1."), "{out}");
}

#[test]
fn a_server_is_known_by_what_it_hears_first() {
    let turned: String = traced("")
        .lines()
        .map(|line| match line.strip_prefix("-> ") {
            Some(rest) => format!("<- {rest}\n"),
            None => line.replacen("<- ", "-> ", 1) + "\n",
        })
        .collect();
    let out = shows(&[], turned.as_bytes());
    assert!(out.starts_with("connection 1: client peer \"orders\", server this end \"broker\""), "{out}");
}

#[test]
fn connections_are_told_apart_by_their_names() {
    let (one, other) = (traced("[0x5d1a07c3f2be]: "), traced("[0x000000000001]: "));
    let mixed: String =
        one.lines().zip(other.lines()).flat_map(|(one, other)| [one, "\n", other, "\n"]).collect();
    let out = shows(&["--summary"], mixed.as_bytes());
    assert_eq!(out.matches("outcomes   1 accepted, 1 rejected").count(), 2, "{out}");
    assert!(out.contains("connection 2: client this end 0x000000000001"), "{out}");
}

#[test]
fn a_text_that_is_no_trace_has_no_connection() {
    assert_eq!(dump(&["--trace"], b"hello\n").unwrap_err().1, "no AMQP connection is in it");
    let (_, reason) = dump(&["--summary"], b"AMQP\x00\x01\x00\x00").unwrap_err();
    assert_eq!(reason, "this is no capture and no trace, so it has no connections with two ends");
}
