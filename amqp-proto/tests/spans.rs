//! The spans and events that a `tracing` subscriber gets for connections, sessions and links.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Auto, Pair};
use amqp_proto::types::{LinkKey, SenderKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition, Source};
use tracing::Level;

/// The output of the subscriber.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Returns the lines since the last call, as levels, spans and words of the target `amqp`.
    fn take(&self) -> Vec<String> {
        let lines = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        lines.lines().map(|line| line.trim().replacen(" amqp: ", " ", 1)).collect()
    }
}

/// Runs `work` under a subscriber of this level.
fn watched(level: Level, work: impl FnOnce(&Lines)) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || work(&lines));
}

/// Returns the lines of one end without the fields of its connection, which are in every line.
fn of(lines: &Lines, container: &str) -> Vec<String> {
    let end = format!("connection{{container=\"{container}\"");
    let lines = lines.take().into_iter().filter(|line| line.contains(&end));
    let strip = |line: String| {
        let (head, rest) = line.split_once("connection{").unwrap();
        format!("{head}{}", rest.split_once('}').unwrap().1.trim_start_matches(':').trim())
    };
    lines.map(strip).collect()
}

fn opened() -> (Pair, SessionKey) {
    let mut pair = Pair::new(Options::new("client"), Options::new("server"));
    pair.drive();
    let session = pair.client.begin(SessionOptions::new()).unwrap();
    pair.drive();
    (pair, session)
}

fn attach(pair: &mut Pair, session: SessionKey) -> SenderKey {
    let mut session = pair.client.session(session).unwrap();
    session.attach_sender("to-jobs", SenderOptions::to("jobs")).unwrap()
}

/// Each event is in the span of its session or link, which names it.
#[test]
fn events_are_in_the_span_of_their_subject() {
    watched(Level::DEBUG, |lines| {
        let (mut pair, session) = opened();
        let first = lines.take();
        let words = r#"DEBUG connection{container="client" peer="server"}: connection opened"#;
        assert!(first.iter().any(|line| line == words), "{first:#?}");
        let sender = attach(&mut pair, session);
        pair.drive();
        let link = r#"session{channel=0}:link{name="to-jobs" role="sender" address="jobs"}"#;
        assert_eq!(of(lines, "client"), [format!("DEBUG {link}: link attached")]);
        pair.client.sender(sender).unwrap().close().unwrap();
        pair.drive();
        assert_eq!(of(lines, "client"), [format!("DEBUG {link}: link closed reason=ended by this end")]);
        pair.client.close();
        pair.drive();
        let ended = [
            "DEBUG session{channel=0}: session ended reason=ended by this end",
            "DEBUG connection closed reason=ended by this end",
        ];
        assert_eq!(of(lines, "client"), ended);
    });
}

/// The server's events, too; there the address is that of its own node.
#[test]
fn sessions_and_links_of_the_peer_are_reported_as_offered() {
    watched(Level::DEBUG, |lines| {
        let (mut pair, session) = opened();
        attach(&mut pair, session);
        pair.drive();
        let told = [
            "DEBUG connection opened",
            "DEBUG session{channel=0}: session offered",
            r#"DEBUG session{channel=0}:link{name="to-jobs" role="receiver" address="jobs"}: link offered"#,
        ];
        assert_eq!(of(lines, "server"), told);
    });
}

/// A link that was refused has a name and an address in the event.
#[test]
fn a_refusal_is_a_warning_with_the_name_of_the_link() {
    watched(Level::INFO, |lines| {
        let (mut pair, session) = opened();
        pair.server.auto = Auto::Sessions;
        attach(&mut pair, session);
        pair.drive();
        pair.server
            .expect_attach()
            .refuse(AmqpError::new(Condition::NotFound).with_description("no jobs\nhere"));
        pair.drive();
        let link = r#"session{channel=0}:link{name="to-jobs" role="sender" address="jobs"}"#;
        let words = r"link closed reason=ended by the peer: amqp:not-found: no jobs\nhere";
        assert_eq!(of(lines, "client"), [format!("WARN {link}: {words}")]);
    });
}

/// The sessions and links that end with a broken transport get no warning of their own.
#[test]
fn only_the_widest_thing_that_breaks_is_a_warning() {
    watched(Level::DEBUG, |lines| {
        let (mut pair, session) = opened();
        attach(&mut pair, session);
        pair.drive();
        lines.take();
        pair.client.end_of_input();
        while pair.client.poll_event().is_some() {}
        let levels: Vec<_> =
            of(lines, "client").iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(levels, ["DEBUG", "DEBUG", "WARN"]);
    });
}

/// Messages are traced at lower levels, except rejected ones.
#[test]
fn messages_are_traced() {
    watched(Level::TRACE, |lines| {
        let (mut pair, session) = opened();
        pair.server.collects = true;
        let sender = attach(&mut pair, session);
        pair.drive();
        lines.take();
        pair.client.sender(sender).unwrap().send("one").unwrap();
        pair.client.sender(sender).unwrap().send("two").unwrap();
        pair.drive();
        let messages = pair.server.messages();
        let (receiver, rejected) = messages.last().map(|(link, message)| (*link, message.key())).unwrap();
        pair.server.receiver(receiver).unwrap().reject(rejected, None).unwrap();
        pair.server.receiver(receiver).unwrap().accept_all();
        pair.drive();
        let told = of(lines, "client");
        let rejected: Vec<_> = told.iter().filter(|line| line.starts_with("DEBUG")).collect();
        assert!(
            matches!(&rejected[..], [line] if line.ends_with("rejected delivery=delivery 1 error=None")),
            "{told:#?}"
        );
        assert!(
            told.iter().any(|line| line.starts_with("TRACE") && line.contains("updated delivery=delivery 0")),
            "{told:#?}"
        );
        assert!(of(lines, "client").is_empty());
    });
}

/// The span of a link gets the address of a dynamic node once the peer has named it.
#[test]
fn a_dynamic_address_is_added() {
    watched(Level::DEBUG, |lines| {
        let (mut pair, session) = opened();
        pair.server.auto = Auto::Sessions;
        let mut replies = pair.client.session(session).unwrap();
        replies.attach_receiver("replies", ReceiverOptions::from_dynamic()).unwrap();
        pair.drive();
        let LinkKey::Sender(link) = pair.server.expect_attach().key() else { panic!() };
        let source = Source { dynamic: true, ..Source::at("made-up-1") };
        pair.server.sender(link).unwrap().accept_link(SenderOptions::new().with_source(source)).unwrap();
        lines.take();
        pair.drive();
        let link = r#"session{channel=0}:link{name="replies" role="receiver" address="made-up-1"}"#;
        assert_eq!(of(lines, "client"), [format!("DEBUG {link}: link attached")]);
    });
}

/// A level that is off creates no spans.
#[test]
fn disabled_levels_create_no_spans() {
    watched(Level::ERROR, |lines| {
        let (mut pair, session) = opened();
        attach(&mut pair, session);
        pair.drive();
        assert!(pair.client.span().is_disabled());
        pair.client.end_of_input();
        pair.drive();
        assert!(lines.take().is_empty());
    });
}
