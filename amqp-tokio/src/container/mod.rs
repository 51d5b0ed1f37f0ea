//! [`Container`]: runs a handler.
//!
//! The handler, its connections and all transports belong to one task, that of [`Container::run`]. What may be ready
//! is put into its [`mailbox`], and so is the work of others. While the handler keeps that task busy, a thread writes
//! heartbeats: the [`keeper`].

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

use amqp_proto::client::{Acceptor, ConnectionOptions, Result};
use amqp_proto::handler::{ConnectionKey, Context, Dispatcher, Handler, ListenerKey};
use amqp_proto::types::{Moment, Str};
use tokio::time::{Instant, Sleep};

use self::mailbox::{Mail, Mailbox};
use self::network::Network;

/// Runs a [`Handler`]: an application that is told what happens, and acts on it, in one task.
///
/// It ends when there is nothing left that anything could come of: no connection, listener or timer. See also
/// [`with_auto_stop`](Self::with_auto_stop).
///
/// ```no_run
/// use amqp_tokio::Container;
/// use amqp_tokio::handler::{Context, DeliveryKey, Handler, SenderKey};
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

/// A container but for its handler.
#[derive(Debug)]
struct Core {
    all: Dispatcher,
    network: Network,
    clock: Clock,
    is_stopped: bool,
}

/// The time since a container was made.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

/// How often the container looks at its mail before other tasks get a turn.
const ROUNDS: usize = 32;

impl<H: Handler> Container<H> {
    /// For this handler, with the defaults for all connections.
    pub fn new(handler: H) -> Self {
        let clock = Clock(Instant::now());
        let core = Core { all: Dispatcher::new(), network: Network::new(clock), clock, is_stopped: false };
        Self { handler, core, auto_stop: true }
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

    /// A way to have work done from other tasks and threads.
    pub fn injector(&self) -> Injector {
        Injector { mailbox: Arc::clone(&self.core.network.mailbox) }
    }

    /// Does something as the handler would.
    pub fn with<R>(&mut self, work: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.core.with(work)
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
    /// The handler runs between two waits of this future: what takes long in it keeps the whole container waiting, and
    /// what it sends is written when it has returned. Connections stay alive meanwhile, however long it takes, and on
    /// whichever runtime: a thread writes the heartbeats that peers ask for [2.4.5].
    ///
    /// Dropped before it ends, this tells all peers that their connections are closed, as far as that can be written
    /// at once, and the handler nothing.
    ///
    /// # Errors
    ///
    /// The first error of a connection, session, link or listener that the handler has no method for: see
    /// [`Context::unhandled`](amqp_proto::handler::Context::unhandled). Everything is closed before this returns.
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

    /// Waits until something happens, or is due.
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

    /// Reads for connections that have something to do by the clock, before they do it.
    async fn hear(&mut self) {
        if self.all.due(self.clock.now()).next().is_none() {
            return;
        }
        // The runtime may have had no time to look at sockets itself.
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
        // A moment too far away to be named never comes.
        self.0.checked_add(span).unwrap_or_else(|| self.0 + Duration::from_secs(1 << 31))
    }
}

/// Has a container do work, from any task or thread. Clones are for the same container.
#[derive(Clone)]
pub struct Injector {
    mailbox: Arc<Mailbox>,
}

impl Injector {
    /// Has something done as the handler would, between two of its callbacks.
    pub fn inject(&self, work: impl FnOnce(&mut Context<'_>) + Send + 'static) -> Result<(), Stopped> {
        self.mailbox.put(Mail::Work(Box::new(work)))
    }

    /// Has all connections and listeners closed and all timers cancelled; then the container ends.
    pub fn stop(&self) -> Result<(), Stopped> {
        self.mailbox.put(Mail::Stop)
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
