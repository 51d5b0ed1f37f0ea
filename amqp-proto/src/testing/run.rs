//! Playing a [`Run`]: its operations are done, and what both ends are told is checked.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Debug;

use bytes::Bytes;

use super::book::{BY_TEST, Book, Fate, Got, Note, link_state};
use super::end::Auto;
use super::operation::{Few, Grant, Habits, LinkSort, Operation, Pick, Run, Side, Size, Verdict};
use super::pair::Pair;
use crate::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use crate::connection::Connection;
use crate::machine::{Event, PartEnd, SendError, StaleKey};
use crate::message::Payload;
use crate::types::{
    DeliveryKey, Limits, LinkKey, ReceiverKey, SenderKey, SequenceNo, SessionKey, Str, TransferNumber,
};
use crate::wire::{
    Condition, DeliveryState, Error, Modified, Outcome, Received, ReceiverSettleMode, Rejected,
    SenderSettleMode,
};

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Story {
    /// What the client was told.
    pub client: Vec<Event>,
    /// What the server was told.
    pub server: Vec<Event>,
    /// Who received which message, in order, by the number that it has among all that were sent.
    pub received: Vec<(Side, usize)>,
    /// The frames that both ends sent.
    pub frames: Vec<String>,
}

impl Run {
    /// Does it all, and panics if an engine does what it should not. What is held to at every time:
    ///
    /// * no engine complains about the other, and none tells what contradicts what it told before;
    /// * a command that is refused has changed nothing;
    /// * a message arrives whole, once, and in the order of its link;
    /// * an unsettled delivery ends once at each end: settled, lost or given up; the sender knows the outcome that
    ///   the receiver told.
    ///
    /// Whenever the pair is at rest, which it comes to in a bounded number of steps, both ends agree on credit,
    /// delivery-counts, windows and outcomes; who may send has been told so, and what is to be drained is. In the
    /// end all messages of links that stayed have arrived, and nothing is left of what has ended.
    pub fn play(&self) -> Story {
        let mut play = Play::new(self);
        for operation in &self.operations {
            play.apply(operation);
            play.observe();
        }
        play.come_to_rest();
        play.finish(self.ending);
        Story {
            client: play.client.events,
            server: play.server.events,
            received: play.received,
            frames: play.pair.trace(),
        }
    }
}

/// A run in progress.
pub(super) struct Play<'a> {
    run: &'a Run,
    pub(super) pair: Pair,
    pub(super) client: Book,
    pub(super) server: Book,
    pub(super) notes: Vec<Note>,
    received: Vec<(Side, usize)>,
}

impl<'a> Play<'a> {
    fn new(run: &'a Run) -> Self {
        let (client, server) = (options("client", &run.client), options("server", &run.server));
        let portions: Vec<usize> = run.portions.iter().map(|size| size.0.into()).collect();
        let mut pair = Pair::new(client, server).portioned(&portions).delayed(run.delay.0.into());
        pair = pair.with_most_steps(20_000);
        for side in [Side::Client, Side::Server] {
            let habits = run.habits(side);
            let end = pair.end(side);
            end.session_options = session_options(habits);
            end.sender_options = sender_options(habits);
            end.receiver_options = receiver_options(habits);
            end.pushes = true;
        }
        pair.drive();
        let mut play = Self {
            run,
            pair,
            client: Book::default(),
            server: Book::default(),
            notes: Vec::new(),
            received: Vec::new(),
        };
        // Most runs want these.
        play.apply(&Operation::Begin(Side::Client));
        for sends in [true, false] {
            let sort = LinkSort { name: Few(0), sends, modes: (Few(3), Few(3)) };
            play.apply(&Operation::Attach(Side::Client, Pick(0), sort));
        }
        play.apply(&Operation::Drive);
        for side in [Side::Client, Side::Server] {
            play.apply(&Operation::Grant(side, Pick(0), Grant::Set(Few(3))));
            play.pair.end(side).auto = if run.habits(side).accepts { Auto::Links } else { Auto::Sessions };
        }
        play
    }

