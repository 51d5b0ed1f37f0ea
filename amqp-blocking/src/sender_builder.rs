//! [`SenderBuilder`]: how a link is attached over which this end sends.

use std::thread::Thread;

use amqp_proto::client::{Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::sender::Sender;
use crate::wait::ready;

/// How a link is attached over which this end sends.
///
/// ```no_run
/// use amqp_blocking::wire::SenderSettleMode;
///
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let readings = connection
///     .sender("readings")
///     .with_snd_settle_mode(SenderSettleMode::Settled)
///     .attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct SenderBuilder {
    home: driver::Home<Thread>,
    settings: SenderSettings,
}

impl SenderBuilder {
    pub(crate) fn new(home: driver::Home<Thread>, settings: SenderSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(sender);

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Sender> {
        let link = driver::Sender::attach(&self.home, &self.settings)?;
        ready(link.attached())?;
        self.settings.check(link.peer_attach())?;
        Ok(Sender::new(link, self.settings.send_timeout))
    }
}
