//! Two containers joined in memory, and a handler that records its callbacks.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::handler::{
    Action, ConnectionToken, Context, Decision, DeliveryToken, Dispatcher, Handler, LinkToken, ListenerToken,
    ReceivedMessage, ReceiverToken, SenderToken, SessionToken, TransactionToken,
};
use amqp_proto::types::Moment;
use amqp_proto::wire::{AmqpError, DeliveryState, Modified};
use amqp_proto::{Connection, Reason};
use bytes::Buf;

/// The reaction to a callback.
type Act<T> = Box<dyn FnMut(&mut Context<'_>, T)>;
type Decide<K, O> = Box<dyn FnMut(&mut Context<'_>, K) -> Decision<O>>;

/// Records each callback by its name without `on_`, with its subject, and runs the reaction set by the test.
#[derive(Default)]
pub(crate) struct Noter {
    pub(crate) notes: Vec<String>,
    pub(crate) start: Option<Act<()>>,
    pub(crate) opened: Option<Act<ConnectionToken>>,
    pub(crate) closed: Option<Act<ConnectionToken>>,
    pub(crate) session_offered: Option<Decide<SessionToken, SessionOptions>>,
    pub(crate) session_opened: Option<Act<SessionToken>>,
    pub(crate) sender_offered: Option<Decide<SenderToken, SenderOptions>>,
    pub(crate) receiver_offered: Option<Decide<ReceiverToken, ReceiverOptions>>,
    pub(crate) link_opened: Option<Act<LinkToken>>,
    pub(crate) link_closed: Option<Act<LinkToken>>,
    pub(crate) sendable: Option<Act<SenderToken>>,
    pub(crate) message: Option<Act<ReceivedMessage>>,
    pub(crate) data: Option<Act<(ReceiverToken, DeliveryToken)>>,
    pub(crate) outcome: Option<Act<DeliveryToken>>,
    pub(crate) declared: Option<Act<TransactionToken>>,
    pub(crate) rolled_back: Option<Act<TransactionToken>>,
    pub(crate) timer: Option<Act<u64>>,
}

fn act<T>(act: &mut Option<Act<T>>, cx: &mut Context<'_>, about: T) {
    if let Some(act) = act {
        act(cx, about);
    }
}

impl Noter {
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// Removes and returns the records, without those of the given names.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Returns the number of records of a name.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.notes.iter().filter(|note| note.split(' ').next() == Some(what)).count()
    }
}

fn why(reason: &Reason) -> String {
    match &reason.error {
        Some(error) => format!("{:?} {}", reason.origin, error.condition),
        None => format!("{:?}", reason.origin),
    }
}

impl Handler for Noter {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        self.note("start");
        act(&mut self.start, cx, ());
    }

    fn on_connection_opened(&mut self, cx: &mut Context<'_>, connection: ConnectionToken) {
        assert_eq!(cx.current(), Some(connection));
        self.note("connection_opened");
        act(&mut self.opened, cx, connection);
    }

    fn on_connection_error(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.note(format!("connection_error {}", why(reason)));
    }

    fn on_transport_error(&mut self, _: &mut Context<'_>, _: ConnectionToken, reason: &Reason) {
        self.note(format!("transport_error {}", why(reason)));
    }

    fn on_connection_closed(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, reason: &Reason) {
        self.note(format!("connection_closed {}", why(reason)));
        act(&mut self.closed, cx, connection);
    }

    fn on_listening(&mut self, _: &mut Context<'_>, _: ListenerToken, address: &str) {
        self.note(format!("listening {address}"));
    }

    fn on_listen_error(&mut self, _: &mut Context<'_>, _: ListenerToken, reason: &Reason) {
        self.note(format!("listen_error {}", why(reason)));
    }

    fn on_session_offered(
        &mut self,
        cx: &mut Context<'_>,
        session: SessionToken,
    ) -> Decision<SessionOptions> {
        self.note("session_offered");
        match &mut self.session_offered {
            Some(decide) => decide(cx, session),
            None => Decision::Accept(SessionOptions::new()),
        }
    }

    fn on_session_opened(&mut self, cx: &mut Context<'_>, session: SessionToken) {
        self.note("session_opened");
        act(&mut self.session_opened, cx, session);
    }

    fn on_session_error(&mut self, _: &mut Context<'_>, _: SessionToken, reason: &Reason) {
        self.note(format!("session_error {}", why(reason)));
    }

    fn on_session_closed(&mut self, _: &mut Context<'_>, _: SessionToken, reason: &Reason) {
        self.note(format!("session_closed {}", why(reason)));
    }

    fn on_sender_offered(&mut self, cx: &mut Context<'_>, sender: SenderToken) -> Decision<SenderOptions> {
        self.note("sender_offered");
        match &mut self.sender_offered {
            Some(decide) => decide(cx, sender),
            None => Decision::Accept(SenderOptions::new()),
        }
    }

    fn on_receiver_offered(
        &mut self,
        cx: &mut Context<'_>,
        receiver: ReceiverToken,
    ) -> Decision<ReceiverOptions> {
        self.note("receiver_offered");
        match &mut self.receiver_offered {
            Some(decide) => decide(cx, receiver),
            None => Decision::Accept(ReceiverOptions::new()),
        }
    }

    fn on_link_opened(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        self.note("link_opened");
        act(&mut self.link_opened, cx, link);
    }

    fn on_link_error(&mut self, _: &mut Context<'_>, _: LinkToken, reason: &Reason) {
        self.note(format!("link_error {}", why(reason)));
    }

    fn on_link_detached(&mut self, _: &mut Context<'_>, _: LinkToken, reason: &Reason) {
        self.note(format!("link_detached {}", why(reason)));
    }

    fn on_link_closed(&mut self, cx: &mut Context<'_>, link: LinkToken, reason: &Reason) {
        self.note(format!("link_closed {}", why(reason)));
        act(&mut self.link_closed, cx, link);
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        self.note("sendable");
        act(&mut self.sendable, cx, sender);
    }

    fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.note(format!("accepted {delivery}"));
        act(&mut self.outcome, cx, delivery);
    }

    fn on_rejected(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, error: Option<&AmqpError>) {
        let why = error.map_or("nothing".into(), |error| error.condition.to_string());
        self.note(format!("rejected {delivery} for {why}"));
        act(&mut self.outcome, cx, delivery);
    }

    fn on_released(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.note(format!("released {delivery}"));
        act(&mut self.outcome, cx, delivery);
    }

    fn on_modified(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, modified: &Modified) {
        self.note(format!("modified {delivery} failed {:?}", modified.delivery_failed));
        act(&mut self.outcome, cx, delivery);
    }

    fn on_updated(&mut self, _: &mut Context<'_>, delivery: DeliveryToken, state: &DeliveryState) {
        self.note(format!("updated {delivery} {state:?}"));
    }

    fn on_settled(&mut self, _: &mut Context<'_>, delivery: DeliveryToken) {
        self.note(format!("settled {delivery}"));
    }

    fn on_delivery_lost(
        &mut self,
        _: &mut Context<'_>,
        delivery: DeliveryToken,
        state: Option<&DeliveryState>,
    ) {
        self.note(format!("lost {delivery} {state:?}"));
    }

    fn on_message(&mut self, cx: &mut Context<'_>, message: ReceivedMessage) {
        let text = message.message().unwrap().body().unwrap();
        self.note(format!("message {}", text.as_str().unwrap()));
        act(&mut self.message, cx, message);
    }

    fn on_data(&mut self, cx: &mut Context<'_>, receiver: ReceiverToken, delivery: DeliveryToken) {
        self.note(format!("data {delivery}"));
        act(&mut self.data, cx, (receiver, delivery));
    }

    fn on_aborted(&mut self, _: &mut Context<'_>, _: ReceiverToken, delivery: DeliveryToken) {
        self.note(format!("aborted {delivery}"));
    }

    fn on_drained(&mut self, _: &mut Context<'_>, _: ReceiverToken) {
        self.note("drained");
    }

    fn on_flow_properties(&mut self, cx: &mut Context<'_>, link: LinkToken) {
        let properties = match link {
            LinkToken::Sender(sender) => cx.sender(sender).unwrap().flow_properties().cloned(),
            LinkToken::Receiver(receiver) => cx.receiver(receiver).unwrap().flow_properties().cloned(),
        };
        self.note(format!("flow_properties {properties:?}"));
    }

    fn on_declared(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        assert_eq!(cx.current(), Some(transaction.connection()));
        self.note("declared");
        act(&mut self.declared, cx, transaction);
    }

    fn on_transaction_error(&mut self, _: &mut Context<'_>, _: TransactionToken, reason: &Reason) {
        self.note(format!("transaction_error {}", why(reason)));
    }

    fn on_committed(&mut self, _: &mut Context<'_>, _: TransactionToken) {
        self.note("committed");
    }

    fn on_rolled_back(&mut self, cx: &mut Context<'_>, transaction: TransactionToken) {
        self.note("rolled_back");
        act(&mut self.rolled_back, cx, transaction);
    }

    fn on_in_doubt(&mut self, _: &mut Context<'_>, _: TransactionToken, reason: &Reason) {
        self.note(format!("in_doubt {}", why(reason)));
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, id: u64) {
        self.note(format!("timer {id}"));
        act(&mut self.timer, cx, id);
    }
}

