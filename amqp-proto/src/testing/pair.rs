//! [`Pair`]: two connections that speak to each other, with no socket and no clock.

use alloc::string::String;
use alloc::vec::Vec;

use super::end::{Auto, End};
use super::line::{Line, Seen};
use super::operation::Side;
use crate::config::Options;
use crate::connection::Connection;
use crate::sasl::{ClientSasl, ServerSasl};
use crate::types::{LinkKey, Moment, ReceiverKey, SenderKey};

/// A client and a server joined in memory. Time passes only when the test says so.
///
/// A test acts on one end, [`drive`](Self::drive)s the pair until it is at rest, and checks the events of both ends.
/// Each end accepts all sessions and links, unless its [`auto`](End::auto) says otherwise.
///
/// ```
/// use amqp_proto::config::Options;
/// use amqp_proto::testing::{Auto, Pair};
/// use amqp_proto::wire::Outcome;
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let client = Options::new("client");
/// let mut pair = Pair::new(client, Options::new("server")).chunked(1);
/// pair.server.auto = Auto::Sessions;
/// let sender = pair.client.attach_sender("jobs");
/// pair.drive();
/// let link = pair.server.expect_attach().accept_with_credit(10);
/// pair.drive();
/// let delivery = pair.client.sender(sender)?.send("hello")?;
/// pair.drive();
/// pair.server.receiver(link)?.accept_all();
/// pair.drive();
/// assert_eq!(pair.client.outcome(delivery), Some(Outcome::Accepted));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pair {
    /// The end that connects.
    pub client: End,
    /// The end that accepts the connection.
    pub server: End,
    /// The line from the client to the server.
    pub to_server: Line,
    /// The line from the server to the client.
    pub to_client: Line,
    now: Moment,
    most_steps: usize,
    seen: Seen,
}

impl Pair {
    /// Returns a pair without a security layer. No octets have moved yet.
    pub fn new(client: Options, server: Options) -> Self {
        let now = Moment::START;
        Self::of(Connection::client(client, now), Connection::server(server, now))
    }

    /// Returns a pair whose ends authenticate with SASL first.
    pub fn with_sasl(client: Options, as_client: ClientSasl, server: Options, as_server: ServerSasl) -> Self {
        let now = Moment::START;
        Self::of(
            Connection::client_with_sasl(client, as_client, now),
            Connection::server_with_sasl(server, as_server, now),
        )
    }

    /// Joins two connections. Time starts at [`Moment::START`].
    pub fn of(client: Connection, server: Connection) -> Self {
        Self {
            client: End::new(client, "client"),
            server: End::new(server, "server"),
            to_server: Line::default(),
            to_client: Line::default(),
            now: Moment::START,
            most_steps: 100_000,
            seen: Seen::new(),
        }
    }

    /// Returns a pair with default options and an open connection. All events are taken.
    pub fn opened() -> Self {
        let mut pair = Self::new(Options::new("client"), Options::new("server"));
        pair.drive();
        pair.client.expect_opened();
        pair.server.expect_opened();
        pair
    }

    /// Sets the current time.
    #[must_use]
    pub fn at(mut self, now: Moment) -> Self {
        self.now = now;
        self
    }

    /// Moves octets in portions of this size.
    #[must_use]
    pub fn chunked(self, octets: usize) -> Self {
        self.portioned(&[octets])
    }

    /// Moves octets in portions of these sizes, in turn.
    #[must_use]
    pub fn portioned(mut self, portions: &[usize]) -> Self {
        self.to_server.set_portions(portions);
        self.to_client.set_portions(portions);
        self
    }

    /// Delays octets in both directions by this number of milliseconds.
    #[must_use]
    pub fn delayed(mut self, millis: u64) -> Self {
        self.to_server.set_delay(millis);
        self.to_client.set_delay(millis);
        self
    }

    /// Sets the offers that both ends accept by themselves.
    #[must_use]
    pub fn with_auto(mut self, auto: Auto) -> Self {
        self.client.auto = auto;
        self.server.auto = auto;
        self
    }

    /// Sets the number of steps after which a pair that is not at rest panics. Default: 100,000.
    #[must_use]
    pub fn with_most_steps(mut self, steps: usize) -> Self {
        self.most_steps = steps;
        self
    }

