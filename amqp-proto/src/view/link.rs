//! What the views of both ends of a link have in common.

/// The methods of a link that do not depend on which end this is; `$wrap` makes its key public, `$options` are those
/// it is accepted with.
macro_rules! link_methods {
    ($options:ident, $end:ident) => {
        /// Accepts the link, which the peer has attached. What the options leave open is as the peer asks.
        pub fn accept_link(&mut self, options: &$options) -> Result<(), LinkError> {
            self.endpoints.accept_link(self.index(), EndOptions::$end(options))
        }

        /// Refuses the link, which the peer has attached [2.6.3]: with
        /// [`Condition::LinkRedirect`](crate::wire::Condition), saying where to go instead [2.8.18].
        pub fn refuse_link(&mut self, error: AmqpError) -> Result<(), LinkError> {
            self.endpoints.refuse_link(self.index(), error)
        }

        /// Detaches the link, which stays as it is otherwise and can be attached again [2.6.4].
        /// [`Event::LinkDetached`](crate::Event::LinkDetached) follows when the peer has answered.
        pub fn detach(&mut self) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), false, None)
        }

        /// Closes the link for good [2.6.6].
        pub fn close(&mut self) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), true, None)
        }

        /// Closes the link for good, and says why [2.6.5].
        pub fn close_with(&mut self, error: AmqpError) -> Result<(), LinkError> {
            self.endpoints.detach(self.index(), true, Some(error))
        }

        /// Returns the name of the link.
        pub fn name(&self) -> Str {
            self.link().map(|link| link.name.clone()).unwrap_or_default()
        }

        /// The session that it is on, or was on last.
        pub fn session(&self) -> Option<SessionKey> {
            self.link().map(|link| SessionKey(link.session))
        }

        /// Returns whether both ends have attached it, and the peer has a terminus for it.
        pub fn is_attached(&self) -> bool {
            self.link().is_some_and(Link::is_complete)
        }

        /// Returns whether both ends have detached it, and it can be attached again.
        pub fn is_suspended(&self) -> bool {
            self.link().is_some_and(Link::is_suspended)
        }

        /// Returns the peer's attach: its terminus is to be looked at before the link is used [2.6.3]. `None`
        /// before it is in.
        pub fn peer_attach(&self) -> Option<Attach> {
            decode(&self.link()?.attach, &self.endpoints.limits)
        }

        /// Returns whether an extension may be used: this end desires it, and the peer offers it [2.7.3].
        pub fn has_extension(&self, name: &Symbol) -> bool {
            self.link().is_some_and(|link| link.desired.contains(name))
                && self.peer_attach().is_some_and(|attach| attach.offered_capabilities.contains(name))
        }

        /// How the sender settles [2.7.3].
        pub fn snd_settle_mode(&self) -> SenderSettleMode {
            self.link().map(|link| link.snd_settle_mode).unwrap_or_default()
        }

        /// How the receiver settles [2.7.3].
        pub fn rcv_settle_mode(&self) -> ReceiverSettleMode {
            self.link().map(|link| link.rcv_settle_mode).unwrap_or_default()
        }

        /// Returns how many deliveries of the link are unsettled.
        pub fn unsettled_len(&self) -> u32 {
            self.link().map_or(0, |link| link.chain.len())
        }

        fn index(&self) -> u32 {
            self.key.0.index
        }

        #[inline]
        fn link(&self) -> Option<&Link> {
            self.endpoints.links.get(self.key.0)
        }
    };
}

pub(super) use link_methods;
