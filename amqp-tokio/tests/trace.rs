//! `PN_TRACE_FRM`: frames on standard error, as users of Qpid Proton expect.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use amqp_tokio::handler::{Context, DeliveryToken, Handler, ListenerToken, ReceivedMessage, SenderToken};
use amqp_tokio::sasl::{Credentials, PlainServer, ServerSasl};
use amqp_tokio::wire::Outcome;
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Container, Listener, OfferedLink, Peer};

const SECRET: &str = "pencil-and-paper";

#[derive(Clone)]
struct OneUser;

impl Credentials for OneUser {
    fn check_password(&self, user: &str, password: &str) -> bool {
        user == "ann" && password == SECRET
    }
}

fn acceptor() -> Acceptor {
    let plain = |peer: &Peer| ServerSasl::new(peer.security()).with_mechanism(PlainServer::new(OneUser));
    Acceptor::new(ConnectionOptions::new()).with_sasl(plain)
}

/// Sends a message to another connection of this process, which accepts it. The other tests run this test.
#[tokio::test]
async fn an_exchange() {
    let listener = Listener::bind_with("127.0.0.1:0", acceptor()).await.unwrap();
    let url = format!("amqp://ann:{SECRET}@{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap().open().await.unwrap();
        let session = connection.next_session().await.unwrap().unwrap().accept().unwrap();
        let Some(OfferedLink::Receiver(link)) = session.next_link().await.unwrap() else { panic!() };
        let receiver = link.accept().unwrap();
        receiver.for_each(1, |_| async { Ok::<(), amqp_tokio::Error>(()) }).await.unwrap();
        connection.closed().await
    });
    let client = Connection::open(&url).await.unwrap();
    let sender = client.sender("jobs").await.unwrap();
    assert_eq!(sender.send("a job").await.unwrap(), Outcome::Accepted);
    client.close().await.unwrap();
    assert_eq!(server.await.unwrap().error(), None);
}

/// A handler of both ends.
struct Both;

impl Handler for Both {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, cx: &mut Context<'_>, _: ListenerToken, address: &str) {
        let connection = cx.connect(format!("amqp://ann:{SECRET}@{address}"));
        cx.create_sender(connection, "jobs");
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
#[tokio::test]
async fn an_exchange_of_handlers() {
    Container::new(Both).with_acceptor(acceptor()).run().await.unwrap();
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
        look_at(&printed(test, "1"));
    }
}

fn look_at(printed: &str) {
    let mut names = BTreeSet::new();
    let mut said = BTreeSet::new();
    for line in printed.lines() {
        let (name, frame) = line.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
        assert!(name.starts_with("[0x") && name.len() == 15, "{line}");
        names.insert(name);
        let words: Vec<_> = frame.split(' ').collect();
        said.insert(if words[1] == "header" {
            words[..3].join(" ")
        } else {
            format!("{} {}", words[0], words[2])
        });
    }
    assert_eq!(names.len(), 2, "{printed}");
    for what in [
        "header Sasl",
        "sasl-mechanisms",
        "sasl-init",
        "sasl-outcome",
        "header Amqp",
        "open",
        "begin",
        "attach",
        "flow",
        "transfer",
        "disposition",
        "close",
    ] {
        for way in ["->", "<-"] {
            assert!(said.contains(&format!("{way} {what}")), "{way} {what}: {said:#?}");
        }
    }
    assert!(printed.contains("attach { name: ") && printed.contains("jobs"), "{printed}");
}

#[test]
fn passwords_do_not_show() {
    let printed = printed("an_exchange", "True");
    assert!(printed.contains("octets hidden"), "{printed}");
    assert!(!printed.contains(SECRET) && !printed.contains("pencil"), "{printed}");
}

#[test]
fn nothing_is_printed_unless_that_is_a_yes() {
    for no in ["", "0", "no", "false"] {
        assert_eq!(printed("an_exchange", no), "", "{no:?}");
    }
}
