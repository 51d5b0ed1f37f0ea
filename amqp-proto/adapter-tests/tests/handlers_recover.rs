//! Handlers whose deliveries outlive their connection: resumed, or sent again.

use std::time::Duration;

use super::common::port::Port;
use super::common::resuming::{Cutter, Memory, SECOND, Server, Step};
use crate::adapter;
use crate::amqp::config::{ReceiverOptions, SenderOptions};
use crate::amqp::handler::{ConnectionToken, Context, DeliveryToken, Handler, ReceivedMessage, SenderToken};
use crate::amqp::message::Message;
use crate::amqp::policy::{Backoff, Reconnect, Recovery};
use crate::amqp::wire::{AmqpError, Condition, DeliveryState, Outcome};
use crate::amqp::{ConnectionOptions, Container, Reason};

fn options() -> ConnectionOptions {
    let delay = Duration::from_millis(1);
    let rules = Reconnect::new().with_backoff(Backoff::new(delay, delay)).with_stable_after(Duration::ZERO);
    ConnectionOptions::new().with_reconnect(rules)
}

/// Sends messages, and closes its connection when each is settled or lost.
struct Jobs {
    url: String,
    recovery: Recovery,
    connection: Option<ConnectionToken>,
    to_send: usize,
    sent: Vec<DeliveryToken>,
    accepted: Vec<DeliveryToken>,
    settled: Vec<DeliveryToken>,
    lost: Vec<DeliveryToken>,
    reconnected: usize,
}

impl Jobs {
    fn new(url: String, recovery: Recovery, to_send: usize) -> Self {
        let (sent, accepted, settled, lost) = Default::default();
        Self { url, recovery, connection: None, to_send, sent, accepted, settled, lost, reconnected: 0 }
    }

    fn end_if_done(&self, cx: &mut Context<'_>) {
        if self.settled.len() + self.lost.len() == self.to_send {
            cx.close_connection(self.connection.unwrap());
        }
    }

    /// Checks that each message got its outcome once, under the token that it was sent with.
    fn check(&mut self) {
        assert!(self.lost.is_empty(), "{:?}", self.lost);
        for told in [&mut self.accepted, &mut self.settled] {
            told.sort_unstable();
            assert_eq!(*told, self.sent);
        }
    }
}

impl Handler for Jobs {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        self.connection = Some(connection);
        let options = SenderOptions::to("jobs").with_rcv_settle_mode(SECOND);
        cx.create_sender_with_recovery(connection, "jobs", options, self.recovery);
    }

    fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
        while self.sent.len() < self.to_send {
            let message = Message::from(format!("job {}", self.sent.len()));
            let Ok(delivery) = cx.try_send(sender, message) else { return };
            assert!(!delivery.is_received());
            self.sent.push(delivery);
        }
    }

    fn on_accepted(&mut self, _: &mut Context<'_>, delivery: DeliveryToken) {
        self.accepted.push(delivery);
    }

    fn on_settled(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
        self.settled.push(delivery);
        self.end_if_done(cx);
    }

    fn on_delivery_lost(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken, _: Option<&DeliveryState>) {
        self.lost.push(delivery);
        self.end_if_done(cx);
    }

    fn on_reconnected(&mut self, _: &mut Context<'_>, _: ConnectionToken) {
        self.reconnected += 1;
    }
}

fn bodies(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("job {number}")).collect()
}

/// [2.6.13]: messages whose outcome was lost with the connection are not sent again; each outcome is told once.
#[adapter::test]
async fn a_handler_resumes_what_it_has_sent() {
    let port = Port::bind();
    let steps = vec![Step::Accept, Step::Hold, Step::Hold, Step::Cut, Step::Hold, Step::Cut];
    let (seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, steps, Vec::new());
    let jobs = Jobs::new(port.url(), Recovery::Resume, 9);
    let mut jobs = Container::new(jobs).with_options(options()).run().await.unwrap();
    jobs.check();
    assert_eq!(jobs.reconnected, 2);
    assert_eq!(seen.lock().unwrap().bodies, bodies(0..9));
}

/// A peer that keeps nothing, or refuses to resume, gets the messages again, as with `Replay`; each outcome is told once.
#[adapter::test]
async fn a_handler_sends_again_what_cannot_be_resumed() {
    for (recovery, memory) in [
        (Recovery::Replay, Memory::Forgets),
        (Recovery::Resume, Memory::Forgets),
        (Recovery::Resume, Memory::Refuses),
    ] {
        let port = Port::bind();
        let steps = vec![Step::Hold, Step::Cut];
        let (seen, _cutter) = Server::spawn(port.listener(), memory, steps, Vec::new());
        let jobs = Jobs::new(port.url(), recovery, 2);
        let mut jobs = Container::new(jobs).with_options(options()).run().await.unwrap();
        jobs.check();
        assert_eq!(seen.lock().unwrap().bodies, bodies([0, 1, 0, 1]), "{recovery:?}, {memory:?}");
    }
}

