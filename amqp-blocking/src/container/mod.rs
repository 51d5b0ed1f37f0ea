//! [`Container`]: runs a handler.
//!
//! The handler and its connections belong to the thread that runs the container. Other threads read, write, connect
//! and listen, and send what has come of it to that one: see [`socket`] and [`network`].

mod network;
mod socket;

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{Acceptor, ConnectionOptions, Result};
use amqp_proto::handler::{ConnectionKey, Context, Dispatcher, Handler, ListenerKey};
use amqp_proto::types::{Moment, Str};

use self::network::Network;
use self::socket::Done;

/// Runs a [`Handler`]: an application that is told what happens, and acts on it, in one thread.
///
/// It ends when there is nothing left that anything could come of: no connection, listener or timer. See also
/// [`with_auto_stop`](Self::with_auto_stop).
///
/// ```no_run
/// use amqp_blocking::Container;
/// use amqp_blocking::handler::{Context, DeliveryKey, Handler, SenderKey};
///
/// struct Jobs;
///
/// impl Handler for Jobs {
///     fn on_start(&mut self, cx: &mut Context<'_>) {
///         let connection = cx.connect("amqp://localhost");
///         cx.create_sender(connection, "jobs");
///     }
///
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderKey) {
///         let _ = cx.send(sender, "job-content");
///     }
///
///     fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryKey) {
///         println!("{delivery} is accepted");
///         cx.close_connection(delivery.connection());
///     }
/// }
///
/// Container::new(Jobs).run()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct Container<H> {
    handler: H,
    core: Core,
    inputs: Receiver<Input>,
    start: Instant,
    auto_stop: bool,
    is_stopped: bool,
}

/// The connections of a container, and what carries them.
#[derive(Debug)]
struct Core {
    all: Dispatcher,
    network: Network,
}

impl Drop for Core {
    /// Closes what is open where a container is dropped before its end, for instance since its handler has panicked.
    fn drop(&mut self) {
        if !self.all.is_finished() {
            self.all.with(Moment::START, |cx| cx.stop());
            self.network.abandon(&mut self.all);
        }
    }
}

/// What other threads have for that of the container.
enum Input {
    Socket(ConnectionKey, Done),
    Network(network::Done),
    Work(Work),
    Stop,
}

