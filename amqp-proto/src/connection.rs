//! [`Connection`]: the public face of the engine.

use alloc::boxed::Box;
use core::fmt;

use bytes::{Buf, BufMut, Bytes};

use crate::config::{Options, SessionOptions};
use crate::machine::{
    Deadline, EMPTY_FRAME, Event, Machine, Reading, Security, SessionError, StaleKey, TracedFrame,
    memory_bound,
};
use crate::sasl::{ClientSasl, Identity, ServerSasl};
use crate::types::{DeliveryKey, Limits, Moment, ReceiverKey, SenderKey, SessionKey, Symbol};
use crate::view::{DeliveryRef, ReceiverMut, SenderMut, SessionMut};
use crate::wire::{AmqpError, Open};

/// One end of an AMQP connection, without IO: octets and commands in, octets and events out.
///
/// # The contract
///
/// * **Input.** [`input`](Self::input) lends the engine's buffer to read into, and
///   [`received`](Self::received) says that something was; or [`receive`](Self::receive) copies.
///   [`reading`](Self::reading) says whether input is wanted and, if not, why; the end of it is
///   [`end_of_input`](Self::end_of_input).
/// * **Output.** [`output`](Self::output) is a [`Buf`], whose `chunks_vectored` suits a vectored write. Take any
///   portion, `advance` by what was written.
/// * **Events.** [`poll_event`](Self::poll_event) until it gives `None`. No frame is looked at before the events of
///   the one before it have been polled, so what the application does about an event is done before anything that
///   the peer sent later. One poll does a bounded amount of work, however much the peer has asked for: a driver that
///   has others to serve may stop after so many events and go on later.
/// * **Commands** are calls on the connection and on the views that [`session`](Self::session),
///   [`sender`](Self::sender) and [`receiver`](Self::receiver) give. A refused command has changed nothing.
/// * **Time.** [`next_deadline`](Self::next_deadline) says when to call [`handle_deadline`](Self::handle_deadline),
///   and why; calling late, early or twice is harmless.
///
/// The order of these calls is the caller's: only latency depends on it. When [`is_over`](Self::is_over), what is
/// left of the output should still be written; then the transport can be closed.
///
/// ```
/// use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
/// use amqp_proto::types::{LinkKey, Moment};
/// use amqp_proto::{Connection, Event};
/// use bytes::Buf;
///
/// # fn main() -> Result<(), Box<dyn core::error::Error>> {
/// let now = Moment::START;
/// let mut client = Connection::client(Options::new("client"), now);
/// let mut server = Connection::server(Options::new("server"), now);
/// let mut outcome = None;
///
/// while outcome.is_none() {
///     for (from, to) in [(true, false), (false, true)] {
///         let (from, to) = if from > to { (&mut client, &mut server) } else { (&mut server, &mut client) };
///         let mut output = from.output();
///         let octets = output.copy_to_bytes(output.remaining()); // a socket would be in between
///         to.receive(now, &octets);
///     }
///     while let Some(event) = client.poll_event() {
///         match event {
///             Event::Opened => {
///                 let session = client.begin(&SessionOptions::new())?;
///                 client.session(session)?.attach_sender("jobs", &SenderOptions::to("jobs"))?;
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
///             Event::SessionOffered(session) => server.session(session)?.accept(&SessionOptions::new())?,
///             Event::LinkOffered(LinkKey::Receiver(link)) => {
///                 server.receiver(link)?.accept_link(&ReceiverOptions::new())?;
///             }
///             Event::Message { receiver, .. } => {
///                 let mut receiver = server.receiver(receiver)?;
///                 let delivery = receiver.receive().expect("the event says so");
///                 assert_eq!(delivery.message()?.body()?.as_str(), Some("job-content"));
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
}

impl Connection {
    /// Returns the end that dials, and speaks first [2.2]. Its header and open are output at once.
    pub fn client(options: Options, now: Moment) -> Self {
        Self::new(options, Security::Client, now)
    }

    /// Returns the end that dials, and authenticates before it opens the connection [5.3].
    pub fn client_with_sasl(options: Options, sasl: ClientSasl, now: Moment) -> Self {
        Self::new(options, Security::ClientSasl(Box::new(sasl)), now)
    }

    /// The end that is dialled. It answers the open of the client by its own.
    pub fn server(options: Options, now: Moment) -> Self {
        Self::new(options, Security::Server, now)
    }

    /// The end that is dialled, and wants to know who the client is [5.3].
    pub fn server_with_sasl(options: Options, sasl: ServerSasl, now: Moment) -> Self {
        Self::new(options, Security::ServerSasl(Box::new(sasl)), now)
    }

