//! [`SenderBuilder`]: how a link is attached over which this end sends.

use amqp_proto::config::SenderOptions;
use amqp_proto::endpoint::Result;
use amqp_proto::types::{Fields, Many, Str, Symbol};
use amqp_proto::wire::{
    ExpiryPolicy, ReceiverSettleMode, SenderSettleMode, Source, Target, TerminusDurability,
};

use crate::link::{Home, LinkHandle};
use crate::sender::Sender;

/// How a link is attached over which this end sends.
///
/// ```no_run
/// use amqp_blocking::wire::SenderSettleMode;
///
/// # fn attach(connection: amqp_blocking::Connection) -> amqp_blocking::Result<()> {
/// let readings = connection.sender("readings").snd_settle_mode(SenderSettleMode::Settled).attach()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a link is attached by `attach`"]
pub struct SenderBuilder {
    home: Home,
    name: Option<Str>,
    target: Target,
    source: Source,
    options: SenderOptions,
}

impl SenderBuilder {
    pub(crate) fn new(home: Home, address: impl Into<Str>) -> Self {
        let (target, source) = (Target::at(address), Source::default());
        Self { home, name: None, target, source, options: SenderOptions::new() }
    }

    /// Sets the name of the link, unique among those of the two containers. Default: one made up at random.
    pub fn name(mut self, name: impl Into<Str>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Has the peer make a node for the link; its address is [`Sender::address`].
    pub fn dynamic(mut self) -> Self {
        self.target.address = None;
        self.target.dynamic = true;
        self
    }

    /// Has each message go to where it is addressed `to`, by a peer that can do that.
    pub fn anonymous(mut self) -> Self {
        self.target.address = None;
        self
    }

    /// Sets the target as a whole.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Sets the source as a whole.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets what the node is to be capable of, such as being a topic.
    pub fn capabilities(mut self, capabilities: impl Into<Many<Symbol>>) -> Self {
        self.target.capabilities = capabilities.into();
        self
    }

    /// Sets what of the target survives.
    pub fn durability(mut self, durability: TerminusDurability) -> Self {
        self.target.durable = durability;
        self
    }

    /// Sets when the target begins to expire, and how many seconds it then has.
    pub fn expiry(mut self, policy: ExpiryPolicy, seconds: u32) -> Self {
        self.target.expiry_policy = policy;
        self.target.timeout = seconds;
        self
    }

    /// Sets whether messages are sent settled. Default: as each says.
    pub fn snd_settle_mode(mut self, mode: SenderSettleMode) -> Self {
        self.options = self.options.with_snd_settle_mode(mode);
        self
    }

    /// Sets how the receiver is asked to settle. Default first.
    pub fn rcv_settle_mode(mut self, mode: ReceiverSettleMode) -> Self {
        self.options = self.options.with_rcv_settle_mode(mode);
        self
    }

    /// Sets whether a delivery is settled as soon as its outcome is there. On, unless turned off; then
    /// [`Sent::settle`](crate::Sent::settle) does it.
    pub fn auto_settle(mut self, automatic: bool) -> Self {
        self.options = self.options.with_auto_settle(automatic);
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
    pub fn attach(self) -> Result<Sender> {
        let Self { home, name, target, source, options } = self;
        let name = name.map_or_else(Home::link_name, Ok)?;
        let options = options.with_source(source).with_target(target);
        let (link, key) = LinkHandle::attach(home, |state, session| {
            Ok(state.connection.session(session)?.attach_sender(name, &options)?)
        })?;
        Ok(Sender::new(key, link))
    }
}
