//! The ends of links that a service keeps for its clients, in the store of its acceptor [3.5.6].

use alloc::sync::Arc;
use std::sync::Weak;

use super::guard::LinkGuard;
use super::hub::Hub;
use super::slots::either_end;
use super::state::State;
use super::wake::Wake;
use crate::client::{Attachment, Claim, Error, Result, TerminusStore};
use crate::config::{ReceiverOptions, SenderOptions};
use crate::machine::{LinkError, LinkState};
use crate::policy::{Lifetime, TerminusName};
use crate::types::{Key, LinkKey, Str};
use crate::wire::{AmqpError, Attach, Condition, Role, Target, Terminus};

/// The store of a connection, and the number of the connection in it.
#[derive(Debug)]
pub(super) struct ServedTermini {
    store: Arc<TerminusStore>,
    connection: u64,
}

impl ServedTermini {
    pub(super) fn new(store: Arc<TerminusStore>) -> Self {
        Self { connection: store.number(), store }
    }

    /// Begins the countdown for the links of the connection.
    pub(super) fn connection_closed(&self) {
        self.store.connection_closed(self.connection);
    }
}

/// A link that the peer asks for.
#[derive(Debug)]
struct Asked {
    store: Arc<TerminusStore>,
    name: TerminusName,
    /// The numbers of its connection and session.
    numbers: (u64, u64),
    attach: Attach,
}

/// The terminus of a link that is being accepted.
#[derive(Debug)]
pub(super) struct Taken {
    store: Arc<TerminusStore>,
    attachment: Box<Attachment>,
    lifetime: Lifetime,
    /// The state that the link is resumed with.
    pub(super) state: Option<LinkState>,
}

/// The options of a link, as far as its lifetime is concerned.
pub(super) trait Expiring: Sized {
    const ROLE: Role;

    /// Returns the lifetime that the options and the peer ask for; `None` if the terminus ends with its link in any case.
    fn lifetime(&self, attach: &Attach) -> Option<Lifetime>;

    /// Sets the lifetime that the peer gets, and whether the link can be resumed.
    fn grant(self, attach: &Attach, lifetime: Lifetime, is_kept: bool) -> Self;
}

impl Expiring for SenderOptions {
    const ROLE: Role = Role::Sender;

    fn lifetime(&self, attach: &Attach) -> Option<Lifetime> {
        let source = self.source.as_deref().or(attach.source.as_deref())?;
        (!source.dynamic).then(|| Lifetime::of_source(source))
    }

    fn grant(self, attach: &Attach, lifetime: Lifetime, is_kept: bool) -> Self {
        let source = self.source.as_deref().or(attach.source.as_deref());
        let mut source = source.cloned().unwrap_or_default();
        (source.expiry_policy, source.timeout) = (lifetime.policy, seconds(lifetime));
        self.with_source(source).with_resumable(is_kept)
    }
}

impl Expiring for ReceiverOptions {
    const ROLE: Role = Role::Receiver;

    fn lifetime(&self, attach: &Attach) -> Option<Lifetime> {
        let target = target(self.target.as_deref().or(attach.target.as_deref()))?;
        (!target.dynamic).then(|| Lifetime::of_target(target))
    }

    fn grant(self, attach: &Attach, lifetime: Lifetime, is_kept: bool) -> Self {
        let target = target(self.target.as_deref().or(attach.target.as_deref()));
        let mut target = target.cloned().unwrap_or_default();
        (target.expiry_policy, target.timeout) = (lifetime.policy, seconds(lifetime));
        self.with_target(target).with_resumable(is_kept)
    }
}

/// Returns a target that is a node.
fn target(terminus: Option<&Terminus>) -> Option<&Target> {
    match terminus? {
        Terminus::Target(target) => Some(target),
        _ => None,
    }
}

fn seconds(lifetime: Lifetime) -> u32 {
    u32::try_from(lifetime.timeout.as_secs()).unwrap_or(u32::MAX)
}

