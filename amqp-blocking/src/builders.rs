//! [`SenderBuilder`] and [`ReceiverBuilder`]: attach links.

use std::thread::Thread;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::wait::ready;

/// Builds a link on which this end sends. [`attach`](Self::attach) attaches the link.
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

    /// Attaches the link, and waits until the peer has attached it, too.
    ///
    /// # Errors
    ///
    /// [`Error::Attach`](crate::Error::Attach) if the link cannot be attached, [`Error::Link`](crate::Error::Link) if
    /// the peer refuses it, [`Error::Ungranted`](crate::Error::Ungranted) if the peer does not grant a required
    /// setting, [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if one
    /// of them is over, [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    pub fn attach(self) -> Result<Sender> {
        let link = driver::Sender::attach(&self.home, &self.settings)?;
        ready(driver::Sender::attached(&link))?;
        self.settings.check(link.peer_attach())?;
        Ok(link.into())
    }
}

/// Builds a link on which this end receives. [`attach`](Self::attach) attaches the link.
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

    /// Attaches the link, and waits until the peer has attached it, too.
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
