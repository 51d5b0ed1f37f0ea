//! [`SenderSettings`] and [`ReceiverSettings`]: what an adapter's builders of links hold; [`link_setters`]: how such a
//! builder is spoken to.

use crate::config::{ReceiverOptions, SenderOptions};
use crate::types::Str;
use crate::wire::{Source, Target};

/// What a builder of a link holds on which this end sends.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// One is made up if there is none.
    pub name: Option<Str>,
    pub source: Source,
    pub target: Target,
    pub options: SenderOptions,
}

/// What a builder of a link holds on which this end receives.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// One is made up if there is none.
    pub name: Option<Str>,
    pub source: Source,
    pub target: Target,
    pub options: ReceiverOptions,
}

impl SenderSettings {
    /// To the node with this address.
    pub fn to(address: impl Into<Str>) -> Self {
        let (source, target) = (Source::default(), Target::at(address));
        Self { name: None, source, target, options: SenderOptions::new() }
    }

    /// The name, and the options with both termini.
    pub fn into_parts(self) -> (Option<Str>, SenderOptions) {
        (self.name, self.options.with_source(self.source).with_target(self.target))
    }
}

impl ReceiverSettings {
    /// From the node with this address.
    pub fn from(address: impl Into<Str>) -> Self {
        let (source, target) = (Source::at(address), Target::default());
        Self { name: None, source, target, options: ReceiverOptions::new() }
    }

    /// The name, and the options with both termini.
    pub fn into_parts(self) -> (Option<Str>, ReceiverOptions) {
        (self.name, self.options.with_source(self.source).with_target(self.target))
    }
}

