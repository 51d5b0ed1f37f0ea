//! The introductory programs of Proton as handlers, and a broker for them. They run unchanged in memory and in the
//! containers of both adapters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc;

use amqp_proto::config::{ReceiverOptions, SenderOptions};
use amqp_proto::handler::{
    Context, Decision, DeliveryToken, Handler, LinkToken, ListenerToken, ReceivedMessage, ReceiverToken,
    SenderToken, TransactionToken,
};
use amqp_proto::message::Message;
use amqp_proto::wire::{Outcome, Source};

/// Sends a greeting to itself through a queue.
#[derive(Default)]
pub struct HelloWorld {
    pub url: String,
    pub said: Vec<String>,
}

impl Handler for HelloWorld {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_receiver(connection, "examples");
        cx.create_sender(connection, "examples");
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        cx.send(sender, "Hello World!").unwrap();
        cx.close_link(sender).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.said.push(text(&incoming));
        cx.close_connection(incoming.token().connection());
    }
}

/// Sends numbered messages within its credit, until all are accepted.
#[derive(Default)]
pub struct SimpleSend {
    pub url: String,
    pub total: u64,
    pub sent: u64,
    pub confirmed: u64,
}

impl Handler for SimpleSend {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, "examples");
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        while cx.credit(sender) > 0 && self.sent < self.total {
            let message = Message::from(format!("sequence {}", self.sent + 1));
            cx.send(sender, message.with_message_id(self.sent + 1)).unwrap();
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.confirmed += 1;
        if self.confirmed == self.total {
            cx.close_connection(delivery.connection());
        }
    }
}

/// Receives a given number of messages.
#[derive(Default)]
pub struct SimpleRecv {
    pub url: String,
    pub expected: usize,
    pub received: Vec<String>,
}

impl Handler for SimpleRecv {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_receiver(connection, "examples");
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.received.push(text(&incoming));
        if self.received.len() == self.expected {
            cx.close_link(incoming.receiver()).unwrap();
            cx.close_connection(incoming.token().connection());
        }
    }
}

/// Sends one request after the other, and waits for each answer. It sends once the link for answers is attached,
/// whether the link for requests has credit or not.
#[derive(Default)]
pub struct Client {
    pub url: String,
    pub requests: VecDeque<String>,
    pub answers: Vec<String>,
    pub links: Option<(SenderToken, ReceiverToken)>,
}

impl Client {
    fn next_request(&self, cx: &mut Context<'_>) {
        let (Some((sender, receiver)), Some(request)) = (self.links, self.requests.front()) else { return };
        let answers = cx.source_address(receiver).unwrap();
        cx.send(sender, Message::from(request.as_str()).with_reply_to(answers)).unwrap();
    }
}

impl Handler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        let sender = cx.create_sender(connection, "examples");
        let receiver = cx.create_receiver_with(connection, "answers", ReceiverOptions::from_dynamic());
        self.links = Some((sender, receiver));
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        if self.links.is_some_and(|(_, receiver)| LinkToken::from(receiver) == link) {
            self.next_request(cx);
        }
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        let request = self.requests.pop_front().unwrap();
        self.answers.push(format!("{request} => {}", text(&incoming)));
        if self.requests.is_empty() {
            cx.close_connection(incoming.token().connection());
        } else {
            self.next_request(cx);
        }
    }
}

/// Answers requests in capitals, over one link for each address. It sends on a link as soon as the link is created.
#[derive(Default)]
pub struct Server {
    pub url: String,
    pub senders: BTreeMap<String, SenderToken>,
}

impl Handler for Server {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_receiver(connection, "examples");
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        let connection = incoming.token().connection();
        let properties = incoming.message().unwrap().properties().unwrap();
        let address = properties.reply_to.unwrap().to_string();
        let sender = *self
            .senders
            .entry(address.clone())
            .or_insert_with(|| cx.create_sender(connection, address.as_str()));
        cx.send(sender, Message::from(text(&incoming).to_uppercase()).with_to(address)).unwrap();
    }
}

/// Sends numbered messages in transactions, a batch in each (`tx_send.py`).
#[derive(Default)]
pub struct TxSend {
    pub url: String,
    pub total: u64,
    pub batch_size: u64,
    pub sender: Option<SenderToken>,
    pub transaction: Option<TransactionToken>,
    pub current_batch: u64,
    pub committed: u64,
}

impl TxSend {
    fn send(&mut self, cx: &mut Context<'_>) {
        let sender = self.sender.unwrap();
        while let Some(transaction) = self.transaction
            && cx.credit(sender) > 0
            && self.committed + self.current_batch < self.total
        {
            let number = self.committed + self.current_batch + 1;
            let message = Message::from(format!("sequence {number}")).with_message_id(number);
            cx.post(sender, transaction, message).unwrap();
            self.current_batch += 1;
            if self.current_batch == self.batch_size {
                cx.commit(transaction).unwrap();
                self.transaction = None;
            }
        }
    }
}

