//! `PN_TRACE_FRM`: frames on standard error, as users of Qpid Proton expect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::env;
use std::process::Command;
use std::thread;

use amqp_blocking::handler::{Context, DeliveryToken, Handler, ListenerToken, ReceivedMessage, SenderToken};
use amqp_blocking::sasl::{Credentials, PlainServer, ServerSasl};
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Accepted, Acceptor, Connection, Container, Listener};

const SECRET: &str = "pencil-and-paper";

#[derive(Clone)]
struct OneUser;

impl Credentials for OneUser {
    fn check_password(&self, user: &str, password: &str) -> bool {
        user == "ann" && password == SECRET
    }
}

fn acceptor() -> Acceptor {
    Acceptor::default()
        .with_sasl(|peer| ServerSasl::new(peer.security()).with_mechanism(PlainServer::new(OneUser)))
}

/// Sends a message to another connection of this process, which accepts it. The other tests run this test.
#[test]
fn an_exchange() {
    let listener = Listener::bind_with("127.0.0.1:0", acceptor()).unwrap();
    let url = format!("amqp://ann:{SECRET}@{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let connection = listener.accept().unwrap().open().unwrap();
        while let Some(offer) = connection.next_offer().unwrap() {
            if let Accepted::Receiver(receiver) = offer.accept().unwrap() {
                receiver.for_each(1, |_| Ok::<(), amqp_blocking::Error>(())).unwrap();
            }
        }
    });
    let client = Connection::open(&url).unwrap();
    assert_eq!(client.sender("jobs").attach().unwrap().send("a job").unwrap(), Outcome::Accepted);
    client.close().unwrap();
    server.join().unwrap();
}

/// A handler of both ends.
struct Both;

impl Handler for Both {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, cx: &mut Context<'_>, _: ListenerToken, address: &str) {
        let connection = cx.connect(format!("amqp://ann:{SECRET}@{address}"));
        let sender = cx.create_sender(connection, "jobs");
        assert!(cx.try_send(sender, "too early").is_err());
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        cx.send(sender, "a job").unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {}

    fn on_accepted(&mut self, cx: &mut Context<'_>, _: DeliveryToken) {
        cx.stop();
    }
}

/// Runs the exchange in a container.
#[test]
fn an_exchange_of_handlers() {
    Container::new(Both).with_acceptor(acceptor()).run().unwrap();
}

/// Returns the standard error of a test that runs with this value of the variable.
fn printed(test: &str, value: &str) -> String {
    let mut again = Command::new(env::current_exe().unwrap());
    let again = again.args(["--exact", test]).env("PN_TRACE_FRM", value).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    String::from_utf8(again.stderr).unwrap()
}

#[test]
fn each_frame_is_a_line_behind_the_name_of_its_connection() {
    for test in ["an_exchange", "an_exchange_of_handlers"] {
        let printed = printed(test, "1");
        let mut names = BTreeSet::new();
        let mut said = BTreeSet::new();
        for line in printed.lines() {
            let (name, frame) = line.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
            assert!(name.starts_with("[0x") && name.len() == 15, "{line}");
            names.insert(name.to_owned());
            let words: Vec<_> = frame.split(' ').collect();
            said.insert(format!("{} {}", words[0], if words[1] == "header" { words[1] } else { words[2] }));
        }
        assert_eq!(names.len(), 2, "{printed}");
        for what in
            ["header", "sasl-init", "open", "begin", "attach", "flow", "transfer", "disposition", "close"]
        {
            for way in ["->", "<-"] {
                assert!(said.contains(&format!("{way} {what}")), "{way} {what}: {printed}");
            }
        }
        assert!(printed.contains("octets hidden"), "{printed}");
        assert!(!printed.contains(SECRET) && !printed.contains("pencil"), "{printed}");
    }
}

#[test]
fn nothing_is_printed_unless_that_is_a_yes() {
    for no in ["", "0", "no", "false"] {
        assert_eq!(printed("an_exchange", no), "", "{no:?}");
    }
}
