//! The outcomes of all messages of a link, as one task gets them: each is told once, also that of a message that waits to
//! be sent again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/pipe.rs"]
mod pipe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use amqp_proto::client::{Error, SenderSettings};
use amqp_proto::config::{Options, ReceiverOptions, SessionOptions};
use amqp_proto::driver::{Connection, Dialer, Ending, Pump, Sender, SentOutcomes};
use amqp_proto::policy::Recovery;
use amqp_proto::types::{DeliveryKey, LinkKey, Moment, ReceiverKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition, Outcome};
use amqp_proto::{Connection as Engine, Event, LinkState};
use pipe::{Pipe, lasting_hub, open_again, pipe, run};

/// An end of a link that is away.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The peer refuses the link on the next connection.
    Refused,
    /// The peer ends the session on the next connection.
    SessionEnded,
    /// The peer closes the link, which it has detached before.
    ClosedByPeer,
    /// The application closes the link.
    Closed,
    /// The application closes the connection.
    ConnectionClosed,
    /// The connection is not opened again.
    Abandoned,
}

/// A server that accepts sessions and links, and keeps messages without an outcome at first.
struct Server {
    amqp: Engine,
    pipe: Pipe,
    refuses: Option<End>,
    session: Option<SessionKey>,
    link: Option<ReceiverKey>,
    /// The state of the link when it was detached.
    state: Option<LinkState>,
    /// The number of messages that have arrived.
    received: usize,
    accepts: bool,
}

impl Server {
    fn new(pipe: Pipe, refuses: Option<End>) -> Self {
        Self {
            amqp: Engine::server(Options::new("server"), Moment::START),
            pipe,
            refuses,
            session: None,
            link: None,
            state: None,
            received: 0,
            accepts: false,
        }
    }

    fn turn(&mut self) {
        let mut space = [0; 64];
        while let Ok(octets @ 1..) = std::io::Read::read(&mut self.pipe, &mut space) {
            self.amqp.receive(Moment::START, &space[..octets]);
        }
        let amqp = &mut self.amqp;
        while let Some(event) = amqp.poll_event() {
            match (event, self.refuses) {
                (Event::SessionOffered(session), refuses) => {
                    self.session = Some(session);
                    let mut session = amqp.session(session).unwrap();
                    session.accept(SessionOptions::new()).unwrap();
                    if let Some(End::SessionEnded) = refuses {
                        session.end_with(not_found()).unwrap();
                    }
                }
                (Event::LinkOffered(LinkKey::Receiver(link)), Some(End::Refused)) => {
                    amqp.receiver(link).unwrap().refuse_link(not_found()).unwrap();
                }
                (Event::LinkOffered(LinkKey::Receiver(link)), None) => {
                    let options = ReceiverOptions::new().with_resumable(true);
                    amqp.receiver(link).unwrap().accept_link(options).unwrap();
                    self.link = Some(link);
                }
                (Event::Message { receiver, delivery }, _) => {
                    let mut link = amqp.receiver(receiver).unwrap();
                    self.received += link.receive().into_iter().count();
                    if self.accepts {
                        link.accept(delivery).unwrap();
                    }
                }
                (Event::Suspended { state, .. }, _) => self.state = Some(*state),
                (Event::Resumed { link: LinkKey::Receiver(link), delivery, .. }, _) => {
                    amqp.receiver(link).unwrap().accept(delivery).unwrap();
                }
                _ => {}
            }
        }
        self.amqp.write_to(&mut self.pipe).unwrap();
    }
}

fn not_found() -> AmqpError {
    AmqpError::new(Condition::NotFound)
}

/// Takes the outcomes that are told.
fn told(outcomes: &mut SentOutcomes<Waker>) -> Vec<(DeliveryKey, Result<Outcome, Error>)> {
    let mut told = Vec::new();
    while let Poll::Ready(Some(one)) = outcomes.poll(Waker::noop()) {
        told.push(one);
    }
    told
}

/// A client with a link whose messages have no outcome.
struct World {
    millis: Arc<AtomicU64>,
    dialer: Dialer<Waker>,
    pump: Pump<Waker>,
    near: Pipe,
    server: Server,
    connection: Connection<Waker>,
    sender: Sender<Waker>,
    outcomes: SentOutcomes<Waker>,
    sent: Vec<DeliveryKey>,
}

