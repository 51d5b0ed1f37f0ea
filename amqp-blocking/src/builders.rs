//! [`SenderBuilder`] and [`ReceiverBuilder`]: how links are attached.

use std::thread::Thread;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::wait::ready;

/// How a link is attached on which this end sends.
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
    pub(crate) home: driver::Home<Thread>,
    pub(crate) settings: SenderSettings,
}

impl SenderBuilder {
    link_setters!(sender);

    /// Attaches the link, and waits until the peer has done so too.
    ///
    /// # Errors
    ///
    /// How the link ended, where the peer refuses it; [`Error::Ungranted`](crate::Error::Ungranted) where the peer does
    /// not grant what is required.
    pub fn attach(self) -> Result<Sender> {
        let link = driver::Sender::attach(&self.home, &self.settings)?;
        ready(driver::Sender::attached(&link))?;
        self.settings.check(link.peer_attach())?;
        Ok(link.into())
    }
}

/// How a link is attached on which this end receives.
///
/// ```no_run
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let urgent = connection
///     .receiver("jobs")
///     .with_selector("priority > 5")
///     .with_prefetch(10)
///     .attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct ReceiverBuilder {
    pub(crate) home: driver::Home<Thread>,
    pub(crate) settings: ReceiverSettings,
}

impl ReceiverBuilder {
    link_setters!(receiver);

    /// Attaches the link, and waits until the peer has done so too.
    ///
    /// # Errors
    ///
    /// See [`SenderBuilder::attach`].
    pub fn attach(self) -> Result<Receiver> {
        let link = driver::Receiver::attach(&self.home, &self.settings)?;
        ready(driver::Receiver::attached(&link))?;
        self.settings.check(link.peer_attach())?;
        Ok(link.into())
    }
}
