//! A server that keeps the state of its links, so that a client can resume them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::amqp::bytes::Buf;
use crate::amqp::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use crate::amqp::proto::sasl::{AnonymousServer, ServerSasl, TransportSecurity};
use crate::amqp::proto::{Connection, Event, LinkState, Reading};
use crate::amqp::types::{DeliveryKey, LinkKey, Moment, ReceiverKey, SenderKey};
use crate::amqp::wire::{AmqpError, Condition, DeliveryState, Outcome, ReceiverSettleMode};

/// The next step of a server, after a message has arrived or one of its own has an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Accept the message.
    Accept,
    /// Keep it without an outcome until the next connection, where it is accepted.
    Hold,
    /// Accept the message, and cut the cable before the peer knows.
    Cut,
}

/// The treatment of links that are attached again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    Keeps,
    Forgets,
    /// Links that the client resumes are refused.
    Refuses,
}

/// The messages and outcomes that a server has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The bodies of messages, in the order of their arrival.
    pub(crate) bodies: Vec<String>,
    /// The outcomes of the server's messages.
    pub(crate) outcomes: Vec<Outcome>,
    /// The number of connections.
    pub(crate) connections: usize,
}

pub(crate) struct Server {
    memory: Memory,
    /// The steps for the messages, in the order of their arrival; later ones are accepted.
    steps: Vec<Step>,
    /// The bodies of messages that are sent to the client on the first attach.
    news: Vec<&'static str>,
    states: Vec<LinkState>,
    seen: Arc<Mutex<Seen>>,
    cable: mpsc::Receiver<()>,
}

/// Cuts the cable of a server.
pub(crate) type Cutter = mpsc::Sender<()>;

impl Server {
    /// Serves clients at a port until the test ends.
    pub(crate) fn spawn(
        listener: TcpListener,
        memory: Memory,
        steps: Vec<Step>,
        news: Vec<&'static str>,
    ) -> (Arc<Mutex<Seen>>, Cutter) {
        let (cutter, cable) = mpsc::channel();
        let seen = Arc::default();
        let mut server = Self { memory, steps, news, states: Vec::new(), seen: Arc::clone(&seen), cable };
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                server.serve(stream);
            }
        });
        (seen, cutter)
    }

    fn serve(&mut self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let sasl = ServerSasl::new(TransportSecurity::Clear).with_mechanism(AnonymousServer::new());
        let mut engine = Connection::server_with_sasl(Options::new("server"), sasl, Moment::START);
        let (start, mut octets) = (Instant::now(), vec![0; 1 << 16]);
        self.seen.lock().unwrap().connections += 1;
        if self.memory != Memory::Keeps {
            self.states.clear();
        }
        loop {
            if !self.step(&mut engine) || self.cable.try_recv().is_ok() {
                let _ = stream.shutdown(Shutdown::Both);
                engine.end_of_input();
                while let Some(event) = engine.poll_event() {
                    if let Event::Suspended { state, .. } = event {
                        self.states.push(*state);
                    }
                }
                return;
            }
            let mut output = engine.output();
            while output.has_remaining() {
                let Ok(written) = stream.write(output.chunk()) else { break };
                output.advance(written);
            }
            match engine.reading() {
                Reading::Over => return,
                Reading::Wanted => {}
                _ => continue,
            }
            match stream.read(&mut octets) {
                Ok(0) => engine.end_of_input(),
                Ok(read) => engine.receive(Moment::START + start.elapsed(), &octets[..read]),
                Err(_) => engine.handle_deadline(Moment::START + start.elapsed()),
            }
        }
    }

    /// Handles the events. Returns `false` if the cable is cut.
    fn step(&mut self, engine: &mut Connection) -> bool {
        while let Some(event) = engine.poll_event() {
            match event {
                Event::SessionOffered(key) => {
                    engine.session(key).unwrap().accept(SessionOptions::new()).unwrap();
                }
                Event::LinkOffered(LinkKey::Receiver(key)) => self.accept_receiver(engine, key),
                Event::LinkOffered(LinkKey::Sender(key)) => self.accept_sender(engine, key),
                Event::Suspended { state, .. } => self.states.push(*state),
                Event::Message { receiver, delivery } if !self.take(engine, receiver, delivery) => {
                    return false;
                }
                Event::Resumed { link: LinkKey::Receiver(key), delivery, .. } => {
                    let _ = engine.receiver(key).unwrap().accept(delivery);
                }
                Event::Resumed { link: LinkKey::Sender(key), .. } => self.send(engine, key),
                Event::Sendable(key) => self.send(engine, key),
                Event::Updated {
                    link: LinkKey::Sender(_),
                    state: Some(DeliveryState::Outcome(outcome)),
                    settled: true,
                    ..
                } => self.seen.lock().unwrap().outcomes.push(outcome),
                _ => {}
            }
        }
        true
    }

    fn accept_receiver(&mut self, engine: &mut Connection, key: ReceiverKey) {
        let mut link = engine.receiver(key).unwrap();
        let (name, resumes) = (link.name(), link.peer_attach().unwrap().unsettled.is_some());
        if self.memory == Memory::Refuses && resumes {
            link.refuse_link(AmqpError::new(Condition::NotImplemented)).unwrap();
            return;
        }
        let options = ReceiverOptions::new().with_resumable(true);
        match self.states.iter().position(|state| *state.name() == name) {
            Some(at) => link.accept_resumed(options, self.states.remove(at)).unwrap(),
            None => link.accept_link(options).unwrap(),
        }
    }

    fn accept_sender(&mut self, engine: &mut Connection, key: SenderKey) {
        let mut link = engine.sender(key).unwrap();
        let (name, options) = (link.name(), SenderOptions::new().with_resumable(true));
        match self.states.iter().position(|state| *state.name() == name) {
            Some(at) => link.accept_resumed(options, self.states.remove(at)).unwrap(),
            None => link.accept_link(options).unwrap(),
        }
    }

    fn take(&mut self, engine: &mut Connection, key: ReceiverKey, delivery: DeliveryKey) -> bool {
        let mut link = engine.receiver(key).unwrap();
        let message = link.receive().unwrap();
        let body = message.message().unwrap().body().unwrap();
        let body = body.as_str().unwrap().to_string();
        self.seen.lock().unwrap().bodies.push(body);
        let step = if self.steps.is_empty() { Step::Accept } else { self.steps.remove(0) };
        if step != Step::Hold {
            link.accept(delivery).unwrap();
        }
        step != Step::Cut
    }

    fn send(&mut self, engine: &mut Connection, key: SenderKey) {
        while let Some(news) = self.news.first() {
            if engine.sender(key).unwrap().send(*news).is_err() {
                return;
            }
            self.news.remove(0);
        }
    }
}

/// The mode in which no message arrives twice.
pub(crate) const SECOND: ReceiverSettleMode = ReceiverSettleMode::Second;
