//! [`Network`]: the sockets and listeners of a container.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use amqp_proto::client::{Acceptor, Address, ConnectionOptions, Error, Peer, Result};
use amqp_proto::driver::{Dials, NextDial};
use amqp_proto::handler::{Action, ConnectionToken, Dispatcher, FailureScope, ListenerToken};
use amqp_proto::types::Moment;

use super::socket::{self, Socket, SocketId};
use super::tcp::{self, TcpTransport};
use super::{Input, spawn};
use crate::host::HOST;
use crate::transport;

/// A result of a thread that connects or listens.
pub(super) enum Done {
    /// A transport, with the options of its address.
    Connected(ConnectionToken, Result<(TcpTransport, Box<ConnectionOptions>)>),
    Taken(TcpStream),
    Accepted(TcpTransport, Peer),
    /// The listener can accept no more connections.
    Failed(ListenerToken, io::Error),
}

/// The sockets and listeners of a container.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) options: ConnectionOptions,
    pub(super) acceptor: Acceptor,
    pub(super) outputs: Sender<Input>,
    sockets: HashMap<ConnectionToken, Socket>,
    /// The number of sockets so far.
    count: u64,
    /// The plans of the connections that the handler has requested.
    dials: Dials,
    listeners: HashMap<ListenerToken, Listening>,
    /// The connections whose threads have sent results.
    touched: Vec<ConnectionToken>,
    /// The causes of failures that the handler is about to get.
    errors: HashMap<FailureScope, Error>,
    /// The threads that end transports.
    ending: Vec<JoinHandle<()>>,
}

/// A thread that accepts connections.
#[derive(Debug)]
struct Listening {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Network {
    pub(super) fn new(outputs: Sender<Input>) -> Self {
        Self {
            options: ConnectionOptions::new(),
            acceptor: Acceptor::default(),
            outputs,
            sockets: HashMap::new(),
            count: 0,
            dials: Dials::default(),
            listeners: HashMap::new(),
            touched: Vec::new(),
            errors: HashMap::new(),
            ending: Vec::new(),
        }
    }

    /// Does what the handler has requested and what the connections need. Returns whether output was taken.
    pub(super) fn serve(&mut self, all: &mut Dispatcher, now: Moment) -> bool {
        if all.failure().is_none() {
            self.errors.clear();
        }
        let mut is_taken = false;
        self.serve_requests(all, now);
        while let Some(key) = all.poll_changed() {
            is_taken |= self.serve_socket(all, key);
        }
        for key in std::mem::take(&mut self.touched) {
            is_taken |= self.serve_socket(all, key);
        }
        // A lost connection whose socket is done is opened again.
        self.serve_requests(all, now);
        is_taken
    }

    fn serve_requests(&mut self, all: &mut Dispatcher, now: Moment) {
        while let Some(request) = all.poll_action() {
            self.on_request(all, now, request);
        }
        self.dial(all, now);
    }

    fn serve_socket(&mut self, all: &mut Dispatcher, key: ConnectionToken) -> bool {
        let (Some(connection), Some(socket)) = (all.connection(key), self.sockets.get_mut(&key)) else {
            return false;
        };
        if socket.serve(connection) {
            return true;
        }
        if socket.is_through(connection) {
            all.remove(key);
            self.end_socket(key);
        }
        false
    }

    fn end_socket(&mut self, key: ConnectionToken) {
        self.ending.retain(|thread| !thread.is_finished());
        self.ending.extend(self.sockets.remove(&key).map(Socket::end));
    }

    /// Handles a result of a connection's threads.
    pub(super) fn on_socket(
        &mut self,
        all: &mut Dispatcher,
        now: Moment,
        (key, number): SocketId,
        done: socket::Done,
    ) {
        let socket = self.sockets.get_mut(&key).filter(|socket| socket.number() == number);
        if let (Some(connection), Some(socket)) = (all.connection(key), socket) {
            socket.on_done(connection, now, done);
            self.touched.push(key);
        }
    }

