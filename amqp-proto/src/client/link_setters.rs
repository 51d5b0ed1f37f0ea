//! [`SenderSettings`] and [`ReceiverSettings`]: what an adapter's builders of links hold; [`link_setters`]: how such a
//! builder is spoken to.

use alloc::vec::Vec;
use core::time::Duration;

use super::error::{Error, Result};
use crate::config::{ReceiverOptions, SenderOptions, Ungranted};
use crate::types::Str;
use crate::wire::{Attach, Source, Target, Terminus};

/// The settings in a builder of a link on which this end sends.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// One is made up if there is none.
    pub name: Option<Str>,
    pub source: Source,
    /// Left out of the attach if there is none.
    pub target: Option<Terminus>,
    pub options: SenderOptions,
    pub required: Required,
    pub send_timeout: Option<Duration>,
}

/// The settings in a builder of a link on which this end receives.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct ReceiverSettings {
    /// One is made up if there is none.
    pub name: Option<Str>,
    /// Left out of the attach if there is none.
    pub source: Option<Source>,
    pub target: Terminus,
    pub options: ReceiverOptions,
    pub required: Required,
}

/// Parts of a link that the peer has to grant, or the link is closed again.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Required {
    pub filters: bool,
    pub capabilities: bool,
}

impl Required {
    /// Picks what has to be granted out of what is not.
    fn check(self, ungranted: Vec<Ungranted>) -> Result<()> {
        let is_required = |missing: &Ungranted| match missing {
            Ungranted::Filter(_) => self.filters,
            Ungranted::Capability(_) => self.capabilities,
            _ => false,
        };
        let missing: Vec<_> = ungranted.into_iter().filter(is_required).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Ungranted(missing.into())) }
    }
}

impl SenderSettings {
    /// To the node with this address.
    pub fn to(address: impl Into<Str>) -> Self {
        Self::to_target(Target::at(address))
    }

    /// To wherever each message is addressed: the anonymous relay.
    pub fn to_anybody() -> Self {
        Self::to_target(Target::default())
    }

    fn to_target(target: Target) -> Self {
        Self {
            name: None,
            source: Source::default(),
            target: Some(target.into()),
            options: SenderOptions::new(),
            required: Required::default(),
            send_timeout: None,
        }
    }

    /// Says something of the target, which is a node from now on.
    pub fn node(&mut self, say: impl FnOnce(&mut Target)) {
        let mut target = match self.target.take() {
            Some(Terminus::Target(target)) => target,
            _ => Target::default(),
        };
        say(&mut target);
        self.target = Some(target.into());
    }

    /// Returns the options with both termini.
    pub fn to_options(&self) -> SenderOptions {
        let options = self.options.clone().with_source(self.source.clone());
        match &self.target {
            Some(target) => options.with_target(target.clone()),
            None => options.without_target(),
        }
    }

    /// Checks that the peer's attach grants what is required.
    pub fn check(&self, answer: Option<Attach>) -> Result<()> {
        self.required.check(answer.map_or_else(Vec::new, |answer| self.to_options().ungranted(&answer)))
    }
}

impl ReceiverSettings {
    /// From the node with this address.
    pub fn from(address: impl Into<Str>) -> Self {
        Self {
            name: None,
            source: Some(Source::at(address)),
            target: Target::default().into(),
            options: ReceiverOptions::new(),
            required: Required::default(),
        }
    }

    /// From a node that the peer is to make for the link.
    pub fn from_dynamic() -> Self {
        let mut settings = Self::from("");
        settings.source = Some(Source { dynamic: true, ..Source::default() });
        settings
    }

    /// Says something of the source, which there is from now on.
    pub fn node(&mut self, say: impl FnOnce(&mut Source)) {
        say(self.source.get_or_insert_default());
    }

    /// Returns the options with both termini.
    pub fn to_options(&self) -> ReceiverOptions {
        let options = self.options.clone().with_target(self.target.clone());
        match &self.source {
            Some(source) => options.with_source(source.clone()),
            None => options.without_source(),
        }
    }

