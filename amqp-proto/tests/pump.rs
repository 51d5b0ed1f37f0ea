//! The loop of a driver for non-blocking streams, over a pipe in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/pipe.rs"]
mod pipe;

use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use amqp_proto::client::{ConnectionOptions, Error, SenderSettings};
use amqp_proto::config::{Options, ReceiverOptions, SessionOptions};
use amqp_proto::driver::{Clock, Connection, Dialer, Hub, HubOptions, Interest, Pump, Queued, Sender, Sent};
use amqp_proto::types::{LinkKey, Moment};
use amqp_proto::wire::{AmqpError, Condition, Outcome};
use amqp_proto::{Connection as Engine, Event};
use pipe::{Pipe, lasting_hub, open_again, pipe, run};

fn hub() -> Arc<Hub<Waker>> {
    let engine = Engine::client(Options::new("client"), Moment::START);
    let clock = Clock::new(|| Moment::START);
    Hub::new(engine, HubOptions::new(clock, "link".into(), &ConnectionOptions::new()))
}

/// The other end: accepts all that comes.
struct Server {
    amqp: Engine,
    pipe: Pipe,
}

impl Server {
    fn new(pipe: Pipe) -> Self {
        Self { amqp: Engine::server(Options::new("server"), Moment::START), pipe }
    }

    fn turn(&mut self) {
        let mut space = [0; 64];
        while let Ok(octets @ 1..) = self.pipe.read(&mut space) {
            self.amqp.receive(Moment::START, &space[..octets]);
        }
        self.act();
        self.amqp.write_to(&mut self.pipe).unwrap();
    }

    fn act(&mut self) {
        let amqp = &mut self.amqp;
        while let Some(event) = amqp.poll_event() {
            match event {
                Event::SessionOffered(session) => {
                    amqp.session(session).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(link)) => {
                    amqp.receiver(link).unwrap().accept_link(ReceiverOptions::new()).unwrap();
                }
                Event::Message { receiver, .. } => {
                    let mut receiver = amqp.receiver(receiver).unwrap();
                    let delivery = receiver.receive().unwrap();
                    receiver.accept(delivery.key()).unwrap();
                }
                _ => {}
            }
        }
    }
}

/// Sends a message, and waits for its outcome.
async fn send(sender: &Sender<Waker>, body: Vec<u8>) -> Result<Outcome, Error> {
    let sent = match Sender::queue(sender, body)? {
        Queued::Sent(sent) => sent,
        Queued::Waiting(turn) => turn.await?,
    };
    poll_fn(|context| Sent::poll_outcome(&sent, context.waker())).await
}

#[test]
fn messages_go_through_a_narrow_pipe_and_the_end_is_clean() {
    for room in [1, 7, 100, 1 << 20] {
        let ((mut near, far), hub) = (pipe(room), hub());
        let (mut pump, mut server) = (Pump::new(Arc::clone(&hub)), Server::new(far));
        let connection = Connection::new(hub);
        let work = async {
            Connection::opened(&connection).await?;
            let sender = Sender::attach(&Connection::home(&connection), &SenderSettings::to("jobs"))?;
            Sender::attached(&sender).await?;
            for size in [0, 10, 1_000] {
                assert_eq!(send(&sender, vec![7; size]).await?, Outcome::Accepted);
            }
            Connection::close(&connection).await
        };
        run(&mut pump, &mut near, || server.turn(), work).unwrap();
        assert_eq!(pump.turn(&mut near, Waker::noop()), None, "the connection is over");
    }
}

#[test]
fn it_says_what_it_waits_for() {
    let ((mut near, mut far), hub) = (pipe(4), hub());
    let mut pump = Pump::new(hub);
    let Interest { readable, writable, deadline, .. } = pump.turn(&mut near, Waker::noop()).unwrap();
    assert!(readable && writable, "the pipe has taken four octets");
    assert!(deadline.is_some(), "the open time-out");
    let mut space = [0; 4];
    for _ in 0..1_000 {
        far.read(&mut space).unwrap_or_default();
        if !pump.turn(&mut near, Waker::noop()).unwrap().writable {
            return;
        }
    }
    panic!("there is no end of output");
}

#[test]
fn the_end_and_the_failure_of_the_stream_are_told() {
    for failure in [None, Some(ErrorKind::ConnectionReset)] {
        let ((mut near, far), hub) = (pipe(1_000), hub());
        let mut pump = Pump::new(Arc::clone(&hub));
        let connection = Connection::new(hub);
        match failure {
            None => far.output.borrow_mut().is_ended = true,
            Some(_) => near.failure = failure,
        }
        assert!((0..4).any(|_| pump.turn(&mut near, Waker::noop()).is_none()));
        let mut opened = std::pin::pin!(Connection::opened(&connection));
        let Poll::Ready(Err(error)) = opened.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the connection is not over");
        };
        assert!(matches!(error, Error::Connection(_)), "{error}");
        assert_eq!(error.to_string().contains("reset"), failure.is_some(), "{error}");
    }
}

