//! [`Network`]: the transports and listeners of a container.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_proto::Connection;
use amqp_proto::client::{Acceptor, Address, AddressError, ConnectionOptions, Error, Peer, Result};
use amqp_proto::driver::{Dials, NextDial};
use amqp_proto::handler::{Action, ConnectionToken, Dispatcher, FailureScope, ListenerToken};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::Clock;
use super::keeper::Keeper;
use super::mailbox::{Mailbox, Source, bell};
use super::socket::Socket;
use super::way::Stream;
use crate::connect;
use crate::host::HOST;
#[cfg(feature = "tls")]
use crate::tls;
#[cfg(feature = "websocket")]
use crate::websocket;

/// The time for the transport to write its output and to shut down after its connection has ended.
const LINGER: Duration = Duration::from_secs(1);
/// The number of connections that a listener accepts before others get a turn.
const MOST_ACCEPTED: usize = 16;

/// The transports and listeners of a container.
pub(super) struct Network {
    pub(super) options: ConnectionOptions,
    pub(super) acceptor: Acceptor,
    pub(super) mailbox: Arc<Mailbox>,
    clock: Clock,
    sockets: HashMap<ConnectionToken, Socket>,
    listeners: HashMap<ListenerToken, Listening>,
    arrivals: HashMap<u64, Arrival>,
    /// The plans of the connections that the handler has requested.
    dials: Dials,
    /// The number of transports so far.
    count: u64,
    /// The sockets that may have work.
    touched: Vec<ConnectionToken>,
    /// The causes of failures that the handler is about to get.
    errors: HashMap<FailureScope, Error>,
    /// Writes heartbeats while the handler works.
    keeper: Keeper,
    /// The sockets that are closed at these times, in order.
    ending: VecDeque<(Instant, ConnectionToken)>,
}

/// A listener, which first resolves its address.
struct Listening {
    stage: ListenerState,
    waker: Waker,
}

enum ListenerState {
    Binding(Pin<Box<dyn Future<Output = io::Result<TcpListener>> + Send>>),
    Bound(TcpListener),
}

/// A transport that is being connected or secured, and its connection.
struct Arrival {
    /// The connection that the handler has requested; `None` if a peer has connected.
    key: Option<ConnectionToken>,
    made: Pin<Box<dyn Future<Output = Result<Made>> + Send>>,
    waker: Waker,
}

type Made = (Box<dyn Stream>, Connection);

