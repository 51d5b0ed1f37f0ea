//! [`link_setters`]: the setters of the builders of links, for both adapters.

/// Writes the setters of a link builder into its `impl`, those of a `sender` or of a `receiver`.
///
/// The builder has a field `settings` of type [`SenderSettings`](crate::client::SenderSettings) or
/// [`ReceiverSettings`](crate::client::ReceiverSettings). In the builder's
/// module, `Sender` or `Receiver` is the adapter's type, and `crate` has `Sent`, `Delivery` and similar
/// types. So all adapters have the same setters with the same docs.
#[doc(hidden)]
#[macro_export]
macro_rules! __link_setters {
    (sender) => {
        $crate::client::link_setters! {
            of both, target, "[`Sender::address`]",
            "Sets whether messages are sent settled. Default: each message decides.",
            "Sets the settlement policy that is requested of the receiver. Default first."
        }

        /// Sends each message to the address in its `to`, by a peer that offers the anonymous relay.
        ///
        /// The connection's `anonymous_sender` does so without an address.
        pub fn without_address(mut self) -> Self {
            self.settings.node(|node| node.address = None);
            self
        }

        /// Sets the whole source.
        pub fn with_source(mut self, source: $crate::wire::Source) -> Self {
            self.settings.source = source;
            self
        }

        /// Sets the whole target: a [`Target`](crate::wire::Target), or the
        /// [`Coordinator`](crate::wire::Coordinator) of transactions.
        pub fn with_target(mut self, target: impl Into<$crate::wire::Terminus>) -> Self {
            self.settings.target = Some(target.into());
            self
        }

        /// Omits the target in the attach. The peer finds the link by its name and returns the target.
        pub fn without_target(mut self) -> Self {
            self.settings.target = None;
            self
        }

        /// Sets the timeout of `send` and `send_queued`. Default `None`: no timeout.
        ///
        /// Without a timeout, a sender waits while it has no credit, for example while a broker is short of
        /// memory or has no majority of its replicas. A message that was not sent in time is dropped, with
        /// [`Error::TimedOut`](crate::Error). A message that was sent and has no outcome in time may still be
        /// processed; the error is [`Error::Unconfirmed`](crate::Error).
        pub fn with_send_timeout(mut self, timeout: impl Into<Option<::core::time::Duration>>) -> Self {
            self.settings.send_timeout = timeout.into();
            self
        }

        /// Sets the fate of messages without an outcome when the connection is lost and opened again, as
        /// [`with_reconnect`](crate::ConnectionOptions::with_reconnect) says. Default
        /// [`Report`](crate::policy::Recovery::Report).
        ///
        /// With [`Replay`](crate::policy::Recovery::Replay) a message without a message-id gets one, unless it is already
        /// encoded, so that a receiver can tell that it has come twice. So it is with
        /// [`Resume`](crate::policy::Recovery::Resume), since a peer may have lost its part.
        pub fn with_recovery(mut self, recovery: $crate::policy::Recovery) -> Self {
            self.settings.recovery = recovery;
            self
        }

        /// Sets whether a message is sent again that the peer does not know when the link is resumed, since it has lost
        /// its part or never kept one. Default `true`; otherwise the message is reported as lost.
        pub fn with_resend(mut self, resend: bool) -> Self {
            self.settings.options = self.settings.options.with_resend(resend);
            self.settings.resends = resend;
            self
        }

        /// Sets the greatest number of messages, and of their octets, that are kept to be sent again. Sending waits where
        /// they would be exceeded; a larger message is kept alone. Default 1,000 messages and 16 MiB.
        pub fn with_replay_limits(mut self, messages: u32, octets: usize) -> Self {
            self.settings.replay = $crate::client::ReplayLimits { messages: messages.max(1), octets };
            self
        }

        /// Sets whether a delivery is settled as soon as its outcome arrives. Default `true`; otherwise
        /// [`Sent::settle`](crate::Sent::settle) settles it.
        pub fn with_auto_settle(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_settle(automatic);
            self
        }
    };
    (receiver) => {
        $crate::client::link_setters! {
            of both, source, "[`Receiver::address`]",
            "Sets the settlement policy that is requested of the sender. Default mixed.",
            "Sets the settlement policy of this end: first or after the sender. Default first."
        }

        /// Sets the whole source.
        pub fn with_source(mut self, source: $crate::wire::Source) -> Self {
            self.settings.source = Some(source);
            self
        }

        /// Omits the source in the attach. The peer finds the link, such as a durable subscription, by its
        /// name and returns the source.
        pub fn without_source(mut self) -> Self {
            self.settings.source = None;
            self
        }

        /// Sets the whole target.
        pub fn with_target(mut self, target: impl Into<$crate::wire::Terminus>) -> Self {
            self.settings.target = target.into();
            self
        }

        /// Sets the fate of deliveries when the connection is lost and opened again, as
        /// [`with_reconnect`](crate::ConnectionOptions::with_reconnect) says. With
        /// [`Resume`](crate::policy::Recovery::Resume) those that the application has keep their handles. Default
        /// [`Report`](crate::policy::Recovery::Report), and a receiver with
        /// [`Replay`](crate::policy::Recovery::Replay) does the same: they are gone, and the queue sends them again.
        pub fn with_recovery(mut self, recovery: $crate::policy::Recovery) -> Self {
            self.settings.recovery = recovery;
            self
        }

        /// Sets whether a message that is sent over the link stays at the node for other links.
        pub fn with_distribution_mode(mut self, mode: $crate::wire::DistributionMode) -> Self {
            self.settings.node(|node| node.distribution_mode = Some(mode));
            self
        }

        /// Requires the filters: if the peer does not apply them, attaching fails with
        /// [`Error::Ungranted`](crate::Error), and no message is received.
        ///
        /// Without this, a peer that does not know a filter may send every message.
        pub fn with_required_filters(mut self) -> Self {
            self.settings.required.filters = true;
            self
        }

        /// Adds a filter: a [`Filter`](crate::wire::Filter), or a described value of a kind that the peer
        /// knows.
        ///
        /// See [`with_required_filters`](Self::with_required_filters).
        pub fn with_filter(
            mut self,
            name: impl Into<$crate::types::Symbol>,
            filter: impl Into<$crate::types::Described>,
        ) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_filter(name, filter));
            self
        }

        /// Selects messages by a JMS selector expression.
        ///
        /// See [`with_required_filters`](Self::with_required_filters).
        pub fn with_selector(mut self, expression: impl Into<$crate::types::Str>) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_selector(expression));
            self
        }

        /// Excludes messages that were sent over the same connection.
        ///
        /// See [`with_required_filters`](Self::with_required_filters).
        pub fn with_no_local(mut self) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_no_local());
            self
        }

        /// Selects messages of a stream of RabbitMQ 4 by an SQL expression. RabbitMQ applies either this
        /// filter or those by properties.
        ///
        /// See [`with_required_filters`](Self::with_required_filters).
        pub fn with_sql_filter(mut self, expression: impl Into<$crate::types::Str>) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_sql_filter(expression));
            self
        }

        /// Selects messages whose properties have these values; see
        /// [`Filter::Properties`](crate::wire::Filter::Properties).
        pub fn with_properties_filter(mut self, properties: impl Into<$crate::types::Fields>) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_properties_filter(properties));
            self
        }

        /// Selects messages whose application-properties have these values; see
        /// [`Filter::Properties`](crate::wire::Filter::Properties).
        pub fn with_application_properties_filter(
            mut self,
            properties: impl Into<$crate::types::ApplicationProperties>,
        ) -> Self {
            self.settings.node(|node| {
                *node = ::core::mem::take(node).with_application_properties_filter(properties);
            });
            self
        }

        /// Sets the place in a stream of RabbitMQ at which to begin. Default: behind its newest message.
        pub fn with_stream_offset(mut self, offset: $crate::wire::StreamOffset) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_stream_offset(offset));
            self
        }

        /// Selects chunks of a stream of RabbitMQ by filter values, and chunks without one if `unfiltered`
        /// is `true`. The receiver also gets the other messages of these chunks.
        pub fn with_stream_filter(
            mut self,
            values: impl IntoIterator<Item = impl Into<$crate::types::Str>>,
            unfiltered: bool,
        ) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_stream_filter(values, unfiltered));
            self
        }

        /// Takes a session of Azure Service Bus: the one with this name, or with `None` the next one that is
        /// free. [`granted_session`](crate::brokers::azure::granted_session) reads its name in the peer's attach.
        ///
        /// See [`with_required_filters`](Self::with_required_filters).
        pub fn with_session<'a>(mut self, session: impl Into<Option<&'a str>>) -> Self {
            self.settings.node(|node| *node = ::core::mem::take(node).with_session(session));
            self
        }

        /// Sets whether a message is accepted when its [`Delivery`](crate::Delivery) is dropped undecided.
        /// Default `false`: the message is released.
        ///
        /// With `true`, messages are accepted that were not processed: `?`, `break` and a cancelled task drop
        /// their deliveries, too. [`Receiver::for_each`] accepts only messages whose processing has
        /// succeeded.
        pub fn with_auto_accept(mut self, automatic: bool) -> Self {
            self.settings.options = self.settings.options.with_auto_accept(automatic);
            self
        }

        /// Sets the outcome of a message whose [`Delivery`](crate::Delivery) is dropped undecided. Default:
        /// released.
        pub fn with_on_drop(mut self, on_drop: $crate::config::OnDrop) -> Self {
            self.settings.options = self.settings.options.with_on_drop(on_drop);
            self
        }

        /// Sets the number of messages that are requested ahead [2.6.9]. Default 100.
        ///
        /// 0 leaves credit to [`Receiver::set_credit`] and [`Receiver::add_credit`].
        pub fn with_prefetch(mut self, messages: u32) -> Self {
            self.settings.options = self.settings.options.with_prefetch(messages);
            self
        }

        /// Sets whether messages are read in pieces as they arrive, by [`Receiver::recv_reader`]. Default
        /// `false`.
        pub fn with_streaming(mut self, streaming: bool) -> Self {
            self.settings.options = self.settings.options.with_streaming(streaming);
            self
        }

        /// Sets the size of the largest message that is accepted, in octets [2.7.3]; 0 means any size.
        ///
        /// Default 64 MiB. A message that is not read as it arrives is at most half of the connection's
        /// [`Limits::memory`](crate::types::Limits::memory): 32 MiB by default.
        pub fn with_max_message_size(mut self, octets: u64) -> Self {
            self.settings.options = self.settings.options.with_max_message_size(octets);
            self
        }
    };
    // The node is the peer's terminus, to which most settings belong.
    (of both, $node:ident, $address:literal, $snd_settle_mode:literal, $rcv_settle_mode:literal) => {
        /// Sets the name of the link, unique among the links of the two containers. Default: a random name.
        pub fn with_name(mut self, name: impl Into<$crate::types::Str>) -> Self {
            self.settings.name = Some(name.into());
            self
        }

        /// Attaches the link with the state that `link_state` or `take_state` of an earlier handle has returned, perhaps
        /// in another process. The deliveries of the state go on as far as the peer still knows them [2.6.13];
        /// `next_resumed` tells how each does. The name is that of the state.
        ///
        /// Attaching fails with [`Error::Attach`](crate::Error) if the state is that of another link.
        pub fn with_state(mut self, state: $crate::client::LinkState) -> Self {
            self.settings.state = Some(state.into());
            self
        }

        #[doc = concat!("Asks the peer to create a node for the link; ", $address, " returns its address.")]
        pub fn with_dynamic(mut self) -> Self {
            self.settings.node(|node| (node.address, node.dynamic) = (None, true));
            self
        }

        /// Requires the capabilities, the desired ones and those of the node: if the peer does not offer
        /// them, attaching fails with [`Error::Ungranted`](crate::Error).
        pub fn with_required_capabilities(mut self) -> Self {
            self.settings.required.capabilities = true;
            self
        }

        /// Sets the capabilities of the node, such as being a topic.
        ///
        /// See [`with_required_capabilities`](Self::with_required_capabilities).
        pub fn with_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.node(|node| node.capabilities = capabilities.into());
            self
        }

        #[doc = concat!("Sets the parts of the ", stringify!($node), " that survive a failure.")]
        pub fn with_durability(mut self, durability: $crate::wire::TerminusDurability) -> Self {
            self.settings.node(|node| node.durable = durability);
            self
        }

        #[doc = concat!("Sets the event that starts the expiry of the ", stringify!($node), ", and the time from then on, in whole seconds.")]
        pub fn with_expiry(
            mut self,
            policy: $crate::wire::ExpiryPolicy,
            timeout: ::core::time::Duration,
        ) -> Self {
            let seconds = $crate::client::whole_seconds(timeout);
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
            self.settings.options = self.settings.options.with_desired_capabilities(capabilities);
            self
        }

        /// Sets the extensions that this end supports on the link.
        pub fn with_offered_capabilities(
            mut self,
            capabilities: impl Into<$crate::types::Many<$crate::types::Symbol>>,
        ) -> Self {
            self.settings.options = self.settings.options.with_offered_capabilities(capabilities);
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