#[test]
fn the_last_words_of_a_peer_that_reads_no_more_are_heard() {
    let ((mut near, far), hub) = (pipe(1_000), hub());
    let (mut pump, mut server) = (Pump::new(Arc::clone(&hub)), Server::new(far));
    let connection = Connection::new(hub);
    run(&mut pump, &mut near, || server.turn(), Connection::opened(&connection)).unwrap();
    server.amqp.close_with(AmqpError::new(Condition::ConnectionForced));
    server.turn();
    near.failure = Some(ErrorKind::BrokenPipe);
    let reason = run(&mut pump, &mut near, || server.turn(), Connection::closed(&connection));
    assert_eq!(reason.condition(), Some(&Condition::ConnectionForced), "{reason}");
}

#[test]
fn the_answer_to_a_close_waits_for_the_stream_but_not_for_ever() {
    for is_read in [true, false] {
        let ((mut near, far), (hub, millis)) = (pipe(1_000), lasting_hub());
        let (mut pump, mut server) = (Pump::new(Arc::clone(&hub)), Server::new(far));
        let connection = Connection::new(hub);
        run(&mut pump, &mut near, || server.turn(), Connection::opened(&connection)).unwrap();
        server.amqp.close();
        server.turn();
        near.output.borrow_mut().room = 0;
        let interest = pump.turn(&mut near, Waker::noop()).unwrap();
        assert!(interest.writable && !interest.readable);
        assert_eq!(interest.deadline, Some(Moment::from_millis(10_000)));
        if is_read {
            near.output.borrow_mut().room = 1_000;
        } else {
            millis.store(10_000, Ordering::Relaxed);
        }
        assert_eq!(pump.turn(&mut near, Waker::noop()), None);
        server.turn();
        assert_eq!(server.amqp.is_over(), is_read);
    }
}

#[test]
fn a_connection_that_is_opened_again_goes_on_with_the_same_pump() {
    let ((mut near, far), (hub, millis)) = (pipe(1_000), lasting_hub());
    let (dialer, mut pump) = (Dialer::new(&hub), Pump::new(Arc::clone(&hub)));
    let (mut server, connection) = (Server::new(far), Connection::new(hub));
    let attached = async {
        Connection::opened(&connection).await?;
        let sender = Sender::attach(&Connection::home(&connection), &SenderSettings::to("jobs"))?;
        Sender::attached(&sender).await?;
        Ok::<_, Error>(sender)
    };
    let sender = run(&mut pump, &mut near, || server.turn(), attached).unwrap();
    server.pipe.output.borrow_mut().is_ended = true;
    assert_eq!(pump.turn(&mut near, Waker::noop()), None, "this stream is over");

    open_again(&dialer, &millis);
    let (mut near, far) = pipe(1_000);
    let mut server = Server::new(far);
    let work = async {
        assert_eq!(send(&sender, vec![7]).await?, Outcome::Accepted);
        Connection::close(&connection).await
    };
    run(&mut pump, &mut near, || server.turn(), work).unwrap();
    assert_eq!(pump.turn(&mut near, Waker::noop()), None, "the connection is over");
}

#[test]
fn a_lost_connection_that_nobody_opens_again_ends_with_its_pump() {
    let ((mut near, far), (hub, _)) = (pipe(1_000), lasting_hub());
    let (mut pump, mut server) = (Pump::new(Arc::clone(&hub)), Server::new(far));
    let connection = Connection::new(hub);
    run(&mut pump, &mut near, || server.turn(), Connection::opened(&connection)).unwrap();
    server.pipe.output.borrow_mut().is_ended = true;
    assert_eq!(pump.turn(&mut near, Waker::noop()), None, "this stream is over");
    let mut closed = std::pin::pin!(Connection::closed(&connection));
    let mut context = Context::from_waker(Waker::noop());
    assert!(closed.as_mut().poll(&mut context).is_pending(), "it may be opened again");
    drop(pump);
    assert!(closed.as_mut().poll(&mut context).is_ready());
}

