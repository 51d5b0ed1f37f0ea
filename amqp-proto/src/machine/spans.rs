//! [`Spans`]: the `tracing` spans and events of a connection, all with the target `amqp`.
//!
//! Spans have the level info, and are made only for a subscriber that enables them; a disabled one costs a
//! comparison. The widest object that ends with an error is reported as a warning, all else at lower levels.

use alloc::collections::BTreeMap;

use tracing::field::Empty;
use tracing::{Span, debug, info_span, trace, warn};

use super::connection::Machine;
use super::event::Event;
use super::link::{Link, LinkEnd, decode};
use super::reason::Reason;
use super::session::Session;
use crate::types::{LinkKey, SessionKey, Str};
use crate::wire::{Attach, DeliveryState, Outcome, Terminus};

/// The target of all spans and events.
const TARGET: &str = "amqp";

/// The spans of a connection, its sessions and its links.
#[derive(Debug)]
pub(crate) struct Spans {
    connection: Span,
    sessions: BTreeMap<SessionKey, Span>,
    /// The spans of links, and whether they have an address.
    links: BTreeMap<LinkKey, (Span, bool)>,
}

impl Default for Spans {
    fn default() -> Self {
        Self { connection: Span::none(), sessions: BTreeMap::new(), links: BTreeMap::new() }
    }
}

impl Spans {
    /// Makes the connection's span. It has no parent, since it may outlive the current span.
    pub(crate) fn start(&mut self, container: &Str) {
        let container = container.as_str();
        self.connection = info_span!(
            target: TARGET, parent: None, "connection",
            id = Empty, container, peer = Empty, remote = Empty, user = Empty,
        );
        self.connection.follows_from(Span::current());
    }

    pub(crate) fn span(&self) -> &Span {
        &self.connection
    }

    /// Makes the span of a session that this end begins.
    pub(crate) fn begin(&mut self, key: SessionKey, channel: u16) {
        let span = info_span!(target: TARGET, parent: &self.connection, "session", channel);
        if !span.is_disabled() {
            self.sessions.insert(key, span);
        }
    }

    /// Makes the span of a link that either end attaches.
    pub(crate) fn attach(&mut self, link: &Link, address: Option<&Str>) {
        let session = self.sessions.get(&SessionKey(link.session)).unwrap_or(&self.connection);
        let (name, role) = (link.name.as_str(), role(link));
        let address = address.map(Str::as_str);
        let span = info_span!(target: TARGET, parent: session, "link", name, role, address);
        if !span.is_disabled() {
            self.links.insert(link.public_key(), (span, address.is_some()));
        }
    }

    fn session(&self, key: SessionKey) -> &Span {
        self.sessions.get(&key).unwrap_or(&self.connection)
    }

    fn link(&self, key: LinkKey) -> &Span {
        self.links.get(&key).map_or(&self.connection, |(span, _)| span)
    }
}

impl Machine {
    /// Reports an event on its way to the application.
    #[inline]
    pub(super) fn show_event(&mut self, event: &Event) {
        let watch = &self.endpoints.spans;
        match event {
            Event::Message { receiver, delivery } => {
                trace!(target: TARGET, parent: watch.link((*receiver).into()), %delivery, "message");
            }
            Event::Updated { link, delivery, state, settled } => match state {
                Some(DeliveryState::Outcome(Outcome::Rejected(rejected))) => {
                    debug!(target: TARGET, parent: watch.link(*link), %delivery, error = ?rejected.error, "rejected");
                }
                _ => trace!(target: TARGET, parent: watch.link(*link), %delivery, ?state, settled, "updated"),
            },
            Event::Sendable(key) => {
                trace!(target: TARGET, parent: watch.link((*key).into()), "sendable");
            }
            Event::Data { .. } | Event::Busy => {}
            event => self.show_change(event),
        }
    }

