//! [`SenderBuilder`] and [`ReceiverBuilder`]: how links are attached.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::Waker;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::sender::Sender;

/// How a link is attached on which this end sends; await it to attach the link.
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

    /// Attaches the link, and waits until the peer has done so too. Awaiting the builder does the same.
    ///
    /// # Errors
    ///
    /// How the link ended, where the peer refuses it; [`Error::Ungranted`](crate::Error::Ungranted) where the peer does
    /// not grant what is required.
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

/// How a link is attached on which this end receives; await it to attach the link.
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

    /// Attaches the link, and waits until the peer has done so too. Awaiting the builder does the same.
    ///
    /// # Errors
    ///
    /// See [`SenderBuilder::attach`].
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
