//! The client: one connection over a UART, with a sender and a receiver.

use alloc::boxed::Box;
use core::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::types::{Limits, Moment, ReceiverKey, SenderKey};
use amqp_proto::wire::{DeliveryState, Outcome};
use amqp_proto::{Connection, Event, Origin, Reading};
use bytes::{Buf, BufMut, BytesMut};

use crate::board::{self, Uart};
use crate::failure::{Failure, failure};

/// The queue to send to and to receive from. RabbitMQ makes it on demand by a name of this form; to other brokers it is a
/// name as any other.
const QUEUE: &str = "/queue/firmware";

/// The most messages that are sent and have no outcome yet, and the most that are asked for at a time.
const UNDER_WAY: u32 = 8;

/// The octets of a message: a number, and a text.
const MESSAGE: usize = 16;
const TEXT: &[u8; MESSAGE - 4] = b"21.5 Celsius";

/// The limits of a small device: the broker can make the connection hold 32 KiB.
pub const LIMITS: Limits = Limits::SMALL;

/// The client, and what it has done.
pub struct Client {
    uart: Uart,
    amqp: Box<Connection>,
    is_open: bool,
    sender: Option<SenderKey>,
    receiver: Option<ReceiverKey>,
    /// The memory of messages that are sent.
    scratch: BytesMut,
    sent: u32,
    accepted: u32,
    received: u32,
}