    /// Checks that the peer's attach grants what is required.
    pub fn check(&self, answer: Option<Attach>) -> Result<()> {
        self.required.check(answer.map_or_else(Vec::new, |answer| self.to_options().ungranted(&answer)))
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
        $crate::client::link_setters! {
            of both, target, "[`Sender::address`]",
            "Sets whether messages are sent settled (L-MODE-04). Default: as each says.",
            "Sets how the receiver is asked to settle (L-MODE-05). Default first."
        }

        /// Has each message go to where it is addressed `to`, by a peer that can do that (the anonymous relay). The
        /// connection's `anonymous_sender` does it without an address.
        pub fn without_address(mut self) -> Self {
            self.settings.node(|node| node.address = None);
            self
        }

        /// Sets the source as a whole.
        pub fn with_source(mut self, source: $crate::wire::Source) -> Self {
            self.settings.source = source;
            self
        }

        /// Sets the target as a whole: a [`Target`](crate::wire::Target), or the
        /// [`Coordinator`](crate::wire::Coordinator) of transactions.
        pub fn with_target(mut self, target: impl Into<$crate::wire::Terminus>) -> Self {
            self.settings.target = Some(target.into());
            self
        }

        /// Leaves the target out: the peer finds the link by its name, and tells its target.
        pub fn without_target(mut self) -> Self {
            self.settings.target = None;
            self
        }

        /// Sets how long `send` and `send_queued` may take. Any time, unless that is set: a sender waits for as long as
        /// there is no credit, such as while a broker is short of memory, or has no majority of its replicas.
        ///
        /// A message that was not sent in time is not sent, and the error is [`Error::TimedOut`](crate::Error). One that
        /// was sent and has no outcome in time may arrive: then the error is [`Error::Unconfirmed`](crate::Error).
        pub fn with_send_timeout(mut self, span: ::core::time::Duration) -> Self {
            self.settings.send_timeout = Some(span);
            self
        }

        /// Sets whether a delivery is settled as soon as its outcome is there. On, unless turned off; then
        /// [`Sent::settle`](crate::Sent::settle) does it.
        pub fn with_auto_settle(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_settle(automatic);
            self
        }
    };
    (receiver) => {
        $crate::client::link_setters! {
            of both, source, "[`Receiver::address`]",
            "Sets how the sender is asked to settle (L-MODE-02). Default mixed.",
            "Sets how this end settles: with its outcome, or once the sender has (L-MODE-05). Default first."
        }

        /// Sets the source as a whole.
        pub fn with_source(mut self, source: $crate::wire::Source) -> Self {
            self.settings.source = Some(source);
            self
        }

        /// Leaves the source out: the peer finds the link by its name, such as a durable subscription, and tells its
        /// source.
        pub fn without_source(mut self) -> Self {
            self.settings.source = None;
            self
        }

        /// Sets the target as a whole.
        pub fn with_target(mut self, target: impl Into<$crate::wire::Terminus>) -> Self {
            self.settings.target = target.into();
            self
        }

        /// Sets whether a message that is sent over the link stays at the node for others.
        pub fn with_distribution_mode(mut self, mode: $crate::wire::DistributionMode) -> Self {
            self.settings.node(|node| node.distribution_mode = Some(mode));
            self
        }

        /// Requires the filters: where the peer does not have them in force, attaching fails with
        /// [`Error::Ungranted`](crate::Error), and no message is taken. Without this, a peer that does not know a filter
        /// may send everything.
        pub fn with_required_filters(mut self) -> Self {
            self.settings.required.filters = true;
            self
        }

        /// Adds a filter, by a name of its own: a described value of a kind that the peer knows. See
        /// [`with_required_filters`](Self::with_required_filters).
        pub fn with_filter(
            mut self,
            name: impl Into<$crate::types::Symbol>,
            filter: $crate::types::Described,
        ) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_filter(name, filter));
            self
        }

        /// Has only those messages come for which this expression holds, which is of the kind that JMS has. See
        /// [`with_required_filters`](Self::with_required_filters).
        pub fn with_selector(mut self, expression: impl Into<$crate::types::Str>) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_selector(expression));
            self
        }

        /// Has no messages come that were sent over the same connection. See
        /// [`with_required_filters`](Self::with_required_filters).
        pub fn with_no_local(mut self) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_no_local());
            self
        }

        /// Sets whether a message is accepted when its [`Delivery`](crate::Delivery) is dropped undecided. Off, unless
        /// turned on; then it is released.
        ///
        /// Turned on, a message is accepted also where nobody has processed it: `?`, `break` and a cancelled task drop
        /// what they hold, too. [`Receiver::for_each`] accepts what was done, and nothing else.
        pub fn with_auto_accept(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_accept(automatic);
            self
        }

        /// Sets what is told about a message whose [`Delivery`](crate::Delivery) is dropped undecided. Default: it is
        /// released.
        pub fn with_on_drop(mut self, on_drop: $crate::config::OnDrop) -> Self {
            self.settings.options = self.settings.options.with_on_drop(on_drop);
            self
        }

        /// Sets how many messages are asked for ahead [2.6.9]. Default 100; 0 leaves credit to
        /// [`Receiver::set_credit`] and [`Receiver::add_credit`].
        pub fn with_prefetch(mut self, messages: u32) -> Self {
            self.settings.options = self.settings.options.with_prefetch(messages);
            self
        }

        /// Sets whether messages are read while they come, by [`Receiver::recv_stream`]. Off, unless turned on.
        pub fn with_streaming(mut self, streaming: bool) -> Self {
            self.settings.options = self.settings.options.with_streaming(streaming);
            self
        }

        /// Sets the largest message that is taken, in octets [2.7.3]; 0 means any. Default 64 MiB.
        pub fn with_max_message_size(mut self, octets: u64) -> Self {
            self.settings.options = self.settings.options.with_max_message_size(octets);
            self
        }
    };
    // The peer's terminus, of which most is said: that is the node.
    (of both, $node:ident, $address:literal, $snd_settle_mode:literal, $rcv_settle_mode:literal) => {
        /// Sets the name of the link, unique among those of the two containers. Default: one made up at random.
        pub fn with_name(mut self, name: impl Into<$crate::types::Str>) -> Self {
            self.settings.name = Some(name.into());
            self
        }

        #[doc = concat!("Has the peer make a node for the link, whose address is ", $address, ".")]
        pub fn with_dynamic(mut self) -> Self {
            self.settings.node(|node| (node.address, node.dynamic) = (None, true));
            self
        }

        /// Requires the capabilities, desired ones and those of the node: where the peer does not offer them, attaching
        /// fails with [`Error::Ungranted`](crate::Error).
        pub fn with_required_capabilities(mut self) -> Self {
            self.settings.required.capabilities = true;
            self
        }

        /// Sets what the node is to be capable of, such as being a topic. See
        /// [`with_required_capabilities`](Self::with_required_capabilities).
        pub fn with_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.node(|node| node.capabilities = capabilities.into());
            self
        }

        #[doc = concat!("Sets what of the ", stringify!($node), " survives.")]
        pub fn with_durability(mut self, durability: $crate::wire::TerminusDurability) -> Self {
            self.settings.node(|node| node.durable = durability);
            self
        }

        #[doc = concat!("Sets when the ", stringify!($node), " begins to expire, and how many seconds it then has.")]
        pub fn with_expiry(mut self, policy: $crate::wire::ExpiryPolicy, seconds: u32) -> Self {
            self.settings.node(|node| (node.expiry_policy, node.timeout) = (policy, seconds));
            self
        }

        #[doc = $snd_settle_mode]
        pub fn with_snd_settle_mode(mut self, mode: $crate::wire::SenderSettleMode) -> Self {
            self.settings.options = self.settings.options.with_snd_settle_mode(mode);
            self
        }

        #[doc = $rcv_settle_mode]
        pub fn with_rcv_settle_mode(mut self, mode: $crate::wire::ReceiverSettleMode) -> Self {
            self.settings.options = self.settings.options.with_rcv_settle_mode(mode);
            self
        }

        /// Sets the extensions that may be used on the link if the peer offers them [2.7.3].
        pub fn with_desired_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.options = self.settings.options.with_desired_capabilities(capabilities.into());
            self
        }

        /// Sets the extensions that this end supports on the link.
        pub fn with_offered_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.options = self.settings.options.with_offered_capabilities(capabilities.into());
            self
        }

        /// Sets the properties of the link.
        pub fn with_properties(mut self, properties: $crate::types::Fields) -> Self {
            self.settings.options = self.settings.options.with_properties(properties);
            self
        }
    };
}

pub use __link_setters as link_setters;
