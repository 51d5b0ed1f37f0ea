//! [`Container`]: runs a handler.
//!
//! The handler and its connections belong to the thread that runs the container. Other threads read, write, connect
//! and listen, and send their results to it: see [`socket`] and [`network`].

mod network;
mod socket;
mod tcp;

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::client::Result;
use amqp_proto::driver::{self, Stopped};
use amqp_proto::handler::{Context, Dispatcher, Handler};
use amqp_proto::types::Moment;

use self::network::Network;
use self::socket::{Done, SocketId};
use crate::host::HOST;

/// Runs a [`Handler`], which gets events and acts on them, in one thread.
///
/// The container stops when no connection, listener or timer is left; see [`with_auto_stop`](Self::with_auto_stop).
///
/// ```no_run
/// use amqp_blocking::Container;
/// use amqp_blocking::handler::{Context, DeliveryToken, Handler, SenderToken};
///
/// struct Jobs;
///
/// impl Handler for Jobs {
///     fn on_start(&mut self, cx: &mut Context<'_>) {
///         let connection = cx.connect("amqp://localhost");
///         cx.create_sender(connection, "jobs");
///     }
///
///     fn on_sendable(&mut self, cx: &mut Context<'_>, sender: SenderToken) {
///         let _ = cx.send(sender, "job-content");
///     }
///
///     fn on_accepted(&mut self, cx: &mut Context<'_>, delivery: DeliveryToken) {
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

/// The connections of a container, and their transports.
#[derive(Debug)]
struct Core {
    all: Dispatcher,
    network: Network,
}

impl Drop for Core {
    /// Closes all connections, as when a handler has panicked.
    fn drop(&mut self) {
        if !self.all.is_finished() {
            self.all.with(Moment::START, |cx| cx.stop());
            self.network.abandon(&mut self.all);
        }
    }
}

/// A result of another thread, for the container's thread.
enum Input {
    Socket(SocketId, Done),
    Network(network::Done),
    Work(Work),
    Stop,
}

type Work = Box<dyn FnOnce(&mut Context<'_>) + Send>;

/// The number of inputs, except those of connections, before the handler gets its events.
const ENOUGH: usize = 64;

driver::skin::container!();

impl<H: Handler> Container<H> {
    /// Makes a container for this handler, with default options.
    pub fn new(handler: H) -> Self {
        let (outputs, inputs) = mpsc::channel();
        let mut all = Dispatcher::new();
        // Without random numbers, no connection is made either.
        let _ = HOST.random_name().map(|name| all.set_message_ids(name));
        Self {
            handler,
            core: Core { all, network: Network::new(outputs) },
            inputs,
            start: Instant::now(),
            auto_stop: true,
            is_stopped: false,
        }
    }

    /// Returns an injector, by which other threads send work to the container.
    pub fn injector(&self) -> Injector {
        Injector { outputs: self.core.network.outputs.clone() }
    }

    /// Runs a closure with the handler's context.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let now = self.now();
        self.core.all.with(now, work)
    }

    /// Runs the handler until the container stops, and returns the handler.
    ///
    /// During a callback, no other event is handled, and messages are written after it returns. Connections stay
    /// alive meanwhile: other threads write the heartbeats that peers ask for [2.4.5], and read up to 128 KiB for
    /// each connection.
    ///
    /// # Errors
    ///
    /// The first error of a connection, session, link or listener that the handler has no method for: see
    /// [`Context::unhandled`](amqp_proto::handler::Context::unhandled). Everything is closed before this returns.
    pub fn run(mut self) -> Result<H> {
        let now = self.now();
        self.core.all.start(now, &mut self.handler);
        loop {
            // Input that arrived while the handler worked is in time.
            self.take_ready();
            let now = self.now();
            self.core.all.dispatch(now, &mut self.handler);
            // Output that was taken makes room for more.
            if self.core.network.serve(&mut self.core.all, now) || self.core.all.has_events() {
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

    /// Waits for an input and handles it.
    fn wait(&mut self) {
        let by =
            [self.core.all.next_deadline(), self.core.network.next_deadline()].into_iter().flatten().min();
        let first = match by {
            None => self.inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => self.inputs.recv_timeout(self.until(at)),
        };
        // The container holds a sender itself, so the channel stays open.
        if let Ok(first) = first {
            self.take(first);
        }
    }

    /// Handles all waiting inputs, at most a bounded number for each connection.
    fn take_ready(&mut self) {
        for _ in 0..ENOUGH + self.core.network.most_done() {
            let Ok(next) = self.inputs.try_recv() else { return };
            self.take(next);
        }
    }

    fn take(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Socket(id, done) => self.core.network.on_socket(&mut self.core.all, now, id, done),
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

/// Sends work to a container from any thread. Clones belong to the same container.
#[derive(Clone)]
pub struct Injector {
    outputs: Sender<Input>,
}

impl Injector {
    /// Runs a closure with the handler's context, between two callbacks.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the container has ended.
    pub fn inject(&self, work: impl FnOnce(&mut Context<'_>) + Send + 'static) -> Result<(), Stopped> {
        self.outputs.send(Input::Work(Box::new(work))).map_err(|_| Stopped)
    }

    /// Stops the container: closes all connections and listeners and cancels all timers.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the container has ended.
    pub fn stop(&self) -> Result<(), Stopped> {
        self.outputs.send(Input::Stop).map_err(|_| Stopped)
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("injector")
    }
}

/// Starts a thread of the container.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(work)
}