    pub(super) fn book(&mut self, side: Side) -> &mut Book {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Looks at what was told.
    pub(super) fn observe(&mut self) {
        for side in [Side::Client, Side::Server] {
            let book = match side {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            let end = self.pair.end(side);
            for event in end.events() {
                book.observe(&event, end, &mut self.notes);
            }
        }
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Begin(side) => self.begin(side),
            Operation::End(side, pick) => self.end(side, pick),
            Operation::Attach(side, pick, sort) => self.attach(side, pick, sort),
            Operation::Answer(side, pick, accept) => self.answer_one(side, pick, accept),
            Operation::Detach(side, pick, closed) => self.detach(side, pick, closed),
            Operation::Grant(side, pick, grant) => self.grant(side, pick, grant),
            Operation::Available(side, pick, few) => {
                if let Some(key) = self.sender(side, pick) {
                    self.command(side, |end| end.sender(key).map(|mut s| s.set_available(few.0.into())));
                }
            }
            Operation::Send(side, pick, size, settled) => self.send(side, pick, size, settled),
            Operation::Start(side, pick) => self.start(side, pick),
            Operation::Write(side, pick, size) => self.write(side, pick, size),
            Operation::Finish(side, pick, complete) => self.finish_one(side, pick, complete),
            Operation::Receive(side, pick) => {
                if let Some(key) = self.receiver(side, pick) {
                    self.receive(side, key);
                }
            }
            Operation::Dispose(side, pick, verdict) => {
                let open = self.undecided(side);
                if let Some((link, key)) = pick.of(&open) {
                    self.dispose(side, link, key, verdict);
                }
            }
            Operation::Settle(side, pick) => {
                let open = self.unsettled(side);
                if let Some(id) = pick.of(&open) {
                    self.settle(side, id);
                }
            }
            Operation::Move(side, size) => {
                self.pair.step_some(side, size.0.into());
            }
            Operation::Step => {
                self.pair.step();
            }
            Operation::Drive => self.come_to_rest(),
            Operation::Pass(millis) => {
                self.pair.skip(millis.0.into());
                let now = self.pair.now();
                self.pair.client.handle_deadline(now);
                self.pair.server.handle_deadline(now);
            }
            Operation::Hold(side) => self.pair.end(side).polls = false,
        }
    }

    /// Gives a command, which changes nothing if it is refused.
    pub(super) fn command<T, E: Debug + 'static>(
        &mut self,
        side: Side,
        run: impl FnOnce(&mut Connection) -> Result<Result<T, E>, StaleKey>,
    ) -> Option<T> {
        let end = self.pair.end(side);
        let before = format!("{:?}", **end);
        match run(end).ok()? {
            Ok(done) => Some(done),
            Err(error) => {
                // These are remembered, so that the sender is told when it may try again.
                let waits = (&error as &dyn core::any::Any).downcast_ref::<SendError>().is_some_and(waits);
                if !waits {
                    assert_eq!(format!("{:?}", **end), before, "refused with {error:?}");
                }
                None
            }
        }
    }

    fn begin(&mut self, side: Side) {
        let options = session_options(self.run.habits(side));
        if let Some(key) = self.command(side, |end| Ok(end.begin(&options))) {
            self.book(side).begun.push(key);
            self.book(side).sessions.push(key);
        }
    }

    fn end(&mut self, side: Side, pick: Pick) {
        if let Some(key) = pick.of(&self.book(side).sessions) {
            self.end_session(side, key);
        }
    }

    pub(super) fn end_session(&mut self, side: Side, key: SessionKey) {
        self.command(side, |end| end.session(key).map(|mut session| session.end()));
    }