/// Writes the setters of a builder of links, in its `impl`: those of a `sender` or of a `receiver`. The builder has a
/// field `settings`, which is a [`SenderSettings`] or a [`ReceiverSettings`]; where it stands, `Sender` or `Receiver`
/// is the adapter's type, and `crate` has `Sent`, `Delivery` and the like. So all adapters have the same setters, which
/// say the same of themselves.
#[doc(hidden)]
#[macro_export]
macro_rules! __link_setters {
    (sender) => {
        $crate::endpoint::link_setters! {
            of both, target, "[`Sender::address`]",
            "Sets whether messages are sent settled (L-MODE-04). Default: as each says.",
            "Sets how the receiver is asked to settle (L-MODE-05). Default first."
        }

        /// Has each message go to where it is addressed `to`, by a peer that can do that (the anonymous relay).
        pub fn anonymous(mut self) -> Self {
            self.settings.target.address = None;
            self
        }

        /// Sets whether a delivery is settled as soon as its outcome is there. On, unless turned off; then
        /// [`Sent::settle`](crate::Sent::settle) does it.
        pub fn auto_settle(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_settle(automatic);
            self
        }
    };
    (receiver) => {
        $crate::endpoint::link_setters! {
            of both, source, "[`Receiver::address`]",
            "Sets how the sender is asked to settle (L-MODE-02). Default mixed.",
            "Sets how this end settles: with its outcome, or once the sender has (L-MODE-05). Default first."
        }

        /// Sets whether a message that is sent over the link stays at the node for others.
        pub fn distribution_mode(mut self, mode: $crate::wire::DistributionMode) -> Self {
            self.settings.source.distribution_mode = Some(mode);
            self
        }

        /// Adds a filter, by a name of its own: a described value of a kind that the peer knows.
        pub fn filter(
            mut self,
            name: impl Into<$crate::types::Symbol>,
            filter: $crate::types::Described,
        ) -> Self {
            self.settings.source = self.settings.source.with_filter(name, filter);
            self
        }

        /// Has only those messages come for which this expression holds, which is of the kind that JMS has.
        pub fn selector(mut self, expression: impl Into<$crate::types::Str>) -> Self {
            self.settings.source = self.settings.source.with_selector(expression);
            self
        }

        /// Has no messages come that were sent over the same connection.
        pub fn no_local(mut self) -> Self {
            self.settings.source = self.settings.source.with_no_local();
            self
        }

        /// Sets whether a message is accepted when its [`Delivery`](crate::Delivery) is dropped undecided. On, unless
        /// turned off.
        pub fn auto_accept(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_accept(automatic);
            self
        }

        /// Sets how many messages are asked for ahead (T-PREF-01). Default 100; 0 leaves credit to
        /// [`Receiver::set_credit`] and [`Receiver::add_credit`].
        pub fn prefetch(mut self, messages: u32) -> Self {
            self.settings.options = self.settings.options.with_prefetch(messages);
            self
        }

        /// Sets whether messages are read while they come, by [`Receiver::recv_stream`]. Off, unless turned on.
        pub fn streaming(mut self, streaming: bool) -> Self {
            self.settings.options = self.settings.options.with_streaming(streaming);
            self
        }

        /// Sets the largest message that is taken, in octets (L-MSG-02); 0 means any. Default 64 MiB.
        pub fn max_message_size(mut self, octets: u64) -> Self {
            self.settings.options = self.settings.options.with_max_message_size(octets);
            self
        }
    };
    // The peer's terminus, of which most is said: that is the node.
    (of both, $node:ident, $address:literal, $snd_settle_mode:literal, $rcv_settle_mode:literal) => {
        /// Sets the name of the link, unique among those of the two containers. Default: one made up at random.
        pub fn name(mut self, name: impl Into<$crate::types::Str>) -> Self {
            self.settings.name = Some(name.into());
            self
        }

        #[doc = concat!("Has the peer make a node for the link, whose address is ", $address, ".")]
        pub fn dynamic(mut self) -> Self {
            self.settings.$node.address = None;
            self.settings.$node.dynamic = true;
            self
        }

        /// Sets the source as a whole.
        pub fn source(mut self, source: $crate::wire::Source) -> Self {
            self.settings.source = source;
            self
        }

        /// Sets the target as a whole.
        pub fn target(mut self, target: $crate::wire::Target) -> Self {
            self.settings.target = target;
            self
        }

        /// Sets what the node is to be capable of, such as being a topic.
        pub fn capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.$node.capabilities = capabilities.into();
            self
        }

        #[doc = concat!("Sets what of the ", stringify!($node), " survives.")]
        pub fn durability(mut self, durability: $crate::wire::TerminusDurability) -> Self {
            self.settings.$node.durable = durability;
            self
        }

        #[doc = concat!("Sets when the ", stringify!($node), " begins to expire, and how many seconds it then has.")]
        pub fn expiry(mut self, policy: $crate::wire::ExpiryPolicy, seconds: u32) -> Self {
            self.settings.$node.expiry_policy = policy;
            self.settings.$node.timeout = seconds;
            self
        }

        #[doc = $snd_settle_mode]
        pub fn snd_settle_mode(mut self, mode: $crate::wire::SenderSettleMode) -> Self {
            self.settings.options = self.settings.options.with_snd_settle_mode(mode);
            self
        }

        #[doc = $rcv_settle_mode]
        pub fn rcv_settle_mode(mut self, mode: $crate::wire::ReceiverSettleMode) -> Self {
            self.settings.options = self.settings.options.with_rcv_settle_mode(mode);
            self
        }

        /// Sets the extensions that may be used on the link if the peer offers them (L-EXT-01).
        pub fn desired_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.options = self.settings.options.with_desired_capabilities(capabilities.into());
            self
        }

        /// Sets the extensions that this end supports on the link.
        pub fn offered_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.options = self.settings.options.with_offered_capabilities(capabilities.into());
            self
        }

        /// Sets the properties of the link.
        pub fn properties(mut self, properties: $crate::types::Fields) -> Self {
            self.settings.options = self.settings.options.with_properties(properties);
            self
        }
    };
}

pub use __link_setters as link_setters;
