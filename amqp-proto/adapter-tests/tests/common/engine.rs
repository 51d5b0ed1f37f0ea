//! A client that is an engine, moved by its thread: it can resume its links, and shows all events.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::amqp::bytes::Buf;
use crate::amqp::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use crate::amqp::message::Message;
use crate::amqp::proto::{Connection, Event, LinkState};
use crate::amqp::types::{DeliveryKey, DeliveryTag, Moment, ReceiverKey, SenderKey, SessionKey};
use crate::amqp::wire::{DeliveryState, ExpiryPolicy, Outcome, ReceiverSettleMode, Source, Target};

/// The longest wait for an event.
const LONGEST: Duration = Duration::from_secs(60);

/// A client with a session.
pub(crate) struct Engine {
    pub(crate) amqp: Connection,
    pub(crate) session: SessionKey,
    events: VecDeque<Event>,
    stream: TcpStream,
    start: Instant,
}

/// A target that lives so many seconds after this event.
pub(crate) fn target(address: &'static str, expiry_policy: ExpiryPolicy, timeout: u32) -> Target {
    Target { expiry_policy, timeout, ..Target::at(address) }
}

/// A source that lives so many seconds after this event.
pub(crate) fn source(address: &'static str, expiry_policy: ExpiryPolicy, timeout: u32) -> Source {
    Source { expiry_policy, timeout, ..Source::at(address) }
}

fn outcome(state: &DeliveryState) -> Option<Outcome> {
    match state {
        DeliveryState::Outcome(outcome) => Some(outcome.clone()),
        _ => None,
    }
}

impl Engine {
    /// Connects a client of this container to a server, and begins a session.
    pub(crate) fn connect(server: SocketAddr, container: &'static str) -> Self {
        Self::connect_with(server, Options::new(container))
    }

    pub(crate) fn connect_with(server: SocketAddr, options: Options) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut amqp = Connection::client(options, Moment::START);
        let session = amqp.begin(SessionOptions::new()).unwrap();
        let mut engine = Self { amqp, session, events: VecDeque::new(), stream, start: Instant::now() };
        engine.until(|event| matches!(event, Event::SessionBegun(_)).then_some(()));
        engine
    }

    /// Writes the output.
    pub(crate) fn write(&mut self) {
        let mut output = self.amqp.output();
        while output.has_remaining() {
            match self.stream.write(output.chunk()) {
                Ok(written) => output.advance(written),
                Err(_) => break,
            }
        }
    }

    /// Writes the output, and reads input for a short time.
    pub(crate) fn step(&mut self) {
        self.write();
        let mut octets = [0; 4096];
        match self.stream.read(&mut octets) {
            Ok(read @ 1..) => self.amqp.receive(Moment::START + self.start.elapsed(), &octets[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => self.amqp.end_of_input(),
        }
        self.events.extend(std::iter::from_fn(|| self.amqp.poll_event()));
    }

    /// Waits for an event from which something is picked. Events before it are dropped.
    pub(crate) fn until<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let by = Instant::now() + LONGEST;
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
            assert!(Instant::now() < by, "the event did not come");
            self.step();
        }
    }

    /// Writes all output, and waits until the server has had time to handle it and to answer.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10 {
            self.step();
        }
    }

    /// Attaches the sender `x`, or resumes it, and waits for credit.
    pub(crate) fn sender(&mut self, target: Target, state: Option<LinkState>) -> SenderKey {
        let options = SenderOptions::new().with_source(Source::default()).with_target(target);
        let options = options.with_resumable(true).with_rcv_settle_mode(ReceiverSettleMode::Second);
        let mut session = self.amqp.session(self.session).unwrap();
        let key = match state {
            Some(state) => session.resume_sender(state, options).unwrap(),
            None => session.attach_sender("x", options).unwrap(),
        };
        self.until(|event| matches!(event, Event::LinkAttached(_)).then_some(()));
        key
    }

    /// Attaches the receiver `x` of mode second, or resumes it, without credit.
    pub(crate) fn receiver(&mut self, source: Source, state: Option<LinkState>) -> ReceiverKey {
        let options = ReceiverOptions::new().with_source(source).with_target(Target::default());
        let options = options.with_resumable(true).with_rcv_settle_mode(ReceiverSettleMode::Second);
        let options = options.with_prefetch(0);
        let mut session = self.amqp.session(self.session).unwrap();
        let key = match state {
            Some(state) => session.resume_receiver(state, options).unwrap(),
            None => session.attach_receiver("x", options).unwrap(),
        };
        self.until(|event| matches!(event, Event::LinkAttached(_)).then_some(()));
        key
    }

    /// Sends a message once there is credit. Returns its tag.
    pub(crate) fn send(&mut self, link: SenderKey, text: &str) -> DeliveryTag {
        while !self.amqp.sender(link).unwrap().is_sendable() {
            self.step();
        }
        let key = self.amqp.sender(link).unwrap().send(Message::from(text.to_owned())).unwrap();
        self.amqp.delivery(key).unwrap().tag()
    }

    /// Waits for the next message, and returns its text, too.
    pub(crate) fn recv(&mut self, link: ReceiverKey) -> (DeliveryKey, String) {
        loop {
            if let Some(delivery) = self.amqp.receiver(link).unwrap().receive() {
                let body = delivery.message().unwrap().body().unwrap();
                return (delivery.key(), body.as_str().unwrap().to_owned());
            }
            self.step();
        }
    }

    /// Waits for the fates of deliveries of a resumed sender: the outcome of each, and whether it was sent again as a new
    /// one.
    pub(crate) fn fates(&mut self, tags: &[DeliveryTag]) -> Vec<(Option<Outcome>, bool)> {
        let mut resumed = BTreeMap::new();
        let mut fates = BTreeMap::new();
        self.until(|event| {
            match event {
                Event::Resumed { tag, delivery, is_new, .. } => {
                    resumed.insert(*delivery, (**tag, *is_new));
                }
                Event::Unresumed { tag, state, .. } => {
                    fates.insert(**tag, (state.as_ref().and_then(outcome), false));
                }
                Event::Updated { delivery, state, settled: true, .. } => {
                    let of = resumed.get(delivery).copied();
                    fates.extend(of.map(|(tag, is_new)| (tag, (state.as_ref().and_then(outcome), is_new))));
                }
                _ => {}
            }
            tags.iter().map(|tag| fates.get(tag).cloned()).collect()
        })
    }

    /// Loses the connection. Returns the state of the link.
    pub(crate) fn cut(mut self) -> LinkState {
        // The server may have closed it.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.amqp.end_of_input();
        self.until(|event| match event {
            Event::Suspended { state, .. } => Some(LinkState::clone(state)),
            _ => None,
        })
    }
}
