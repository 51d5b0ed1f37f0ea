//! [`ReceiverBuilder`]: how a link is attached on which this end receives.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::Waker;

use amqp_proto::client::{ReceiverSettings, Result, link_setters};
use amqp_proto::driver;

use crate::receiver::Receiver;
use crate::wait::ready;

/// How a link is attached on which this end receives; await it to attach the link.
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
/// let jobs = connection
///     .receiver("jobs")
///     .with_name("jobs-of-one")
///     .with_prefetch(10)
///     .with_auto_accept(false)
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached when its builder is awaited"]
pub struct ReceiverBuilder {
    home: driver::Home<Waker>,
    settings: ReceiverSettings,
}

impl ReceiverBuilder {
    pub(crate) fn new(home: driver::Home<Waker>, settings: ReceiverSettings) -> Self {
        Self { home, settings }
    }

    link_setters!(receiver);

    /// Attaches the link, and waits until the peer has attached its end, as awaiting the builder does.
    pub async fn attach(self) -> Result<Receiver> {
        let link = driver::Receiver::attach(&self.home, &self.settings)?;
        ready(link.attached()).await?;
        self.settings.check(link.peer_attach())?;
        Ok(Receiver::new(link))
    }
}

impl IntoFuture for ReceiverBuilder {
    type Output = Result<Receiver>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Receiver>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.attach())
    }
}
