//! `PN_TRACE_FRM`: frames on standard error, as users of Qpid Proton expect.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

use super::common::{next_client, next_receiver, next_session};
use crate::adapter::{self, both};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::handler::{Context, DeliveryToken, Handler, ListenerToken, ReceivedMessage, SenderToken};
use crate::amqp::sasl::{Credentials, PlainServer, ServerSasl};
use crate::amqp::wire::Outcome;
use crate::amqp::{Acceptor, Connection, Container, Listener, Peer};

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
    Acceptor::default().with_sasl(plain)
}

/// Sends a message to another connection of this process, which accepts it. The other tests run this test.
#[adapter::test]
async fn an_exchange() {
    let listener = Listener::bind_with("127.0.0.1:0", acceptor()).await.unwrap();
    let url = format!("amqp://ann:{SECRET}@{}", listener.local_addr().unwrap());
    let send = async {
        let client = Connection::open(&url).await.unwrap();
        let sender = client.sender("jobs").attach().await.unwrap();
        assert_eq!(sender.send("a job").await.unwrap(), Outcome::Accepted);
        client.close().await.unwrap();
    };
    let receive = async {
        let server = next_client(&listener).await;
        let session = next_session(&server).await;
        let receiver = next_receiver(&session, ReceiverOptions::new()).await;
        receiver.recv().await.unwrap().unwrap().accept().unwrap();
        assert_eq!(server.closed().await.error(), None);
    };
    both(send, receive).await;
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
#[adapter::test]
async fn an_exchange_of_handlers() {
    Container::new(Both).with_acceptor(acceptor()).run().await.unwrap();
}

/// Returns the standard error of a test that runs with this value of the variable.
fn printed(test: &str, value: &str) -> String {
    let name = format!("tests::trace::{test}");
    let mut again = Command::new(env::current_exe().unwrap());
    let again = again.args(["--exact", &name]).env("PN_TRACE_FRM", value).output().unwrap();
    assert!(again.status.success(), "{again:?}");
    assert!(String::from_utf8_lossy(&again.stdout).contains("1 passed"), "{again:?}");
    String::from_utf8(again.stderr).unwrap()
}

#[adapter::test]
async fn each_frame_is_a_line_behind_the_name_of_its_connection() {
    for test in ["an_exchange", "an_exchange_of_handlers"] {
        let printed = printed(test, "1");
        let (mut names, mut told) = (BTreeSet::new(), BTreeSet::new());
        for line in printed.lines() {
            let (name, frame) = line.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
            assert!(name.starts_with("[0x") && name.len() == 15, "{line}");
            names.insert(name);
            let words: Vec<_> = frame.split(' ').collect();
            told.insert(match words[1] {
                "header" => words[..3].join(" "),
                _ => format!("{} {}", words[0], words[2]),
            });
        }
        assert_eq!(names.len(), 2, "{printed}");
        let sasl = ["header Sasl", "sasl-mechanisms", "sasl-init", "sasl-outcome"];
        let amqp = ["header Amqp", "open", "begin", "attach", "flow", "transfer", "disposition", "close"];
        for what in sasl.into_iter().chain(amqp) {
            for way in ["->", "<-"] {
                assert!(told.contains(&format!("{way} {what}")), "{way} {what}: {told:#?}");
            }
        }
        assert!(printed.contains("attach { name: ") && printed.contains("jobs"), "{printed}");
    }
}

#[adapter::test]
async fn passwords_do_not_show() {
    for (test, value) in [("an_exchange", "True"), ("an_exchange_of_handlers", "1")] {
        let printed = printed(test, value);
        assert!(printed.contains("octets hidden"), "{printed}");
        assert!(!printed.contains(SECRET) && !printed.contains("pencil"), "{printed}");
    }
}

#[adapter::test]
async fn nothing_is_printed_unless_that_is_a_yes() {
    for no in ["", "0", "no", "false"] {
        assert_eq!(printed("an_exchange", no), "", "{no:?}");
    }
}
