//! [`Wire`]: an engine, and the test as its peer. The peer's frames are written by hand; the engine's are read as text,
//! or compared with octets written by hand.
#![allow(dead_code)] // no test file uses all of it

use std::time::Duration;

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{HEADER, Literal, attach_receiver, attach_sender, begin, detach, flow, open};
use amqp_proto::types::{Limits, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{Condition, Deframer, Frame, Performative};
use amqp_proto::{Connection, Event, Origin, Reason, SessionMut};
use bytes::Buf;

use super::{hex, octets};

/// Encodes these frames as hexadecimal digits.
pub(crate) fn frames<const N: usize>(frames: [Literal; N]) -> String {
    hex(&frames.to_octets())
}

/// Encodes an AMQP header and these frames as hexadecimal digits.
pub(crate) fn opening<const N: usize>(literals: [Literal; N]) -> String {
    hex(&HEADER) + &frames(literals)
}

/// An AMQP frame on this channel with this body.
pub(crate) fn raw(channel: u16, body: &str) -> String {
    let body = body.replace(' ', "");
    format!("{:08x}0200{channel:04x}{body}", body.len() / 2 + 8)
}

/// A begin of the peer: windows of 100 transfers, transfer-ids from 0 on.
pub(crate) fn beginning(channel: u16) -> Literal {
    begin(None, 0, 100, 100).on(channel)
}

/// A flow that grants credit from this delivery-count on.
pub(crate) fn credit(handle: u32, delivery_count: u32, credit: u32) -> Literal {
    flow(Some(0), 2048, 0, 2048).uint(handle).uint(delivery_count).uint(credit)
}

/// A detach with an error.
pub(crate) fn detach_with(handle: u32, condition: &str) -> Literal {
    detach(handle, true).error(condition)
}

/// Octets written by hand: frames, or hexadecimal digits.
pub(crate) trait ByHand {
    fn to_octets(&self) -> Vec<u8>;
}

impl ByHand for Literal {
    fn to_octets(&self) -> Vec<u8> {
        Self::to_octets(self)
    }
}

impl ByHand for Option<Literal> {
    fn to_octets(&self) -> Vec<u8> {
        self.iter().flat_map(Literal::to_octets).collect()
    }
}

impl<const N: usize> ByHand for [Literal; N] {
    fn to_octets(&self) -> Vec<u8> {
        self.iter().flat_map(Literal::to_octets).collect()
    }
}

impl ByHand for str {
    fn to_octets(&self) -> Vec<u8> {
        octets(self).into()
    }
}

impl ByHand for String {
    fn to_octets(&self) -> Vec<u8> {
        octets(self).into()
    }
}

impl<T: ByHand + ?Sized> ByHand for &T {
    fn to_octets(&self) -> Vec<u8> {
        (**self).to_octets()
    }
}

/// Decodes the frames in these octets, with their sizes.
fn read(octets: &[u8]) -> Vec<(u32, Frame)> {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    let mut frames = Vec::new();
    loop {
        if deframer.remaining().starts_with(b"AMQP") {
            deframer.next_header().unwrap();
            continue;
        }
        let Some(raw) = deframer.next_frame(u32::MAX).unwrap() else { break };
        frames.push((raw.header.size, raw.decode(&Limits::DEFAULT).unwrap()));
    }
    assert!(deframer.remaining().is_empty(), "half a frame is left");
    frames
}

/// An engine with a clock that stands still until the test moves it; the test is its peer.
pub(crate) struct Wire {
    pub(crate) engine: Connection,
    pub(crate) now: Moment,
    session: Option<SessionKey>,
}

impl Wire {
    pub(crate) fn of(engine: Connection) -> Self {
        Self { engine, now: Moment::START, session: None }
    }

    pub(crate) fn client(options: Options) -> Self {
        Self::of(Connection::client(options, Moment::START))
    }

    pub(crate) fn server(options: Options) -> Self {
        Self::of(Connection::server(options, Moment::START))
    }

    /// A server that the container `p` has opened; the peer sets no limits.
    pub(crate) fn opened() -> Self {
        Self::opened_by(Options::new("s"), open("p"))
    }

    /// A server with these options that the peer has opened with this frame.
    pub(crate) fn opened_by(options: Options, open: Literal) -> Self {
        let mut wire = Self::server(options);
        wire.peer_sends(opening([open]));
        assert_eq!(wire.events(), [Event::Opened]);
        wire.octets();
        wire
    }

    /// A server with one session, on channel 0 at both ends.
    pub(crate) fn with_session(options: SessionOptions) -> (Self, SessionKey) {
        let mut wire = Self::opened();
        let session = wire.peer_begins(beginning(0), options);
        wire.octets();
        (wire, session)
    }

    /// A server with a session; the incoming-window of the peer is 2,048.
    pub(crate) fn begun() -> Self {
        Self::begun_with(Limits::DEFAULT, SessionOptions::new(), 2048)
    }

    /// A server with these limits that has accepted a session with these options. The peer's incoming-window is
    /// given, too.
    pub(crate) fn begun_with(limits: Limits, options: SessionOptions, incoming_window: u32) -> Self {
        let limited = Options::new("engine").with_limits(limits);
        Self::begun_by(limited, options, open("peer"), incoming_window)
    }

    /// A server with a session, whose peer has this max-frame-size and incoming-window.
    pub(crate) fn framed(max_frame_size: u32, incoming_window: u32) -> Self {
        let open = open("peer").null().uint(max_frame_size);
        Self::begun_by(Options::new("engine"), SessionOptions::new(), open, incoming_window)
    }

    /// A server with these options and a session.
    pub(crate) fn begun_of(options: Options) -> Self {
        Self::begun_by(options, SessionOptions::new(), open("peer"), 2048)
    }

    fn begun_by(options: Options, session: SessionOptions, open: Literal, incoming_window: u32) -> Self {
        let mut wire = Self::opened_by(options, open);
        let session = wire.peer_begins(begin(None, 0, incoming_window, 2048), session);
        wire.octets();
        wire.session = Some(session);
        wire
    }

    /// Returns the session that the engine began with.
    pub(crate) fn session(&mut self) -> SessionMut<'_> {
        self.engine.session(self.session.unwrap()).unwrap()
    }

    /// Returns whether that session is over and forgotten.
    pub(crate) fn has_no_session(&mut self) -> bool {
        self.engine.session(self.session.unwrap()).is_err()
    }

    /// Sends octets of the peer to the engine.
    pub(crate) fn peer_sends(&mut self, octets: impl ByHand) -> &mut Self {
        self.engine.receive(self.now, &octets.to_octets());
        self
    }

    /// Sends a begin of the peer and accepts the session.
    #[track_caller]
    pub(crate) fn peer_begins(&mut self, begin: Literal, options: SessionOptions) -> SessionKey {
        match self.peer_sends(begin).event() {
            Event::SessionOffered(session) => {
                self.engine.session(session).unwrap().accept(options).unwrap();
                session
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends an attach of the peer and returns the offered link.
    #[track_caller]
    pub(crate) fn peer_attaches(&mut self, attach: Literal) -> LinkKey {
        self.peer_sends(attach).offered()
    }

    /// Attaches a link `in` on which the engine receives, with handle 0 at both ends; drops the output so far.
    pub(crate) fn receiver(&mut self, options: ReceiverOptions) -> ReceiverKey {
        self.receiver_on(0, "in", options)
    }

    pub(crate) fn receiver_on(&mut self, handle: u32, name: &str, options: ReceiverOptions) -> ReceiverKey {
        let attach = attach_sender(name, handle, "a", "b");
        let LinkKey::Receiver(key) = self.peer_attaches(attach) else { panic!("a receiver was offered") };
        self.engine.receiver(key).unwrap().accept_link(options).unwrap();
        self.octets();
        key
    }

    /// Attaches a link `out` on which the engine sends, with handle 0 at both ends and this credit.
    pub(crate) fn sender(&mut self, options: SenderOptions, credit: u32) -> SenderKey {
        self.sender_on(0, "out", options, credit)
    }

    pub(crate) fn sender_on(
        &mut self,
        handle: u32,
        name: &str,
        options: SenderOptions,
        credit: u32,
    ) -> SenderKey {
        let attach = attach_receiver(name, handle, "a", "b");
        let LinkKey::Sender(key) = self.peer_attaches(attach) else { panic!("a sender was offered") };
        self.engine.sender(key).unwrap().accept_link(options).unwrap();
        if credit > 0 {
            self.peer_sends(self::credit(handle, 0, credit));
        }
        self.events();
        self.octets();
        key
    }

    /// Lets time pass.
    pub(crate) fn time_passes(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.engine.handle_deadline(self.now);
    }

    /// Returns all new events of the engine.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    /// Returns the one new event of the engine.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Returns the link that the engine has been offered.
    #[track_caller]
    pub(crate) fn offered(&mut self) -> LinkKey {
        match self.event() {
            Event::LinkOffered(link) => link,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the link that was detached, whether it is closed, and the reason.
    #[track_caller]
    pub(crate) fn detached(&mut self) -> (LinkKey, bool, Reason) {
        match self.event() {
            Event::LinkDetached { link, closed, reason, .. } => (link, closed, *reason),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that the engine has no event and no output.
    #[track_caller]
    pub(crate) fn quiet(&mut self) {
        assert_eq!(self.events(), []);
        assert_eq!(self.written(), "");
    }

    /// Takes the engine's output.
    pub(crate) fn octets(&mut self) -> Vec<u8> {
        let mut output = self.engine.output();
        output.copy_to_bytes(output.remaining()).into()
    }

    /// Takes the engine's output as hexadecimal digits.
    pub(crate) fn written(&mut self) -> String {
        hex(&self.octets())
    }

    /// Takes the engine's output as frames, with their sizes.
    pub(crate) fn sized_frames(&mut self) -> Vec<(u32, Frame)> {
        read(&self.octets())
    }

    /// Takes the engine's output as frames.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        self.sized_frames().into_iter().map(|(_, frame)| frame).collect()
    }

    /// Takes the engine's output as text, one line for each frame. Session windows are not shown.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.frames().iter().map(ToString::to_string).collect()
    }

    /// Checks that the engine's output consists of exactly these octets.
    #[track_caller]
    pub(crate) fn engine_wrote(&mut self, octets: impl ByHand) {
        let written = self.octets();
        assert_eq!(hex(&written), hex(&octets.to_octets()), "{}", String::from_utf8_lossy(&written));
    }

    /// Returns the condition with which the engine has closed the connection because of the peer; checks that the
    /// application gets it, too.
    pub(crate) fn engine_closes(&mut self) -> Condition {
        let events = self.events();
        let told = match &events[..] {
            [.., Event::Closed(reason)] => {
                assert_eq!(reason.origin, Origin::Local, "{reason}");
                reason.error.clone().expect("a reason")
            }
            other => panic!("not closed: {other:?}"),
        };
        match self.frames().last() {
            Some(Frame::Amqp { performative: Performative::Close(close), channel, .. }) => {
                assert_eq!((channel.get(), close.error.as_ref()), (0, Some(&told)));
            }
            other => panic!("no close: {other:?}"),
        }
        assert!(self.engine.is_over());
        told.condition
    }

    /// Returns the condition with which the engine has ended a session because of the peer; checks that the
    /// application gets it, too.
    pub(crate) fn engine_ends(&mut self) -> Condition {
        let told = self.events().into_iter().find_map(|event| match event {
            Event::SessionEnded { reason, .. } if reason.origin == Origin::Local => reason.error,
            _ => None,
        });
        let written = self.frames().into_iter().find_map(|frame| match frame {
            Frame::Amqp { performative: Performative::End(end), .. } => end.error,
            _ => None,
        });
        assert!(told.is_some() && told == written, "told {told:?}, written {written:?}");
        assert!(self.engine.is_open());
        told.unwrap().condition
    }
}
