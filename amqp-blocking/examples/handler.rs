//! Shows message delivery in the handler style, section by section: sending, tracking, receiving, acknowledging.
//!
//! ```text
//! cargo run -p amqp-blocking --example handler
//! ```
//!
//! Without a URL it starts a peer of its own: a queue in memory, which is a handler, too.
#![allow(clippy::cast_precision_loss, missing_docs, unreachable_pub)]

mod common;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use amqp_blocking::config::ReceiverOptions;
use amqp_blocking::handler::{
    ConnectionToken, Context, DeliveryToken, Handler, LinkToken, ListenerToken, ReceivedMessage, SenderToken,
};
use amqp_blocking::message::Message;
use amqp_blocking::wire::{AmqpError, Condition, Modified};
use amqp_blocking::{Address, ConnectionOptions, Container, Injector, Reason};
use anyhow::Context as _;
use clap::Parser;
use common::{Tls, say, text};

/// Shows message delivery in the handler style: sending, tracking, receiving, acknowledging.
#[derive(Debug, Parser)]
struct Options {
    /// The broker and the address of a queue, as amqp://host:port/queue. Default: a queue in memory
    url: Option<String>,
    #[command(flatten)]
    tls: Tls,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<bool> {
    let (url, queue) = match options.url {
        Some(url) => (url, None),
        None => {
            let (url, injector) = start_queue()?;
            (url, Some(injector))
        }
    };
    let address: Address = url.parse()?;
    let connecting = options.tls.set(ConnectionOptions::new(), &address)?;
    say(format_args!("Connecting to {address}"));
    let node = if address.path().is_empty() { "jobs" } else { address.path() };
    let chapter = Container::new(Chapter::new(url, node.into())).with_options(connecting).run()?;
    if let Some(queue) = queue {
        queue.stop()?;
    }
    Ok(chapter.is_through)
}

/// The number of messages in each section.
const MESSAGES: u32 = 3;

struct Chapter {
    url: String,
    node: String,
    section: Section,
    sent: u32,
    tracked: u32,
    received: u32,
    is_through: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Sending,
    Receiving,
    Acknowledging,
}

impl Chapter {
    fn new(url: String, node: String) -> Self {
        Self { url, node, section: Section::Sending, sent: 0, tracked: 0, received: 0, is_through: false }
    }

    /// Counts an outcome. A message that was not accepted will not be received.
    fn tracked(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, words: &str) {
        say(format_args!("  {delivery} {words}"));
        self.tracked += 1;
        if self.tracked == 2 * MESSAGES {
            self.receive(cx, delivery.connection());
        }
    }

    /// Receiving: credit is granted ahead, and each message is accepted once `on_message` returns.
    fn receive(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {
        say("Receiving, accepted automatically:");
        self.section = Section::Receiving;
        let options = ReceiverOptions::from(self.node.as_str()).with_prefetch(MESSAGES);
        cx.create_receiver_with(connection, "receiving", options);
    }

    /// Acknowledging: nothing is accepted until the handler says so.
    fn acknowledge(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {
        say("Receiving, acknowledged by hand:");
        self.section = Section::Acknowledging;
        let options =
            ReceiverOptions::from(self.node.as_str()).with_prefetch(MESSAGES).with_auto_accept(false);
        cx.create_receiver_with(connection, "acknowledging", options);
    }
}

impl Handler for Chapter {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, self.node.as_str());
    }

    /// Sending: there is credit. A message that is refused, since too many wait already, is sent when this is called again.
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        if self.sent == 0 {
            say("Sending, and tracking what becomes of it:");
        }
        while self.sent < 2 * MESSAGES {
            let message = Message::from(format!("job-content {}", self.sent)).with_durable(true);
            match cx.send(sender, message) {
                Ok(delivery) => {
                    say(format_args!("  {delivery} is on its way"));
                }
                Err(_) => return,
            }
            self.sent += 1;
        }
    }

    /// Tracking: the receiver says what has become of each message.
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.tracked(cx, delivery, "is accepted");
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, error: Option<&AmqpError>) {
        let why = error.map_or_else(|| "no reason given".into(), ToString::to_string);
        self.tracked(cx, delivery, &format!("is rejected: {why}"));
    }

    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.tracked(cx, delivery, "is released: it may be sent again");
    }

    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, _: &Modified) {
        self.tracked(cx, delivery, "is modified: it may be sent again, changed");
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        let body = incoming.message().and_then(|message| message.body());
        let (key, link) = (incoming.token(), incoming.receiver());
        match body {
            Ok(body) => {
                say(format_args!("  {key} is {}", text(&body)));
            }
            Err(error) => {
                say(format_args!("  {key} is no message: {error}"));
                let _ = cx.reject(key, None);
            }
        }
        if self.section == Section::Acknowledging && cx.accept(key).is_ok() {
            say(format_args!("  {key} is accepted now"));
        }
        self.received += 1;
        if self.received.is_multiple_of(MESSAGES) {
            let _ = cx.close_link(link);
        }
    }

    /// Begins the next section when a link is closed, or closes the connection after the last.
    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: LinkToken, _: &Reason) {
        let (Ok(connection), LinkToken::Receiver(_)) = (cx.connection_of(link), link) else { return };
        if self.section == Section::Receiving {
            self.acknowledge(cx, connection);
        } else {
            say("Closing");
            self.is_through = true;
            cx.close_connection(connection);
        }
    }
}

/// A queue in memory: messages sent to it go to its receivers.
#[derive(Default)]
struct Queue {
    addresses: Option<mpsc::Sender<String>>,
    waiting: VecDeque<Message>,
    takers: Vec<SenderToken>,
}

impl Queue {
    fn pass_on(&mut self, cx: &mut Context<'_>) {
        for taker in &self.takers {
            while let Some(message) = self.waiting.front() {
                if cx.try_send(*taker, message.clone()).is_err() {
                    break;
                }
                self.waiting.pop_front();
            }
        }
    }
}

impl Handler for Queue {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        if let Some(addresses) = self.addresses.take() {
            let _ = addresses.send(address.into());
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        match incoming.message().and_then(|message| message.to_message()) {
            Ok(message) => {
                self.waiting.push_back(message);
                self.pass_on(cx);
            }
            Err(error) => {
                let why = AmqpError::new(Condition::DecodeError).with_description(error.to_string());
                let _ = cx.reject(incoming.token(), why);
            }
        }
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        if !self.takers.contains(&sender) {
            self.takers.push(sender);
        }
        self.pass_on(cx);
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: LinkToken, _: &Reason) {
        self.takers.retain(|taker| LinkToken::Sender(*taker) != link);
    }
}

/// Starts a queue in a thread of its own.
fn start_queue() -> anyhow::Result<(String, Injector)> {
    let (addresses, address) = mpsc::channel();
    let (injectors, injector) = mpsc::channel();
    thread::spawn(move || {
        let queue = Queue { addresses: Some(addresses), ..Queue::default() };
        let container = Container::new(queue);
        let _ = injectors.send(container.injector());
        let _ = container.run();
    });
    let address = address.recv().context("no port can be listened at")?;
    Ok((format!("amqp://{address}"), injector.recv()?))
}