impl Handler for TxSend {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        self.sender = Some(cx.create_sender(connection, "examples"));
        cx.declare(connection);
    }

    fn on_declared(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        self.transaction = Some(transaction);
        self.send(cx);
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, _: SenderToken) {
        self.send(cx);
    }

    fn on_committed(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        self.committed += self.current_batch;
        if self.committed == self.total {
            cx.close_connection(transaction.connection());
        } else {
            self.current_batch = 0;
            cx.declare(transaction.connection());
        }
    }
}

/// Receives messages in transactions, a batch in each (`tx_recv.py`).
#[derive(Default)]
pub struct TxRecv {
    pub url: String,
    pub total: usize,
    pub batch_size: u32,
    pub receiver: Option<ReceiverToken>,
    pub transaction: Option<TransactionToken>,
    pub received: Vec<String>,
    pub current_batch: u32,
    pub committed: usize,
}

impl Handler for TxRecv {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        let options = ReceiverOptions::from("examples").with_prefetch(0).with_auto_accept(false);
        self.receiver = Some(cx.create_receiver_with(connection, "examples", options));
        cx.declare(connection);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.received.push(text(&incoming));
        let transaction = self.transaction.unwrap();
        cx.retire(incoming.token(), transaction, Outcome::Accepted).unwrap();
        self.current_batch += 1;
        if self.current_batch == self.batch_size {
            cx.commit(transaction).unwrap();
            self.transaction = None;
        }
    }

    fn on_declared(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        cx.receiver(self.receiver.unwrap()).unwrap().add_credit(self.batch_size).unwrap();
        self.transaction = Some(transaction);
    }

    fn on_committed(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        self.committed += self.current_batch as usize;
        self.current_batch = 0;
        if self.committed == self.total {
            cx.close_connection(transaction.connection());
        } else {
            cx.declare(transaction.connection());
        }
    }
}

fn text(incoming: &ReceivedMessage) -> String {
    incoming.message().unwrap().body().unwrap().as_str().unwrap().into()
}

/// A broker with a queue for each address.
#[derive(Default)]
pub struct Broker {
    urls: Option<mpsc::Sender<String>>,
    queues: BTreeMap<String, Queue>,
    links: BTreeMap<LinkToken, String>,
    made: u32,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Message>,
    takers: Vec<SenderToken>,
}

impl Broker {
    /// A broker that sends its URL to a channel.
    pub fn telling(urls: mpsc::Sender<String>) -> Self {
        Self { urls: Some(urls), ..Self::default() }
    }

    fn pass_on(&mut self, cx: &mut Context<'_>, address: &str) {
        let queue = self.queues.entry(address.into()).or_default();
        for taker in &queue.takers {
            while let Some(message) = queue.waiting.front() {
                if cx.try_send(*taker, message.clone()).is_err() {
                    break;
                }
                queue.waiting.pop_front();
            }
        }
    }
}

impl Handler for Broker {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        self.urls.take().unwrap().send(format!("amqp://{address}")).unwrap();
    }

    fn on_sender_offered(&mut self, cx: &mut Context<'_>, sender: SenderToken) -> Decision<SenderOptions> {
        let address = cx.source_address(sender).map(|address| address.to_string());
        let address = address.unwrap_or_else(|| {
            self.made += 1;
            format!("temporary-{}", self.made)
        });
        self.links.insert(sender.into(), address.clone());
        Decision::Accept(SenderOptions::new().with_source(Source { dynamic: true, ..Source::at(address) }))
    }

    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        self.links.insert(receiver.into(), cx.target_address(receiver).unwrap().to_string());
        Decision::Accept(ReceiverOptions::new())
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        let address = self.links[&sender.into()].clone();
        let takers = &mut self.queues.entry(address.clone()).or_default().takers;
        if !takers.contains(&sender) {
            takers.push(sender);
        }
        self.pass_on(cx, &address);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        let address = self.links[&incoming.receiver().into()].clone();
        let message = incoming.message().unwrap().to_message().unwrap();
        self.queues.entry(address.clone()).or_default().waiting.push_back(message);
        self.pass_on(cx, &address);
    }

    fn on_link_closed(&mut self, _: &mut Context<'_>, link: LinkToken, _: &amqp_proto::Reason) {
        let address = self.links.remove(&link).unwrap_or_default();
        if let Some(queue) = self.queues.get_mut(&address) {
            queue.takers.retain(|taker| LinkToken::from(*taker) != link);
        }
    }
}
