//! [`ReceiverBuilder`]: how a link is attached on which this end receives.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use amqp_proto::config::ReceiverOptions;
use amqp_proto::endpoint::Result;
use amqp_proto::types::{Described, Fields, Many, Str, Symbol};
use amqp_proto::wire::{
    DistributionMode, ExpiryPolicy, ReceiverSettleMode, SenderSettleMode, Source, Target, TerminusDurability,
};

use crate::link::ReceiverGuard;
use crate::receiver::Receiver;
use crate::sender::no_session;
use crate::session::Home;

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
/// let urgent = connection.receiver("jobs").selector("priority > 5").prefetch(10).auto_accept(false).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached when its builder is awaited"]
pub struct ReceiverBuilder {
    home: Home,
    name: Option<Str>,
    source: Source,
    target: Target,
    is_streaming: bool,
    options: ReceiverOptions,
}

impl ReceiverBuilder {
    pub(crate) fn new(home: Home, address: impl Into<Str>) -> Self {
        Self {
            home,
            name: None,
            source: Source::at(address),
            target: Target::default(),
            is_streaming: false,
            options: ReceiverOptions::new(),
        }
    }

    /// Sets the name of the link. Default: a random one.
    pub fn name(mut self, name: impl Into<Str>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Has the peer make a node for the link, whose address is [`Receiver::address`].
    pub fn dynamic(mut self) -> Self {
        self.source.address = None;
        self.source.dynamic = true;
        self
    }

    /// Sets all that there is to the source.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets all that there is to the target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets what is asked of the node, such as that it is a topic.
    pub fn capabilities(mut self, capabilities: impl Into<Many<Symbol>>) -> Self {
        self.source.capabilities = capabilities.into();
        self
    }

    /// Sets what of the source survives.
    pub fn durability(mut self, durability: TerminusDurability) -> Self {
        self.source.durable = durability;
        self
    }

    /// Sets when the source begins to expire, and how many seconds that takes.
    pub fn expiry(mut self, policy: ExpiryPolicy, seconds: u32) -> Self {
        self.source.expiry_policy = policy;
        self.source.timeout = seconds;
        self
    }

    /// Sets what happens at the node to a message that is sent: with copy, it stays for others.
    pub fn distribution_mode(mut self, mode: DistributionMode) -> Self {
        self.source.distribution_mode = Some(mode);
        self
    }

    /// Adds a filter under this name: a described value that the peer knows.
    pub fn filter(mut self, name: impl Into<Symbol>, filter: Described) -> Self {
        self.source = self.source.with_filter(name, filter);
        self
    }

    /// Has only messages come that this selector, an expression as in JMS, holds for.
    pub fn selector(mut self, expression: impl Into<Str>) -> Self {
        self.source = self.source.with_selector(expression);
        self
    }

    /// Has no messages come that were sent over this connection.
    pub fn no_local(mut self) -> Self {
        self.source = self.source.with_no_local();
        self
    }

    /// Sets how the sender is asked to settle. Default mixed.
    pub fn snd_settle_mode(mut self, mode: SenderSettleMode) -> Self {
        self.options = self.options.with_snd_settle_mode(mode);
        self
    }

    /// Sets how this end settles. Default first; second is only after the sender has.
    pub fn rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
        self.options = self.options.with_rcv_settle_mode(mode);
        self
    }

    /// Sets whether a message is accepted when its [`Delivery`](crate::Delivery) is dropped with nothing decided. On,
    /// unless turned off.
    pub fn auto_accept(mut self, automatic: bool) -> Self {
        self.options = self.options.with_auto_accept(automatic);
        self
    }

    /// Sets how many messages are asked for ahead. Default 100; 0 leaves credit to
    /// [`Receiver::set_credit`] and [`Receiver::add_credit`].
    pub fn prefetch(mut self, messages: u32) -> Self {
        self.options = self.options.with_prefetch(messages);
        self
    }

    /// Sets whether messages are read while they come, by [`Receiver::recv_stream`]. Off, unless turned on.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.options = self.options.with_streaming(streaming);
        self.is_streaming = streaming;
        self
    }

    /// Sets the largest message that is taken, in octets; 0 means any. Default 64 MiB.
    pub fn max_message_size(mut self, octets: u64) -> Self {
        self.options = self.options.with_max_message_size(octets);
        self
    }

    /// Sets the extensions that may be used on the link if the peer offers them.
    pub fn desired_capabilities(mut self, capabilities: impl Into<Many<Symbol>>) -> Self {
        self.options = self.options.with_desired_capabilities(capabilities.into());
        self
    }

    /// Sets the extensions that this end supports on the link.
    pub fn offered_capabilities(mut self, capabilities: impl Into<Many<Symbol>>) -> Self {
        self.options = self.options.with_offered_capabilities(capabilities.into());
        self
    }

    /// Sets the properties of the link.
    pub fn properties(mut self, properties: Fields) -> Self {
        self.options = self.options.with_properties(properties);
        self
    }

    async fn attach(self) -> Result<Receiver> {
        let session = self.home.session()?;
        let options = self.options.with_source(self.source).with_target(self.target);
        let (key, epoch) = session.guard().shared().with(|state| {
            let name = self.name.unwrap_or_else(|| state.names.make().into());
            let session = session.guard().key;
            if let Some(over) = state.session_over(session) {
                return Err(over);
            }
            let Ok(mut session) = state.engine.session(session) else { return Err(no_session()) };
            let key = session.attach_receiver(name, &options)?;
            Ok((key, state.hold_link(key.into(), self.is_streaming)))
        })?;
        let guard = ReceiverGuard::new(Arc::clone(session.guard()), key, epoch);
        guard.attached().await?;
        Ok(Receiver::new(Arc::new(guard)))
    }
}

impl IntoFuture for ReceiverBuilder {
    type Output = Result<Receiver>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Receiver>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.attach())
    }
}
