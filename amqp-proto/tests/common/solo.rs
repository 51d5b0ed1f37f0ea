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

/// Encodes these frames as hexadecimal digits.
pub(crate) fn frames<const N: usize>(frames: [Literal; N]) -> String {
    frames.into_iter().map(|frame| hex(&frame.to_octets())).collect()
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

/// Decodes the frames in these octets.
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

/// An engine with a clock that stands still until the test moves it.
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

    /// A server that the container `p` has opened; the peer sets no limits.
    pub(crate) fn open() -> Self {
        Self::open_by(Options::new("s"), open("p"))
    }

    /// A server with these options that the peer has opened with this frame.
    pub(crate) fn open_by(options: Options, open: Literal) -> Self {
        let mut solo = Self::server(options);
        solo.hears(&opening([open]));
        assert_eq!(solo.events(), [Event::Opened]);
        solo.says();
        solo
    }

    /// A server with one session, on channel 0 at both ends.
    pub(crate) fn with_session(options: &SessionOptions) -> (Self, SessionKey) {
        let mut solo = Self::open();
        let session = solo.accepts(beginning(0), options);
        solo.says();
        (solo, session)
    }

    /// Sends a begin of the peer and accepts the session.
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

    /// Sends an attach of the peer and returns the offered link.
    pub(crate) fn is_offered(&mut self, attach: Literal) -> LinkKey {
        self.hears(&frames([attach]));
        match self.events()[..] {
            [Event::LinkOffered(link)] => link,
            ref other => panic!("{other:?}"),
        }
    }

    /// Sends octets to the engine, given as hexadecimal digits.
    pub(crate) fn hears(&mut self, hex: &str) {
        self.engine.receive(self.now, &octets(hex));
    }

    /// Takes the engine's output as hexadecimal digits.
    pub(crate) fn says(&mut self) -> String {
        let mut output = self.engine.output();
        hex(&output.copy_to_bytes(output.remaining()))
    }

    /// Takes the engine's output as frames.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        read(&octets(&self.says()))
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    /// Lets time pass.
    pub(crate) fn waits(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.engine.handle_deadline(self.now);
    }

    /// Returns the condition with which the engine has closed the connection because of the peer; checks that the
    /// application gets it, too.
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

    /// Returns the condition with which the engine has ended a session because of the peer; checks that the
    /// application gets it, too.
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
