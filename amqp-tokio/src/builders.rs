//! [`SenderBuilder`] and [`ReceiverBuilder`]: attach links.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::Waker;

use amqp_proto::client::{ReceiverSettings, Result, SenderSettings};
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

driver::skin::builder!(SenderBuilder, Sender, sender, async);

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

driver::skin::builder!(ReceiverBuilder, Receiver, receiver, async);

macro_rules! into_future {
    ($($builder:ident: $handle:ident)*) => {$(
        impl IntoFuture for $builder {
            type Output = Result<$handle>;
            type IntoFuture = Pin<Box<dyn Future<Output = Result<$handle>> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.attach())
            }
        }
    )*};
}

into_future! { SenderBuilder: Sender ReceiverBuilder: Receiver }
