//! [`SenderBuilder`] and [`ReceiverBuilder`]: attach links.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::Waker;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::sender::Sender;

/// Builds a link on which this end sends. Await the builder to attach the link.
///
/// # Cancel safety
///
/// See [`attach`](Self::attach).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// use amqp_tokio::wire::SenderSettleMode;
///
/// let readings = connection
///     .sender("readings")
///     .with_snd_settle_mode(SenderSettleMode::Settled) // at most once
///     .await?;
/// readings.send("21.5").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached when its builder is awaited"]
pub struct SenderBuilder {
    pub(crate) home: driver::Home<Waker>,
    pub(crate) settings: SenderSettings,
}

impl SenderBuilder {
    link_setters!(sender);

    /// Attaches the link, and waits until the peer has attached it, too. Awaiting the builder does the same.
    ///
    /// # Errors
    ///
    /// [`Error::Attach`](crate::Error::Attach) if the link cannot be attached, [`Error::Link`](crate::Error::Link) if
    /// the peer refuses it, [`Error::Ungranted`](crate::Error::Ungranted) if the peer does not grant a required
    /// setting, [`Error::Session`](crate::Error::Session) or [`Error::Connection`](crate::Error::Connection) if one
    /// of them is over, [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the link.
    pub async fn attach(self) -> Result<Sender> {
        let link = driver::Sender::attach(&self.home, &self.settings)?;
        driver::Sender::attached(&link).await?;
        self.settings.check(link.peer_attach())?;
        Ok(link.into())
    }
}

impl IntoFuture for SenderBuilder {
    type Output = Result<Sender>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Sender>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.attach())
    }
}

/// Builds a link on which this end receives. Await the builder to attach the link.
///
/// # Cancel safety
///
/// See [`attach`](Self::attach).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let connection = amqp_tokio::broker::Broker::new()?.connect().await?;
/// let jobs = connection
///     .receiver("jobs")
///     .with_name("jobs-of-one")
///     .with_prefetch(10)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached when its builder is awaited"]
pub struct ReceiverBuilder {
    pub(crate) home: driver::Home<Waker>,
    pub(crate) settings: ReceiverSettings,
}

impl ReceiverBuilder {
    link_setters!(receiver);

    /// Attaches the link, and waits until the peer has attached it, too. Awaiting the builder does the same.
    ///
    /// # Errors
    ///
    /// See [`SenderBuilder::attach`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the link.
    pub async fn attach(self) -> Result<Receiver> {
        let link = driver::Receiver::attach(&self.home, &self.settings)?;
        driver::Receiver::attached(&link).await?;
        self.settings.check(link.peer_attach())?;
        Ok(link.into())
    }
}

impl IntoFuture for ReceiverBuilder {
    type Output = Result<Receiver>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Receiver>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.attach())
    }
}
