//! An engine with a session, and the test as its peer. Input is written by hand; output is read as text, or compared
//! with octets written by hand.
#![allow(dead_code)] // no test file uses all of it

use amqp_proto::config::{Options, ReceiverOptions, SenderOptions, SessionOptions};
use amqp_proto::testing::{Literal, attach_receiver, attach_sender, begin, detach, flow, open};
use amqp_proto::types::{Limits, LinkKey, Moment, ReceiverKey, SenderKey, SessionKey};
use amqp_proto::wire::{Deframer, Frame};
use amqp_proto::{Connection, Event, Reason};
use bytes::Buf;

use crate::common::hex;

/// The test's end of a connection.
pub(crate) struct Peer {
    pub(crate) amqp: Connection,
    pub(crate) session: SessionKey,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self::with(Limits::DEFAULT, &SessionOptions::new(), 2048)
    }

    /// An engine with these limits that has accepted a session with these options. The peer's incoming-window is
    /// given, too.
    pub(crate) fn with(limits: Limits, options: &SessionOptions, incoming_window: u32) -> Self {
        Self::opened(limits, options, open("peer"), incoming_window)
    }

    /// A peer with this max-frame-size and incoming-window.
    pub(crate) fn framed(max_frame_size: u32, incoming_window: u32) -> Self {
        let open = open("peer").null().uint(max_frame_size);
        Self::opened(Limits::DEFAULT, &SessionOptions::new(), open, incoming_window)
    }

    fn opened(limits: Limits, options: &SessionOptions, open: Literal, incoming_window: u32) -> Self {
        Self::opened_with(Options::new("engine").with_limits(limits), options, open, incoming_window)
    }

    /// An engine with these options.
    pub(crate) fn of(options: Options) -> Self {
        Self::opened_with(options, &SessionOptions::new(), open("peer"), 2048)
    }

    fn opened_with(
        options_of_connection: Options,
        options: &SessionOptions,
        open: Literal,
        incoming_window: u32,
    ) -> Self {
        let mut amqp = Connection::server(options_of_connection, Moment::START);
        amqp.receive(Moment::START, b"AMQP\x00\x01\x00\x00");
        amqp.receive(Moment::START, &open.to_octets());
        amqp.receive(Moment::START, &begin(None, 0, incoming_window, 2048).to_octets());
        let mut session = None;
        while let Some(event) = amqp.poll_event() {
            if let Event::SessionOffered(key) = event {
                amqp.session(key).unwrap().accept(options).unwrap();
                session = Some(key);
            }
        }
        let mut peer = Self { amqp, session: session.unwrap() };
        assert_eq!(&peer.octets()[..8], b"AMQP\x00\x01\x00\x00");
        peer
    }

    /// Sends a frame to the engine.
    pub(crate) fn send(&mut self, frame: Literal) -> &mut Self {
        self.amqp.receive(Moment::START, &frame.to_octets());
        self
    }

    /// Returns all new events of the engine.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.amqp.poll_event()).collect()
    }

    /// Returns the one new event of the engine.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    #[track_caller]
    pub(crate) fn quiet(&mut self) {
        assert_eq!(self.events(), []);
        assert_eq!(self.lines(), [""; 0]);
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

    pub(crate) fn octets(&mut self) -> Vec<u8> {
        let mut output = self.amqp.output();
        output.copy_to_bytes(output.remaining()).into()
    }

    /// Takes the engine's output as text, one line for each frame. Session windows are not shown.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        self.frames().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        self.sized_frames().into_iter().map(|(_, frame)| frame).collect()
    }

    /// Takes the engine's output as frames, with their sizes.
    pub(crate) fn sized_frames(&mut self) -> Vec<(u32, Frame)> {
        let octets = self.octets();
        let mut deframer = Deframer::new();
        deframer.input().extend_from_slice(&octets);
        std::iter::from_fn(|| deframer.next_frame(u32::MAX).unwrap())
            .map(|frame| (frame.header.size, frame.decode(&Limits::DEFAULT).unwrap()))
            .collect()
    }

    /// Checks that the engine's output consists of exactly these frames.
    #[track_caller]
    pub(crate) fn hears(&mut self, frames: impl IntoIterator<Item = Literal>) {
        let wanted: Vec<u8> = frames.into_iter().flat_map(|frame| frame.to_octets()).collect();
        let octets = self.octets();
        assert_eq!(hex(&octets), hex(&wanted), "{}", String::from_utf8_lossy(&octets));
    }

    /// Attaches a link `in` on which the engine receives, with handle 0 at both ends; drops the output so far.
    pub(crate) fn receiver(&mut self, options: &ReceiverOptions) -> ReceiverKey {
        self.receiver_on(0, "in", options)
    }

    pub(crate) fn receiver_on(&mut self, handle: u32, name: &str, options: &ReceiverOptions) -> ReceiverKey {
        self.send(attach_sender(name, handle, "a", "b"));
        let LinkKey::Receiver(key) = self.offered() else { panic!("a receiver was offered") };
        self.amqp.receiver(key).unwrap().accept_link(options).unwrap();
        self.octets();
        key
    }

    /// Attaches a link `out` on which the engine sends, with handle 0 at both ends and this credit.
    pub(crate) fn sender(&mut self, options: &SenderOptions, credit: u32) -> SenderKey {
        self.sender_on(0, "out", options, credit)
    }

    pub(crate) fn sender_on(
        &mut self,
        handle: u32,
        name: &str,
        options: &SenderOptions,
        credit: u32,
    ) -> SenderKey {
        self.send(attach_receiver(name, handle, "a", "b"));
        let LinkKey::Sender(key) = self.offered() else { panic!("a sender was offered") };
        self.amqp.sender(key).unwrap().accept_link(options).unwrap();
        if credit > 0 {
            self.send(self::credit(handle, 0, credit));
        }
        self.events();
        self.octets();
        key
    }
}

/// A flow that grants credit from this delivery-count on.
pub(crate) fn credit(handle: u32, delivery_count: u32, credit: u32) -> Literal {
    flow(Some(0), 2048, 0, 2048).uint(handle).uint(delivery_count).uint(credit)
}

/// A detach with an error.
pub(crate) fn detach_with(handle: u32, condition: &str) -> Literal {
    detach(handle, true).error(condition)
}
