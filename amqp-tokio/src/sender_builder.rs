//! [`SenderBuilder`]: how a link is attached on which this end sends.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::Waker;

use amqp_proto::client::{Result, SenderSettings, link_setters};
use amqp_proto::driver;

use crate::sender::Sender;
use crate::wait::ready;

/// How a link is attached on which this end sends; await it to attach the link.
///
/// ```
/// # use amqp_tokio::broker::Broker;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let broker = Broker::builder().build()?;
/// # let listener = amqp_tokio::Listener::bind_with("127.0.0.1:0", broker.acceptor()).await?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # tokio::spawn(async move { broker.serve(listener).await });
/// # let connection = amqp_tokio::Connection::open(&url).await?;
/// use amqp_tokio::wire::SenderSettleMode;
///
/// let readings = connection
///     .sender("readings")
///     .with_snd_settle_mode(SenderSettleMode::Settled)
///     .await?;
/// readings.send("21.5").await?; // at most once
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached when its builder is awaited"]
pub struct SenderBuilder {
    home: driver::Home<Waker>,
    settings: SenderSettings,
}

impl SenderBuilder {
    pub(crate) fn new(home: driver::Home<Waker>, settings: SenderSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(sender);

    /// Attaches the link, and waits until the peer has attached its end, as awaiting the builder does.
    pub async fn attach(self) -> Result<Sender> {
        let link = driver::Sender::attach(&self.home, &self.settings)?;
        ready(link.attached()).await?;
        self.settings.check(link.peer_attach())?;
        Ok(Sender::new(link, self.settings.send_timeout))
    }
}

impl IntoFuture for SenderBuilder {
    type Output = Result<Sender>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Sender>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.attach())
    }
}