impl Network {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            options: ConnectionOptions::new(),
            acceptor: Acceptor::default(),
            mailbox: Arc::default(),
            clock,
            sockets: HashMap::new(),
            listeners: HashMap::new(),
            arrivals: HashMap::new(),
            dials: Dials::default(),
            count: 0,
            touched: Vec::new(),
            errors: HashMap::new(),
            keeper: Keeper::default(),
            ending: VecDeque::new(),
        }
    }

    /// Does what the handler has requested and what the connections need. Returns whether there are new events.
    pub(super) fn serve(&mut self, all: &mut Dispatcher) -> bool {
        if all.failure().is_none() {
            self.errors.clear();
        }
        self.serve_requests(all);
        while let Some(key) = all.poll_changed() {
            self.touch(key);
        }
        let mut is_busy = false;
        for key in std::mem::take(&mut self.touched) {
            if self.serve_socket(all, key) {
                self.touch(key);
                is_busy = true;
            }
        }
        // A lost connection whose socket is done is opened again.
        self.serve_requests(all);
        is_busy
    }

    fn serve_requests(&mut self, all: &mut Dispatcher) {
        while let Some(request) = all.poll_action() {
            self.on_request(all, request);
        }
        self.dial(all);
    }

    /// Marks the sockets of connections with a due deadline to be read, since input that arrived while the handler
    /// worked is in time.
    pub(super) fn touch_due(&mut self, all: &Dispatcher) {
        let due: Vec<_> = all.due(self.clock.now()).collect();
        due.into_iter().for_each(|key| self.touch(key));
    }

    fn touch(&mut self, key: ConnectionToken) {
        if let Some(socket) = self.sockets.get_mut(&key).filter(|socket| !socket.is_touched) {
            socket.is_touched = true;
            self.touched.push(key);
        }
    }

    fn serve_socket(&mut self, all: &mut Dispatcher, key: ConnectionToken) -> bool {
        let Some(socket) = self.sockets.get_mut(&key) else { return false };
        socket.is_touched = false;
        if let Some(connection) = all.connection(key) {
            let is_busy = socket.serve(connection, self.clock.now());
            if let Some(way) = socket.needs_keeper(connection) {
                self.keeper.add(way);
            }
            if connection.is_over() && !std::mem::replace(&mut socket.is_ending, true) {
                self.ending.push_back((Instant::now() + LINGER, key));
            }
            // The newest event is handled first.
            if is_busy || !socket.is_through(connection) {
                return is_busy;
            }
            all.remove(key);
            socket.begin_end();
        }
        if socket.poll_end() {
            self.sockets.remove(&key);
        }
        false
    }

    fn on_request(&mut self, all: &mut Dispatcher, request: Action) {
        match request {
            Action::Connect { connection, url } => {
                if let Err(error) = self.dials.connect(all, connection, &url, &self.options) {
                    self.not_connected(all, connection, error);
                }
            }
            Action::Opened(connection) => self.dials.opened(all, self.clock.now(), connection),
            Action::Reconnect(connection, reason) => self.dials.lost(self.clock.now(), connection, *reason),
            Action::Listen { listener, address } => {
                let binding = Box::pin(async move {
                    let bound = TcpListener::bind(&*address).await;
                    bound.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
                });
                let waker = bell(&self.mailbox, Source::Listener(listener));
                self.listeners.insert(listener, Listening { stage: ListenerState::Binding(binding), waker });
                self.poll_listener(all, listener);
            }
            Action::Unlisten(listener) => {
                self.listeners.remove(&listener);
            }
            // There are no other requests.
            _ => {}
        }
    }

    /// Dials the servers whose time has come.
    fn dial(&mut self, all: &mut Dispatcher) {
        while let Some(next) = self.dials.next(all, self.clock.now(), random) {
            match next {
                NextDial::Dial(key, dial) => self.connect(key, *dial),
                NextDial::GiveUp(key, error) => self.not_connected(all, key, error),
            }
        }
    }

    /// Reports a failed connection to the handler, and keeps the cause for the container's caller.
    fn not_connected(&mut self, all: &mut Dispatcher, key: ConnectionToken, error: Error) {
        all.not_connected(key, error.to_string());
        self.errors.insert(FailureScope::Connection(key), error);
    }

    fn connect(&mut self, key: ConnectionToken, (address, options): (Address, ConnectionOptions)) {
        let clock = self.clock;
        self.expect(Some(key), async move {
            let (stream, peer) = connect::reach(&address, &options).await?;
            #[cfg(feature = "websocket")]
            if address.is_websocket() {
                let (stream, peer) = websocket::dial(stream, peer, &address, &options).await?;
                return Ok((Box::new(stream) as _, options.client(&HOST, &peer, clock.now())?));
            }
            #[cfg(feature = "tls")]
            if address.is_encrypted() {
                let (stream, peer) = tls::connect(stream, &peer, address.hostname(), &options).await?;
                return Ok((Box::new(stream) as _, options.client(&HOST, &peer, clock.now())?));
            }
            let connection = options.client(&HOST, &peer, clock.now())?;
            Ok((Box::new(stream) as _, connection))
        });
    }

    fn accepted(&mut self, stream: TcpStream) {
        let (acceptor, clock) = (self.acceptor.clone(), self.clock);
        self.expect(None, async move {
            stream.set_nodelay(true)?;
            let peer = Peer::at(stream.peer_addr()?);
            #[cfg(feature = "tls")]
            if let Some(tls) = acceptor.server_tls() {
                let (stream, peer) = tls::accept(stream, &peer, tls, &acceptor).await?;
                return serve(stream, &peer, &acceptor, clock).await;
            }
            if acceptor.needs_tls() {
                return Err(AddressError::NoTls.into());
            }
            serve(stream, &peer, &acceptor, clock).await
        });
    }

    fn expect(
        &mut self,
        key: Option<ConnectionToken>,
        made: impl Future<Output = Result<Made>> + Send + 'static,
    ) {
        self.count += 1;
        let waker = bell(&self.mailbox, Source::Arrival(self.count));
        waker.wake_by_ref();
        self.arrivals.insert(self.count, Arrival { key, made: Box::pin(made), waker });
    }

    /// Handles a source that may be ready.
    pub(super) fn on_ready(&mut self, all: &mut Dispatcher, source: Source) {
        match source {
            Source::Socket(key) => self.touch(key),
            Source::Listener(key) => self.poll_listener(all, key),
            Source::Arrival(number) => self.poll_arrival(all, number),
        }
    }

    fn poll_arrival(&mut self, all: &mut Dispatcher, number: u64) {
        let Some(Arrival { key, made, waker }) = self.arrivals.get_mut(&number) else { return };
        let Poll::Ready(made) = made.as_mut().poll(&mut Context::from_waker(waker)) else { return };
        let key = *key;
        self.arrivals.remove(&number);
        match (made, key) {
            (Ok((stream, connection)), Some(key)) => {
                // The handler may have closed the connection meanwhile.
                if all.connected(key, connection).is_ok() {
                    self.add(key, stream);
                }
            }
            (Ok((stream, connection)), None) => {
                if let Some(key) = all.add(connection) {
                    self.add(key, stream);
                }
            }
            (Err(error), Some(key)) => self.dials.failed(self.clock.now(), key, error),
            // Only the peer could get the error, and its transport is closed.
            (Err(_), None) => {}
        }
    }

    fn add(&mut self, key: ConnectionToken, stream: Box<dyn Stream>) {
        let waker = bell(&self.mailbox, Source::Socket(key));
        // The socket of the connection that was lost may still be ending.
        self.ending.retain(|(_, ending)| *ending != key);
        self.sockets.insert(key, Socket::new(stream, waker));
        self.touch(key);
    }

    fn poll_listener(&mut self, all: &mut Dispatcher, key: ListenerToken) {
        let Some(Listening { stage, waker }) = self.listeners.get_mut(&key) else { return };
        let context = &mut Context::from_waker(waker);
        if let ListenerState::Binding(binding) = stage {
            let Poll::Ready(bound) = binding.as_mut().poll(context) else { return };
            match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                Ok((address, listener)) => {
                    *stage = ListenerState::Bound(listener);
                    // The handler may have closed the listener meanwhile; then a request to close it follows.
                    let _ = all.listening(key, address.to_string());
                }
                Err(error) => return self.failed(all, key, error),
            }
        }
        let ListenerState::Bound(listener) = stage else { return };
        let mut streams = Vec::new();
        let failure = loop {
            match listener.poll_accept(context) {
                Poll::Pending => break None,
                Poll::Ready(Ok((stream, _))) => streams.push(stream),
                Poll::Ready(Err(error)) if is_peers(&error) => {}
                Poll::Ready(Err(error)) => break Some(error),
            }
            if streams.len() >= MOST_ACCEPTED {
                waker.wake_by_ref();
                break None;
            }
        };
        streams.into_iter().for_each(|stream| self.accepted(stream));
        if let Some(error) = failure {
            self.failed(all, key, error);
        }
    }

    fn failed(&mut self, all: &mut Dispatcher, key: ListenerToken, error: io::Error) {
        self.listeners.remove(&key);
        all.not_listening(key, error.to_string());
        self.errors.insert(FailureScope::Listener(key), error.into());
    }

    /// Returns the error that has ended the container, if one has.
    pub(super) fn failure(&mut self, all: &Dispatcher) -> Option<Error> {
        let failure = all.failure()?;
        Some(self.errors.remove(&failure.scope).unwrap_or_else(|| failure.clone().into()))
    }

    /// Closes sockets whose time is over.
    pub(super) fn give_up(&mut self, all: &mut Dispatcher) {
        let now = Instant::now();
        while let Some((_, key)) = self.ending.front().copied().filter(|(by, _)| *by <= now) {
            self.ending.pop_front();
            if self.sockets.remove(&key).is_some() && all.connection(key).is_some() {
                all.remove(key);
            }
        }
    }

    /// Returns the time of the next call of [`give_up`](Self::give_up), or of the next attempt to connect.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let dial = self.dials.next_deadline().map(|at| self.clock.instant(at));
        self.ending.front().map(|(by, _)| *by).into_iter().chain(dial).min()
    }

    /// Returns whether no transport is left.
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Writes as much as possible without waiting.
    pub(super) fn flush(&mut self, all: &mut Dispatcher) {
        let now = self.clock.now();
        for (key, socket) in &mut self.sockets {
            if let Some(connection) = all.connection(*key) {
                socket.serve(connection, now);
            }
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("options", &self.options)
            .field("sockets", &self.sockets)
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

/// Makes the connection of a client, on a WebSocket if the acceptor requires one.
async fn serve(
    stream: impl Stream + 'static,
    peer: &Peer,
    acceptor: &Acceptor,
    clock: Clock,
) -> Result<Made> {
    #[cfg(feature = "websocket")]
    if let Some(websocket) = acceptor.websocket() {
        let stream = websocket::accept(stream, websocket, acceptor).await?;
        return Ok((Box::new(stream), acceptor.server(&HOST, peer, clock.now())?));
    }
    if acceptor.needs_websocket() {
        return Err(AddressError::NoWebSocket.into());
    }
    Ok((Box::new(stream), acceptor.server(&HOST, peer, clock.now())?))
}

/// Returns a random number for the pauses between attempts; without one, they do not differ.
fn random() -> u64 {
    HOST.random().map(u64::from_ne_bytes).unwrap_or_default()
}

/// Returns whether an error concerns the accepted connection, and not the listener.
fn is_peers(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
