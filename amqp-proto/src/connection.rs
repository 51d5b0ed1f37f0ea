//! [`Connection`]: the engine, as a program uses it.

mod metrics;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;
#[cfg(feature = "std")]
use std::io::{self, ErrorKind, IoSlice, Write};

use bytes::{Buf, Bytes};

use crate::config::{Options, SessionOptions};
use crate::machine::{
    Deadline, EMPTY_FRAME, Event, Machine, Reading, Security, SessionError, StaleKey, TracedFrame,
};
use crate::sasl::{ClientDialogue, ClientSasl, Identity, ServerDialogue, ServerSasl};
use crate::types::{
    DeliveryKey, Limits, Moment, ReceiverKey, SenderKey, SessionKey, Symbol, TransactionId, TransactionKey,
};
use crate::view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut, TransactionMut};
use crate::wire::{AmqpError, Open};

/// The greatest number of pieces in one vectored write.
#[cfg(feature = "std")]
const SLICES: usize = 64;

/// One end of an AMQP connection, without IO: octets and commands go in, octets and events come out.
///
/// # The contract
///
/// * **Input.** [`input`](Self::input) returns the engine's buffer to read into, and
///   [`received`](Self::received) reports a read; or [`receive`](Self::receive) copies octets.
///   [`reading`](Self::reading) says whether to read now and, if not, for what reason.
///   [`end_of_input`](Self::end_of_input) reports the end of the stream.
/// * **Output.** [`output`](Self::output) is a [`Buf`] with `chunks_vectored` for vectored writes. A driver
///   writes any portion of it, and calls `advance` with the number of octets written.
/// * **Events.** A driver calls [`poll_event`](Self::poll_event) until it returns `None`. The engine does not
///   process a frame before the events of the previous frame have been polled. So the application reacts to
///   an event before the engine processes anything that the peer sent later. One poll does a bounded amount
///   of work, whatever the peer sends: a driver with other work may stop after any number of events and
///   continue later.
/// * **Commands** are methods of the connection, and of the views that [`session`](Self::session),
///   [`sender`](Self::sender), [`receiver`](Self::receiver) and [`transaction`](Self::transaction) return. A
///   refused command changes nothing.
/// * **Time.** [`next_deadline`](Self::next_deadline) says when, and for what, to call
///   [`handle_deadline`](Self::handle_deadline). A late, early or repeated call is harmless.
///
/// The caller chooses the order of these calls: only latency depends on it. When [`is_over`](Self::is_over)
/// returns `true`, the driver should write the rest of the output and close the transport.
///
/// ```
/// use amqp_proto::config::{
///     Options, ReceiverOptions, SenderOptions, SessionOptions,
/// };
/// use amqp_proto::types::{LinkKey, Moment};
/// use amqp_proto::{Connection, Event};
/// use bytes::Buf;
///
/// // Moves octets from one end to the other, in place of a socket.
/// fn carry(from: &mut Connection, to: &mut Connection) {
///     let mut output = from.output();
///     let octets = output.copy_to_bytes(output.remaining());
///     to.receive(Moment::START, &octets);
/// }
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let now = Moment::START;
/// let mut client = Connection::client(Options::new("client"), now);
/// let mut server = Connection::server(Options::new("server"), now);
/// let mut outcome = None;
///
/// while outcome.is_none() {
///     carry(&mut client, &mut server);
///     carry(&mut server, &mut client);
///     while let Some(event) = client.poll_event() {
///         match event {
///             Event::Opened => {
///                 let session = client.begin(SessionOptions::new())?;
///                 let options = SenderOptions::to("jobs");
///                 client.session(session)?.attach_sender("jobs", options)?;
///             }
///             Event::Sendable(sender) => {
///                 client.sender(sender)?.send("job-content")?;
///             }
///             Event::Updated { state, .. } => outcome = state,
///             _ => {}
///         }
///     }
///     while let Some(event) = server.poll_event() {
///         match event {
///             Event::SessionOffered(session) => {
///                 server.session(session)?.accept(SessionOptions::new())?;
///             }
///             Event::LinkOffered(LinkKey::Receiver(link)) => {
///                 let options = ReceiverOptions::new();
///                 server.receiver(link)?.accept_link(options)?;
///             }
///             Event::Message { receiver, .. } => {
///                 let mut receiver = server.receiver(receiver)?;
///                 let delivery = receiver.receive().expect("it is complete");
///                 let body = delivery.message()?.body()?;
///                 assert_eq!(body.as_str(), Some("job-content"));
///                 receiver.accept(delivery.key())?;
///             }
///             _ => {}
///         }
///     }
/// }
/// assert!(outcome.is_some_and(|state| state.is_terminal()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection {
    machine: Machine,
    /// A value that is dropped with the connection.
    #[cfg(feature = "client")]
    kept: Option<Box<dyn core::any::Any + Send + Sync>>,
}

