//! [`Solo`]: an engine alone, whose peer is nothing but octets written by hand.
#![allow(dead_code)] // no test file uses all of it

use std::time::Duration;

use amqp_proto::config::{Options, SessionOptions};
use amqp_proto::testing::{HEADER, Literal, begin, open};
use amqp_proto::types::{Limits, LinkKey, Moment, SessionKey};
use amqp_proto::wire::{Condition, Deframer, Frame, Performative};
use amqp_proto::{Connection, Event, Origin};
use bytes::Buf;

use super::{hex, octets};

/// These frames, one behind the other, as hexadecimal digits.
pub(crate) fn frames<const N: usize>(frames: [Literal; N]) -> String {
    frames.into_iter().map(|frame| hex(&frame.to_octets())).collect()
}

/// An AMQP header and these frames.
pub(crate) fn opening<const N: usize>(literals: [Literal; N]) -> String {
    hex(&HEADER) + &frames(literals)
}

/// A frame of AMQP on this channel with this body.
pub(crate) fn raw(channel: u16, body: &str) -> String {
    let body = body.replace(' ', "");
    format!("{:08x}0200{channel:04x}{body}", body.len() / 2 + 8)
}

/// A begin of the peer's own: 100 transfers each way, from id 0 on.
pub(crate) fn beginning(channel: u16) -> Literal {
    begin(None, 0, 100, 100).on(channel)
}

/// The frames among these octets, read.
pub(crate) fn read(octets: &[u8]) -> Vec<Frame> {
    let mut deframer = Deframer::new();
    deframer.input().extend_from_slice(octets);
    let mut frames = Vec::new();
    loop {
        if deframer.remaining().starts_with(b"AMQP") {
            deframer.next_header().unwrap();
            continue;
        }
        let Some(raw) = deframer.next_frame(u32::MAX).unwrap() else { break };
        frames.push(raw.decode(&Limits::DEFAULT).unwrap());
    }
    assert!(deframer.remaining().is_empty(), "half a frame is left");
    frames
}

/// An engine, and a clock that stands still until it is told.
pub(crate) struct Solo {
    pub(crate) engine: Connection,
    pub(crate) now: Moment,
}

impl Solo {
    pub(crate) fn of(engine: Connection) -> Self {
        Self { engine, now: Moment::START }
    }

    pub(crate) fn client(options: Options) -> Self {
        Self::of(Connection::client(options, Moment::START))
    }

    pub(crate) fn server(options: Options) -> Self {
        Self::of(Connection::server(options, Moment::START))
    }

    /// A server that the container `p`, which has no limits of its own, has opened.
    pub(crate) fn open() -> Self {
        Self::open_by(Options::new("s"), open("p"))
    }

    /// The same with these options, and this open of the peer.
    pub(crate) fn open_by(options: Options, open: Literal) -> Self {
        let mut solo = Self::server(options);
        solo.hears(&opening([open]));
        assert_eq!(solo.events(), [Event::Opened]);
        solo.says();
        solo
    }

    /// One that has a session, besides, on the peer's channel 0 and its own.
    pub(crate) fn with_session(options: &SessionOptions) -> (Self, SessionKey) {
        let mut solo = Self::open();
        let session = solo.accepts(beginning(0), options);
        solo.says();
        (solo, session)
    }

    /// The peer begins a session, which is accepted.
    pub(crate) fn accepts(&mut self, begin: Literal, options: &SessionOptions) -> SessionKey {
        self.hears(&frames([begin]));
        match self.events()[..] {
            [Event::SessionOffered(session)] => {
                self.engine.session(session).unwrap().accept(options).unwrap();
                session
            }
            ref other => panic!("{other:?}"),
        }
    }

    /// The peer attaches a link, which is there to be accepted.
    pub(crate) fn is_offered(&mut self, attach: Literal) -> LinkKey {
        self.hears(&frames([attach]));
        match self.events()[..] {
            [Event::LinkOffered(link)] => link,
            ref other => panic!("{other:?}"),
        }
    }

    /// The peer sends what these digits stand for.
    pub(crate) fn hears(&mut self, hex: &str) {
        self.engine.receive(self.now, &octets(hex));
    }

    /// All that is to be written, as hexadecimal digits.
    pub(crate) fn says(&mut self) -> String {
        let mut output = self.engine.output();
        hex(&output.copy_to_bytes(output.remaining()))
    }

    /// The same, read.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        read(&octets(&self.says()))
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    /// Time passes.
    pub(crate) fn waits(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.engine.handle_deadline(self.now);
    }

    /// The engine closes the connection because of the peer: with this condition, which the application is told, too.
    pub(crate) fn closes_for(&mut self) -> Condition {
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

    /// The engine ends a session because of the peer: with this condition, which the application is told, too.
    pub(crate) fn ends_for(&mut self) -> Condition {
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