    /// Returns how many octets of memory a connection within these limits takes at most, whatever its peer does;
    /// `u64::MAX` where that is more than can be counted.
    ///
    /// It is the sum of the worst there is of each: as many sessions and links as there may be, each holding as
    /// many transfers, deliveries and states as it may, of the costliest kind, each keeping a whole block of input
    /// alive. No peer gets near it, but none gets beyond it. The defaults are meant for servers with memory to
    /// spare, and their bound is a large number; a device that has little lowers them, [`links`](Limits::links),
    /// [`with_channel_max`](Limits::with_channel_max), [`session_frames`](Limits::session_frames),
    /// [`unsettled`](Limits::unsettled), [`transfers_per_delivery`](Limits::transfers_per_delivery),
    /// [`with_frame_size`](Limits::with_frame_size) and [`elements`](Limits::elements) above all.
    ///
    /// Not in it is what the application brings or takes: the options, messages that it has sent until they are
    /// written, sessions that it has begun and the peer has not answered, octets that it gives to
    /// [`receive`](Self::receive) while [`reading`](Self::reading) wants none, and what it has been given and
    /// keeps.
    ///
    /// ```
    /// use amqp_proto::Connection;
    /// use amqp_proto::types::Limits;
    ///
    /// let small = Limits::DEFAULT
    ///     .with_frame_size(512)
    ///     .with_elements(64)
    ///     .with_zero_width_elements(0)
    ///     .with_channel_max(0)
    ///     .with_links(2)
    ///     .with_session_frames(4)
    ///     .with_transfers_per_delivery(4)
    ///     .with_unsettled(4)
    ///     .with_attach_octets(256)
    ///     .with_output_octets(1_024)
    ///     .with_output_octets_hard(4_096);
    /// assert!(Connection::memory_bound(&small) < 4 << 20);
    /// assert!(Connection::memory_bound(&Limits::DEFAULT) > 1 << 40);
    /// ```
    pub fn memory_bound(limits: &Limits) -> u64 {
        memory_bound(limits)
    }

    fn new(options: Options, security: Security, now: Moment) -> Self {
        Self { machine: Machine::new(options, security, now) }
    }