    fn attach(&mut self, side: Side, pick: Pick, sort: LinkSort) {
        let Some(session) = pick.of(&self.book(side).sessions) else { return };
        let habits = self.run.habits(side);
        let name = Str::from(format!("link {}", sort.name.0 % 3));
        let snd = SenderSettleMode::ALL.get(usize::from(sort.modes.0.0)).copied();
        let rcv = ReceiverSettleMode::ALL.get(usize::from(sort.modes.1.0)).copied();
        let key = if sort.sends {
            let mut options = sender_options(habits).with_target(crate::wire::Target::at("node"));
            options.snd_settle_mode = snd;
            options.rcv_settle_mode = rcv;
            let run = |end: &mut Connection| {
                end.session(session).map(|mut session| session.attach_sender(name.clone(), &options))
            };
            self.command(side, run).map(LinkKey::from)
        } else {
            let mut options = receiver_options(habits).with_source(crate::wire::Source::at("node"));
            options.snd_settle_mode = snd;
            options.rcv_settle_mode = rcv;
            let run = |end: &mut Connection| {
                end.session(session).map(|mut session| session.attach_receiver(name.clone(), &options))
            };
            self.command(side, run).map(LinkKey::from)
        };
        if let Some(key) = key {
            let link = self.book(side).links.entry(key).or_default();
            link.name = name;
            link.is_suspended = false;
        }
    }

    fn answer_one(&mut self, side: Side, pick: Pick, accept: bool) {
        let offers = self.offers(side);
        if let Some(key) = pick.of(&offers) {
            self.answer(side, key, accept);
        }
    }

    pub(super) fn answer(&mut self, side: Side, key: LinkKey, accept: bool) -> bool {
        let habits = self.run.habits(side);
        let error = Error::new(Condition::NotFound).with_description(BY_TEST);
        let done = match (key, accept) {
            (LinkKey::Sender(key), true) => {
                let options = sender_options(habits);
                self.command(side, |end| end.sender(key).map(|mut link| link.accept_link(&options)))
            }
            (LinkKey::Receiver(key), true) => {
                let options = receiver_options(habits);
                self.command(side, |end| end.receiver(key).map(|mut link| link.accept_link(&options)))
            }
            (LinkKey::Sender(key), false) => {
                self.command(side, |end| end.sender(key).map(|mut link| link.refuse_link(error)))
            }
            (LinkKey::Receiver(key), false) => {
                self.command(side, |end| end.receiver(key).map(|mut link| link.refuse_link(error)))
            }
        };
        if let (Some(()), Some(link)) = (done, self.book(side).links.get_mut(&key)) {
            link.is_offered = false;
            link.wants = accept;
        }
        done.is_some()
    }

    fn detach(&mut self, side: Side, pick: Pick, closed: bool) {
        let links: Vec<LinkKey> = self.book(side).links.keys().copied().collect();
        if let Some(key) = pick.of(&links) {
            self.detach_link(side, key, closed);
        }
    }