    /// Reports an event of a less frequent kind.
    #[cold]
    fn show_change(&mut self, event: &Event) {
        let watch = &mut self.endpoints.spans;
        match event {
            Event::Drained(key) => debug!(target: TARGET, parent: watch.link((*key).into()), "drained"),
            Event::Aborted { receiver, delivery } => {
                debug!(target: TARGET, parent: watch.link((*receiver).into()), %delivery, "aborted");
            }
            Event::Lost { link, delivery, state } => {
                debug!(target: TARGET, parent: watch.link(*link), %delivery, ?state, "lost");
            }
            Event::SessionOffered(key) => {
                let channel = self.endpoints.sessions.get(key.0).map_or(0, |session| session.remote_channel);
                watch.begin(*key, channel);
                debug!(target: TARGET, parent: watch.session(*key), "session offered");
            }
            Event::SessionBegun(key) => debug!(target: TARGET, parent: watch.session(*key), "session begun"),
            Event::Declared(_)
            | Event::Undeclared { .. }
            | Event::Discharge(_)
            | Event::Committed(_)
            | Event::RolledBack { .. }
            | Event::InDoubt { .. } => debug!(target: TARGET, parent: watch.span(), ?event, "transaction"),
            Event::LinkOffered(key) => self.show_offer(*key),
            Event::LinkAttached(key) => self.show_attached(*key),
            Event::Opened => self.show_opened(),
            event => self.show_end(event),
        }
    }

    fn show_opened(&self) {
        let span = self.endpoints.spans.span();
        if !span.is_disabled() {
            if let Some(open) = self.peer() {
                span.record("peer", open.container_id.as_str());
            }
            if let Some(user) = self.identity().and_then(|identity| identity.user()) {
                span.record("user", user.as_str());
            }
        }
        debug!(target: TARGET, parent: span, "connection opened");
    }

    fn show_offer(&mut self, key: LinkKey) {
        let Some(link) = self.endpoints.links.get(key.key()) else { return };
        let address = decode(&link.attach, &self.endpoints.limits).and_then(|attach| local(&attach, link));
        self.endpoints.spans.attach(link, address.as_ref());
        debug!(target: TARGET, parent: self.endpoints.spans.link(key), "link offered");
    }

    fn show_attached(&self, key: LinkKey) {
        // A node that the peer has created has its address in the peer's attach.
        if let Some((span, false)) = self.endpoints.spans.links.get(&key)
            && let Some(link) = self.endpoints.links.get(key.key())
            && let Some(attach) = decode(&link.attach, &self.endpoints.limits)
            && let Some(address) = remote(&attach, link)
        {
            span.record("address", address.as_str());
        }
        debug!(target: TARGET, parent: self.endpoints.spans.link(key), "link attached");
    }

    /// Reports the end of an object, and ends its span.
    fn show_end(&mut self, event: &Event) {
        let is_over = self.is_over();
        let watch = &mut self.endpoints.spans;
        match event {
            Event::LinkDetached { link, closed, reason, .. } => {
                let session = self.endpoints.links.get(link.key()).map(|link| link.session);
                let session = session.and_then(|key| self.endpoints.sessions.get(key));
                let is_alone = !is_over && session.is_some_and(Session::is_mapped);
                let what = if *closed { "link closed" } else { "link detached" };
                show_reason(watch.link(*link), what, reason, is_alone);
                watch.links.remove(link);
            }
            Event::SessionEnded { session, reason } => {
                show_reason(watch.session(*session), "session ended", reason, !is_over);
                watch.sessions.remove(session);
            }
            Event::Closed(reason) => {
                show_reason(watch.span(), "connection closed", reason, true);
                *watch = Spans::default();
            }
            _ => {}
        }
    }
}

/// Reports a reason. `is_alone` if no wider object has ended.
fn show_reason(span: &Span, what: &'static str, reason: &Reason, is_alone: bool) {
    if reason.is_failure() && is_alone {
        warn!(target: TARGET, parent: span, %reason, "{what}");
    } else {
        debug!(target: TARGET, parent: span, %reason, "{what}");
    }
}

fn role(link: &Link) -> &'static str {
    match link.end {
        LinkEnd::Sender(_) => "sender",
        LinkEnd::Receiver(_) => "receiver",
    }
}

/// Returns the address of this end's node.
fn local(attach: &Attach, link: &Link) -> Option<Str> {
    match link.end {
        LinkEnd::Sender(_) => attach.source.as_deref()?.address.clone(),
        LinkEnd::Receiver(_) => attach.target.as_deref().and_then(Terminus::address).cloned(),
    }
}

/// Returns the address of the peer's node.
fn remote(attach: &Attach, link: &Link) -> Option<Str> {
    match link.end {
        LinkEnd::Sender(_) => attach.target.as_deref().and_then(Terminus::address).cloned(),
        LinkEnd::Receiver(_) => attach.source.as_deref()?.address.clone(),
    }
}