    /// Returns where to put what is read next, with room for one octet at least: as much as is worth reading at a
    /// time. What is put there is not copied again.
    ///
    /// While [`reading`](Self::reading) is not [`Reading::Wanted`] it is better not to read.
    pub fn input(&mut self) -> impl BufMut + '_ {
        self.machine.spare()
    }

    /// Octets were put in [`input`](Self::input).
    pub fn received(&mut self, now: Moment) {
        self.machine.received(now);
    }

    /// Takes octets that were read elsewhere, all of them, by copying.
    pub fn receive(&mut self, now: Moment, octets: &[u8]) {
        self.machine.receive(now, octets);
    }

    /// No more input will come: the peer has shut the transport down, or it broke. What came before counts.
    pub fn end_of_input(&mut self) {
        self.machine.cut();
    }

    /// Returns whether input is wanted and, if not, what has to be done first.
    pub fn reading(&self) -> Reading {
        self.machine.reading()
    }

    /// Returns the output that is to be written.
    ///
    /// What waited to be merged is written now: dispositions, in ranges as long as they have become, and flows. So
    /// asking once after many commands costs the peer less than asking after each.
    pub fn output(&mut self) -> Output<'_> {
        self.machine.flush();
        Output { machine: &mut self.machine }
    }

    /// Returns whether there is anything to be written, or to be merged and then written; changes nothing.
    ///
    /// After [`output`](Self::output) was empty it is false, until a command, input, a deadline or a poll of
    /// events brings something to be written. A driver that has written all there is can wait.
    pub fn has_output(&self) -> bool {
        self.machine.has_output()
    }

    /// Returns how many octets are to be written, without those that wait to be merged; changes nothing.
    pub fn output_len(&self) -> usize {
        self.machine.endpoints.fx.out.len()
    }

    /// Looks at the event that [`poll_event`](Self::poll_event) gives next. A link that is about to end can still
    /// be looked at.
    pub fn peek_event(&mut self) -> Option<&Event> {
        self.machine.peek_event()
    }

    /// Takes the oldest event; looks at more input if there is nothing.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.machine.poll_event()
    }

    /// When [`handle_deadline`](Self::handle_deadline) is to be called, and why.
    pub fn next_deadline(&self) -> Option<(Moment, Deadline)> {
        self.machine.next_deadline()
    }

    /// Does what is due by now; nothing, if nothing is.
    pub fn handle_deadline(&mut self, now: Moment) {
        self.machine.handle_deadline(now);
    }

    /// Returns how many milliseconds may pass without a write before the driver writes [`HEARTBEAT`](Self::HEARTBEAT)
    /// by itself; `None` while the peer asks for no heartbeats [2.4.5].
    ///
    /// A driver that calls [`handle_deadline`](Self::handle_deadline) in time needs this not. It is for those whose
    /// connection is busy at times, with a callback of the application for one, while another thread keeps the
    /// transport: that thread may write `HEARTBEAT` wherever all octets that were taken from
    /// [`output`](Self::output) end a frame. They do where all were taken that there
    /// [were](bytes::Buf::remaining) at a time.
    pub fn longest_pause(&self) -> Option<u32> {
        self.machine.longest_pause()
    }

    /// An empty frame, which tells the peer that this end is alive [2.4.5].
    pub const HEARTBEAT: [u8; 8] = EMPTY_FRAME;

    /// Begins a session; the peer's answer is [`Event::SessionBegun`], which need not be waited for before links
    /// are attached.
    pub fn begin(&mut self, options: &SessionOptions) -> Result<SessionKey, SessionError> {
        self.machine.endpoints.begin(options).map(SessionKey)
    }

    /// Closes the connection; [`Event::Closed`] follows when the peer has answered, or has not in time. False if it
    /// is closed already.
    ///
    /// Messages that were sent before are written before, as the peer opens its windows; nothing more can be sent
    /// meanwhile. If they are not written within the
    /// [close time-out](crate::config::Options::with_close_time_out), or the peer closes the connection before, the
    /// reason is an error of this end that says so. A delivery whose octets are still to come is not waited for. The
    /// same goes for sessions that are ended and links that are detached.
    pub fn close(&mut self) -> bool {
        self.machine.close(None)
    }

    /// Closes the connection at once, saying why [2.7.9]: with
    /// [`Condition::ConnectionRedirect`](crate::wire::Condition), where to go instead [2.8.16].
    pub fn close_with(&mut self, error: AmqpError) -> bool {
        self.machine.close(Some(error))
    }

    /// Returns whether both ends have opened it and neither has closed it.
    pub fn is_open(&self) -> bool {
        self.machine.is_open()
    }

    /// Returns whether [`close`](Self::close) waits for messages to be written that were sent before.
    pub fn is_closing(&self) -> bool {
        self.machine.is_closing()
    }

    /// Returns whether it is over: once the output is written the transport can be closed.
    pub fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// Returns the peer's open; `None` before it is in.
    pub fn peer_open(&self) -> Option<Open> {
        self.machine.peer()
    }

    /// Returns whether an extension may be used: this end desires it, and the peer offers it [2.7.1].
    pub fn has_extension(&self, name: &Symbol) -> bool {
        self.machine.has_extension(name)
    }

    /// Returns who the client is, to a server that has asked.
    pub fn identity(&self) -> Option<&Identity> {
        self.machine.identity()
    }

    /// Returns the error of the peer's close, also where this end had closed first [2.4.4].
    pub fn remote_error(&self) -> Option<&AmqpError> {
        self.machine.remote_error()
    }

    /// Returns how many sessions there are, those included whose end was not polled yet or not answered by the
    /// peer.
    pub fn sessions_len(&self) -> usize {
        self.machine.endpoints.sessions.len()
    }

    /// Returns how many links there are, suspended ones included, and those whose end was not polled yet or not
    /// answered.
    pub fn links_len(&self) -> usize {
        self.machine.endpoints.links.len()
    }

    /// Has every frame and protocol header shown to a hook, as it is read, or queued to be written: one that is shown
    /// need not have left this end. A client that was made just now
    /// has written its first ones already; they are shown at once.
    pub fn set_trace(&mut self, hook: impl FnMut(&TracedFrame<'_>) + Send + 'static) {
        self.machine.endpoints.fx.trace.set(hook);
        self.machine.endpoints.fx.show_first();
    }

    /// Returns the span of the connection, in which those of its sessions and links are. It has the fields
    /// `container` (this end's), `peer` (the other one's) and `user`, and the driver's to record: `id` and
    /// `remote`.
    #[cfg(feature = "tracing")]
    pub fn span(&self) -> &tracing::Span {
        self.machine.endpoints.spans.span()
    }

    /// Returns a session.
    pub fn session(&mut self, key: SessionKey) -> Result<SessionMut<'_>, StaleKey> {
        SessionMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a link on which this end sends.
    #[inline]
    pub fn sender(&mut self, key: SenderKey) -> Result<SenderMut<'_>, StaleKey> {
        SenderMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a link on which this end receives.
    #[inline]
    pub fn receiver(&mut self, key: ReceiverKey) -> Result<ReceiverMut<'_>, StaleKey> {
        ReceiverMut::new(&mut self.machine.endpoints, key)
    }

    /// Returns a view of a delivery that is not settled.
    pub fn delivery(&self, key: DeliveryKey) -> Result<DeliveryRef<'_>, StaleKey> {
        DeliveryRef::new(&self.machine.endpoints, key)
    }
}

/// The octets that a connection wants written.
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

    /// These octets are written. More than there are counts as all of them.
    fn advance(&mut self, octets: usize) {
        self.machine.written(octets);
    }

    /// Takes octets off, to be written elsewhere: as many as the [`chunk`](Self::chunk) has, without copying them.
    fn copy_to_bytes(&mut self, octets: usize) -> Bytes {
        self.machine.taken(octets)
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output of {} octets", self.remaining())
    }
}
