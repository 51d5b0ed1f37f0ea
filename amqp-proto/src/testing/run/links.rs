//! Sessions, links and credit of a run.

use alloc::format;
use alloc::vec::Vec;

use super::Play;
use super::model::BY_TEST;
use super::setup::{receiver_options, sender_options, session_options};
use crate::connection::Connection;
use crate::testing::operation::{Grant, LinkSort, Pick, Side};
use crate::types::{LinkKey, SessionKey, Str};
use crate::wire::{AmqpError, Condition, ReceiverSettleMode, SenderSettleMode};

impl Play<'_> {
    pub(super) fn begin(&mut self, side: Side) {
        let options = session_options(self.run.setup(side));
        if let Some(key) = self.command(side, |end| Ok(end.begin(options))) {
            self.model(side).begun.push(key);
            self.model(side).sessions.push(key);
        }
    }

    pub(super) fn end(&mut self, side: Side, pick: Pick) {
        if let Some(key) = pick.of(&self.model(side).sessions) {
            self.end_session(side, key);
        }
    }

    pub(super) fn end_session(&mut self, side: Side, key: SessionKey) {
        self.command(side, |end| end.session(key).map(|mut session| session.end()));
    }

    pub(super) fn attach(&mut self, side: Side, pick: Pick, sort: LinkSort) {
        let Some(session) = pick.of(&self.model(side).sessions) else { return };
        let setup = self.run.setup(side);
        let name = Str::from(format!("link {}", sort.name.0 % 3));
        let snd = SenderSettleMode::ALL.get(usize::from(sort.modes.0.0)).copied();
        let rcv = ReceiverSettleMode::ALL.get(usize::from(sort.modes.1.0)).copied();
        let key = if sort.sends {
            let mut options = sender_options(setup).with_target(crate::wire::Target::at("node"));
            options.snd_settle_mode = snd;
            options.rcv_settle_mode = rcv;
            let run = |end: &mut Connection| {
                end.session(session).map(|mut session| session.attach_sender(name.clone(), options))
            };
            self.command(side, run).map(LinkKey::from)
        } else {
            let mut options = receiver_options(setup).with_source(crate::wire::Source::at("node"));
            options.snd_settle_mode = snd;
            options.rcv_settle_mode = rcv;
            let run = |end: &mut Connection| {
                end.session(session).map(|mut session| session.attach_receiver(name.clone(), options))
            };
            self.command(side, run).map(LinkKey::from)
        };
        if let Some(key) = key {
            let link = self.model(side).links.entry(key).or_default();
            link.name = name;
            link.is_suspended = false;
        }
    }

    pub(super) fn answer_one(&mut self, side: Side, pick: Pick, accept: bool) {
        let offers = self.offers(side);
        if let Some(key) = pick.of(&offers) {
            self.answer(side, key, accept);
        }
    }

    pub(super) fn answer(&mut self, side: Side, key: LinkKey, accept: bool) -> bool {
        let setup = self.run.setup(side);
        let error = AmqpError::new(Condition::NotFound).with_description(BY_TEST);
        let done = match (key, accept) {
            (LinkKey::Sender(key), true) => {
                let options = sender_options(setup);
                self.command(side, |end| end.sender(key).map(|mut link| link.accept_link(options)))
            }
            (LinkKey::Receiver(key), true) => {
                let options = receiver_options(setup);
                self.command(side, |end| end.receiver(key).map(|mut link| link.accept_link(options)))
            }
            (LinkKey::Sender(key), false) => {
                self.command(side, |end| end.sender(key).map(|mut link| link.refuse_link(error)))
            }
            (LinkKey::Receiver(key), false) => {
                self.command(side, |end| end.receiver(key).map(|mut link| link.refuse_link(error)))
            }
        };
        if let (Some(()), Some(link)) = (done, self.model(side).links.get_mut(&key)) {
            link.is_offered = false;
            link.wants = accept;
        }
        done.is_some()
    }

    pub(super) fn detach(&mut self, side: Side, pick: Pick, closed: bool) {
        let links: Vec<LinkKey> = self.model(side).links.keys().copied().collect();
        if let Some(key) = pick.of(&links) {
            self.detach_link(side, key, closed);
        }
    }

    pub(super) fn detach_link(&mut self, side: Side, key: LinkKey, closed: bool) {
        let error = AmqpError::new(Condition::DetachForced).with_description(BY_TEST);
        match (key, closed) {
            (LinkKey::Sender(key), true) => {
                self.command(side, |end| end.sender(key).map(|mut link| link.close_with(error)))
            }
            (LinkKey::Receiver(key), true) => {
                self.command(side, |end| end.receiver(key).map(|mut link| link.close()))
            }
            (LinkKey::Sender(key), false) => {
                self.command(side, |end| end.sender(key).map(|mut link| link.detach()))
            }
            (LinkKey::Receiver(key), false) => {
                self.command(side, |end| end.receiver(key).map(|mut link| link.detach()))
            }
        };
    }

    pub(super) fn grant(&mut self, side: Side, pick: Pick, grant: Grant) {
        let Some(key) = self.receiver(side, pick) else { return };
        let credit = self.pair.end(side).receiver(key).map_or(0, |receiver| receiver.credit());
        let done = self.command(side, |end| {
            end.receiver(key).map(|mut receiver| match grant {
                Grant::Set(few) => receiver.set_credit(few.0.into()),
                Grant::Add(few) => receiver.add_credit(few.0.into()),
                Grant::Drain => receiver.drain(),
                Grant::Stop => receiver.stop(),
                Grant::Echo => receiver.echo(),
            })
        });
        if let (Some(()), Some(link)) = (done, self.model(side).links.get_mut(&key.into())) {
            match grant {
                Grant::Drain => link.drains = credit > 0,
                Grant::Set(_) | Grant::Add(_) | Grant::Stop => link.drains = false,
                Grant::Echo => {}
            }
        }
    }
}
