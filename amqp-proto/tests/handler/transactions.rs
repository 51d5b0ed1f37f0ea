//! Handlers declare transactions, work in them, and end them; their coordinator is an engine without a handler.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::handler::{
    Action, ConnectionToken, Context, Dispatcher, FailureScope, Handler, TransactionToken,
};
use amqp_proto::types::{Limits, LinkKey, Moment, SenderKey, TransactionKey};
use amqp_proto::wire::{AmqpError, Condition, DeliveryState, Modified, Outcome};
use amqp_proto::{Connection, Event, LinkError, SendError, SettleError, StaleKey, TransactionError};
use bytes::Buf;

use crate::net::{Noter, same};
use crate::programs::{TxRecv, TxSend};

/// The answer of the coordinator.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Commit,
    Refuse,
    /// No answer to a commit.
    Silence,
    /// No coordinator.
    NoCoordinator,
}

/// A server with one queue, which coordinates transactions.
struct Store {
    engine: Connection,
    answer: Answer,
    outcome: Outcome,
    queue: VecDeque<String>,
    senders: Vec<SenderKey>,
    /// The messages of a transaction.
    parked: BTreeMap<TransactionKey, Vec<String>>,
    live: Option<TransactionKey>,
    accepted: usize,
}

impl Store {
    fn new(answer: Answer) -> Self {
        Self {
            engine: Connection::server(Options::new("store"), Moment::START),
            answer,
            outcome: Outcome::Accepted,
            queue: VecDeque::new(),
            senders: Vec::new(),
            parked: BTreeMap::new(),
            live: None,
            accepted: 0,
        }
    }

    fn react(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    self.engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Sender(key)) => {
                    self.engine.sender(key).unwrap().accept_link(SenderOptions::new()).unwrap();
                    self.senders.push(key);
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => {
                    let mut link = self.engine.receiver(key).unwrap();
                    match link.accept_coordinator() {
                        Ok(()) if self.answer == Answer::NoCoordinator => {
                            link.close_with(AmqpError::new(Condition::NotImplemented)).unwrap();
                        }
                        Ok(()) => {}
                        Err(error) => {
                            assert_eq!(error, LinkError::NoTerminus);
                            link.accept_link(ReceiverOptions::new()).unwrap();
                        }
                    }
                }
                Event::Message { receiver, .. } => {
                    let delivery = self.engine.receiver(receiver).unwrap().receive().unwrap();
                    let text = delivery.message().unwrap().text().unwrap().unwrap().to_string();
                    match delivery.state() {
                        Some(_) => self.parked.entry(self.live.unwrap()).or_default().push(text),
                        None => self.queue.push_back(text),
                    }
                    let outcome = self.outcome.clone().into();
                    self.engine.receiver(receiver).unwrap().dispose(delivery.key(), &outcome).unwrap();
                }
                Event::Updated { state: Some(DeliveryState::Outcome(Outcome::Accepted)), .. } => {
                    self.accepted += 1;
                }
                Event::Declared(key) => self.live = Some(key),
                Event::Discharge(key) => self.discharge(key),
                Event::RolledBack { transaction, .. } => _ = self.parked.remove(&transaction),
                _ => {}
            }
        }
        for sender in &self.senders {
            let Ok(mut sender) = self.engine.sender(*sender) else { continue };
            while sender.is_sendable()
                && let Some(text) = self.queue.pop_front()
            {
                sender.send(text).unwrap();
            }
        }
    }

    fn discharge(&mut self, key: TransactionKey) {
        let mut transaction = self.engine.transaction(key).unwrap();
        match self.answer {
            Answer::Silence => {}
            Answer::Refuse => transaction.rollback(AmqpError::new(Condition::PreconditionFailed)).unwrap(),
            _ => {
                transaction.commit().unwrap();
                self.queue.extend(self.parked.remove(&key).unwrap_or_default());
            }
        }
    }
}

/// The container of a handler, and the server of its connection.
struct Site<H> {
    all: Dispatcher,
    handler: H,
    store: Store,
    connection: Option<ConnectionToken>,
}