/// Without recovery each message is lost once, and not sent again.
#[adapter::test]
async fn a_handler_without_recovery_is_told_what_is_lost() {
    let port = Port::bind();
    let steps = vec![Step::Hold, Step::Cut];
    let (seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, steps, Vec::new());
    let jobs = Jobs::new(port.url(), Recovery::Report, 2);
    let mut jobs = Container::new(jobs).with_options(options()).run().await.unwrap();
    jobs.lost.sort_unstable();
    assert_eq!((&jobs.lost, jobs.accepted.len()), (&jobs.sent, 0));
    assert_eq!(seen.lock().unwrap().bodies, bodies(0..2));
}

/// The moment at which a handler decides on its second and third message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deciding {
    Away,
    Back,
}

/// Receives three messages: it accepts the first at once, and the others when its connection was lost.
struct News {
    url: String,
    deciding: Deciding,
    cutter: Cutter,
    kept: Vec<DeliveryToken>,
    bodies: Vec<String>,
    lost: usize,
}

impl News {
    fn decide(&mut self, cx: &mut Context<'_>) {
        let [accepted, rejected] = self.kept[..] else { panic!("{:?}", self.kept) };
        cx.accept(accepted).unwrap();
        cx.reject(rejected, AmqpError::new(Condition::NotAllowed)).unwrap();
        // An outcome is final, also while the connection is away.
        assert!(cx.release(accepted).is_err());
    }
}

impl Handler for News {
    fn on_start(&mut self, cx: &mut Context<'_>) {
        let connection = cx.connect(self.url.as_str());
        let options = ReceiverOptions::from("news").with_prefetch(10).with_auto_accept(false);
        cx.create_receiver_with_recovery(connection, "news", options, Recovery::Resume);
    }

    fn on_message(&mut self, cx: &mut Context<'_>, incoming: ReceivedMessage) {
        self.bodies.push(incoming.message().unwrap().body().unwrap().as_str().unwrap().to_string());
        match self.bodies.len() {
            1 => cx.accept(incoming.token()).unwrap(),
            2 => self.kept.push(incoming.token()),
            3 => {
                self.kept.push(incoming.token());
                self.cutter.send(()).unwrap();
            }
            _ => panic!("a message comes twice"),
        }
    }

    fn on_connection_lost(&mut self, cx: &mut Context<'_>, _: ConnectionToken, _: &Reason) {
        if self.deciding == Deciding::Away {
            self.decide(cx);
        }
    }

    fn on_reconnected(&mut self, cx: &mut Context<'_>, _: ConnectionToken) {
        if self.deciding == Deciding::Back {
            self.decide(cx);
        }
        // By then the outcomes have been told.
        cx.schedule(Duration::from_millis(200), 0);
    }

    fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
        cx.stop();
    }

    fn on_delivery_lost(&mut self, _: &mut Context<'_>, _: DeliveryToken, _: Option<&DeliveryState>) {
        self.lost += 1;
    }
}

/// [2.6.13]: a delivery keeps its token, whether it is decided on while the connection is away or after; none comes twice.
#[adapter::test]
async fn a_handler_decides_on_what_it_has_received_before() {
    for deciding in [Deciding::Away, Deciding::Back] {
        let port = Port::bind();
        let news = vec!["one", "two", "three"];
        let (seen, cutter) = Server::spawn(port.listener(), Memory::Keeps, Vec::new(), news);
        let (kept, bodies) = Default::default();
        let news = News { url: port.url(), deciding, cutter, kept, bodies, lost: 0 };
        let news = Container::new(news).with_options(options()).run().await.unwrap();
        assert_eq!((news.bodies, news.lost), (vec!["one".into(), "two".into(), "three".into()], 0));
        let outcomes = seen.lock().unwrap().outcomes.clone();
        let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count();
        let rejected = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Rejected(_))).count();
        assert_eq!((accepted, rejected, outcomes.len()), (2, 1, 3), "{deciding:?}: {outcomes:?}");
    }
}

/// A handler that gives its connection up while it is away is told which messages have no outcome.
#[adapter::test]
async fn a_link_that_is_closed_reports_what_it_has_kept() {
    struct Closing(Jobs);
    impl Handler for Closing {
        fn on_start(&mut self, cx: &mut Context<'_>) {
            self.0.on_start(cx);
        }
        fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
            self.0.on_sendable(cx, sender);
        }
        fn on_connection_lost(&mut self, cx: &mut Context<'_>, connection: ConnectionToken, _: &Reason) {
            cx.close_connection(connection);
        }
        fn on_delivery_lost(
            &mut self,
            cx: &mut Context<'_>,
            delivery: DeliveryToken,
            state: Option<&DeliveryState>,
        ) {
            self.0.on_delivery_lost(cx, delivery, state);
        }
    }
    for recovery in [Recovery::Replay, Recovery::Resume] {
        let port = Port::bind();
        let steps = vec![Step::Hold, Step::Cut];
        let (_seen, _cutter) = Server::spawn(port.listener(), Memory::Keeps, steps, Vec::new());
        let jobs = Closing(Jobs::new(port.url(), recovery, 2));
        let mut jobs = Container::new(jobs).with_options(options()).run().await.unwrap().0;
        jobs.lost.sort_unstable();
        assert_eq!(jobs.lost, jobs.sent, "{recovery:?}");
    }
}