impl Connection {
    /// Returns the client end, which connects and speaks first [2.2]. Its header and open are in the output
    /// at once.
    pub fn client(options: Options, now: Moment) -> Self {
        Self::new(options, Security::Client(None), now)
    }

    /// Returns the client end, with authentication before the open [5.3].
    pub fn client_with_sasl(options: Options, sasl: ClientSasl, now: Moment) -> Self {
        Self::new(options, Security::Client(Some(Box::new(ClientDialogue::new(sasl)))), now)
    }

    /// Returns the server end, which answers the client's open with its own.
    pub fn server(options: Options, now: Moment) -> Self {
        Self::new(options, Security::Server(None), now)
    }

    /// Returns the server end, with authentication of the client before the open [5.3].
    pub fn server_with_sasl(options: Options, sasl: ServerSasl, now: Moment) -> Self {
        Self::new(options, Security::Server(Some(Box::new(ServerDialogue::new(sasl)))), now)
    }

    /// Returns the greatest memory use of a connection with these limits, in octets, whatever its peer does: the
    /// [memory](Limits::memory) that was set, and the connection itself.
    ///
    /// The bound excludes everything under the application's control: the options, sent messages until they
    /// are written, sessions that it has begun and the peer has not answered, octets passed to
    /// [`receive`](Self::receive) while [`reading`](Self::reading) wants none, and received values that the
    /// application keeps.
    ///
    /// ```
    /// use amqp_proto::Connection;
    /// use amqp_proto::types::Limits;
    ///
    /// assert!(Connection::memory_bound(&Limits::SMALL) < 40 << 10);
    /// assert!(Connection::memory_bound(&Limits::DEFAULT) < 65 << 20);
    /// ```
    pub fn memory_bound(limits: &Limits) -> u64 {
        limits.memory() + size_of::<Machine>() as u64
    }

    fn new(options: Options, security: Security, now: Moment) -> Self {
        Self {
            machine: Machine::new(options, security, now),
            #[cfg(feature = "client")]
            kept: None,
        }
    }

    /// Drops a value with the connection.
    #[cfg(feature = "client")]
    pub(crate) fn keep(&mut self, value: Box<dyn core::any::Any + Send + Sync>) {
        self.kept = Some(value);
    }

    /// Makes the end answer the peer's open with resource-limit-exceeded: other connections hold the memory, of which this
    /// one needs so many octets.
    #[cfg(feature = "client")]
    pub(crate) fn refuse(&mut self, needed: u64) {
        self.machine.needs_memory = Some(needed);
    }

