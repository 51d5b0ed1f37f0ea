//! Sends, tracks, receives and acknowledges messages between two engines in memory, and prints every frame.
//!
//! ```text
//! cargo run -p amqp-proto --example two_engines
//! ```
//!
//! There is no socket and no clock: the output of one end is the input of the other. The same handlers would run in a
//! container.

use amqp_proto::config::{Options, ReceiverOptions};
use amqp_proto::handler::{
    Action, ConnectionToken, Context, Decision, DeliveryToken, Dispatcher, Handler, LinkToken,
    ReceivedMessage, ReceiverToken, SenderToken,
};
use amqp_proto::types::Moment;
use amqp_proto::wire::{AmqpError, Condition};
use amqp_proto::{Connection, Reason};
use bytes::Buf;

/// Sends jobs to two nodes, and prints their outcomes.
#[derive(Default)]
struct Client {
    /// The number of jobs without an outcome.
    pending: u32,
    /// The number of senders without credit so far.
    waiting: u32,
}

impl Client {
    fn done(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.pending -= 1;
        if self.pending == 0 && self.waiting == 0 {
            println!("client: every job has its outcome");
            cx.close_connection(delivery.connection());
        }
    }
}

impl Handler for Client {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect("amqp://in-memory");
        cx.create_sender(connection, "jobs");
        cx.create_sender(connection, "checked-jobs");
        self.waiting = 2;
    }

    // Sending: there is credit, and room for what is sent.
    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        self.waiting -= 1;
        let address = cx.target_address(sender).unwrap_or_default();
        for job in ["print a page", "print a book"] {
            match cx.send(sender, job) {
                Ok(delivery) => {
                    println!("client: '{job}' goes to {address} as {delivery}");
                    self.pending += 1;
                }
                Err(error) => println!("client: '{job}' is not sent: {error}"),
            }
        }
    }

    // Tracking: the other end has decided.
    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        println!("client: {delivery} is accepted");
        self.done(cx, delivery);
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, error: Option<&AmqpError>) {
        let why = error.map(ToString::to_string).unwrap_or_default();
        println!("client: {delivery} is rejected: {why}");
        self.done(cx, delivery);
    }

    fn on_connection_closed(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        println!("client: the connection is over, {reason}");
    }
}

/// Receives jobs: accepts those of one node automatically, and decides about those of the other.
struct Worker;

impl Handler for Worker {
    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        let address = cx.target_address(receiver).unwrap_or_default();
        match address.as_str() {
            "jobs" => Decision::Accept(ReceiverOptions::new()),
            // Acknowledging is up to the handler here.
            "checked-jobs" => Decision::Accept(ReceiverOptions::new().with_auto_accept(false)),
            other => Decision::Refuse(
                AmqpError::new(Condition::NotFound).with_description(format!("no node {other}")),
            ),
        }
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        println!("worker: a link to {} is open", cx.target_address(link).unwrap_or_default());
    }

    // Receiving: what is neither settled nor updated here is accepted on return, unless auto-accept is off.
    fn on_message(&mut self, cx: &mut Context<'_>, message: ReceivedMessage) {
        let body = message.message().and_then(|message| message.body());
        let job = body.as_ref().ok().and_then(|body| body.as_str()).unwrap_or("?");
        println!("worker: received '{job}'");
        let automatic = cx.receiver(message.receiver()).is_ok_and(|receiver| receiver.is_auto_accept());
        if automatic {
            return;
        }
        let told = if job.ends_with("book") {
            let error = AmqpError::new(Condition::NotAllowed).with_description("too much paper");
            cx.reject(message.token(), error)
        } else {
            cx.accept(message.token())
        };
        if let Err(error) = told {
            println!("worker: {error}");
        }
    }
}

/// Moves the output of one end to the other. Returns whether there was any.
fn carry(from: &mut Dispatcher, one: ConnectionToken, to: &mut Dispatcher, other: ConnectionToken) -> bool {
    let (Some(one), Some(other)) = (from.connection(one), to.connection(other)) else { return false };
    let octets = one.output().remaining();
    let octets = one.output().copy_to_bytes(octets);
    other.receive(Moment::START, &octets);
    !octets.is_empty()
}

fn main() {
    let now = Moment::START;
    let (mut client, mut worker) = (Client::default(), Worker);
    let (mut clients, mut workers) = (Dispatcher::new(), Dispatcher::new());
    clients.start(now, &mut client);
    workers.start(now, &mut worker);

    let Some(Action::Connect { connection: here, .. }) = clients.poll_action() else { return };
    let mut connection = Connection::client(Options::new("client"), now);
    connection.set_trace(|frame| println!("        {frame}"));
    if clients.connected(here, connection).is_err() {
        return;
    }
    let Some(there) = workers.add(Connection::server(Options::new("worker"), now)) else { return };

    loop {
        clients.dispatch(now, &mut client);
        workers.dispatch(now, &mut worker);
        let went = carry(&mut clients, here, &mut workers, there);
        if !(carry(&mut workers, there, &mut clients, here) || went) {
            break;
        }
    }
}