#[test]
fn a_pump_that_is_dropped_ends_the_connection() {
    let ((mut near, _far), hub) = (pipe(4), hub());
    let mut pump = Pump::new(Arc::clone(&hub));
    let connection = Connection::new(hub);
    pump.turn(&mut near, Waker::noop());
    drop(pump);
    let mut closed = std::pin::pin!(Connection::closed(&connection));
    assert!(closed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use std::io;

    use amqp_proto::client::{ClientTls, ServerTls, TlsLayer};

    /// The other end, behind TLS.
    struct SecureServer {
        server: Server,
        tls: TlsLayer,
    }

    impl SecureServer {
        /// Returns the first failure of TLS.
        fn turn(&mut self) -> io::Result<()> {
            let (Server { amqp, pipe }, mut space) = (&mut self.server, [0; 64]);
            while let Ok(octets @ 1..) = pipe.read(&mut space) {
                self.tls.receive(&space[..octets], Moment::START, amqp)?;
            }
            self.server.act();
            self.tls.write_to(&mut self.server.amqp, &mut self.server.pipe).map(drop)
        }
    }

    /// Returns a pump that expects a server of this name, its stream, a server, and a handle.
    fn ends(room: usize, name: &str) -> (Pump<Waker>, Pipe, SecureServer, Connection<Waker>) {
        let made = rcgen::generate_simple_self_signed(["broker.example".into()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let trusted = ClientTls::builder().with_trusted_pem(certificate.as_bytes()).unwrap();
        let shown = ServerTls::builder_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let ((near, far), hub) = (pipe(room), hub());
        let tls = shown.build().unwrap().accept().unwrap();
        let server = SecureServer { server: Server::new(far), tls: tls.into() };
        let pump = Pump::new(Arc::clone(&hub)).with_tls(trusted.build().unwrap().connect(name).unwrap());
        (pump, near, server, Connection::new(hub))
    }

    #[test]
    fn messages_of_any_size_go_through() {
        for room in [1, 100, 1 << 20] {
            let (mut pump, mut near, mut server, connection) = ends(room, "broker.example");
            let work = async {
                Connection::opened(&connection).await?;
                let sender = Sender::attach(&Connection::home(&connection), &SenderSettings::to("jobs"))?;
                Sender::attached(&sender).await?;
                for size in [0, 10, room.min(1 << 19)] {
                    assert_eq!(send(&sender, vec![7; size]).await?, Outcome::Accepted);
                }
                Connection::close(&connection).await
            };
            run(&mut pump, &mut near, || server.turn().unwrap(), work).unwrap();
            assert_eq!(pump.turn(&mut near, Waker::noop()), None, "the connection is over");
            if room > 1 {
                assert!(server.tls.end_of_input(&mut server.server.amqp).is_ok(), "the end was announced");
            }
        }
    }

    #[test]
    fn the_handshake_waits_for_input_only() {
        let (mut pump, mut near, mut server, _connection) = ends(1 << 20, "broker.example");
        let interest = pump.turn(&mut near, Waker::noop()).unwrap();
        assert!(interest.readable && !interest.writable, "the stream takes all, and the peer is to answer");
        assert!(interest.deadline.is_some(), "the open time-out bounds the handshake");
        server.turn().unwrap();
        assert!(server.tls.is_handshaking());
        pump.turn(&mut near, Waker::noop()).unwrap();
        server.turn().unwrap();
        assert!(!server.tls.is_handshaking() && server.server.amqp.peer_open().is_some());
    }

    #[test]
    fn a_server_of_another_name_is_refused_and_gets_the_alert() {
        let (mut pump, mut near, mut server, connection) = ends(1 << 20, "elsewhere.example");
        let mut alert = Ok(());
        let peer = || {
            if alert.is_ok() {
                alert = server.turn();
            }
        };
        let error = run(&mut pump, &mut near, peer, Connection::opened(&connection)).unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
        assert_eq!(pump.turn(&mut near, Waker::noop()), None);
        let alert = alert.and_then(|()| server.turn()).unwrap_err();
        assert!(alert.to_string().contains("BadCertificate"), "{alert}");
    }

    #[test]
    fn a_stream_that_ends_without_an_announcement_is_an_error() {
        let (mut pump, mut near, mut server, connection) = ends(1 << 20, "broker.example");
        run(&mut pump, &mut near, || server.turn().unwrap(), Connection::opened(&connection)).unwrap();
        near.input.borrow_mut().is_ended = true;
        let reason = run(&mut pump, &mut near, || {}, Connection::closed(&connection));
        assert!(reason.to_string().contains("TLS: the peer closed"), "{reason}");
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The first in line waits for credit, the next one for nothing but its turn.
#[test]
fn a_turn_is_passed_on_while_the_connection_is_away() {
    let ((mut near, far), (hub, _)) = (pipe(1_000), lasting_hub());
    let (_dialer, mut pump) = (Dialer::new(&hub), Pump::new(Arc::clone(&hub)));
    let (mut server, connection) = (Server::new(far), Connection::new(hub));
    run(&mut pump, &mut near, || server.turn(), Connection::opened(&connection)).unwrap();
    server.pipe.output.borrow_mut().is_ended = true;
    assert_eq!(pump.turn(&mut near, Waker::noop()), None, "this stream is over");

    let sender = Sender::attach(&Connection::home(&connection), &SenderSettings::to("jobs")).unwrap();
    let (mut first, mut next) = (Sender::sendable(&sender), Sender::written(&sender));
    assert!(first.poll(Waker::noop()).is_pending());
    let wakes = Arc::new(Wakes::default());
    assert!(next.poll(&Waker::from(Arc::clone(&wakes))).is_pending());
    drop(first);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert!(next.poll(Waker::noop()).is_ready());
}