    pub(super) fn detach_link(&mut self, side: Side, key: LinkKey, closed: bool) {
        let error = Error::new(Condition::DetachForced).with_description(BY_TEST);
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

    fn grant(&mut self, side: Side, pick: Pick, grant: Grant) {
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
        if let (Some(()), Some(link)) = (done, self.book(side).links.get_mut(&key.into())) {
            match grant {
                Grant::Drain => link.drains = credit > 0,
                Grant::Set(_) | Grant::Add(_) | Grant::Stop => link.drains = false,
                Grant::Echo => {}
            }
        }
    }

    fn send(&mut self, side: Side, pick: Pick, size: Size, settled: Option<bool>) {
        let Some(link) = self.sender(side, pick) else { return };
        let octets = content(self.notes.len(), 0, usize::from(size.0).max(4));
        let mut options = SendOptions::new();
        options.settled = settled;
        let payload = Payload::from(Bytes::from(octets.clone()));
        let (key, refused) = self.transmit(side, link, |sender| sender.send_payload(&payload, &options));
        if let Some(key) = key {
            self.note(side, link, key, octets.len(), true);
        } else if refused {
            self.owe(side, link);
        }
    }

    /// Sends, and says whether that was refused for want of something that comes again.
    fn transmit<T>(
        &mut self,
        side: Side,
        link: SenderKey,
        run: impl FnOnce(&mut crate::view::SenderMut<'_>) -> Result<T, SendError>,
    ) -> (Option<T>, bool) {
        let mut refused = false;
        let done = self.command(side, |end| {
            let sendable = end.sender(link)?.is_sendable();
            end.sender(link).map(|mut sender| {
                run(&mut sender).inspect_err(|error| {
                    refused = waits(error);
                    assert!(!(sendable && refused), "{link:?} was to take a message: {error}");
                })
            })
        });
        (done, refused)
    }

    fn owe(&mut self, side: Side, link: SenderKey) {
        if let Some(link) = self.book(side).links.get_mut(&link.into()) {
            link.wants = true;
        }
    }

    fn note(&mut self, from: Side, link: SenderKey, key: DeliveryKey, size: usize, is_complete: bool) {
        let is_unsettled = self.pair.end(from).delivery(key).is_ok();
        let id = self.notes.len();
        self.notes.push(Note {
            from,
            link,
            key,
            size,
            is_complete,
            fate: if is_unsettled { Fate::Open } else { Fate::Settled },
            is_loose: false,
            is_received: false,
            verdict: None,
            is_dropped: false,
            known: None,
        });
        assert_eq!(self.book(from).sent.insert(key, id), None, "{key:?} names two");
    }

    fn start(&mut self, side: Side, pick: Pick) {
        let Some(link) = self.sender(side, pick) else { return };
        let (key, refused) = self.transmit(side, link, |sender| sender.begin_delivery(&SendOptions::new()));
        if let Some(key) = key {
            let id = self.notes.len();
            self.note(side, link, key, 0, false);
            if let Some(link) = self.book(side).links.get_mut(&link.into()) {
                link.open = Some(id);
            }
        } else if refused {
            self.owe(side, link);
        }
    }

    fn write(&mut self, side: Side, pick: Pick, size: Size) {
        let started = self.started(side);
        if let Some((link, id)) = pick.of(&started) {
            self.write_to(side, link, id, size.0.into());
        }
    }

    fn write_to(&mut self, side: Side, link: SenderKey, id: usize, octets: usize) {
        let Some(written) = self.notes.get(id).map(|note| note.size) else { return };
        let octets = content(id, written, if written == 0 { octets.max(4) } else { octets });
        let more = octets.len();
        let done = self.command(side, |end| end.sender(link).map(|mut sender| sender.write(octets)));
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.size += more;
        }
    }

    fn finish_one(&mut self, side: Side, pick: Pick, complete: bool) {
        let started = self.started(side);
        if let Some((link, id)) = pick.of(&started) {
            self.finish_delivery(side, link, id, complete);
        }
    }

    pub(super) fn finish_delivery(&mut self, side: Side, link: SenderKey, id: usize, complete: bool) -> bool {
        if complete && self.notes.get(id).is_some_and(|note| note.size == 0) {
            self.write_to(side, link, id, 4);
            if self.notes.get(id).is_some_and(|note| note.size == 0) {
                return false;
            }
        }
        let done = self.command(side, |end| {
            end.sender(link).map(|mut sender| if complete { sender.finish() } else { sender.abort() })
        });
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.is_complete = complete;
            if !complete && note.fate == Fate::Open {
                note.fate = Fate::Aborted;
            }
            note.is_loose |= !complete;
            if let Some(link) = self.book(side).links.get_mut(&link.into()) {
                link.open = None;
            }
        }
        done.is_some()
    }

    /// Takes a message, or a part of one; whether there was any.
    pub(super) fn receive(&mut self, side: Side, receiver: ReceiverKey) -> bool {
        let streams = self.run.habits(side).streams;
        let Some(link) = self.book(side).links.get(&receiver.into()) else { return false };
        let Some(key) = link.inbox.first().copied() else { return false };
        let read = match self.pair.end(side).receiver(receiver) {
            Err(StaleKey) => None,
            Ok(mut receiver) if streams => {
                receiver.read(key).ok().map(|part| (key, octets(&part.payload), part.end))
            }
            Ok(mut receiver) => {
                let taken = receiver.receive();
                taken.map(|delivery| (delivery.key(), octets(delivery.payload()), PartEnd::Complete))
            }
        };
        let Some((taken, octets, end)) = read else {
            // What had come of it went with a detach.
            self.forget_first(side, receiver);
            return true;
        };
        assert_eq!(taken, key, "the oldest comes first");
        let Some(got) = self.book(side).got.get_mut(&key) else { return false };
        got.octets.extend_from_slice(&octets);
        got.id = got.octets.first_chunk().map(|id| u32::from_be_bytes(*id) as usize);
        let some = !octets.is_empty() || end != PartEnd::More;
        match end {
            PartEnd::More => {}
            PartEnd::Aborted => self.forget_first(side, receiver),
            PartEnd::Complete => {
                self.forget_first(side, receiver);
                self.received(side, receiver, key);
            }
        }
        some
    }

