//! Handlers in containers whose connections are lost and opened again.

use std::net::TcpListener;
use std::time::Duration;

use amqp_proto::handler::{
    ConnectionToken, Context, DeliveryToken, Handler, LinkToken, ReceivedMessage, SenderToken,
};
use amqp_proto::{Reason, StaleKey};

use super::common::port::Port;
use super::common::{next_receiver, next_sender, next_session};
use crate::adapter::{self, spawn};
use crate::amqp::config::ReceiverOptions;
use crate::amqp::policy::{Backoff, Reconnect};
use crate::amqp::wire::{DeliveryState, Outcome};
use crate::amqp::{ConnectionOptions, Container, Error};

/// Rules with short delays.
fn options(attempts: u32) -> ConnectionOptions {
    let delay = Duration::from_millis(1);
    let backoff = Backoff::new(delay, delay).with_attempts(attempts);
    let rules = Reconnect::new().with_backoff(backoff).with_stable_after(Duration::ZERO);
    ConnectionOptions::new().with_reconnect(rules)
}

/// Sends `one`, and `two` once the connection is lost; receives until it gets `last`. Notes all that happens.
#[derive(Default)]
struct Lasting {
    url: String,
    /// Closes the connection when it is lost.
    leaves: bool,
    news: Vec<String>,
    sender: Option<SenderToken>,
    sent: Option<DeliveryToken>,
    taken: Option<DeliveryToken>,
}

impl Handler for Lasting {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        self.sender = Some(cx.create_sender(connection, "jobs"));
        cx.create_receiver(connection, "replies");
    }

    fn on_connection_opened(&mut self, _: &mut Context<'_>, _: ConnectionToken) {
        self.news.push("opened".into());
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        if Some(link) == self.sender.map(LinkToken::from) && self.sent.is_none() {
            self.sent = cx.send(self.sender.unwrap(), "one").ok();
        }
    }

    fn on_delivery_lost(&mut self, _: &mut Context<'_>, delivery: DeliveryToken, _: Option<&DeliveryState>) {
        assert_eq!(Some(delivery), if delivery.is_received() { self.taken } else { self.sent });
        self.news.push("delivery lost".into());
    }

    fn on_connection_lost(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, _: &Reason) {
        self.news.push("lost".into());
        // The link has its token, and waits. The deliveries are gone.
        assert!(cx.send(self.sender.unwrap(), "two").is_ok());
        for old in [self.sent, self.taken].into_iter().flatten() {
            assert_eq!(cx.delivery(old).err(), Some(StaleKey));
            assert!(cx.accept(old).is_err());
        }
        if self.leaves {
            assert!(cx.close_connection(connection));
            assert!(!cx.close_connection(connection));
        }
    }

    fn on_reconnecting(&mut self, _: &mut Context<'_>, _: ConnectionToken, attempt: u32, address: &str) {
        assert!(self.url.contains(address.trim_start_matches("amqp://")), "{address}");
        if attempt == 1 {
            self.news.push("reconnecting".into());
        }
    }

    fn on_reconnected(&mut self, cx: &mut Context<'_>, _: ConnectionToken) {
        self.news.push("reconnected".into());
        for old in [self.sent, self.taken].into_iter().flatten() {
            assert_eq!(cx.delivery(old).err(), Some(StaleKey));
            assert!(cx.accept(old).is_err());
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, message: ReceivedMessage) {
        let text = message.message().unwrap().body().unwrap().as_str().unwrap().to_owned();
        self.taken = Some(message.token());
        if text == "last" {
            cx.close_connection(message.token().connection());
        }
        self.news.push(text);
    }

    fn on_unsent(
        &mut self,
        _: &mut Context<'_>,
        _: DeliveryToken,
        _: amqp_proto::message::Message,
        _: &amqp_proto::SendError,
    ) {
        self.news.push("unsent".into());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.news.push(if reason.is_failure() { "failed" } else { "closed" }.into());
    }
}

/// The links of a handler, and the messages in their queues, outlive the connection. No token of an old delivery names
/// anything on the new one.
#[adapter::test]
async fn the_links_of_a_handler_are_attached_again() {
    let port = Port::bind();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The first address of the list is of no use.
    let url = format!("amqp://{free},{}", port.address());
    let handler = Lasting { url, ..Lasting::default() };
    let running = spawn(async move { Container::new(handler).with_options(options(99)).run().await });
    let (server, cable) = port.accept().await;
    let session = next_session(&server).await;
    let jobs = next_receiver(&session, ReceiverOptions::new()).await;
    let replies = next_sender(&session).await;
    let lost = jobs.recv().await.unwrap().unwrap();
    assert_eq!(lost.message().unwrap().body().unwrap().as_str(), Some("one"));
    assert_eq!(replies.send("first").await.unwrap(), Outcome::Accepted);
    cable.cut();
    drop((lost, jobs, replies));
    let (server, _cable) = port.accept().await;
    let session = next_session(&server).await;
    let jobs = next_receiver(&session, ReceiverOptions::new()).await;
    let replies = next_sender(&session).await;
    let queued = jobs.recv().await.unwrap().unwrap();
    assert_eq!(queued.message().unwrap().body().unwrap().as_str(), Some("two"));
    queued.accept().unwrap();
    let last = replies.send_queued("last").await.unwrap();
    let handler = running.join().await.unwrap().unwrap();
    drop(last);
    let wanted =
        ["opened", "first", "delivery lost", "lost", "reconnecting", "reconnected", "last", "closed"];
    assert_eq!(handler.news, wanted);
}

/// A handler that closes the lost connection ends it: nothing is dialled.
#[adapter::test]
async fn a_lost_connection_that_is_closed_stays_closed() {
    let port = Port::bind();
    let handler = Lasting { url: port.url(), leaves: true, ..Lasting::default() };
    let running = spawn(async move { Container::new(handler).with_options(options(99)).run().await });
    let (server, cable) = port.accept().await;
    let session = next_session(&server).await;
    let jobs = next_receiver(&session, ReceiverOptions::new()).await;
    let lost = jobs.recv().await.unwrap().unwrap();
    cable.cut();
    let handler = running.join().await.unwrap().unwrap();
    drop((lost, jobs));
    assert_eq!(handler.news, ["opened", "delivery lost", "lost", "unsent", "closed"]);
    assert!(!port.is_dialled());
}

/// When the attempts are used up, the container ends with the last error.
#[adapter::test]
async fn the_container_ends_when_no_attempt_is_left() {
    let port = Port::bind();
    let handler = Lasting { url: port.url(), ..Lasting::default() };
    let running =
        spawn(async move { Container::new(handler).with_options(options(3)).run().await.map(drop) });
    let (server, cable) = port.accept().await;
    let session = next_session(&server).await;
    let _jobs = next_receiver(&session, ReceiverOptions::new()).await;
    drop(port);
    cable.cut();
    let error = running.join().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Io(_)), "{error}");
}