impl World {
    fn new(recovery: Recovery) -> Self {
        let ((mut near, far), (hub, millis)) = (pipe(1_000), lasting_hub());
        let (dialer, mut pump) = (Dialer::new(&hub), Pump::new(Arc::clone(&hub)));
        let (mut server, connection) = (Server::new(far, None), Connection::new(hub));
        let mut settings = SenderSettings::to("jobs");
        settings.recovery = recovery;
        let sender = Sender::attach(&Connection::home(&connection), &settings).unwrap();
        run(&mut pump, &mut near, || server.turn(), Sender::attached(&sender)).unwrap();
        let outcomes = Sender::outcomes(&sender);
        let sent = Vec::new();
        let mut world = Self { millis, dialer, pump, near, server, connection, sender, outcomes, sent };
        world.rest();
        for body in ["first", "second"] {
            world.sent.push(Sender::try_send(&world.sender, body).unwrap().key());
        }
        world.rest();
        assert!(world.outcomes.poll(Waker::noop()).is_pending());
        world
    }

    /// Lets both ends move until nothing does.
    fn rest(&mut self) {
        for _ in 0..20 {
            self.pump.turn(&mut self.near, Waker::noop());
            self.server.turn();
        }
    }

    fn lose(&mut self) {
        self.server.pipe.output.borrow_mut().is_ended = true;
        assert_eq!(self.pump.turn(&mut self.near, Waker::noop()), None, "this stream is over");
        assert!(self.outcomes.poll(Waker::noop()).is_pending(), "the link is only away");
    }

    /// Opens the connection to another server.
    fn open_again(&mut self, refuses: End) {
        open_again(&self.dialer, &self.millis);
        let (near, far) = pipe(1_000);
        (self.near, self.server) = (near, Server::new(far, Some(refuses)));
        self.pass();
    }

    /// Lets the client attach the link as often as it wants.
    fn pass(&mut self) {
        for _ in 0..5 {
            self.rest();
            self.millis.fetch_add(1_000, Ordering::Relaxed);
        }
    }

    /// Has the server detach the link.
    fn detach(&mut self) -> ReceiverKey {
        let link = self.server.link.unwrap();
        self.server.amqp.receiver(link).unwrap().detach().unwrap();
        self.rest();
        link
    }

    /// Ends the link. Checks that the messages are told as lost, each once.
    fn lose_with(mut self, end: End) {
        match end {
            End::ClosedByPeer => {
                let link = self.detach();
                self.server.amqp.receiver(link).unwrap().close_with(not_found()).unwrap();
                self.rest();
            }
            _ => self.lose(),
        }
        match end {
            End::ClosedByPeer => {}
            End::Refused | End::SessionEnded => self.open_again(end),
            End::Closed => drop(Sender::end(&self.sender, Ending::Close(None))),
            End::ConnectionClosed => drop(Connection::close(&self.connection)),
            End::Abandoned => drop((self.pump, self.dialer)),
        }
        let told = told(&mut self.outcomes);
        assert_eq!(told.iter().map(|(key, _)| *key).collect::<Vec<_>>(), self.sent, "{end:?}");
        assert!(told.iter().all(|(_, outcome)| matches!(outcome, Err(Error::Lost(_)))), "{end:?}: {told:?}");
        assert!(self.outcomes.poll(Waker::noop()).is_ready(), "the link is over");
    }
}

#[test]
fn messages_that_wait_to_be_sent_again_are_lost_with_their_link() {
    use End::{Abandoned, Closed, ClosedByPeer, ConnectionClosed, Refused, SessionEnded};
    for recovery in [Recovery::Replay, Recovery::Resume] {
        for end in [Refused, SessionEnded, ClosedByPeer, Closed, ConnectionClosed, Abandoned] {
            World::new(recovery).lose_with(end);
        }
    }
}

/// Checks that all messages are accepted, and have arrived so many times in all.
fn accepts_all(mut world: World, received: usize) {
    world.server.accepts = true;
    world.pass();
    let told = told(&mut world.outcomes);
    assert_eq!(told.iter().map(|(key, _)| *key).collect::<Vec<_>>(), world.sent);
    assert!(told.iter().all(|(_, outcome)| matches!(outcome, Ok(Outcome::Accepted))), "{told:?}");
    assert_eq!(world.server.received, received);
}

/// L-CLOSE-02: the peer attaches the link only to close it, so that both ends have forgotten its deliveries.
#[test]
fn the_messages_of_a_detached_link_that_its_peer_closes_are_sent_again() {
    let mut world = World::new(Recovery::Resume);
    let link = world.detach();
    world.server.amqp.receiver(link).unwrap().close().unwrap();
    accepts_all(world, 4);
}

#[test]
fn the_messages_of_a_detached_link_that_its_peer_attaches_again_are_resumed() {
    let mut world = World::new(Recovery::Resume);
    world.detach();
    let (session, state) = (world.server.session.unwrap(), world.server.state.take().unwrap());
    let mut session = world.server.amqp.session(session).unwrap();
    session.resume_receiver(state, ReceiverOptions::new().with_resumable(true)).unwrap();
    accepts_all(world, 2);
}
