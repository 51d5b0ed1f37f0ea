//! [`Mimic`]: an engine that is made to do what one end of a capture did.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SendOptions, SenderOptions, SessionOptions};
use amqp_proto::message::Payload;
use amqp_proto::types::{DeliveryKey, Limits, LinkKey, Moment, SessionKey};
use amqp_proto::wire::{
    AmqpError, Attach, Begin, Condition, Detach, Disposition, Flow, Frame, Open, Performative, Role, Transfer,
};
use amqp_proto::{Connection, Event, Output};
use bytes::Bytes;

use super::conversation::Conversation;
use super::deliveries::Delivery;
use super::ledger::Ledger;
use super::step::{Side, Step, What};

/// An engine, and the names that it and the capture have for the same things.
pub(crate) struct Mimic<'a> {
    ledger: &'a Ledger,
    engine: Connection,
    now: Moment,
    /// The keys of sessions, links and deliveries, by their numbers in the ledger.
    sessions: HashMap<usize, SessionKey>,
    links: HashMap<usize, LinkKey>,
    deliveries: HashMap<usize, DeliveryKey>,
    /// The sessions and links that the peer has offered, and that wait for the answer.
    offered_sessions: VecDeque<SessionKey>,
    offered_links: Vec<LinkKey>,
}

/// The reason why the engine does not do what the captured end did.
type Refused = String;

fn words(error: impl Display) -> Refused {
    error.to_string()
}

impl<'a> Mimic<'a> {
    /// Returns an engine that stands for this end, with the options in its open.
    pub(crate) fn new(conversation: &Conversation, ledger: &'a Ledger, side: Side) -> Self {
        let open = conversation.steps.iter().filter(|step| step.from == side).find_map(|step| {
            match performative(step) {
                Some((Performative::Open(open), _)) => Some(open),
                _ => None,
            }
        });
        let options = open.map_or_else(|| Options::new("dump"), |open| options(open));
        let now = Moment::START;
        let engine = match side {
            Side::Client => Connection::client(options, now),
            Side::Server => Connection::server(options, now),
        };
        Self {
            ledger,
            engine,
            now,
            sessions: HashMap::new(),
            links: HashMap::new(),
            deliveries: HashMap::new(),
            offered_sessions: VecDeque::new(),
            offered_links: Vec::new(),
        }
    }

    /// Feeds the engine what the other end sent in this step, in these octets.
    pub(crate) fn receive(&mut self, step: &Step, octets: &[u8]) {
        self.set_time(step);
        self.engine.receive(self.now, octets);
        self.poll();
    }

