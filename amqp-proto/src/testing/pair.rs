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

/// A client and a server joined in memory, in a time that passes when the test says so.
///
/// A test acts on one end, [`drive`](Self::drive)s the pair to rest, and looks at what both ends were told. Each end
/// accepts what it is offered, unless its [`auto`](End::auto) says otherwise.
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
    /// The end that dials.
    pub client: End,
    /// The end that is dialled.
    pub server: End,
    /// The way from the client to the server.
    pub to_server: Line,
    /// The way from the server to the client.
    pub to_client: Line,
    now: Moment,
    most_steps: usize,
    seen: Seen,
}

impl Pair {
    /// Two ends without a security layer. Nothing has been carried between them yet.
    pub fn new(client: Options, server: Options) -> Self {
        let now = Moment::START;
        Self::of(Connection::client(client, now), Connection::server(server, now))
    }

    /// Two ends that authenticate first.
    pub fn with_sasl(client: Options, as_client: ClientSasl, server: Options, as_server: ServerSasl) -> Self {
        let now = Moment::START;
        Self::of(
            Connection::client_with_sasl(client, as_client, now),
            Connection::server_with_sasl(server, as_server, now),
        )
    }

    /// Two connections as they are, at the start of time.
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

    /// Two ends with default options, between which the connection is open and of which nothing was told yet.
    pub fn opened() -> Self {
        let mut pair = Self::new(Options::new("client"), Options::new("server"));
        pair.drive();
        pair.client.expect_opened();
        pair.server.expect_opened();
        pair
    }

    /// Sets the time.
    #[must_use]
    pub fn at(mut self, now: Moment) -> Self {
        self.now = now;
        self
    }

    /// Has octets moved in portions of so many.
    #[must_use]
    pub fn chunked(self, octets: usize) -> Self {
        self.portioned(&[octets])
    }

    /// Has octets moved in portions of these sizes, over and over.
    #[must_use]
    pub fn portioned(mut self, portions: &[usize]) -> Self {
        self.to_server.set_portions(portions);
        self.to_client.set_portions(portions);
        self
    }

    /// Has octets take so many milliseconds either way.
    #[must_use]
    pub fn delayed(mut self, millis: u64) -> Self {
        self.to_server.set_delay(millis);
        self.to_client.set_delay(millis);
        self
    }

    /// Sets what both ends accept by themselves.
    #[must_use]
    pub fn with_auto(mut self, auto: Auto) -> Self {
        self.client.auto = auto;
        self.server.auto = auto;
        self
    }

    /// Sets how many steps there may be before the pair is at rest. Default 100,000.
    #[must_use]
    pub fn with_most_steps(mut self, steps: usize) -> Self {
        self.most_steps = steps;
        self
    }

    /// Keeps nothing for [`trace`](Self::trace), as suits long runs.
    #[must_use]
    pub fn untraced(mut self) -> Self {
        self.seen.is_on = false;
        self
    }

    /// Returns the time of now.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Polls the events of both ends, carries what they have written until now to the other, and polls again; whether
    /// anything happened.
    pub fn step(&mut self) -> bool {
        let mut moves = self.client.poll();
        moves |= self.server.poll();
        moves |= self.step_some(Side::Client, usize::MAX);
        moves |= self.step_some(Side::Server, usize::MAX);
        moves
    }

    /// Carries up to so many octets of what one end has written to the other, and what was on the way and is due;
    /// whether anything moved.
    pub fn step_some(&mut self, from: Side, octets: usize) -> bool {
        let (way, from, to) = match from {
            Side::Client => (&mut self.to_server, &mut self.client, &mut self.server),
            Side::Server => (&mut self.to_client, &mut self.server, &mut self.client),
        };
        way.carry(from, to, self.now, octets, &mut self.seen)
    }

    /// One of the ends.
    pub fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Steps until nothing is on the way and nothing happens any more. Time passes as far as octets take it;
    /// deadlines are left alone.
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

    /// Does all that is to happen until a moment, deadlines included, each at its time.
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

    /// Does all that is to happen in so many milliseconds.
    #[track_caller]
    pub fn advance(&mut self, millis: u64) {
        self.drive_until(self.now.after(millis));
    }

    /// Lets time pass in which nobody does anything.
    pub fn skip(&mut self, millis: u64) {
        self.now = self.now.after(millis);
    }

    /// Breaks the transport: what is on the way is lost, and both ends are told that no more comes.
    pub fn cut(&mut self) {
        self.to_server.cut_after(0);
        self.to_client.cut_after(0);
        self.step();
    }

    /// Attaches a link of this name on which the client sends, and drives the pair until both ends have it: the
    /// server accepts it with its [`receiver_options`](End::receiver_options).
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

    /// Returns the frames and protocol headers that both ends have sent since the start or
    /// [`clear_trace`](Self::clear_trace), in order, one on each line.
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

    /// Forgets what was sent until now.
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
