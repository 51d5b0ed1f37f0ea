//! The methods that the views of both roles of a link have in common.

/// Makes the methods of a link that do not depend on the role. `$options` is the type of the options with
/// which the link is accepted, `$end` the variant of `EndOptions`.
macro_rules! link_methods {
    ($options:ident, $end:ident) => {
        /// Accepts a link that the peer has attached. Settings that `options` leave open are as the peer
        /// requests.
        ///
        /// # Errors
        ///
        /// [`LinkError::NotOffered`] if the peer has not attached the link or the link is already accepted,
        /// [`LinkError::NoTerminus`] if neither the peer nor `options` name the terminus,
        /// [`LinkError::NoSession`], [`LinkError::Handles`], or [`LinkError::TooLarge`].
        pub fn accept_link(&mut self, options: $options) -> Result<(), LinkError> {
            self.endpoints.accept_link(self.index(), EndOptions::$end(&options), None)
        }

        /// Accepts a link that the peer has attached, and resumes it with its state [2.6.13].
        ///
        /// If the peer resumes the link, too, its attach has an unsettled map. Otherwise it has lost its state, or
        /// attaches a new link of this name; [`accept_link`](Self::accept_link) accepts that as a new one.
        ///
        /// # Errors
        ///
        /// As [`accept_link`](Self::accept_link); also [`LinkError::OtherLink`] if the state belongs to another
        /// link, [`LinkError::Coordinator`], and [`LinkError::Limit`] if the state exceeds the limits.
        pub fn accept_resumed(&mut self, options: $options, state: LinkState) -> Result<(), LinkError> {
            let options = options.with_resumable(true);
            self.endpoints.accept_link(self.index(), EndOptions::$end(&options), Some(state))
        }

        /// Returns the state of the link now: its unsettled deliveries and, on a
        /// [resumable](crate::config::$options::with_resumable) link, their messages.
        ///
        /// Saved before output is written, it lets another process go on where this one was killed.
        pub fn link_state(&self) -> LinkState {
            let state = self.endpoints.link_state(self.index());
            state.unwrap_or_else(|| LinkState::new(Str::default(), Role::$end))
        }

        /// Refuses a link that the peer has attached [2.6.3].
        ///
        /// [`Condition::LinkRedirect`](crate::wire::Condition) tells the peer to attach elsewhere [2.8.18].
        ///
        /// # Errors
        ///
        /// [`LinkError::NotOffered`] if the peer has not attached the link or the link is already accepted,
        /// [`LinkError::NoSession`], or [`LinkError::Handles`].
        pub fn refuse_link(&mut self, error: AmqpError) -> Result<(), LinkError> {
            self.endpoints.refuse_link(self.index(), error)
        }

        /// Detaches the link, which keeps its state and can be attached again [2.6.4].
        ///
        /// [`Event::LinkDetached`](crate::Event::LinkDetached) follows when the peer has answered.
        ///
        /// # Errors
        ///
        /// [`LinkError::Detached`] if the link is not attached, [`LinkError::NoSession`] if its session or
        /// connection is over.
        pub fn detach(&mut self) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), false, None)
        }

        /// Closes the link for good [2.6.6].
        ///
        /// # Errors
        ///
        /// [`LinkError::Detached`] if the link is not attached, [`LinkError::NoSession`] if its session or
        /// connection is over.
        pub fn close(&mut self) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), true, None)
        }

        /// Closes the link for good, with an error for the peer [2.6.5].
        ///
        /// # Errors
        ///
        /// [`LinkError::Detached`] if the link is not attached, [`LinkError::NoSession`] if its session or
        /// connection is over.
        pub fn close_with(&mut self, error: AmqpError) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), true, Some(error))
        }

        /// Closes the link, since the peer attaches it on another connection [2.6.1].
        ///
        /// On a [resumable](crate::config::$options::with_resumable) link,
        /// [`Event::Suspended`](crate::Event::Suspended) has the state with which the link is accepted there.
        ///
        /// # Errors
        ///
        /// [`LinkError::Detached`] if the link is not attached, [`LinkError::NoSession`] if its session or
        /// connection is over.
        pub fn steal(&mut self) -> Result<(), LinkError> {
            self.endpoints.give_away(self.index())
        }

        /// Returns the name of the link.
        pub fn name(&self) -> Str {
            self.link().map(|link| link.name.clone()).unwrap_or_default()
        }

        /// Returns the session of the link; of a suspended link, the last one.
        pub fn session(&self) -> Option<SessionKey> {
            self.link().map(|link| SessionKey(link.session))
        }

        /// Returns `true` if both ends have attached the link and the peer has a terminus for it.
        pub fn is_attached(&self) -> bool {
            self.link().is_some_and(Link::is_complete)
        }

        /// Returns `true` if both ends have detached the link and it can be attached again.
        pub fn is_suspended(&self) -> bool {
            self.link().is_some_and(Link::is_suspended)
        }

        /// Returns the peer's attach, or `None` before it has arrived.
        ///
        /// An application checks the terminus in the attach before it uses the link [2.6.3].
        pub fn peer_attach(&self) -> Option<Attach> {
            decode(&self.link()?.attach, &self.endpoints.limits)
        }

        /// Returns `true` if an extension may be used: this end desires it and the peer offers it [2.7.3].
        pub fn has_extension(&self, name: &Symbol) -> bool {
            self.link().is_some_and(|link| link.desired.contains(name))
                && self.peer_attach().is_some_and(|attach| attach.offered_capabilities.contains(name))
        }

        /// Sends properties of the link's state, in a flow with the rest of that state [2.7.4].
        ///
        /// The standard defines no such properties. Those of an extension are for a peer that knows it.
        ///
        /// # Errors
        ///
        /// [`FlowError::Detached`] if the link is not attached, [`FlowError::Full`] if the output is full,
        /// [`FlowError::TooLarge`] if the properties do not fit in a frame that the peer accepts.
        pub fn send_flow_properties(&mut self, properties: &Fields) -> Result<(), FlowError> {
            self.endpoints.send_flow_properties(self.index(), properties)
        }

        /// Returns the properties of the link's state that the peer has sent last [2.7.4].
        ///
        /// [`Event::FlowProperties`](crate::Event::FlowProperties) reports new ones.
        pub fn flow_properties(&self) -> Option<&Fields> {
            self.link()?.flow_properties.as_deref()
        }

        /// Returns the settlement policy of the sender [2.7.3].
        pub fn snd_settle_mode(&self) -> SenderSettleMode {
            self.link().map(|link| link.snd_settle_mode).unwrap_or_default()
        }

        /// Returns the settlement policy of the receiver [2.7.3].
        pub fn rcv_settle_mode(&self) -> ReceiverSettleMode {
            self.link().map(|link| link.rcv_settle_mode).unwrap_or_default()
        }

        /// Returns the number of unsettled deliveries of the link.
        pub fn unsettled_len(&self) -> u32 {
            self.link().map_or(0, |link| link.chain.len())
        }

        fn index(&self) -> crate::types::LinkIx {
            self.key.0.index
        }

        #[inline]
        fn link(&self) -> Option<&Link> {
            self.endpoints.links.get(self.key.0)
        }
    };
}

pub(super) use link_methods;
