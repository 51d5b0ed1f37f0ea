//! Checks of a [`Run`](crate::testing::Run) at rest and at its end.

use alloc::vec::Vec;

use super::Play;
use super::model::{Fate, link_state};
use crate::testing::operation::{RunEnding, Side, Verdict};
use crate::types::LinkKey;

const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl Play<'_> {
    /// Drives the pair to rest and checks that both ends agree.
    pub(super) fn come_to_rest(&mut self) {
        for side in SIDES {
            self.pair.end(side).polls = true;
        }
        self.pair.drive();
        self.observe();
        if !self.client.is_closed && !self.server.is_closed {
            self.check_windows();
            for side in SIDES {
                self.check_links(side);
            }
            self.check_deliveries();
        }
    }

    /// Checks that both ends of each session agree on its windows.
    fn check_windows(&mut self) {
        for side in SIDES {
            let begun = self.model(side).begun.clone();
            let offered = self.model(side.other()).offered.clone();
            for (ours, theirs) in begun.into_iter().zip(offered) {
                let ours = self.pair.end(side).session(ours).ok().filter(|session| session.is_mapped());
                let ours = ours.map(|session| (session.remote_incoming_window(), session.incoming_window()));
                let theirs = self.pair.end(side.other()).session(theirs).ok();
                let theirs = theirs.filter(|session| session.is_mapped());
                let theirs =
                    theirs.map(|session| (session.incoming_window(), session.remote_incoming_window()));
                assert_eq!(ours, theirs, "windows of the {side:?}'s session");
            }
        }
    }

    /// Checks that both ends of each link agree on its credit, and that no event for a waiting sender or receiver is
    /// missing.
    fn check_links(&mut self, side: Side) {
        for key in self.senders(side) {
            let Some(link) = self.model(side).links.get(&key.into()) else { continue };
            let (wants, is_open) = (link.wants, link.open.is_some());
            let end = self.pair.end(side);
            let Ok(mut sender) = end.sender(key) else { continue };
            assert!(!(wants && sender.is_sendable()), "the {side:?}'s {key:?} was not told that it may send");
            let (credit, count, session) = (sender.credit(), sender.delivery_count(), sender.session());
            let window = session.and_then(|key| end.session(key).ok()).map(|s| s.remote_incoming_window());
            let Some(receiver) = self.joined(side, key) else { continue };
            if is_open || window == Some(0) {
                continue;
            }
            let drains = self.model(side.other()).links.get(&receiver.into()).is_some_and(|link| link.drains);
            assert!(!drains, "{receiver:?} was not told that it is drained");
            let Ok(receiver) = self.pair.end(side.other()).receiver(receiver) else { continue };
            assert_eq!(
                (credit, Some(count)),
                (receiver.credit(), receiver.delivery_count()),
                "credit of the {side:?}'s {key:?}"
            );
        }
    }

    /// Checks that each sender has learned the outcomes that the receivers sent.
    fn check_deliveries(&mut self) {
        for note in self.notes.iter().filter(|note| !note.is_loose) {
            if note.verdict.is_some() {
                assert!(note.known == note.verdict || note.fate == Fate::Own, "not told: {note:?}");
            }
            assert!(!(note.is_dropped && note.fate == Fate::Open), "not told: {note:?}");
        }
    }

    /// Completes the work on the remaining links and ends the run.
    pub(super) fn finish(&mut self, ending: RunEnding) {
        let mut rounds = 0;
        while self.go_on() {
            rounds += 1;
            assert!(rounds < 10_000, "there is always more to do");
        }
        for note in self.notes.iter().filter(|note| !note.is_loose) {
            assert!(note.is_received && note.fate != Fate::Open, "not done: {note:?}");
        }
        match ending {
            RunEnding::InOrder(side) => self.end_in_order(side),
            RunEnding::Sessions(side) => {
                self.end_sessions(side);
                self.close(side);
            }
            RunEnding::Close(side) => self.close(side),
            RunEnding::Cut => {
                self.pair.cut();
                self.come_to_rest();
            }
        }
        self.check_all_over();
    }

    /// Answers, finishes, receives and settles once. Returns whether it did anything.
    fn go_on(&mut self) -> bool {
        let mut acted = false;
        for side in SIDES {
            for link in self.offers(side) {
                acted |= self.answer(side, link, true);
            }
            for (link, id) in self.started(side) {
                acted |= self.finish_delivery(side, link, id, true);
            }
            for link in self.receivers(side) {
                while self.receive(side, link) {
                    acted = true;
                }
            }
            for (link, key) in self.undecided(side) {
                acted |= self.dispose(side, link, key, Verdict::Accept);
            }
            for id in self.unsettled(side) {
                if self.notes.get(id).is_some_and(|note| note.known.is_some()) {
                    acted |= self.settle(side, id);
                }
            }
        }
        self.come_to_rest();
        acted
    }

    fn end_in_order(&mut self, side: Side) {
        for side in [side, side.other()] {
            let links: Vec<LinkKey> = self.model(side).links.keys().copied().collect();
            for link in links {
                self.detach_link(side, link, true);
            }
            self.come_to_rest();
        }
        for side in SIDES {
            let links: Vec<_> = self.model(side).links.keys().copied().collect();
            for link in links {
                let state = link_state(self.pair.end(side), link);
                assert_eq!(state, None, "the {side:?}'s {link:?} is closed");
            }
            assert_eq!(self.pair.end(side).links_len(), 0, "links of the {side:?}");
        }
        self.end_sessions(side);
        self.close(side);
    }

    fn end_sessions(&mut self, side: Side) {
        for side in [side, side.other()] {
            for session in self.model(side).sessions.clone() {
                self.end_session(side, session);
            }
            self.come_to_rest();
        }
        for side in SIDES {
            assert_eq!(self.pair.end(side).sessions_len(), 0, "sessions of the {side:?}");
        }
    }

    fn close(&mut self, side: Side) {
        self.pair.end(side).close();
        self.come_to_rest();
    }

    /// Checks that no endpoint and no delivery is left.
    fn check_all_over(&mut self) {
        for side in SIDES {
            let end = self.pair.end(side);
            assert!(end.is_over() && !bytes::Buf::has_remaining(&end.output()), "the {side:?} is over");
            assert_eq!(end.sessions_len(), 0, "sessions of the {side:?}");
            let sent: Vec<_> = self.model(side).sent.keys().copied().collect();
            let got: Vec<_> = self.model(side).got.keys().copied().collect();
            for key in sent.into_iter().chain(got) {
                assert!(self.pair.end(side).delivery(key).is_err(), "the {side:?} still has {key:?}");
            }
            // The engine keeps only links that were detached and not closed.
            let suspended = self.model(side).links.values().filter(|link| link.is_suspended).count();
            assert!(self.pair.end(side).links_len() <= suspended, "links of the {side:?}");
        }
        for note in &self.notes {
            assert!(note.fate != Fate::Open, "{note:?} never ended");
        }
    }
}