    fn on_request(&mut self, all: &mut Dispatcher, now: Moment, request: Action) {
        match request {
            Action::Connect { connection, url } => {
                if let Err(error) = self.dials.connect(all, connection, &url, &self.options) {
                    self.not_connected(all, connection, error);
                }
            }
            Action::Opened(connection) => self.dials.opened(all, now, connection),
            Action::Reconnect(connection, reason) => self.dials.lost(now, connection, *reason),
            Action::Listen { listener, address } => match self.listen(listener, &address) {
                Ok(bound) => {
                    // The handler may have closed the listener meanwhile; then a request to close it follows.
                    let _ = all.listening(listener, bound.to_string());
                }
                Err(error) => {
                    let words = format!("{address}: {error}");
                    self.not_listening(all, listener, io::Error::new(error.kind(), words));
                }
            },
            Action::Unlisten(listener) => self.unlisten(listener),
            // There are no other requests.
            _ => {}
        }
    }

    /// Dials the servers whose time has come.
    fn dial(&mut self, all: &mut Dispatcher, now: Moment) {
        while let Some(next) = self.dials.next(all, now, random) {
            match next {
                NextDial::Dial(key, dial) => self.connect(now, key, *dial),
                NextDial::GiveUp(key, error) => self.not_connected(all, key, error),
            }
        }
    }

    /// Returns the time of the next attempt to connect.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.dials.next_deadline()
    }

    /// Connects in a thread of its own, since that may take long.
    fn connect(
        &mut self,
        now: Moment,
        key: ConnectionToken,
        (address, options): (Address, ConnectionOptions),
    ) {
        let outputs = self.outputs.clone();
        let started = spawn("amqp-connect", move || {
            let reached = tcp::reach(&address, &options).map(|stream| (stream, Box::new(options)));
            let _ = outputs.send(Input::Network(Done::Connected(key, reached)));
        });
        if let Err(error) = started {
            self.dials.failed(now, key, error.into());
        }
    }

    /// Reports a failed connection to the handler, and keeps the cause for the container's caller.
    fn not_connected(&mut self, all: &mut Dispatcher, key: ConnectionToken, error: Error) {
        all.not_connected(key, error.to_string());
        self.errors.insert(FailureScope::Connection(key), error);
    }

    /// Reports a failed listener to the handler, and keeps the cause for the container's caller.
    fn not_listening(&mut self, all: &mut Dispatcher, key: ListenerToken, error: io::Error) {
        all.not_listening(key, error.to_string());
        self.errors.insert(FailureScope::Listener(key), error.into());
    }

    /// Returns the error that has ended the container, if one has.
    pub(super) fn failure(&mut self, all: &Dispatcher) -> Option<Error> {
        let failure = all.failure()?;
        Some(self.errors.remove(&failure.scope).unwrap_or_else(|| failure.clone().into()))
    }