impl<W: Wake> LinkGuard<W> {
    /// Takes the terminus of a link of the peer from the store. Returns the options with the lifetime that the peer gets.
    ///
    /// # Errors
    ///
    /// The client has as many termini as its share; the link is refused.
    pub(super) fn take_terminus<O: Expiring>(&self, options: O) -> Result<(O, Option<Taken>)> {
        let asked = self.hub().look(|state| state.asked_terminus(self.slot, O::ROLE));
        let Some(Asked { store, name, numbers, attach }) = asked else { return Ok((options, None)) };
        let Some(asked) = options.lifetime(&attach) else { return Ok((options, None)) };
        let lifetime = store.granted(asked);
        // Never called under the lock: another link that is attached to the terminus is on another connection.
        match store.claim(&name, numbers, lifetime.is_asked_for()) {
            Claim::Placed(attachment, kept) => {
                let mut state = kept.map(|state| *state);
                if attach.unsettled.is_none() {
                    // The client has no state, so that of this end is over.
                    state.take().into_iter().for_each(|state| store.give_up(state));
                }
                let options = options.grant(&attach, lifetime, true);
                Ok((options, Some(Taken { store, attachment, lifetime, state })))
            }
            Claim::Unkept if lifetime.is_asked_for() => {
                Ok((options.grant(&attach, Lifetime::LINK, false), None))
            }
            Claim::Unkept => Ok((options, None)),
            Claim::OverShare => {
                let words = "the client has as many links that outlive their connection as it may have";
                let error = AmqpError::new(Condition::ResourceLimitExceeded).with_description(words);
                self.refuse(error)?;
                Err(Error::from(LinkError::Limit))
            }
        }
    }

    /// Keeps the terminus of a link that was accepted, for as long as the link is attached and as it may be afterwards.
    pub(super) fn keep_terminus(&self, taken: Taken) {
        let (hub, slot) = (Arc::downgrade(self.session.shared_hub()), self.slot);
        taken.attachment.attached(taken.lifetime, Arc::new(move || steal(&hub, slot)));
        self.hub().with(|state| {
            let link = state.links.get_mut(slot).filter(|link| link.ended.is_none());
            if let Some(resumption) = link.and_then(|link| link.resumption.as_mut()) {
                resumption.attachment = Some(taken.attachment);
            }
        });
    }
}

impl Taken {
    /// Reports the state of a link that could not be accepted.
    pub(super) fn give_up(self, state: Option<LinkState>) {
        state.into_iter().for_each(|state| self.store.give_up(state));
    }
}

/// Ends a link that the peer attaches on another connection.
fn steal<W: Wake>(hub: &Weak<Hub<W>>, slot: Key) {
    let Some(hub) = hub.upgrade() else { return };
    hub.with(|state| {
        let key = state.links.get(slot).and_then(|link| link.key);
        // A link that is over has left its terminus.
        let _ = key.and_then(|key| either_end!(state.engine, key, mut link => link.steal()));
    });
}

impl<W: Wake> State<W> {
    /// Returns what a link of the peer asks for, if there is a store.
    fn asked_terminus(&mut self, slot: Key, role: Role) -> Option<Asked> {
        let termini = self.termini.as_ref()?;
        let (store, connection) = (Arc::clone(&termini.store), termini.connection);
        let (key, session) = self.links.get(slot).map(|link| (link.key, link.session))?;
        let attach = either_end!(self.engine, key?, link => link.peer_attach())??;
        let container = self.engine.peer_open().map(|open| Str::from(open.container_id.as_str()))?;
        let user = self.engine.identity().and_then(|identity| identity.user().cloned());
        let name = TerminusName::new(container, attach.name.clone(), role).with_user(user);
        let session = self.sessions.get_mut(session)?;
        let number = *session.number.get_or_insert_with(|| store.number());
        Some(Asked { store, name, numbers: (connection, number), attach })
    }

    /// Begins the countdown for the links of a session.
    pub(super) fn leave_termini(&mut self, session: Key) {
        let number = self.sessions.get(session).and_then(|session| session.number);
        if let (Some(termini), Some(number)) = (&self.termini, number) {
            termini.store.session_ended(number);
        }
    }
}