impl Client {
    /// Returns a client that has not connected.
    pub fn new(uart: Uart, container_id: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            uart,
            amqp: connection(container_id)?,
            is_open: false,
            sender: None,
            receiver: None,
            scratch: BytesMut::with_capacity(MESSAGE),
            sent: 0,
            accepted: 0,
            received: 0,
        })
    }

    /// Connects, and opens a link for sending and one for receiving.
    pub fn connect(&mut self) -> Result<(), Failure> {
        while !self.is_open {
            self.turn()?;
        }
        let session = self.amqp.begin(SessionOptions::new())?;
        let mut session = self.amqp.session(session)?;
        self.sender = Some(session.attach_sender("to-firmware", SenderOptions::to(QUEUE))?);
        // Credit is given when the client is ready to receive.
        let options = ReceiverOptions::from(QUEUE).with_prefetch(0);
        self.receiver = Some(session.attach_receiver("from-firmware", options)?);
        Ok(())
    }

    /// Sends messages until `count` are sent, and waits until all are accepted.
    pub fn send(&mut self, count: u32) -> Result<(), Failure> {
        while self.accepted < count {
            self.offer(count)?;
            self.turn()?;
        }
        Ok(())
    }

    /// Receives and accepts messages until `count` are received.
    pub fn receive(&mut self, count: u32) -> Result<(), Failure> {
        while self.received < count {
            self.ask(count)?;
            self.turn()?;
        }
        Ok(())
    }

    /// Sends and receives at the same time.
    pub fn exchange(&mut self, count: u32) -> Result<(), Failure> {
        while self.received < count || self.accepted < count {
            self.offer(count)?;
            self.ask(count)?;
            self.turn()?;
        }
        Ok(())
    }

    /// Closes the connection, and waits for the broker's answer.
    pub fn close(&mut self) -> Result<(), Failure> {
        self.amqp.close();
        while !self.amqp.is_over() || self.amqp.has_output() {
            self.turn()?;
        }
        Ok(())
    }

    /// Sends a message, if the broker and the bounds of this end allow one.
    fn offer(&mut self, count: u32) -> Result<(), Failure> {
        let is_due = self.sent < count && self.sent - self.accepted < UNDER_WAY;
        let Some(key) = self.sender.filter(|_| is_due) else { return Ok(()) };
        let mut sender = self.amqp.sender(key)?;
        if !sender.is_sendable() {
            return Ok(());
        }
        // The octets of the last message are free again, unless they still wait in the output.
        if !self.scratch.try_reclaim(MESSAGE) {
            self.scratch.reserve(MESSAGE);
        }
        self.scratch.put_u32(self.sent);
        self.scratch.put_slice(TEXT);
        sender.send_data(&self.scratch.split().freeze(), &SendOptions::new())?;
        self.sent += 1;
        Ok(())
    }

    /// Gives the broker credit for a few messages, when it has used up the last.
    fn ask(&mut self, count: u32) -> Result<(), Failure> {
        let Some(key) = self.receiver else { return Ok(()) };
        let mut receiver = self.amqp.receiver(key)?;
        if receiver.is_attached() && receiver.credit() == 0 && self.received < count {
            receiver.set_credit((count - self.received).min(UNDER_WAY))?;
        }
        Ok(())
    }

    /// Moves octets, and acts on what has happened.
    fn turn(&mut self) -> Result<(), Failure> {
        self.amqp.handle_deadline(now());
        self.read();
        while let Some(event) = self.amqp.poll_event() {
            self.on(event)?;
        }
        self.write();
        Ok(())
    }

    fn read(&mut self) {
        if self.amqp.reading() != Reading::Wanted {
            return;
        }
        let mut input = self.amqp.input();
        let mut has_read = false;
        while input.has_remaining_mut()
            && let Some(octet) = self.uart.read()
        {
            input.put_u8(octet);
            has_read = true;
        }
        if has_read {
            self.amqp.received(now());
        }
    }

    fn write(&mut self) {
        let mut output = self.amqp.output();
        while output.has_remaining() {
            let written = output.chunk().iter().take_while(|octet| self.uart.write(**octet)).count();
            if written == 0 {
                return;
            }
            output.advance(written);
        }
    }

    fn on(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Opened => self.is_open = true,
            Event::Updated { state: Some(DeliveryState::Outcome(Outcome::Accepted)), .. } => {
                self.accepted += 1
            }
            Event::Updated { .. } | Event::Lost { .. } => return Err(failure("a message is not accepted")),
            Event::Message { receiver, .. } => self.on_message(receiver)?,
            Event::SessionEnded { reason, .. } | Event::LinkDetached { reason, .. }
                if reason.error.is_some() =>
            {
                return Err(reason.into());
            }
            // Of a broker that demands a login, of a transport that has ended, or before this end closes.
            Event::Closed(reason) if reason.is_failure() || reason.origin != Origin::Local => {
                return Err(reason.into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a message, compares it with what was sent, and accepts it.
    fn on_message(&mut self, receiver: ReceiverKey) -> Result<(), Failure> {
        let mut receiver = self.amqp.receiver(receiver)?;
        let Some(delivery) = receiver.receive() else { return Ok(()) };
        let octets = delivery.message()?.bytes()?.ok_or_else(|| failure("a message without data"))?;
        let (number, text) =
            octets.split_first_chunk().ok_or_else(|| failure("a message that is too short"))?;
        let number = u32::from_be_bytes(*number);
        if number != self.received || text != TEXT {
            return Err(failure("a message came out of order, or with another text"));
        }
        receiver.accept(delivery.key())?;
        self.received += 1;
        Ok(())
    }
}

/// Returns the client's end of a connection. Not inlined: what it needs of the stack is free again afterwards.
#[inline(never)]
fn connection(container_id: &'static str) -> Result<Box<Connection>, Failure> {
    let options = Options::new(container_id)
        .with_hostname("localhost")
        .with_limits(LIMITS)
        .with_idle_timeout(Duration::from_secs(30));
    with_login(options)
}

/// Returns a connection that logs in.
#[cfg(feature = "sasl")]
fn with_login(options: Options) -> Result<Box<Connection>, Failure> {
    use amqp_proto::sasl::{ClientProfile, ClientSasl, Login, Nonce, TransportSecurity};

    let login = Login::new("test", "secret")?;
    // The UART is a wire to the host: nobody else listens.
    let profile = ClientProfile::new().with_login(login).with_plain_in_clear();
    // PLAIN needs no random nonce; SCRAM would, from the chip's generator.
    let nonce = Nonce::from_random(&[0; 16])?;
    let sasl = ClientSasl::new(profile, TransportSecurity::Clear, nonce);
    Ok(Box::new(Connection::client_with_sasl(options, sasl, now())))
}

/// Returns a connection without SASL.
#[cfg(not(feature = "sasl"))]
fn with_login(options: Options) -> Result<Box<Connection>, Failure> {
    Ok(Box::new(Connection::client(options, now())))
}

fn now() -> Moment {
    Moment::from_millis(board::millis())
}
