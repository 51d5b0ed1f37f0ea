//! Handlers that run unchanged in the containers of `amqp-blocking` and of `amqp-tokio`.

use std::sync::mpsc;
use std::time::Duration;

use amqp_proto::config::ReceiverOptions;
use amqp_proto::handler::{
    ConnectionToken, Context, Decision, DeliveryToken, Handler, ListenerToken, ReceivedMessage,
    ReceiverToken, SenderToken,
};
use amqp_proto::message::Message;
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Modified};
use amqp_proto::{Origin, Reason};

/// Treats each message as its subject says.
pub(crate) struct Worker {
    pub(crate) addresses: mpsc::Sender<String>,
    pub(crate) received: usize,
}

impl Handler for Worker {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        self.addresses.send(format!("amqp://{address}")).unwrap();
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.received += 1;
        let subject = incoming.message().unwrap().properties().unwrap().subject;
        let key = incoming.token();
        match subject.as_deref() {
            Some("reject") => cx.reject(key, AmqpError::new(Condition::NotAllowed)).unwrap(),
            Some("release") => cx.release(key).unwrap(),
            Some("modify") => cx.modify(key, Modified::default()).unwrap(),
            _ => {}
        }
    }
}

/// Sends messages of all kinds, and counts their outcomes.
#[derive(Default)]
pub(crate) struct Jobs {
    pub(crate) url: String,
    pub(crate) to_send: usize,
    pub(crate) sent: usize,
    pub(crate) outcomes: [usize; 4],
    pub(crate) settled: usize,
}

impl Jobs {
    fn decided(&mut self, cx: &mut Context<'_>, outcome: usize, delivery: DeliveryToken) {
        self.outcomes[outcome] += 1;
        if self.outcomes.iter().sum::<usize>() == self.to_send {
            cx.close_connection(delivery.connection());
        }
    }
}

impl Handler for Jobs {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, "jobs");
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        while self.sent < self.to_send {
            let subject = ["accept", "reject", "release", "modify"][self.sent % 4];
            if cx.send(sender, Message::from("job").with_subject(subject)).is_err() {
                return;
            }
            self.sent += 1;
        }
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.decided(cx, 0, delivery);
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, error: Option<&AmqpError>) {
        assert_eq!(error.map(|error| &error.condition), Some(&Condition::NotAllowed));
        self.decided(cx, 1, delivery);
    }

    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.decided(cx, 2, delivery);
    }

    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, _: &Modified) {
        self.decided(cx, 3, delivery);
    }

    fn on_settled(&mut self, _: &mut Context<'_>, _: DeliveryToken) {
        self.settled += 1;
    }
}

/// Receives messages only when told to, and decides later.
#[derive(Default)]
pub(crate) struct Slow {
    pub(crate) url: String,
    pub(crate) kept: Option<DeliveryToken>,
    pub(crate) ticks: u64,
}

impl Handler for Slow {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        let options = ReceiverOptions::from("jobs").with_prefetch(1).with_auto_accept(false);
        cx.create_receiver_with(connection, "slow", options);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.kept = Some(incoming.token());
        cx.schedule(Duration::from_millis(1), 5);
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, id: u64) {
        self.ticks += id;
        cx.accept(self.kept.unwrap()).unwrap();
    }
}

/// Records the end of its connection.
#[derive(Default)]
pub(crate) struct Lonely {
    pub(crate) url: String,
    pub(crate) errors: Vec<String>,
    pub(crate) closed: usize,
    pub(crate) not_listening: usize,
}

impl Handler for Lonely {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.connect(self.url.as_str());
        cx.connect("http://localhost");
        cx.connect("amqps://localhost:1");
        cx.listen("no address");
    }

    fn on_transport_error(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.errors.push(reason.to_string());
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionToken, _: &Reason) {
        self.closed += 1;
    }

    fn on_listen_error(&mut self, _: &mut Context<'_>, _: ListenerToken, _: &Reason) {
        self.not_listening += 1;
    }
}

/// Records the outcomes of its messages when its peer disappears.
#[derive(Default)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) origins: Vec<Origin>,
    pub(crate) lost: usize,
    pub(crate) receiver: Option<ReceiverToken>,
}
impl Handler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        cx.create_sender(connection, "jobs");
        self.receiver = Some(cx.create_receiver(connection, "answers"));
    }
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        cx.send(sender, "job").unwrap();
    }
    fn on_delivery_lost(&mut self, _: &mut Context<'_>, _: DeliveryToken, _: Option<&DeliveryState>) {
        self.lost += 1;
    }
    fn on_transport_error(&mut self, _: &mut Context<'_>, _: ConnectionToken, _: &Reason) {}
    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.origins.push(reason.origin);
    }
}

/// Sends, or listens if the address says so, and has no methods for errors.
pub(crate) struct Plain(pub String);

impl Handler for Plain {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        if let Some(address) = self.0.strip_prefix("listen ") {
            cx.listen(address);
        } else {
            let connection = cx.connect(self.0.as_str());
            cx.create_sender(connection, "jobs");
        }
    }
}

/// A server that refuses all links.
pub(crate) struct Refusing {
    pub(crate) addresses: mpsc::Sender<String>,
}

impl Handler for Refusing {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        self.addresses.send(format!("amqp://{address}")).unwrap();
    }

    fn on_receiver_offered(&mut self, _: &mut Context<'_>, _: ReceiverToken) -> Decision<ReceiverOptions> {
        Decision::Refuse(AmqpError::new(Condition::NotFound).with_description("no jobs here"))
    }
}

/// A server that panics on a message.
pub(crate) struct Panicking {
    pub(crate) addresses: mpsc::Sender<String>,
}

impl Handler for Panicking {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        cx.listen("127.0.0.1:0");
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        self.addresses.send(format!("amqp://{address}")).unwrap();
    }

    fn on_message(&mut self, _: &mut Context<'_>, _: ReceivedMessage) {
        panic!("a message that cannot be processed");
    }
}
