//! [`ReceiverBuilder`]: how a link is attached over which this end receives.

use amqp_proto::config::ReceiverOptions;
use amqp_proto::endpoint::Result;
use amqp_proto::types::{Described, Fields, Many, Str, Symbol};
use amqp_proto::wire::{
    DistributionMode, ExpiryPolicy, ReceiverSettleMode, SenderSettleMode, Source, Target, TerminusDurability,
};

use crate::link::{Home, LinkHandle};
use crate::receiver::Receiver;

/// How a link is attached over which this end receives.
///
/// ```no_run
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let urgent = connection.receiver("jobs").selector("priority > 5").prefetch(10).auto_accept(false).attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct ReceiverBuilder {
    home: Home,
    name: Option<Str>,
    source: Source,
    target: Target,
    options: ReceiverOptions,
}

impl ReceiverBuilder {
    pub(crate) fn new(home: Home, address: impl Into<Str>) -> Self {
        let (source, target) = (Source::at(address), Target::default());
        Self { home, name: None, source, target, options: ReceiverOptions::new() }
    }

    /// Sets the name of the link, unique among those of the two containers. Default: one made up at random.
    pub fn name(mut self, name: impl Into<Str>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Has the peer make a node for the link; its address is [`Receiver::address`].
    pub fn dynamic(mut self) -> Self {
        self.source.address = None;
        self.source.dynamic = true;
        self
    }

    /// Sets the source as a whole.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets the target as a whole.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets what the node is to be capable of, such as being a topic.
    pub fn capabilities(mut self, capabilities: impl Into<Many<Symbol>>) -> Self {
        self.source.capabilities = capabilities.into();
        self
    }

    /// Sets what of the source survives.
    pub fn durability(mut self, durability: TerminusDurability) -> Self {
        self.source.durable = durability;
        self
    }

    /// Sets when the source begins to expire, and how many seconds it then has.
    pub fn expiry(mut self, policy: ExpiryPolicy, seconds: u32) -> Self {
        self.source.expiry_policy = policy;
        self.source.timeout = seconds;
        self
    }

    /// Sets whether a message that is sent over the link stays at the node for others.
    pub fn distribution_mode(mut self, mode: DistributionMode) -> Self {
        self.source.distribution_mode = Some(mode);
        self
    }

    /// Adds a filter, by a name of its own: a described value of a kind that the peer knows.
    pub fn filter(mut self, name: impl Into<Symbol>, filter: Described) -> Self {
        self.source = self.source.with_filter(name, filter);
        self
    }

    /// Has only those messages come for which this expression holds, which is of the kind that JMS has.
    pub fn selector(mut self, expression: impl Into<Str>) -> Self {
        self.source = self.source.with_selector(expression);
        self
    }

    /// Has no messages come that were sent over the same connection.
    pub fn no_local(mut self) -> Self {
        self.source = self.source.with_no_local();
        self
    }

    /// Sets how the sender is asked to settle. Default mixed.
    pub fn snd_settle_mode(mut self, mode: SenderSettleMode) -> Self {
        self.options = self.options.with_snd_settle_mode(mode);
        self
    }

    /// Sets how this end settles: with its outcome, or once the sender has. Default first.
    pub fn rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
        self.options = self.options.with_rcv_settle_mode(mode);
        self
    }

    /// Sets whether a message is accepted when it is dropped undecided. On, unless turned off.
    pub fn auto_accept(mut self, automatic: bool) -> Self {
        self.options = self.options.with_auto_accept(automatic);
        self
    }

    /// Sets how many messages are asked for ahead. Default 100; 0 leaves credit to [`Receiver::set_credit`].
    pub fn prefetch(mut self, messages: u32) -> Self {
        self.options = self.options.with_prefetch(messages);
        self
    }

    /// Sets whether messages are read while they come, by [`Receiver::recv_stream`]. Off, unless turned on.
    pub fn streaming(mut self, streaming: bool) -> Self {
        self.options = self.options.with_streaming(streaming);
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

    /// Attaches the link, and waits until the peer has done so too.
    pub fn attach(self) -> Result<Receiver> {
        let Self { home, name, source, target, options } = self;
        let name = name.map_or_else(Home::link_name, Ok)?;
        let options = options.with_source(source).with_target(target);
        let (link, key) = LinkHandle::attach(home, |state, session| {
            Ok(state.connection.session(session)?.attach_receiver(name, &options)?)
        })?;
        Ok(Receiver::new(key, link))
    }
}