impl<H: Handler> Site<H> {
    fn new(handler: H, answer: Answer) -> Self {
        let mut site = Self { all: Dispatcher::new(), handler, store: Store::new(answer), connection: None };
        site.all.start(Moment::START, &mut site.handler);
        site
    }

    fn drive(&mut self) {
        for _ in 0..10_000 {
            self.all.dispatch(Moment::START, &mut self.handler);
            while let Some(action) = self.all.poll_action() {
                let Action::Connect { connection, .. } = action else { panic!("{action:?}") };
                self.connect(connection);
            }
            self.store.react();
            let near = self.connection.and_then(|connection| self.all.connection(connection));
            let went = near
                .is_some_and(|near| pump(near, &mut self.store.engine) | pump(&mut self.store.engine, near));
            if !went && !self.all.has_events() && self.all.next_deadline() != Some(Moment::START) {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn connect(&mut self, connection: ConnectionToken) {
        let client = Connection::client(Options::new("client"), Moment::START);
        self.all.connected(connection, client).unwrap();
        self.connection = Some(connection);
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let result = self.all.with(Moment::START, work);
        self.drive();
        result
    }

    fn cut(&mut self) {
        self.all.connection(self.connection.unwrap()).unwrap().end_of_input();
        self.drive();
    }
}

fn pump(from: &mut Connection, to: &mut Connection) -> bool {
    let octets = from.output().remaining();
    let octets = from.output().copy_to_bytes(octets);
    to.receive(Moment::START, &octets);
    !octets.is_empty()
}

/// Values that callbacks of a test keep.
type Shared<T> = Rc<RefCell<Vec<T>>>;

/// A handler that declares a transaction before its connection is open.
fn declaring(answer: Answer) -> (Site<Noter>, TransactionToken) {
    let declared: Shared<TransactionToken> = Rc::default();
    let seen = declared.clone();
    let noter = Noter {
        start: Some(Box::new(move |cx, ()| {
            let connection = cx.connect("amqp://example.com");
            let transaction = cx.declare(connection);
            assert_eq!(cx.commit(transaction), Err(TransactionError::Undeclared));
            assert_eq!(cx.transaction(transaction).map(|_| ()), Err(StaleKey));
            seen.borrow_mut().push(transaction);
        })),
        ..Noter::default()
    };
    let mut site = Site::new(noter, answer);
    site.drive();
    let transaction = declared.borrow()[0];
    (site, transaction)
}

/// Removes and returns the records of transactions.
fn told(site: &mut Site<Noter>) -> Vec<String> {
    let mut notes = site.handler.take();
    notes.retain(|note| {
        ["declared", "transaction_error", "committed", "rolled_back", "in_doubt"]
            .contains(&note.split(' ').next().unwrap())
    });
    notes
}

#[test]
fn tx_send_and_tx_recv() {
    let send = TxSend { total: 12, batch_size: 4, ..TxSend::default() };
    let mut site = Site::new(send, Answer::Commit);
    site.drive();
    assert_eq!((site.handler.committed, site.store.queue.len()), (12, 12));
    let queue = site.store.queue;
    let expected: Vec<_> = (1..=12).map(|number| format!("sequence {number}")).collect();
    assert_eq!(queue, expected);

    let recv = TxRecv { total: 12, batch_size: 4, ..TxRecv::default() };
    let mut site = Site::new(recv, Answer::Commit);
    site.store.queue = queue;
    site.drive();
    assert_eq!((site.handler.committed, site.store.accepted), (12, 12));
    assert_eq!(site.handler.received, expected);
}

/// The handler hears of its transactions, and of nothing else on the control link.
#[test]
fn the_control_link_is_not_reported() {
    let (mut site, transaction) = declaring(Answer::Commit);
    assert_eq!(site.handler.count("link_opened") + site.handler.count("sendable"), 0);
    same(&told(&mut site), &["declared"]);
    site.with(|cx| cx.commit(transaction)).unwrap();
    same(&site.handler.take(), &["committed"]);
    assert_eq!(site.with(|cx| cx.commit(transaction)), Err(TransactionError::Discharged));
    assert_eq!(site.with(|cx| cx.rollback(transaction)), Err(TransactionError::Discharged));

    // A second transaction uses the same link, and ends with the connection.
    let connection = transaction.connection();
    site.with(|cx| cx.declare(connection));
    same(&told(&mut site), &["declared"]);
    site.with(|cx| cx.close_connection(connection));
    let notes = site.handler.take();
    assert!(!notes.iter().any(|note| note.starts_with("link")), "{notes:?}");
    assert!(notes.contains(&"rolled_back".into()), "{notes:?}");
    assert_eq!(site.all.failure(), None);
}

/// A message that is posted in a transaction exists at the commit; after a rollback, it never existed.
#[test]
fn posted_messages() {
    for commits in [true, false] {
        let (mut site, transaction) = declaring(Answer::Commit);
        let connection = transaction.connection();
        let sender = site.with(|cx| cx.create_sender(connection, "jobs"));
        site.with(|cx| {
            cx.post(sender, transaction, "in it").unwrap();
            cx.send(sender, "outside").unwrap();
        });
        assert_eq!(site.store.queue, ["outside"]);
        same(&told(&mut site), &["declared"]);
        if commits {
            site.with(|cx| cx.commit(transaction)).unwrap();
            assert_eq!(site.store.queue, ["outside", "in it"]);
            same(&told(&mut site), &["committed"]);
        } else {
            site.with(|cx| cx.rollback(transaction)).unwrap();
            assert_eq!(site.store.queue, ["outside"]);
            same(&told(&mut site), &["rolled_back"]);
        }
        assert_eq!(site.with(|cx| cx.post(sender, transaction, "late")), Err(SendError::Discharged));
    }
}

/// A posting is refused where a message would be queued, since it could miss the commit.
#[test]
fn postings_do_not_wait() {
    let (mut site, transaction) = declaring(Answer::Commit);
    let connection = transaction.connection();
    site.with(|cx| {
        let sender = cx.create_sender(connection, "jobs");
        assert_eq!(cx.post(sender, transaction, "early"), Err(SendError::Detached));
        let id = cx.transaction(transaction).unwrap().id().unwrap();
        let options = SendOptions::new().with_transaction(id);
        assert_eq!(cx.send_with(sender, &"early".into(), &options), Err(SendError::Detached));
        assert_eq!(cx.queued(sender), 0);
        cx.send(sender, "queued").unwrap();
    });
    assert_eq!(site.store.queue, ["queued"]);
}

/// A delivery that is retired in a transaction has its outcome at the commit; after a rollback, it needs another one.
#[test]
fn retired_deliveries() {
    for commits in [true, false] {
        let (mut site, transaction) = declaring(Answer::Commit);
        let connection = transaction.connection();
        let messages = Rc::new(RefCell::new(Vec::new()));
        let kept = messages.clone();
        site.handler.message = Some(Box::new(move |cx, message| {
            cx.retire(message.token(), transaction, Outcome::Accepted).unwrap();
            kept.borrow_mut().push(message.token());
        }));
        site.store.queue.push_back("job".into());
        site.with(|cx| cx.create_receiver(connection, "jobs"));
        let delivery = messages.borrow()[0];
        assert_eq!(site.store.accepted, 0, "before the commit");
        if commits {
            site.with(|cx| cx.commit(transaction)).unwrap();
            assert_eq!(site.store.accepted, 1);
        } else {
            site.with(|cx| cx.rollback(transaction)).unwrap();
            assert_eq!(site.store.accepted, 0);
            let late = site.with(|cx| cx.retire(delivery, transaction, Outcome::Accepted));
            assert_eq!(late, Err(SettleError::Discharged));
            site.with(|cx| cx.accept(delivery)).unwrap();
            assert_eq!(site.store.accepted, 1);
        }
    }
}

/// A commit is refused: by the coordinator, or since a message was not accepted.
#[test]
fn failed_commits() {
    let (mut site, transaction) = declaring(Answer::Refuse);
    site.with(|cx| cx.commit(transaction)).unwrap();
    let refused = ["declared", "transaction_error Remote amqp:precondition-failed", "rolled_back"];
    same(&told(&mut site), &refused);

    let (mut site, transaction) = declaring(Answer::Commit);
    let connection = transaction.connection();
    site.store.outcome = Modified::default().into();
    let sender = site.with(|cx| cx.create_sender(connection, "jobs"));
    site.with(|cx| cx.post(sender, transaction, "job")).unwrap();
    assert_eq!(site.with(|cx| cx.commit(transaction)), Err(TransactionError::RollbackOnly));
    site.with(|cx| cx.rollback(transaction)).unwrap();
    assert!(site.store.queue.is_empty());
    assert_eq!(told(&mut site).last().map(String::as_str), Some("rolled_back"));
}

/// A commit that is not answered is in doubt when the connection is lost; a transaction before its commit is rolled back.
#[test]
fn lost_transactions() {
    let (mut site, transaction) = declaring(Answer::Silence);
    site.with(|cx| cx.commit(transaction)).unwrap();
    site.cut();
    same(&told(&mut site), &["declared", "in_doubt Transport"]);

    let (mut site, _) = declaring(Answer::Commit);
    site.cut();
    let lost = ["declared", "transaction_error Remote amqp:transaction:rollback", "rolled_back"];
    same(&told(&mut site), &lost);
}

/// X-CTL-05: a peer without a coordinator; each transaction says so, and the handler may try again.
#[test]
fn x_ctl_05_no_coordinator() {
    let (mut site, transaction) = declaring(Answer::NoCoordinator);
    let refused = ["transaction_error Remote amqp:not-implemented", "rolled_back"];
    same(&told(&mut site), &refused);
    site.store.answer = Answer::Commit;
    site.with(|cx| cx.declare(transaction.connection()));
    same(&told(&mut site), &["declared"]);
}

/// A transaction that cannot be declared is reported: on a connection that is over, an ended session, beyond the limit.
#[test]
fn transactions_that_cannot_be_declared() {
    let (mut site, transaction) = declaring(Answer::Commit);
    let connection = transaction.connection();
    let session = site.with(|cx| cx.create_session(connection, SessionOptions::new())).unwrap();
    told(&mut site);
    let on_session = site.with(|cx| cx.declare_on(session));
    same(&told(&mut site), &["declared"]);
    let limit = Limits::DEFAULT.transactions();
    for _ in 2..limit {
        site.with(|cx| cx.declare(connection));
    }
    assert_eq!(told(&mut site).len(), limit as usize - 2);
    site.with(|cx| cx.declare(connection));
    same(&told(&mut site), &["transaction_error Local amqp:resource-limit-exceeded", "rolled_back"]);

    site.with(|cx| cx.close_session(session)).unwrap();
    assert_eq!(site.with(|cx| cx.commit(on_session)), Err(TransactionError::Discharged));
    told(&mut site);
    let unbegun = ["transaction_error Local amqp:illegal-state", "rolled_back"];
    site.with(|cx| cx.declare_on(session));
    same(&told(&mut site), &unbegun);
    site.with(|cx| cx.close_connection(connection));
    site.all.remove(connection);
    told(&mut site);
    site.with(|cx| cx.declare(connection));
    same(&told(&mut site), &unbegun);
}

/// A transaction that waits for its connection ends with a rollback, or with the connection that is never made.
#[test]
fn transactions_that_wait() {
    for is_undone in [true, false] {
        let noter = Noter {
            start: Some(Box::new(move |cx, ()| {
                let connection = cx.connect("amqp://example.com");
                let transaction = cx.declare(connection);
                if is_undone {
                    cx.rollback(transaction).unwrap();
                    assert_eq!(cx.rollback(transaction), Err(TransactionError::Discharged));
                }
            })),
            ..Noter::default()
        };
        let mut site = Site::new(noter, Answer::Commit);
        let Some(Action::Connect { connection, .. }) = site.all.poll_action() else { panic!() };
        if is_undone {
            site.connect(connection);
            site.drive();
            same(&told(&mut site), &["rolled_back"]);
        } else {
            site.all.not_connected(connection, "no such host");
            site.drive();
            same(&told(&mut site), &["transaction_error Transport", "rolled_back"]);
        }
    }
}

/// The tokens of transactions belong to their connection.
#[test]
fn transactions_of_another_connection() {
    let (mut site, transaction) = declaring(Answer::Commit);
    let here = transaction.connection();
    let sender = site.with(|cx| cx.create_sender(here, "jobs"));
    let waiting = site.all.with(Moment::START, |cx| {
        let connection = cx.connect("amqp://example.org");
        cx.declare(connection)
    });
    assert_ne!((waiting, waiting.connection()), (transaction, here));
    let posted = site.all.with(Moment::START, |cx| cx.post(sender, waiting, "job"));
    assert_eq!(posted, Err(SendError::Discharged));
    assert_eq!(transaction.to_string(), "transaction 1");
    assert_eq!(format!("{transaction:?}"), format!("transaction 1 of {here:?}"));
}

/// A handler without methods for errors ends its container at the error of a transaction. If it was lost with the
/// connection, the container says what became of that. A transaction in doubt is an error of its own.
#[test]
fn an_error_ends_the_container() {
    struct Plain;
    impl Handler for Plain {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            let connection = cx.connect("amqp://example.com");
            cx.declare(connection);
        }
    }
    let mut site = Site::new(Plain, Answer::NoCoordinator);
    site.drive();
    let failure = site.all.failure().unwrap();
    assert!(matches!(failure.scope, FailureScope::Transaction(_)), "{failure:?}");
    assert_eq!(failure.to_string(), "transaction: ended by the peer: amqp:not-implemented");

    let mut site = Site::new(Plain, Answer::Commit);
    site.drive();
    assert_eq!(site.all.failure(), None);
    site.cut();
    let failure = site.all.failure().unwrap();
    assert!(matches!(failure.scope, FailureScope::Connection(_)), "{failure:?}");

    let mut site = Site::new(TxSend { total: 1, batch_size: 1, ..TxSend::default() }, Answer::Silence);
    site.drive();
    site.cut();
    let failure = site.all.failure().unwrap();
    assert!(matches!(failure.scope, FailureScope::InDoubt(_)), "{failure:?}");
    assert_eq!(failure.to_string(), "transaction in doubt: the transport ended");
}

/// A transaction that is declared while a connection is lost waits until the connection is open again.
#[test]
fn transactions_outlast_a_lost_connection() {
    let noter = Noter {
        start: Some(Box::new(|cx, ()| {
            let connection = cx.connect("amqp://example.com");
            cx.declare(connection);
        })),
        rolled_back: Some(Box::new(|cx, transaction| _ = cx.declare(transaction.connection()))),
        ..Noter::default()
    };
    let mut site = Site::new(noter, Answer::Commit);
    let Some(Action::Connect { connection, .. }) = site.all.poll_action() else { panic!() };
    site.all.reopen(connection).unwrap();
    site.connect(connection);
    open_again(&mut site);
    assert_eq!(told(&mut site).last().map(String::as_str), Some("declared"));
    site.all.connection(connection).unwrap().end_of_input();
    site.all.dispatch(Moment::START, &mut site.handler);
    assert!(site.all.remove(connection).is_some());
    let again = site.all.poll_action();
    assert!(matches!(again, Some(Action::Reconnect(..))), "{again:?}");
    site.store = Store::new(Answer::Commit);
    site.connect(connection);
    open_again(&mut site);
    let lost = ["transaction_error Remote amqp:transaction:rollback", "rolled_back", "declared"];
    same(&told(&mut site), &lost);
}

/// Drives a site whose connection is opened again.
fn open_again(site: &mut Site<Noter>) {
    for _ in 0..100 {
        site.all.dispatch(Moment::START, &mut site.handler);
        while let Some(action) = site.all.poll_action() {
            assert!(matches!(action, Action::Opened(_)), "{action:?}");
        }
        site.store.react();
        let near = site.all.connection(site.connection.unwrap()).unwrap();
        if !(pump(near, &mut site.store.engine) | pump(&mut site.store.engine, near)) {
            return;
        }
    }
    panic!("it never comes to rest");
}