    /// Returns what the engine has written.
    pub(crate) fn output(&mut self) -> Output<'_> {
        self.engine.output()
    }

    /// Makes the engine do what led to this header or frame of its end.
    pub(crate) fn act(&mut self, at: usize, step: &Step) -> Result<(), Refused> {
        self.set_time(step);
        let Some((performative, payload)) = performative(step) else { return Ok(()) };
        let entry = self.ledger.entries.get(at);
        let session = entry.and_then(|entry| entry.session);
        let link = entry.and_then(|entry| entry.link);
        let done = match performative {
            Performative::Open(_) => Ok(()),
            Performative::Begin(begin) => self.begin(session, begin),
            Performative::Attach(attach) => self.attach(session, link, attach),
            Performative::Flow(flow) => self.flow(link, flow),
            Performative::Transfer(transfer) => self.transfer(at, link, transfer, payload),
            Performative::Disposition(disposition) => self.dispose(at, disposition),
            Performative::Detach(detach) => self.detach(link, detach),
            Performative::End(end) => self.end(session, end.error.clone()),
            Performative::Close(close) => {
                match close.error.clone() {
                    Some(error) => self.engine.close_with(error),
                    None => self.engine.close(),
                };
                Ok(())
            }
        };
        self.poll();
        done
    }

    fn set_time(&mut self, step: &Step) {
        if let Some(at) = step.at {
            self.now = Moment::START + Duration::from_nanos(at);
        }
    }

    /// Takes the events, which tell the keys of what the peer has made.
    fn poll(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::SessionOffered(session) => self.offered_sessions.push_back(session),
                Event::LinkOffered(link) => self.offered_links.push(link),
                Event::Message { receiver, .. } => {
                    let link = self.links.iter().find(|(_, key)| **key == LinkKey::Receiver(receiver));
                    let link = link.map(|(link, _)| *link);
                    let Ok(mut receiver) = self.engine.receiver(receiver) else { continue };
                    let Some(delivery) = receiver.receive() else { continue };
                    let is_it = |one: &(usize, &Delivery)| {
                        Some(one.1.link) == link
                            && one.1.tag == delivery.tag()
                            && !self.deliveries.contains_key(&one.0)
                    };
                    if let Some((at, _)) = self.ledger.deliveries.iter().enumerate().find(is_it) {
                        self.deliveries.insert(at, delivery.key());
                    }
                }
                _ => {}
            }
        }
    }

    fn begin(&mut self, session: Option<usize>, begin: &Begin) -> Result<(), Refused> {
        let options = SessionOptions::new()
            .with_next_outgoing_id(begin.next_outgoing_id)
            .with_incoming_frames(begin.incoming_window.max(1))
            .with_incoming_octets(u64::MAX);
        let key = if begin.remote_channel.is_none() {
            self.engine.begin(options).map_err(words)?
        } else {
            let key = self.offered_sessions.pop_front().ok_or("the engine was offered no session")?;
            self.engine.session(key).map_err(words)?.accept(options).map_err(words)?;
            key
        };
        self.sessions.extend(session.map(|session| (session, key)));
        Ok(())
    }

    fn attach(
        &mut self,
        session: Option<usize>,
        link: Option<usize>,
        attach: &Attach,
    ) -> Result<(), Refused> {
        let is_it = |key: &LinkKey, engine: &mut Connection| match *key {
            LinkKey::Sender(key) => {
                attach.role == Role::Sender && engine.sender(key).is_ok_and(|link| link.name() == attach.name)
            }
            LinkKey::Receiver(key) => {
                attach.role == Role::Receiver
                    && engine.receiver(key).is_ok_and(|link| link.name() == attach.name)
            }
        };
        let offered = self.offered_links.iter().position(|key| is_it(key, &mut self.engine));
        let key = match offered.map(|at| self.offered_links.remove(at)) {
            Some(key) => self.accept(key, attach)?,
            None => {
                let session = session.and_then(|session| self.sessions.get(&session)).ok_or("no session")?;
                let mut session = self.engine.session(*session).map_err(words)?;
                match attach.role {
                    Role::Sender => {
                        let key = session
                            .attach_sender(attach.name.clone(), sender_options(attach))
                            .map_err(words)?;
                        LinkKey::Sender(key)
                    }
                    Role::Receiver => {
                        let options = receiver_options(attach);
                        LinkKey::Receiver(
                            session.attach_receiver(attach.name.clone(), options).map_err(words)?,
                        )
                    }
                }
            }
        };
        self.links.extend(link.map(|link| (link, key)));
        Ok(())
    }

    /// Answers an offer as the captured end did.
    fn accept(&mut self, key: LinkKey, attach: &Attach) -> Result<LinkKey, Refused> {
        let refusal = || AmqpError::new(Condition::NotFound);
        match key {
            LinkKey::Sender(sender) => {
                let mut link = self.engine.sender(sender).map_err(words)?;
                if attach.source.is_none() {
                    link.refuse_link(refusal())
                } else {
                    link.accept_link(sender_options(attach))
                }
            }
            LinkKey::Receiver(receiver) => {
                let mut link = self.engine.receiver(receiver).map_err(words)?;
                if attach.target.is_none() {
                    link.refuse_link(refusal())
                } else {
                    link.accept_link(receiver_options(attach))
                }
            }
        }
        .map_err(words)?;
        Ok(key)
    }

    fn link(&self, link: Option<usize>) -> Result<LinkKey, Refused> {
        let key = link.and_then(|link| self.links.get(&link)).copied();
        key.ok_or_else(|| "the engine has no such link".to_owned())
    }

    fn flow(&mut self, link: Option<usize>, flow: &Flow) -> Result<(), Refused> {
        if flow.handle.is_none() {
            return Ok(());
        }
        match self.link(link)? {
            LinkKey::Receiver(key) => {
                let mut link = self.engine.receiver(key).map_err(words)?;
                link.set_credit(flow.link_credit.unwrap_or(0)).map_err(words)?;
                if flow.drain { link.drain().map_err(words) } else { Ok(()) }
            }
            LinkKey::Sender(key) => {
                let mut link = self.engine.sender(key).map_err(words)?;
                if flow.drain { link.drained() } else { link.set_available(flow.available.unwrap_or(0)) }
                    .map_err(words)
            }
        }
    }

    fn transfer(
        &mut self,
        at: usize,
        link: Option<usize>,
        transfer: &Transfer,
        payload: &Bytes,
    ) -> Result<(), Refused> {
        let LinkKey::Sender(key) = self.link(link)? else {
            return Err("the engine receives on this link".into());
        };
        let mut sender = self.engine.sender(key).map_err(words)?;
        if transfer.delivery_id.is_some() && !sender.is_sending() {
            let options = SendOptions::new()
                .with_settled(transfer.settled.unwrap_or(false))
                .with_message_format(transfer.message_format.unwrap_or(0));
            let options = match transfer.delivery_tag {
                Some(tag) => options.with_tag(tag),
                None => options,
            };
            let options = match transfer.state.clone() {
                Some(state) => options.with_state(state),
                None => options,
            };
            let is_single = !transfer.more && !transfer.aborted;
            let key = if is_single {
                sender.send_payload(&Payload::from(payload.clone()), &options)
            } else {
                sender.begin_delivery(&options)
            };
            let key = key.map_err(words)?;
            let first = |delivery: &Delivery| delivery.steps.first() == Some(&at);
            let number = self.ledger.deliveries.iter().position(first);
            self.deliveries.extend(number.map(|number| (number, key)));
            if is_single {
                return Ok(());
            }
        }
        if transfer.aborted {
            return sender.abort().map_err(words);
        }
        sender.write(payload.clone()).map_err(words)?;
        if transfer.more { Ok(()) } else { sender.finish().map_err(words) }
    }

    fn dispose(&mut self, at: usize, disposition: &Disposition) -> Result<(), Refused> {
        let told: Vec<(usize, usize)> = {
            let all = self.ledger.deliveries.iter().enumerate();
            all.filter(|(_, one)| one.steps.contains(&at)).map(|(number, one)| (number, one.link)).collect()
        };
        let mut result = Ok(());
        for (number, link) in told {
            let Some(key) = self.deliveries.get(&number).copied() else {
                result = Err("the engine has no such delivery".to_owned());
                continue;
            };
            let done = match (self.link(Some(link))?, &disposition.state) {
                (LinkKey::Receiver(link), state) => {
                    let mut receiver = self.engine.receiver(link).map_err(words)?;
                    match state {
                        Some(state) => receiver.dispose(key, state),
                        None => receiver.settle(key),
                    }
                }
                (LinkKey::Sender(link), state) => {
                    let mut sender = self.engine.sender(link).map_err(words)?;
                    match state {
                        Some(state) if !disposition.settled => sender.update(key, state),
                        _ => sender.settle(key),
                    }
                }
            };
            result = result.and(done.map_err(words));
        }
        result
    }

    fn detach(&mut self, link: Option<usize>, detach: &Detach) -> Result<(), Refused> {
        match self.link(link)? {
            LinkKey::Sender(key) => {
                let mut link = self.engine.sender(key).map_err(words)?;
                match (&detach.error, detach.closed) {
                    (Some(error), _) => link.close_with(error.clone()),
                    (None, true) => link.close(),
                    _ => link.detach(),
                }
            }
            LinkKey::Receiver(key) => {
                let mut link = self.engine.receiver(key).map_err(words)?;
                match (&detach.error, detach.closed) {
                    (Some(error), _) => link.close_with(error.clone()),
                    (None, true) => link.close(),
                    _ => link.detach(),
                }
            }
        }
        .map_err(words)
    }

    fn end(&mut self, session: Option<usize>, error: Option<AmqpError>) -> Result<(), Refused> {
        let key = session
            .and_then(|session| self.sessions.get(&session))
            .ok_or("the engine has no such session")?;
        let mut session = self.engine.session(*key).map_err(words)?;
        match error {
            Some(error) => session.end_with(error),
            None => session.end(),
        }
        .map_err(words)
    }
}