    fn forget_first(&mut self, side: Side, receiver: ReceiverKey) {
        if let Some(link) = self.book(side).links.get_mut(&receiver.into())
            && !link.inbox.is_empty()
        {
            link.inbox.remove(0);
        }
    }

    /// A message is complete.
    fn received(&mut self, side: Side, receiver: ReceiverKey, key: DeliveryKey) {
        let book = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let got = book.got.get(&key);
        let id = got.and_then(|got| got.id).unwrap_or(usize::MAX);
        let note = self.notes.get_mut(id);
        assert!(note.is_some(), "nobody sent {got:?}");
        let (Some(got), Some(note)) = (got, note) else { return };
        assert!(note.from != side && note.is_complete, "{note:?} is received");
        assert!(!note.is_received, "{note:?} is received twice");
        assert_eq!(got.octets, content(id, 0, note.size), "{note:?} is not whole");
        note.is_received = true;
        if let Some(link) = book.links.get_mut(&receiver.into()) {
            assert!(link.last < Some(id), "{id} comes after {:?}", link.last);
            link.last = Some(id);
        }
        self.received.push((side, id));
    }

    pub(super) fn dispose(&mut self, side: Side, link: LinkKey, key: DeliveryKey, verdict: Verdict) -> bool {
        let LinkKey::Receiver(receiver) = link else { return false };
        let state = state(verdict);
        let done = self.command(side, |end| {
            end.receiver(receiver).map(|mut receiver| match &state {
                Some(state) => receiver.dispose(key, state),
                None => receiver.settle(key),
            })
        });
        let is_settled = self.pair.end(side).delivery(key).is_err();
        let Some(()) = done else { return false };
        let Some(got) = self.book(side).got.get_mut(&key) else { return false };
        if is_settled {
            got.fate = Fate::Own;
        }
        if let Some(note) = got.id.and_then(|id| self.notes.get_mut(id)) {
            note.is_dropped |= state.is_none() && note.verdict.is_none();
            if let Some(state) = state.filter(DeliveryState::is_terminal) {
                note.verdict = Some(state);
            }
        }
        true
    }

    pub(super) fn settle(&mut self, side: Side, id: usize) -> bool {
        let Some((link, key)) = self.notes.get(id).map(|note| (note.link, note.key)) else { return false };
        let done = self.command(side, |end| end.sender(link).map(|mut sender| sender.settle(key)));
        if let (Some(()), Some(note)) = (done, self.notes.get_mut(id)) {
            note.fate = Fate::Own;
        }
        done.is_some()
    }

    fn sender(&mut self, side: Side, pick: Pick) -> Option<SenderKey> {
        pick.of(&self.senders(side))
    }

    fn receiver(&mut self, side: Side, pick: Pick) -> Option<ReceiverKey> {
        pick.of(&self.receivers(side))
    }

    pub(super) fn senders(&mut self, side: Side) -> Vec<SenderKey> {
        let keys = self.book(side).links.keys();
        keys.filter_map(|key| if let LinkKey::Sender(key) = key { Some(*key) } else { None }).collect()
    }

    pub(super) fn receivers(&mut self, side: Side) -> Vec<ReceiverKey> {
        let keys = self.book(side).links.keys();
        keys.filter_map(|key| if let LinkKey::Receiver(key) = key { Some(*key) } else { None }).collect()
    }

    /// Links that are to be accepted or refused.
    pub(super) fn offers(&mut self, side: Side) -> Vec<LinkKey> {
        let links = self.book(side).links.iter();
        links.filter(|(_, link)| link.is_offered).map(|(key, _)| *key).collect()
    }

