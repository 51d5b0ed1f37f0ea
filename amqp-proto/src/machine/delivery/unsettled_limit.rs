//! The limit on unsettled deliveries: senders that wait until a delivery is settled.

use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::link::{LinkEnd, SendingEnd};
use crate::types::{LinkIx, SenderKey, SessionIx};
use crate::wire::SenderSettleMode;

impl Endpoints {
    /// Returns `true` if a link sends unsettled deliveries, and no more can be unsettled.
    pub(super) fn is_crowded(&mut self, index: LinkIx) -> bool {
        let Some(link) = self.links.peek(index) else { return false };
        let LinkEnd::Sender(sender) = &link.end else { return false };
        // A delivery that is resumed was unsettled before.
        if sender.resumes || link.snd_settle_mode == SenderSettleMode::Settled {
            return false;
        }
        let most_kept = self.limits.kept_octets();
        let session = self.sessions.get(link.session);
        link.recovery.get().is_some_and(|recovery| recovery.kept_octets() >= most_kept)
            || session.is_some_and(|session| session.sent.live() >= session.most_sent)
                && !self.allow_more_sent(index)
    }

    /// Returns `true` if the last message that a sender wanted to send must wait until a delivery is settled.
    pub(super) fn is_crowded_out(&mut self, index: LinkIx) -> bool {
        let end = self.links.peek(index).map(|link| &link.end);
        matches!(end, Some(LinkEnd::Sender(sender)) if !sender.sends_settled) && self.is_crowded(index)
    }

    /// Makes a sender wait until a delivery of its session is settled.
    #[cold]
    pub(super) fn wait_for_settlement(&mut self, index: LinkIx) {
        let Some((link, session)) = self.link_and_session(index) else { return };
        let LinkEnd::Sender(sender) = &mut link.end else { return };
        sender.told = false;
        if !sender.is_crowded_out {
            sender.is_crowded_out = true;
            session.crowded_out.push_back(index);
            self.forget_ended_senders(index);
        }
    }

    /// Reports the senders that waited for a settlement and can send now. Call this after deliveries of the session
    /// were settled or lost.
    #[inline]
    pub(crate) fn look_settled(&mut self, index: SessionIx) {
        let session = self.sessions.at(index).filter(|session| !session.crowded_out.is_empty());
        if session.is_some_and(|session| session.sent.live() < session.most_sent) {
            self.let_in(index);
        }
    }

    /// Lets each sender that waits now try once. The list keeps its memory, so that waiting again allocates nothing.
    #[cold]
    fn let_in(&mut self, session: SessionIx) {
        let waiting = self.sessions.at(session).map_or(0, |session| session.crowded_out.len());
        for _ in 0..waiting {
            let first = self.sessions.at(session).and_then(|session| session.crowded_out.pop_front());
            let Some(index) = first else { return };
            let Some(link) = self.links.at(index) else { continue };
            let key = SenderKey(link.key);
            let LinkEnd::Sender(sender) = &mut link.end else { continue };
            if !core::mem::take(&mut sender.is_crowded_out) {
                continue;
            }
            match &sender.sending {
                // More octets of a delivery were refused.
                Some(sending) if sending.end == SendingEnd::Open => {
                    if link.is_complete() {
                        self.fx.tell(Event::Sendable(key));
                    }
                }
                _ => self.look_sendable(index),
            }
        }
    }
}