type Work = Box<dyn FnOnce(&mut Context<'_>) + Send>;

/// How many inputs that are not of connections are taken before the handler is told of them, at most.
const ENOUGH: usize = 64;

impl<H: Handler> Container<H> {
    /// For this handler, with the defaults for all connections.
    pub fn new(handler: H) -> Self {
        let (outputs, inputs) = mpsc::channel();
        Self {
            handler,
            core: Core { all: Dispatcher::new(), network: Network::new(outputs) },
            inputs,
            start: Instant::now(),
            auto_stop: true,
            is_stopped: false,
        }
    }

    /// Sets what connections are made with.
    #[must_use]
    pub fn with_options(mut self, options: ConnectionOptions) -> Self {
        self.core.network.options = options;
        self
    }

    /// Sets how connections are taken that others make.
    #[must_use]
    pub fn with_acceptor(mut self, acceptor: Acceptor) -> Self {
        self.core.network.acceptor = acceptor;
        self
    }

    /// Sets how many octets of messages each sender queues at most while they cannot be sent; 1 MiB unless set. See
    /// [`Dispatcher::set_send_queue`](amqp_proto::handler::Dispatcher::set_send_queue).
    #[must_use]
    pub fn with_send_queue(mut self, octets: usize) -> Self {
        self.core.all.set_send_queue(octets);
        self
    }

    /// Sets whether it ends when there is nothing left that anything could come of. On, unless turned off; then it
    /// ends by [`Injector::stop`].
    #[must_use]
    pub fn with_auto_stop(mut self, automatic: bool) -> Self {
        self.auto_stop = automatic;
        self
    }

    /// A way to have work done from other threads.
    pub fn injector(&self) -> Injector {
        Injector { outputs: self.core.network.outputs.clone() }
    }

    /// Does something as the handler would.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let now = self.now();
        self.core.all.with(now, work)
    }

    /// Has a connection made; see [`Context::connect`].
    pub fn connect(&mut self, url: impl Into<Str>) -> ConnectionKey {
        self.with(|cx| cx.connect(url))
    }

    /// Has connections taken that others make; see [`Context::listen`].
    pub fn listen(&mut self, address: impl Into<Str>) -> ListenerKey {
        self.with(|cx| cx.listen(address))
    }

    /// Runs the handler until the end, and returns it.
    ///
    /// While a callback works nothing else is told, and what it sends is written when it has returned. Connections stay
    /// alive meanwhile, however long it takes: other threads write the heartbeats that peers ask for [2.4.5], and read,
    /// up to 128 KiB for each connection.
    ///
    /// # Errors
    ///
    /// The first error of a connection, session, link or listener that the handler has no method for: see
    /// [`Context::unhandled`](amqp_proto::handler::Context::unhandled). Everything is closed before this returns.
    pub fn run(mut self) -> Result<H> {
        let now = self.now();
        self.core.all.start(now, &mut self.handler);
        loop {
            // What has come while the handler worked came in time.
            self.take_ready();
            let now = self.now();
            self.core.all.dispatch(now, &mut self.handler);
            // Where output was taken there is room for more.
            if self.core.network.serve(&mut self.core.all) || self.core.all.has_events() {
                continue;
            }
            let is_ending = self.auto_stop || self.is_stopped || self.core.all.failure().is_some();
            if is_ending && self.core.all.is_finished() {
                break;
            }
            self.wait();
        }
        self.core.network.finish();
        self.core.network.failure(&self.core.all).map_or(Ok(self.handler), Err)
    }

    /// Waits until something happens, and takes it.
    fn wait(&mut self) {
        let first = match self.core.all.next_deadline() {
            None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.inputs.recv_timeout(self.until(at)),
        };
        // The container has a sender itself, so there is always one.
        if let Ok(first) = first {
            self.take(first);
        }
    }

    /// Takes what has happened, of every connection what its threads can have done.
    fn take_ready(&mut self) {
        for _ in 0..ENOUGH + self.core.network.most_done() {
            let Ok(next) = self.inputs.try_recv() else { return };
            self.take(next);
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Socket(key, done) => self.core.network.on_socket(&mut self.core.all, now, key, done),
            Input::Network(done) => self.core.network.on_done(&mut self.core.all, now, done),
            Input::Work(work) => self.core.all.with(now, work),
            Input::Stop => {
                self.is_stopped = true;
                self.core.all.with(now, |cx| cx.stop());
            }
        }
    }

    fn now(&self) -> Moment {
        Moment::START + self.start.elapsed()
    }

    fn until(&self, moment: Moment) -> Duration {
        let at = self.start.checked_add(Duration::from_millis(moment.as_millis()));
        at.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }
}

/// Has a container do work, from any thread. Clones are for the same container.
#[derive(Clone)]
pub struct Injector {
    outputs: Sender<Input>,
}

impl Injector {
    /// Has something done as the handler would, between two of its callbacks.
    pub fn inject(&self, work: impl FnOnce(&mut Context<'_>) + Send + 'static) -> Result<(), Stopped> {
        self.outputs.send(Input::Work(Box::new(work))).map_err(|_| Stopped)
    }

    /// Has all connections and listeners closed and all timers cancelled; then the container ends.
    pub fn stop(&self) -> Result<(), Stopped> {
        self.outputs.send(Input::Stop).map_err(|_| Stopped)
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("injector")
    }
}

/// The container has ended: the work will not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the container has ended")
    }
}

impl std::error::Error for Stopped {}

/// Starts a thread of the container.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(work)
}
