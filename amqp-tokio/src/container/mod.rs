//! [`Container`]: runs a handler.
//!
//! The handler, its connections and all transports belong to one task, that of [`Container::run`]. Sources that may
//! be ready, and the work of other tasks, go through the [`mailbox`]. While the handler occupies the task, a thread
//! writes heartbeats: the [`keeper`].

mod keeper;
mod mailbox;
mod network;
mod socket;
mod way;

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use amqp_proto::client::Result;
use amqp_proto::driver::{self, Stopped};
use amqp_proto::handler::{Context, Dispatcher, Handler};
use amqp_proto::types::Moment;
use tokio::time::{Instant, Sleep};

use self::mailbox::{Mail, Mailbox};
use self::network::Network;
use crate::host::HOST;

/// Runs a [`Handler`], which gets events and acts on them, in one task.
///
/// The container stops when no connection, listener or timer is left; see [`with_auto_stop`](Self::with_auto_stop).
///
/// ```no_run
/// use amqp_tokio::Container;
/// use amqp_tokio::handler::{Context, DeliveryToken, Handler, SenderToken};
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
/// # async fn run() -> amqp_tokio::Result<()> {
/// Container::new(Jobs).run().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Container<H> {
    handler: H,
    core: Core,
    auto_stop: bool,
}

/// A container without its handler.
#[derive(Debug)]
struct Core {
    all: Dispatcher,
    network: Network,
    clock: Clock,
    is_stopped: bool,
}

/// The start of a container's clock.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

/// The number of looks at the mail before the task yields.
const ROUNDS: usize = 32;

driver::skin::container!();

impl<H: Handler> Container<H> {
    /// Makes a container for this handler, with default options.
    pub fn new(handler: H) -> Self {
        let clock = Clock(Instant::now());
        let mut all = Dispatcher::new();
        // Without random numbers, no connection is made either.
        let _ = HOST.random_name().map(|name| all.set_message_ids(name));
        let core = Core { all, network: Network::new(clock), clock, is_stopped: false };
        Self { handler, core, auto_stop: true }
    }

    /// Returns an injector, by which other tasks and threads send work to the container.
    pub fn injector(&self) -> Injector {
        Injector { mailbox: Arc::clone(&self.core.network.mailbox) }
    }

    /// Runs a closure with the handler's context.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.core.with(work)
    }

    /// Runs the handler until the container stops, and returns the handler.
    ///
    /// The handler runs within this future. A slow callback delays the whole container, and its messages are written
    /// after it returns. Connections stay alive meanwhile on any runtime: a thread writes the heartbeats that peers
    /// ask for [2.4.5].
    ///
    /// # Errors
    ///
    /// The first error of a connection, session, link or listener that the handler has no method for: see
    /// [`Context::unhandled`](amqp_proto::handler::Context::unhandled). Everything is closed before this returns.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the container: peers learn that their connections are closed, as far as that can be
    /// written at once, and the handler gets no more events.
    pub async fn run(mut self) -> Result<H> {
        let core = &mut self.core;
        core.all.start(core.clock.now(), &mut self.handler);
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        for round in 1_usize.. {
            core.hear().await;
            core.all.dispatch(core.clock.now(), &mut self.handler);
            let is_busy = core.network.serve(&mut core.all) || core.all.has_events();
            if round.is_multiple_of(ROUNDS) {
                tokio::task::yield_now().await;
            }
            if is_busy {
                continue;
            }
            let is_ending = self.auto_stop || core.is_stopped || core.all.failure().is_some();
            if is_ending && core.is_finished() {
                break;
            }
            for mail in core.wait(timer.as_mut()).await {
                core.take(mail);
            }
            core.network.give_up(&mut core.all);
        }
        core.network.failure(&core.all).map_or(Ok(self.handler), Err)
    }
}

impl Core {
    fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.all.with(self.clock.now(), work)
    }

    /// Waits for mail or for the next deadline.
    async fn wait(&mut self, mut timer: Pin<&mut Sleep>) -> Vec<Mail> {
        let due = self.all.next_deadline().map(|at| self.clock.instant(at));
        let by = [due, self.network.next_deadline()].into_iter().flatten().min();
        if let Some(by) = by.filter(|by| *by != timer.deadline()) {
            timer.as_mut().reset(by);
        }
        poll_fn(|context| match self.network.mailbox.poll_take(context) {
            Poll::Pending if by.is_some() => timer.as_mut().poll(context).map(|()| Vec::new()),
            mails => mails,
        })
        .await
    }

    /// Reads for connections with a due deadline, before the deadline is handled.
    async fn hear(&mut self) {
        if self.all.due(self.clock.now()).next().is_none() {
            return;
        }
        // The runtime may not have polled the sockets for a while.
        tokio::task::yield_now().await;
        self.network.touch_due(&self.all);
        self.network.serve(&mut self.all);
    }

    fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Ready(source) => self.network.on_ready(&mut self.all, source),
            Mail::Work(work) => self.with(work),
            Mail::Stop => {
                self.is_stopped = true;
                self.with(|cx| cx.stop());
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.all.is_finished() && self.network.is_empty()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.network.mailbox.end();
        if !self.is_finished() {
            self.with(|cx| cx.stop());
            self.network.flush(&mut self.all);
        }
    }
}

impl Clock {
    fn now(self) -> Moment {
        Moment::START + self.0.elapsed()
    }

    fn instant(self, moment: Moment) -> Instant {
        let span = Duration::from_millis(moment.as_millis());
        // A moment beyond the clock's range never comes.
        self.0.checked_add(span).unwrap_or_else(|| self.0 + Duration::from_secs(1 << 31))
    }
}

/// Sends work to a container from any task or thread. Clones belong to the same container.
#[derive(Clone)]
pub struct Injector {
    mailbox: Arc<Mailbox>,
}

impl Injector {
    /// Runs a closure with the handler's context, between two callbacks.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the container has ended.
    pub fn inject(&self, work: impl FnOnce(&mut Context<'_>) + Send + 'static) -> Result<(), Stopped> {
        self.mailbox.put(Mail::Work(Box::new(work)))
    }

    /// Stops the container: closes all connections and listeners and cancels all timers.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the container has ended.
    pub fn stop(&self) -> Result<(), Stopped> {
        self.mailbox.put(Mail::Stop)
    }
}

impl fmt::Debug for Injector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("injector")
    }
}