    /// Senders with a message that was started, and which.
    pub(super) fn started(&mut self, side: Side) -> Vec<(SenderKey, usize)> {
        let links = self.book(side).links.iter();
        links
            .filter_map(|(key, link)| match key {
                LinkKey::Sender(key) => Some((*key, link.open?)),
                LinkKey::Receiver(_) => None,
            })
            .collect()
    }

    /// Deliveries that were received and are neither settled nor decided, and their links.
    pub(super) fn undecided(&mut self, side: Side) -> Vec<(LinkKey, DeliveryKey)> {
        let (book, notes) = match side {
            Side::Client => (&self.client, &self.notes),
            Side::Server => (&self.server, &self.notes),
        };
        let is_undecided = |got: &Got| {
            let note = got.id.and_then(|id| notes.get(id));
            got.fate == Fate::Open && note.is_some_and(|note| note.verdict.is_none())
        };
        let got = book.got.iter().filter(|(_, got)| is_undecided(got));
        got.map(|(key, got)| (got.link, *key)).collect()
    }

    /// Messages that were sent and are not settled.
    pub(super) fn unsettled(&mut self, side: Side) -> Vec<usize> {
        let notes = self.notes.iter().enumerate();
        notes.filter(|(_, note)| note.from == side && note.fate == Fate::Open).map(|(id, _)| id).collect()
    }

    /// The sender's end of a link at one end, and the receiver's at the other, where both are attached.
    pub(super) fn joined(&mut self, side: Side, sender: SenderKey) -> Option<ReceiverKey> {
        let (name, is_attached) = link_state(self.pair.end(side), sender.into())?;
        let receivers = self.receivers(side.other());
        receivers.into_iter().find(|key| {
            let other = link_state(self.pair.end(side.other()), (*key).into());
            is_attached && other.is_some_and(|(theirs, attached)| attached && theirs == name)
        })
    }
}

impl Run {
    fn habits(&self, side: Side) -> &'_ Habits {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

fn options(name: &str, habits: &Habits) -> Options {
    let mut limits = Limits::default().with_frame_size(512 + 100 * u32::from(habits.frame_size.0));
    if habits.fills {
        limits = limits.with_output_octets(1_000);
    }
    Options::new(Str::from(name)).with_limits(limits)
}

fn session_options(habits: &Habits) -> SessionOptions {
    SessionOptions::new()
        .with_incoming_frames(u32::from(habits.session_frames.0) + 1)
        .with_next_outgoing_id(TransferNumber::new(habits.first_transfer.0))
}

fn sender_options(habits: &Habits) -> SenderOptions {
    let first = SequenceNo::new(habits.first_delivery.0);
    SenderOptions::new().with_initial_delivery_count(first).with_auto_settle(habits.settles)
}

fn receiver_options(habits: &Habits) -> ReceiverOptions {
    let options = ReceiverOptions::new().with_prefetch(habits.prefetch.0.into());
    options.with_streaming(habits.streams).with_auto_accept(false)
}

fn state(verdict: Verdict) -> Option<DeliveryState> {
    let error = Error::new(Condition::InternalError).with_description(BY_TEST);
    Some(match verdict {
        Verdict::Accept => Outcome::Accepted.into(),
        Verdict::Reject => Outcome::from(Rejected { error: Some(error.into()) }).into(),
        Verdict::Release => Outcome::Released.into(),
        Verdict::Modify => {
            Outcome::from(Modified { delivery_failed: Some(true), ..Modified::default() }).into()
        }
        Verdict::Received => DeliveryState::Received(Received::new(0, 4)),
        Verdict::Settle => return None,
    })
}

fn waits(error: &SendError) -> bool {
    matches!(error, SendError::NoCredit | SendError::WindowClosed | SendError::Full | SendError::Incomplete)
}

fn octets(payload: &Payload) -> Vec<u8> {
    payload.chunks().concat()
}

/// What a message has from one octet on: its number, then octets that tell it from others.
fn content(id: usize, from: usize, len: usize) -> Vec<u8> {
    let id = u32::try_from(id).unwrap_or(u32::MAX).to_be_bytes();
    let octet = |at: usize| id.get(at).copied().unwrap_or_else(|| (at % 251).to_le_bytes()[0] ^ id[3]);
    (from..from + len).map(octet).collect()
}