    /// Listens, and accepts connections in a thread of its own.
    fn listen(&mut self, key: ListenerToken, address: &str) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (outputs, is_told) = (self.outputs.clone(), Arc::clone(&is_over));
        spawn("amqp-listen", move || take_connections(key, &listener, &outputs, &is_told))?;
        self.listeners.insert(key, Listening { address, is_over });
        Ok(address)
    }

    fn unlisten(&mut self, key: ListenerToken) {
        /// The longest time to wake the thread.
        const MOST: Duration = Duration::from_secs(1);
        let Some(listening) = self.listeners.remove(&key) else { return };
        listening.is_over.store(true, Ordering::Release);
        // Only a connection wakes the thread.
        let _ = TcpStream::connect_timeout(&reachable(listening.address), MOST);
    }

    /// Accepts a peer's connection. TLS comes first in a thread of its own, since it may take long.
    fn take(&mut self, stream: TcpStream) {
        let (acceptor, outputs) = (self.acceptor.clone(), self.outputs.clone());
        let take = move || {
            // One that cannot be taken is closed: there is nobody to be told but the peer.
            if let Ok((stream, peer)) = tcp::accept(stream, &acceptor) {
                let _ = outputs.send(Input::Network(Done::Accepted(stream, peer)));
            }
        };
        match self.acceptor.needs_tls() {
            true => drop(spawn("amqp-accept", take)),
            false => take(),
        }
    }

    /// Handles a result of a thread that connects or listens.
    pub(super) fn on_done(&mut self, all: &mut Dispatcher, now: Moment, done: Done) {
        match done {
            Done::Connected(key, reached) => {
                let started = reached.and_then(|(stream, options)| {
                    let connection = options.client(&HOST, &transport::peer(&stream), now)?;
                    Ok((connection, Socket::start(self.socket_id(key), stream, &self.outputs)?))
                });
                match started.map(|(connection, socket)| (all.connected(key, connection), socket)) {
                    Ok((Ok(()), socket)) => self.add(key, socket),
                    // The handler has closed the connection meanwhile.
                    Ok((Err(_), socket)) => self.ending.push(socket.end()),
                    Err(error) => self.dials.failed(now, key, error),
                }
            }
            Done::Taken(stream) => self.take(stream),
            Done::Accepted(stream, peer) => {
                // A connection that fails here is closed; there is no one to report it to.
                let Ok(connection) = self.acceptor.server(&HOST, &peer, now) else { return };
                let Some(key) = all.add(connection) else { return };
                match Socket::start(self.socket_id(key), stream, &self.outputs) {
                    Ok(socket) => self.add(key, socket),
                    Err(_) => drop(all.remove(key)),
                }
            }
            Done::Failed(key, error) => {
                if self.listeners.remove(&key).is_some() {
                    self.not_listening(all, key, error);
                }
            }
        }
    }

    /// Returns an id for another socket of a connection.
    fn socket_id(&mut self, key: ConnectionToken) -> SocketId {
        self.count += 1;
        (key, self.count)
    }

    fn add(&mut self, key: ConnectionToken, socket: Socket) {
        self.sockets.insert(key, socket);
        self.touched.push(key);
    }

    /// Returns the largest number of waiting results of the connections' threads.
    pub(super) fn most_done(&self) -> usize {
        self.sockets.len().saturating_mul(socket::MOST_DONE)
    }

    /// Ends everything without waiting. Peers learn that their connections are closed if the writing threads are
    /// idle.
    pub(super) fn abandon(&mut self, all: &mut Dispatcher) {
        for (key, mut socket) in self.sockets.drain() {
            if let Some(connection) = all.connection(key) {
                socket.serve(connection);
            }
            drop(socket.end());
        }
        for key in self.listeners.keys().copied().collect::<Vec<_>>() {
            self.unlisten(key);
        }
    }

    /// Waits until all transports have ended.
    pub(super) fn finish(&mut self) {
        for thread in self.ending.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Accepts connections until the listener is closed.
fn take_connections(
    key: ListenerToken,
    listener: &TcpListener,
    outputs: &Sender<Input>,
    is_over: &AtomicBool,
) {
    loop {
        let accepted = listener.accept();
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let done = match accepted {
            Ok((stream, _)) => Done::Taken(stream),
            Err(error) if is_peers(&error) => continue,
            Err(error) => Done::Failed(key, error),
        };
        let is_failed = matches!(done, Done::Failed(..));
        if outputs.send(Input::Network(done)).is_err() || is_failed {
            return;
        }
    }
}

/// Returns a random number for the pauses between attempts; without one, they do not differ.
fn random() -> u64 {
    HOST.random().map(u64::from_ne_bytes).unwrap_or_default()
}

/// Returns whether an error concerns the accepted connection, and not the listener.
fn is_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Returns an address at which this machine reaches the listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