    /// Stops recording frames for [`trace`](Self::trace), as suits long runs.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.seen.is_on = false;
        self
    }

    /// Returns the current time.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Polls the events of both ends, moves the output of each end to the other, and polls again. Returns whether
    /// anything happened.
    pub fn step(&mut self) -> bool {
        let mut moves = self.client.poll();
        moves |= self.server.poll();
        moves |= self.step_some(Side::Client, usize::MAX);
        moves |= self.step_some(Side::Server, usize::MAX);
        moves
    }

    /// Moves at most this number of octets of an end's output to the other end, and delivers octets that are due.
    /// Returns whether anything moved.
    pub fn step_some(&mut self, from: Side, octets: usize) -> bool {
        let (way, from, to) = match from {
            Side::Client => (&mut self.to_server, &mut self.client, &mut self.server),
            Side::Server => (&mut self.to_client, &mut self.server, &mut self.client),
        };
        way.carry(from, to, self.now, octets, &mut self.seen)
    }

    /// Returns one of the ends.
    pub fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Steps until the pair is at rest. Time passes until octets on the way have arrived; deadlines are not handled.
    #[track_caller]
    pub fn drive(&mut self) {
        for _ in 0..self.most_steps {
            if self.step() {
                continue;
            }
            match self.next_arrival() {
                Some(at) => self.now = at,
                None => return,
            }
        }
        self.restless();
    }

    /// Steps until this moment and handles each deadline at its time.
    #[track_caller]
    pub fn drive_until(&mut self, end: Moment) {
        for _ in 0..self.most_steps {
            if self.step() {
                continue;
            }
            let deadlines = [self.client.next_deadline(), self.server.next_deadline()];
            let deadlines = deadlines.into_iter().flatten().map(|(at, _)| at);
            match deadlines.chain(self.next_arrival()).min().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.client.handle_deadline(self.now);
                    self.server.handle_deadline(self.now);
                }
                None => {
                    self.now = self.now.max(end);
                    return;
                }
            }
        }
        self.restless();
    }

    /// Steps for this number of milliseconds and handles each deadline at its time.
    #[track_caller]
    pub fn advance(&mut self, millis: u64) {
        self.drive_until(self.now.after(millis));
    }

    /// Moves the time on without any other effect.
    pub fn skip(&mut self, millis: u64) {
        self.now = self.now.after(millis);
    }

    /// Breaks the transport. Octets on the way are lost, and both ends learn that their input has ended.
    pub fn cut(&mut self) {
        self.to_server.cut_after(0);
        self.to_client.cut_after(0);
        self.step();
    }

    /// Attaches a link of this name on which the client sends, and drives the pair until both ends have attached it.
    /// The server accepts the link with its [`receiver_options`](End::receiver_options).
    #[track_caller]
    pub fn link(&mut self, name: &'static str) -> (SenderKey, ReceiverKey) {
        let sender = self.client.attach_sender(name);
        self.drive();
        match self.server.expect_attach().accept() {
            LinkKey::Receiver(receiver) => {
                self.drive();
                (sender, receiver)
            }
            LinkKey::Sender(_) => unreachable!("the client sends"),
        }
    }

    /// Returns the frames and protocol headers that both ends have sent since the start or the last
    /// [`clear_trace`](Self::clear_trace), in order, as text.
    ///
    /// ```
    /// let pair = amqp_proto::testing::Pair::opened();
    /// let trace = pair.trace();
    /// assert_eq!(trace[0], "client -> header Amqp 1.0.0");
    /// assert!(trace[1].starts_with("client -> [0] open {"), "{}", trace[1]);
    /// assert!(trace[2].starts_with("server -> "), "{}", trace[2]);
    /// ```
    pub fn trace(&self) -> Vec<String> {
        self.seen.lines()
    }

    /// Removes all frames from the trace.
    pub fn clear_trace(&mut self) {
        self.seen.clear();
    }

    fn next_arrival(&self) -> Option<Moment> {
        let arrivals = [self.to_server.next_arrival(&self.server), self.to_client.next_arrival(&self.client)];
        arrivals.into_iter().flatten().filter(|at| *at > self.now).min()
    }

    #[track_caller]
    #[allow(clippy::panic, reason = "that is how a test kit says no")]
    fn restless(&self) -> ! {
        let trace = self.trace();
        let last = trace.get(trace.len().saturating_sub(20)..).unwrap_or_default();
        panic!("no rest after {} steps; the last frames:\n{}", self.most_steps, last.join("\n"))
    }
}
