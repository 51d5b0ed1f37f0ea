//! [`ReceiverBuilder`]: how a link is attached over which this end receives.

use std::thread::Thread;

use amqp_proto::client::{ReceiverSettings, Result, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::wait::ready;

/// How a link is attached over which this end receives.
///
/// ```no_run
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let urgent = connection
///     .receiver("jobs")
///     .with_selector("priority > 5")
///     .with_prefetch(10)
///     .with_auto_accept(false)
///     .attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct ReceiverBuilder {
    home: driver::Home<Thread>,
    settings: ReceiverSettings,
}

impl ReceiverBuilder {
    pub(crate) fn new(home: driver::Home<Thread>, settings: ReceiverSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(receiver);

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Receiver> {
        let link = driver::Receiver::attach(&self.home, &self.settings)?;
        ready(link.attached())?;
        self.settings.check(link.peer_attach())?;
        Ok(Receiver::new(link))
    }
}