    /// Returns spare buffer space to read into; never empty.
    ///
    /// The space is as large as is useful for one read. Octets that are read into it are not copied again. A
    /// driver should not read while [`reading`](Self::reading) returns anything other than
    /// [`Reading::Wanted`].
    pub fn input(&mut self) -> Input<'_> {
        self.machine.spare()
    }

    /// Reports that octets were read into [`input`](Self::input).
    pub fn received(&mut self, now: Moment) {
        self.machine.received(now);
    }

    /// Takes a copy of octets that were read elsewhere.
    pub fn receive(&mut self, now: Moment, octets: &[u8]) {
        self.machine.receive(now, octets);
    }

    /// Reports the end of the input: the peer has closed the transport, or the transport has failed. Earlier
    /// input is still processed.
    pub fn end_of_input(&mut self) {
        self.machine.cut();
    }

    /// Returns whether the engine wants input and, if not, what must happen first.
    pub fn reading(&self) -> Reading {
        self.machine.reading()
    }

    /// Returns the output to write.
    ///
    /// This call also writes the dispositions and flows that waited to be merged. So one call after many
    /// commands costs the peer less than a call after each.
    pub fn output(&mut self) -> Output<'_> {
        self.machine.flush();
        Output { machine: &mut self.machine }
    }

    /// Writes output until there is none left or the writer would block. Returns `true` if there is none left.
    ///
    /// This is [`output`](Self::output) with vectored writes, for a driver with a non-blocking socket. After
    /// `false`, [`has_output`](Self::has_output) is `true`, and the driver waits until the socket can be
    /// written.
    ///
    /// # Errors
    ///
    /// The writer's error, except `WouldBlock` and `Interrupted`; `WriteZero` if the writer takes no octets.
    #[cfg(feature = "std")]
    pub fn write_to(&mut self, writer: &mut impl Write) -> io::Result<bool> {
        let mut output = self.output();
        while output.has_remaining() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = output.chunks_vectored(&mut slices);
            match writer.write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(octets) => output.advance(octets),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Returns `true` if there is output to write, merged dispositions and flows included; changes nothing.
    ///
    /// After [`output`](Self::output) was empty, the result is `false` until a command, input, a deadline or
    /// a poll of events makes output. A driver that has written all output can wait.
    pub fn has_output(&self) -> bool {
        self.machine.has_output()
    }

    /// Returns the number of octets to write, without dispositions and flows that wait to be merged; changes
    /// nothing.
    pub fn output_len(&self) -> usize {
        self.machine.endpoints.fx.out.len()
    }

    /// Returns the oldest event, processing more input if there is none.
    ///
    /// # Examples
    ///
    /// The example of [`Connection`] polls events.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    /// Returns when to call [`handle_deadline`](Self::handle_deadline), and for what.
    pub fn next_deadline(&self) -> Option<(Moment, Deadline)> {
        self.machine.next_deadline()
    }

    /// Does what is due at `now`; does nothing if nothing is due.
    pub fn handle_deadline(&mut self, now: Moment) {
        self.machine.handle_deadline(now);
    }

    /// Returns the time without a write after which a driver may write [`HEARTBEAT`](Self::HEARTBEAT) itself;
    /// `None` if the peer asks for no heartbeats [2.4.5].
    ///
    /// A driver that calls [`handle_deadline`](Self::handle_deadline) in time does not need this method. It
    /// is for a driver whose connection is sometimes busy, for example in a callback, while another thread
    /// owns the transport. That thread may write `HEARTBEAT` where the octets taken from
    /// [`output`](Self::output) end with a whole frame. They do if the driver took
    /// [all](bytes::Buf::remaining) of the output.
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.machine.heartbeat_interval()
    }

    /// An empty frame, which shows the peer that this end is alive [2.4.5].
    pub const HEARTBEAT: [u8; 8] = EMPTY_FRAME;

    /// Begins a session. [`Event::SessionBegun`] reports the peer's answer; links can be attached before.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotOpen`] if the connection is not open, [`SessionError::Channels`] if the peer
    /// accepts no more sessions, [`SessionError::TooLarge`] if the begin does not fit in a frame.
    ///
    /// # Examples
    ///
    /// The example of [`Connection`] begins a session.
    pub fn begin(&mut self, options: SessionOptions) -> Result<SessionKey, SessionError> {
        self.machine.endpoints.begin(&options).map(SessionKey)
    }

    /// Closes the connection, and returns `false` if it is already closed.
    ///
    /// [`Event::Closed`] follows when the peer has answered, or has not answered in time.
    ///
    /// Messages that were sent before the close are written before it, as the peer opens its windows; new
    /// ones are refused. If they are not written within the [close
    /// time-out](crate::config::Options::with_close_timeout), or if the peer closes first, the event's
    /// reason is an error of this end. An incomplete delivery is not waited for. The same rules apply to the
    /// end of a session and the detach of a link.
    pub fn close(&mut self) -> bool {
        self.machine.close(None)
    }

    /// Closes the connection at once, with an error for the peer [2.7.9]; returns `false` if it is already
    /// closed.
    ///
    /// [`Condition::ConnectionRedirect`](crate::wire::Condition) tells the peer to connect elsewhere
    /// [2.8.16].
    pub fn close_with(&mut self, error: AmqpError) -> bool {
        self.machine.close(Some(error))
    }

    /// Returns `true` if both ends have opened the connection and neither has closed it.
    pub fn is_open(&self) -> bool {
        self.machine.is_open()
    }

    /// Returns `true` while [`close`](Self::close) waits for earlier messages to be written.
    pub fn is_closing(&self) -> bool {
        self.machine.is_closing()
    }

    /// Returns `true` if the connection is over: after the rest of the output, the transport can be closed.
    pub fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// Returns the container id of this end.
    #[cfg(feature = "driver")]
    pub(crate) fn container_id(&self) -> &crate::types::Str {
        self.machine.container_id()
    }

    /// Returns the peer's open, or `None` before it has arrived.
    pub fn peer_open(&self) -> Option<Open> {
        self.machine.peer()
    }

    /// Returns `true` if an extension may be used: this end desires it and the peer offers it [2.7.1].
    pub fn has_extension(&self, name: &Symbol) -> bool {
        self.machine.has_extension(name)
    }

    /// Returns the identity of the client, if this end is a server that has authenticated it.
    pub fn identity(&self) -> Option<&Identity> {
        self.machine.identity()
    }

    /// Returns the error in the peer's close, even if this end had closed first [2.4.4].
    pub fn remote_error(&self) -> Option<&AmqpError> {
        self.machine.remote_error()
    }

    /// Returns the number of sessions, including those whose end was not polled or not answered yet.
    pub fn sessions_len(&self) -> usize {
        self.machine.endpoints.sessions.len()
    }

    /// Returns the number of links, including suspended ones and those whose end was not polled or not
    /// answered yet.
    pub fn links_len(&self) -> usize {
        self.machine.endpoints.links.len()
    }

    /// Sets a hook that sees each frame and protocol header, when it is read or queued for writing.
    ///
    /// A frame that the hook has seen may still be unwritten. A new client has already queued its first
    /// frames; the hook sees them at once.
    pub fn set_trace(&mut self, hook: impl FnMut(&TracedFrame<'_>) + Send + 'static) {
        self.machine.endpoints.fx.trace.set(hook);
        self.machine.endpoints.fx.show_first();
    }

    /// Returns the span of the connection, which contains the spans of its sessions and links.
    ///
    /// The engine records the fields `container` (this end's id), `peer` (the peer's id) and `user`; the
    /// driver records `id` and `remote`.
    #[cfg(feature = "tracing")]
    pub fn span(&self) -> &tracing::Span {
        self.machine.endpoints.spans.span()
    }

    /// Returns a view of a session.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the session no longer exists.
    pub fn session(&mut self, key: SessionKey) -> Result<SessionMut<'_>, StaleKey> {
        SessionMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a view of a link on which this end sends.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the link no longer exists.
    #[inline]
    pub fn sender(&mut self, key: SenderKey) -> Result<SenderMut<'_>, StaleKey> {
        SenderMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a view of a link on which this end receives.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the link no longer exists.
    #[inline]
    pub fn receiver(&mut self, key: ReceiverKey) -> Result<ReceiverMut<'_>, StaleKey> {
        ReceiverMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a view of a transaction.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the transaction is over.
    pub fn transaction(&mut self, key: TransactionKey) -> Result<TransactionMut<'_>, StaleKey> {
        TransactionMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns `true` if this end's coordinator has declared a transaction with this id, and it is not over.
    pub fn coordinates(&self, id: &TransactionId) -> bool {
        let transactions = self.machine.endpoints.transactions.as_deref();
        transactions.is_some_and(|transactions| transactions.is_coordinated(id))
    }

    /// Returns a view of an unsettled delivery.
    ///
    /// # Errors
    ///
    /// [`StaleKey`] if the delivery is settled or no longer exists.
    pub fn delivery(&self, key: DeliveryKey) -> Result<DeliveryRef<'_>, StaleKey> {
        DeliveryRef::new(&self.machine.endpoints, key)
    }
}

/// The spare buffer space of a connection: a [`BufMut`](bytes::BufMut) to read into, and never empty.
pub type Input<'a> = bytes::buf::Limit<&'a mut bytes::BytesMut>;

/// The octets that a connection wants to write.
pub struct Output<'a> {
    machine: &'a mut Machine,
}

impl Buf for Output<'_> {
    fn remaining(&self) -> usize {
        self.machine.endpoints.fx.out.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.machine.endpoints.fx.out.chunk()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        self.machine.endpoints.fx.out.chunks_vectored(slices)
    }

    /// Removes written octets from the output, at most all of it.
    fn advance(&mut self, octets: usize) {
        self.machine.written(octets);
    }

    /// Removes octets from the output and returns them. Octets of the first [`chunk`](Self::chunk) are not
    /// copied.
    fn copy_to_bytes(&mut self, octets: usize) -> Bytes {
        self.machine.taken(octets)
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output of {} octets", self.remaining())
    }
}
