//! [`Probe`]: one end, what it is asked to do, and what it writes and tells about it in few words.

use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{HEADER, Literal, begin, open};
use amqp_proto::types::{Limits, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{AmqpError, Condition, Deframer, Frame, Performative, ProtocolId, SaslBody};
use amqp_proto::{Connection, Event, Origin, Reason};
use bytes::Buf;

/// One end, and the keys for its commands.
pub(crate) struct Probe {
    pub(crate) connection: Connection,
    pub(crate) session: Option<SessionKey>,
    pub(crate) sender: Option<SenderKey>,
    pub(crate) receiver: Option<ReceiverKey>,
    events: Vec<Event>,
}

impl Probe {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, session: None, sender: None, receiver: None, events: Vec::new() }
    }

    pub(crate) fn client() -> Self {
        Self::new(Connection::client(options(), Moment::START))
    }

    pub(crate) fn server() -> Self {
        Self::new(Connection::server(options(), Moment::START))
    }

    /// A connection that is open.
    pub(crate) fn opened() -> Self {
        Self::server().after(&[&HEADER, &open("peer").to_octets()])
    }

    /// A session that both ends have begun.
    pub(crate) fn mapped() -> Self {
        let mut probe = Self::opened().after(&[&begin(None, 0, 100, 100).to_octets()]);
        probe.accept_session();
        probe.settled()
    }

    /// Feeds these octets and comes to rest. The keys are those of the peer's session and link.
    pub(crate) fn after(mut self, octets: &[&[u8]]) -> Self {
        octets.iter().for_each(|octets| self.peer_writes(octets));
        self.settled()
    }

    /// Comes to rest.
    pub(crate) fn settled(mut self) -> Self {
        self.rest();
        self
    }

    pub(crate) fn peer_writes(&mut self, octets: &[u8]) {
        self.connection.receive(Moment::START, octets);
        self.poll();
    }

    /// Sends a frame of the peer; it has no command result.
    pub(crate) fn peer_sends(&mut self, frame: &Literal) -> String {
        self.peer_writes(&frame.to_octets());
        "-".to_string()
    }

    fn poll(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::SessionOffered(session) => self.session = Some(session),
                Event::LinkOffered(LinkKey::Sender(sender)) => self.sender = Some(sender),
                Event::LinkOffered(LinkKey::Receiver(receiver)) => self.receiver = Some(receiver),
                _ => {}
            }
            self.events.push(event);
        }
    }

    pub(crate) fn accept_session(&mut self) -> String {
        self.on_session(|session| answer(session.accept(SessionOptions::new())))
    }

    pub(crate) fn attach_sender(&mut self) -> String {
        let Ok(mut session) = self.connection.session(self.session.unwrap()) else { return stale() };
        match session.attach_sender("l", SenderOptions::to("q")) {
            Ok(sender) => {
                self.sender = Some(sender);
                "done".to_string()
            }
            Err(error) => refused(&error),
        }
    }

    pub(crate) fn attach_receiver(&mut self) -> String {
        let Ok(mut session) = self.connection.session(self.session.unwrap()) else { return stale() };
        match session.attach_receiver("l", ReceiverOptions::from("q").with_prefetch(0)) {
            Ok(receiver) => {
                self.receiver = Some(receiver);
                "done".to_string()
            }
            Err(error) => refused(&error),
        }
    }

    pub(crate) fn on_session(
        &mut self,
        act: impl FnOnce(&mut amqp_proto::SessionMut<'_>) -> String,
    ) -> String {
        self.connection
            .session(self.session.unwrap())
            .map_or_else(|_| stale(), |mut session| act(&mut session))
    }

    pub(crate) fn on_sender(&mut self, act: impl FnOnce(&mut amqp_proto::SenderMut<'_>) -> String) -> String {
        self.connection.sender(self.sender.unwrap()).map_or_else(|_| stale(), |mut sender| act(&mut sender))
    }

    pub(crate) fn on_receiver(
        &mut self,
        act: impl FnOnce(&mut amqp_proto::ReceiverMut<'_>) -> String,
    ) -> String {
        self.connection
            .receiver(self.receiver.unwrap())
            .map_or_else(|_| stale(), |mut receiver| act(&mut receiver))
    }

    /// Takes the output and events since the last rest.
    pub(crate) fn rest(&mut self) -> (String, String) {
        self.poll();
        let mut output = self.connection.output();
        let octets = output.copy_to_bytes(output.remaining());
        self.poll();
        (written(&octets), told(&std::mem::take(&mut self.events)))
    }
}

/// Options with a deadline for each wait.
pub(crate) fn options() -> Options {
    let limits = Limits::default().with_frame_size(4_096).with_channel_max(7).with_handle_max(7);
    Options::new("end").with_limits(limits).with_idle_timeout(Duration::from_secs(20))
}

/// The error for commands that take one.
pub(crate) fn why() -> AmqpError {
    AmqpError::new(Condition::NotFound)
}

pub(crate) fn answer<E: core::fmt::Debug>(result: Result<(), E>) -> String {
    result.map_or_else(|error| refused(&error), |()| "done".to_string())
}

pub(crate) fn refused(error: &impl core::fmt::Debug) -> String {
    let name = format!("{error:?}");
    format!("refused: {}", name.split(['(', ' ']).next().unwrap_or_default())
}

fn stale() -> String {
    "stale".to_string()
}

fn listed(parts: &[String]) -> String {
    if parts.is_empty() { "-".to_string() } else { parts.join(", ") }
}

fn brief(error: Option<&AmqpError>) -> String {
    error.map_or_else(String::new, |error| {
        format!(" ({})", error.condition.to_string().trim_start_matches("amqp:"))
    })
}

/// Decodes headers and frames, with their errors.
fn written(octets: &[u8]) -> String {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    let mut parts = Vec::new();
    while !deframer.remaining().is_empty() {
        if deframer.remaining().starts_with(b"AMQP") {
            let header = deframer.next_header().unwrap().unwrap();
            parts.push(if header.id == ProtocolId::Sasl { "SASL header" } else { "AMQP header" }.to_string());
        } else {
            let frame = deframer.next_frame(u32::MAX).unwrap().unwrap();
            parts.push(name(&frame.decode(&Limits::DEFAULT).unwrap()));
        }
    }
    listed(&parts)
}

fn name(frame: &Frame) -> String {
    match frame {
        Frame::Amqp { performative, .. } => match performative {
            Performative::Close(close) => format!("close{}", brief(close.error.as_ref())),
            Performative::End(end) => format!("end{}", brief(end.error.as_ref())),
            Performative::Detach(detach) => {
                let closed = if detach.closed { " for good" } else { "" };
                format!("detach{closed}{}", brief(detach.error.as_ref()))
            }
            Performative::Attach(attach) => {
                let terminus =
                    if attach.source.is_none() && attach.target.is_none() { " to nothing" } else { "" };
                format!("attach{terminus}")
            }
            Performative::Flow(flow) => match flow.link_credit {
                Some(credit) => format!("flow of credit {credit}"),
                None => "flow".to_string(),
            },
            Performative::Disposition(disposition) => {
                format!("disposition{}", if disposition.settled { ", settled" } else { "" })
            }
            performative => performative.name().to_string(),
        },
        Frame::Sasl(body) => match body {
            SaslBody::Outcome(outcome) => format!("sasl-outcome {:?}", outcome.code),
            body => format!("{body:?}").split(' ').next().unwrap_or_default().to_string(),
        },
        _ => "empty frame".to_string(),
    }
}

fn told(events: &[Event]) -> String {
    let why = |reason: &Reason| {
        let origin = match reason.origin {
            Origin::Local => "this end",
            Origin::Remote => "the peer",
            Origin::Transport => "the transport",
        };
        format!("by {origin}{}", brief(reason.error.as_ref()))
    };
    let word = |event: &Event| match event {
        Event::Closed(reason) => format!("closed {}", why(reason)),
        Event::SessionEnded { reason, .. } => format!("session ended {}", why(reason)),
        Event::LinkDetached { closed, reason, .. } => {
            format!("link {} {}", if *closed { "closed" } else { "detached" }, why(reason))
        }
        Event::SessionOffered(_) => "session offered".to_string(),
        Event::SessionBegun(_) => "session begun".to_string(),
        Event::LinkOffered(_) => "link offered".to_string(),
        Event::LinkAttached(_) => "link attached".to_string(),
        Event::Updated { settled, .. } => if *settled { "settled" } else { "updated" }.to_string(),
        Event::Lost { .. } => "delivery lost".to_string(),
        Event::Message { .. } => "message".to_string(),
        Event::Sendable(_) => "sendable".to_string(),
        Event::Drained(_) => "drained".to_string(),
        Event::Opened => "opened".to_string(),
        event => format!("{event:?}").to_lowercase(),
    };
    listed(&events.iter().map(word).collect::<Vec<_>>())
}
