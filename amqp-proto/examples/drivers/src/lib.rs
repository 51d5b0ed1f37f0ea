//! The application of the drivers: it sends messages to a queue, receives them from there, and accepts them. It knows
//! no socket, no clock and no runtime; those are the drivers' part.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{ReceiverKey, SenderKey};
use amqp_proto::wire::{DeliveryState, Outcome};
use amqp_proto::{Connection, Event};

/// The number of messages that a driver sends and receives.
pub const MESSAGES: u32 = 1_000;

/// The time within which the peer must have opened the connection.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Any error of a driver or its application.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Returns the options of a driver's connection. A peer that says nothing is given up soon.
pub fn options(container_id: &str) -> Options {
    Options::new(container_id).with_open_timeout(Some(PATIENCE))
}

/// Sends messages to a queue, receives them from there, accepts them, and closes the connection.
#[derive(Debug)]
pub struct Exchange {
    queue: String,
    messages: u32,
    sent: u32,
    accepted: u32,
    received: u32,
    /// The first error, after which the connection is closed.
    failure: Option<Failure>,
    is_closed: bool,
}

impl Exchange {
    /// Returns an exchange of this number of messages over a queue of its own.
    pub fn new(queue: &str, messages: u32) -> Self {
        let queue = queue.to_owned();
        Self { queue, messages, sent: 0, accepted: 0, received: 0, failure: None, is_closed: false }
    }

    /// Acts on an event. After an error it closes the connection.
    pub fn on(&mut self, event: Event, amqp: &mut Connection) {
        if let Err(failure) = self.act(event, amqp) {
            self.failure.get_or_insert(failure);
            amqp.close();
        }
    }

    /// Returns the counts; an error if the exchange is not complete.
    ///
    /// # Errors
    ///
    /// The [`Reason`](amqp_proto::Reason) for which the connection or a link has ended; a refused command; [`Incomplete`].
    pub fn verdict(self) -> Result<String, Failure> {
        let Self { messages, accepted, received, failure, is_closed, .. } = self;
        match failure {
            Some(failure) => Err(failure),
            None if is_closed => Incomplete { messages, accepted, received }.verdict(),
            None => Err("the connection is not closed".into()),
        }
    }

    fn act(&mut self, event: Event, amqp: &mut Connection) -> Result<(), Failure> {
        match event {
            Event::Opened => {
                let session = amqp.begin(SessionOptions::new())?;
                let (mut session, queue) = (amqp.session(session)?, self.queue.as_str());
                session.attach_receiver("in", ReceiverOptions::from(queue))?;
                session.attach_sender("out", SenderOptions::to(queue))?;
            }
            Event::Sendable(sender) => self.send(sender, amqp)?,
            Event::Updated { state, settled: true, .. } => match state {
                Some(DeliveryState::Outcome(Outcome::Accepted)) => self.accepted += 1,
                other => return Err(format!("a message was not accepted: {other:?}").into()),
            },
            Event::Message { receiver, .. } => self.receive(receiver, amqp)?,
            Event::LinkDetached { reason, .. } if !self.is_complete() => return Err(reason),
            Event::Closed(reason) => {
                self.is_closed = true;
                if reason.is_failure() {
                    return Err(reason);
                }
            }
            _ => {}
        }
        if self.is_complete() {
            amqp.close();
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.accepted == self.messages && self.received == self.messages
    }

    /// Sends while there is credit and room. Another [`Event::Sendable`] follows when there is more.
    fn send(&mut self, sender: SenderKey, amqp: &mut Connection) -> Result<(), Failure> {
        let mut sender = amqp.sender(sender)?;
        while self.sent < self.messages && sender.is_sendable() {
            sender.send(format!("message {}", self.sent))?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Receives a message, which is the next in order, and accepts it.
    fn receive(&mut self, receiver: ReceiverKey, amqp: &mut Connection) -> Result<(), Failure> {
        let mut receiver = amqp.receiver(receiver)?;
        let Some(delivery) = receiver.receive() else { return Ok(()) };
        let expected = format!("message {}", self.received);
        if delivery.message()?.body()?.as_str() != Some(expected.as_str()) {
            return Err(format!("'{expected}' did not arrive in its turn").into());
        }
        self.received += 1;
        Ok(receiver.accept(delivery.key())?)
    }
}

/// The connection was closed before all messages were sent, accepted and received.
#[derive(Debug)]
pub struct Incomplete {
    messages: u32,
    accepted: u32,
    received: u32,
}

impl Incomplete {
    /// Returns the counts if they are complete after all.
    fn verdict(self) -> Result<String, Failure> {
        let Self { messages, accepted, received } = self;
        match accepted == messages && received == messages {
            true => Ok(format!("{messages} messages sent and accepted, {messages} received")),
            false => Err(self.into()),
        }
    }
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, accepted, received } = self;
        write!(f, "of {messages} messages {accepted} were accepted and {received} received")
    }
}

impl Error for Incomplete {}

#[cfg(unix)]
mod program;
#[cfg(unix)]
pub use program::{Clock, broker, exchange, exit, hub, leave, tls};