/// A container of clients, a container of servers, and the transport between them.
pub(crate) struct Net {
    pub(crate) now: Moment,
    pub(crate) client: Dispatcher,
    pub(crate) clients: Noter,
    pub(crate) server: Dispatcher,
    pub(crate) servers: Noter,
    /// The server's connection for each connection of the client.
    pub(crate) joined: HashMap<ConnectionToken, ConnectionToken>,
    pub(crate) options: fn() -> Options,
}

impl Net {
    /// Starts both containers. No octets have moved yet.
    pub(crate) fn new(clients: Noter, servers: Noter) -> Self {
        let mut net = Self {
            now: Moment::START,
            client: Dispatcher::new(),
            clients,
            server: Dispatcher::new(),
            servers,
            joined: HashMap::new(),
            options: || Options::new("server"),
        };
        net.client.start(net.now, &mut net.clients);
        net.server.start(net.now, &mut net.servers);
        net
    }

    /// Moves all octets, makes requested connections and removes ended ones, until nothing more happens.
    pub(crate) fn drive(&mut self) {
        for _ in 0..1_000 {
            self.client.dispatch(self.now, &mut self.clients);
            self.server.dispatch(self.now, &mut self.servers);
            let mut went = self.answer_requests() || self.client.has_events() || self.server.has_events();
            let joined: Vec<_> = self.joined.iter().map(|(here, there)| (*here, *there)).collect();
            for (here, there) in joined {
                went |= self.carry(here, there);
            }
            if !went {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.clients.notes);
    }

    pub(crate) fn answer_requests(&mut self) -> bool {
        let mut any = false;
        while let Some(request) = self.client.poll_action() {
            any = true;
            match request {
                Action::Connect { connection, url } if url.starts_with("amqp://") => {
                    let client = Connection::client(Options::new("client"), self.now);
                    if self.client.connected(connection, client).is_ok() {
                        let server = Connection::server((self.options)(), self.now);
                        self.joined.insert(connection, self.server.add(server).unwrap());
                    }
                }
                Action::Connect { connection, url } => {
                    self.client.not_connected(connection, format!("no such thing as {url}"));
                }
                Action::Listen { listener, address } if address == "taken" => {
                    self.client.not_listening(listener, "the address is taken");
                }
                Action::Listen { listener, address } => {
                    let _ = self.client.listening(listener, format!("{address}:5672"));
                }
                Action::Unlisten(_) => self.clients.note("unlisten"),
                other => panic!("{other:?}"),
            }
        }
        any
    }

    pub(crate) fn carry(&mut self, here: ConnectionToken, there: ConnectionToken) -> bool {
        let (Some(client), Some(server)) = (self.client.connection(here), self.server.connection(there))
        else {
            return false;
        };
        let went = pump(self.now, client, server) | pump(self.now, server, client);
        if client.is_over() && server.is_over() && !went {
            self.client.dispatch(self.now, &mut self.clients);
            self.server.dispatch(self.now, &mut self.servers);
            self.client.remove(here);
            self.server.remove(there);
            self.joined.remove(&here);
        }
        went
    }

    /// Breaks the transport of a connection.
    pub(crate) fn cut(&mut self, here: ConnectionToken) {
        let there = self.joined[&here];
        self.client.connection(here).unwrap().end_of_input();
        self.server.connection(there).unwrap().end_of_input();
    }

    pub(crate) fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.drive();
    }
}

fn pump(now: Moment, from: &mut Connection, to: &mut Connection) -> bool {
    let octets = from.output().remaining();
    let octets = from.output().copy_to_bytes(octets);
    to.receive(now, &octets);
    !octets.is_empty()
}

/// Checks equality and shows both values.
pub(crate) fn same<T: Debug + PartialEq<U>, U: Debug>(found: &T, expected: &U) {
    assert!(found == expected, "found\n{found:#?}\nexpected\n{expected:#?}");
}