fn performative(step: &Step) -> Option<(&Performative, &Bytes)> {
    match &step.what {
        What::Frame(frame, _) => match &**frame {
            Frame::Amqp { performative, payload, .. } => Some((performative, payload)),
            _ => None,
        },
        _ => None,
    }
}

fn options(open: &Open) -> Options {
    // The window of a session counts frames of the largest size.
    let limits = Limits::DEFAULT.with_frame_size(open.max_frame_size).with_session_octets(u64::MAX);
    let limits = limits.with_session_frames(u32::MAX);
    let options = Options::new(open.container_id.clone()).with_limits(limits);
    // An open announces half of the idle timeout [2.4.5].
    let millis = open.idle_time_out.filter(|millis| *millis > 0).map(|millis| 2 * u64::from(millis));
    let options = options.with_idle_timeout(millis.map(Duration::from_millis));
    match &open.hostname {
        Some(hostname) => options.with_hostname(hostname.clone()),
        None => options,
    }
}

fn sender_options(attach: &Attach) -> SenderOptions {
    let mut options = SenderOptions::new()
        .with_snd_settle_mode(attach.snd_settle_mode)
        .with_rcv_settle_mode(attach.rcv_settle_mode)
        .with_initial_delivery_count(attach.initial_delivery_count.unwrap_or_default())
        .with_auto_settle(false);
    if let Some(source) = &attach.source {
        options = options.with_source((**source).clone());
    }
    match &attach.target {
        Some(target) => options.with_target((**target).clone()),
        None => options.without_target(),
    }
}

fn receiver_options(attach: &Attach) -> ReceiverOptions {
    let mut options = ReceiverOptions::new()
        .with_snd_settle_mode(attach.snd_settle_mode)
        .with_rcv_settle_mode(attach.rcv_settle_mode)
        .with_prefetch(0);
    if let Some(target) = &attach.target {
        options = options.with_target((**target).clone());
    }
    match &attach.source {
        Some(source) => options.with_source((**source).clone()),
        None => options.without_source(),
    }
}
