//! [`SenderBuilder`] and [`ReceiverBuilder`]: attach links.

use std::thread::Thread;

use amqp_proto::client::{ReceiverSettings, SenderSettings};
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

driver::skin::builder!(SenderBuilder, Sender, sender);

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

driver::skin::builder!(ReceiverBuilder, Receiver, receiver);
