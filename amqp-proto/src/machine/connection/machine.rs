//! [`Machine`]: octets and moments in, frames and events out.

use alloc::boxed::Box;
use alloc::format;

use bytes::{Buf, Bytes, BytesMut};

use super::salvage::{is_close, salvage};
use super::security::{Outcome, Security, Stage};
use super::timers::{Timers, Why};
use crate::config::Options;
use crate::machine::core::Core;
use crate::machine::delivery::{Arrived, TransferHead};
use crate::machine::effects::MIN_MAX_FRAME_SIZE;
use crate::machine::event::{Event, Origin, Reason};
use crate::machine::fault::ConnectionFault;
use crate::machine::halves::Half;
use crate::machine::input::Input;
use crate::machine::sasl::{Identity, SaslFailure};
use crate::machine::trace::Direction;
use crate::types::{Moment, Str, Symbol};
use crate::wire::{Close, Condition, Error, Frame, FrameKind, Open, Performative, ProtocolHeader, RawFrame};

/// Whether input is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Yes.
    Wanted,
    /// Not until events have been polled: input waits for that.
    Events,
    /// Not until output has been taken: there is so much of it that answers would be too much (threat D46).
    Output,
    /// Not any more: the connection is over.
    Over,
}

/// What a look at the input has brought.
enum Step {
    /// Something to tell, at once.
    Told(Arrived),
    /// The same, of any kind.
    Event(Event),
    /// There may be more to look at.
    Done,
    /// There is nothing more, or it has to wait.
    Rest,
}

/// A connection, without its public face.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) core: Core,
    pub(crate) options: Options,
    input: Input,
    stage: Stage,
    timers: Timers,
    /// This end's half, from the open on.
    local: Half,
    /// The peer's.
    remote: Half,
    /// The peer's open, encoded: shorter than the same decoded.
    peer: Box<[u8]>,
    /// Who the client has shown to be.
    identity: Option<Identity>,
    /// Why this end closed it, until the application is told.
    reason: Option<Reason>,
    /// What the peer's close said.
    remote_error: Option<Box<Error>>,
    /// Whether no more input will come.
    is_cut: bool,
    is_over: bool,
    /// The largest frame that is taken.
    frame_size: u32,
}

impl Machine {
    pub(crate) fn new(options: Options, security: Security, now: Moment) -> Self {
        let mut core = Core::new(options.limits.clone());
        let frame_size = options.limits.frame_size().max(MIN_MAX_FRAME_SIZE);
        let speaks_first = matches!(security, Security::Client);
        let stage = Stage::new(security, &mut core.fx);
        let mut machine = Self {
            core,
            input: Input::default(),
            stage,
            timers: Timers::new(now, options.open_time_out, options.idle_time_out),
            options,
            local: Half::Unopened,
            remote: Half::Unopened,
            peer: Box::default(),
            identity: None,
            reason: None,
            remote_error: None,
            is_cut: false,
            is_over: false,
            frame_size,
        };
        if speaks_first {
            // The server cannot refuse what it has not read: the open need not wait (C-OPEN-04).
            machine.send_open();
        }
        machine
    }

    pub(crate) fn is_open(&self) -> bool {
        self.local == Half::Open && self.remote == Half::Open
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    pub(crate) fn remote_error(&self) -> Option<&Error> {
        self.remote_error.as_deref()
    }

    /// The peer's open.
    pub(crate) fn peer(&self) -> Option<Open> {
        Open::decode(&mut Bytes::copy_from_slice(&self.peer), &self.options.limits).ok()
    }

    /// Whether an extension is both desired by this end and offered by the peer.
    pub(crate) fn has_extension(&self, name: &Symbol) -> bool {
        self.options.desired().contains(name)
            && self.peer().is_some_and(|open| open.offered_capabilities.contains(name))
    }

    /// Whether input is wanted.
    pub(crate) fn reading(&self) -> Reading {
        if self.is_over || self.is_cut {
            Reading::Over
        } else if !self.core.fx.events.is_empty() || self.core.updates.is_some() {
            Reading::Events
        } else if self.has_too_much_output() {
            Reading::Output
        } else if self.input.has_frame() {
            // It is looked at when the next event is asked for.
            Reading::Events
        } else {
            Reading::Wanted
        }
    }

    /// Where to put what is read next.
    pub(crate) fn spare(&mut self) -> bytes::buf::Limit<&mut BytesMut> {
        let most = self.max_frame_size();
        self.input.spare(most)
    }

    /// Octets were read.
    pub(crate) fn received(&mut self, now: Moment) {
        self.timers.set(now);
        self.input.filled();
        self.run();
    }

    /// These octets were read.
    pub(crate) fn receive(&mut self, now: Moment, octets: &[u8]) {
        self.timers.set(now);
        if !self.is_over {
            self.input.append(octets);
            self.run();
        }
    }

    /// No more octets will come.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.run();
    }

    /// Takes octets of output off.
    pub(crate) fn written(&mut self, octets: usize) {
        let was_full = self.core.fx.out.len() >= self.core.limits.output_octets();
        self.core.fx.out.advance(octets);
        if was_full {
            self.core.flush();
        }
    }

    /// Takes octets of output off, and gives them.
    pub(crate) fn taken(&mut self, octets: usize) -> Bytes {
        let was_full = self.core.fx.out.len() >= self.core.limits.output_octets();
        let taken = self.core.fx.out.copy_to_bytes(octets);
        if was_full {
            self.core.flush();
        }
        taken
    }

    /// Writes what waits to be written.
    pub(crate) fn flush(&mut self) {
        if self.local == Half::Open && self.core.is_due() {
            self.core.flush();
        }
    }

    /// Whether anything is to be written, or would be when output is asked for.
    pub(crate) fn has_output(&self) -> bool {
        self.core.fx.out.len() > 0 || (self.local == Half::Open && self.core.is_due())
    }

    /// What happened first of what has not been polled.
    pub(crate) fn peek_event(&mut self) -> Option<&Event> {
        self.run();
        self.core.fx.events.front()
    }

    /// What has happened, the oldest first.
    #[inline]
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if !self.core.fx.events.is_empty() {
            return self.pop_event();
        }
        loop {
            match self.step() {
                Step::Told(arrived) => return Some(arrived.into()),
                Step::Event(event) => return Some(event),
                Step::Rest => return None,
                Step::Done if self.core.fx.events.is_empty() => {}
                Step::Done => return self.pop_event(),
            }
        }
    }

    fn pop_event(&mut self) -> Option<Event> {
        let event = self.core.fx.events.pop_front();
        match &event {
            Some(Event::LinkDetached { link, .. }) => self.core.forget_link(*link),
            Some(Event::SessionEnded { session, .. }) => self.core.forget_session(*session),
            _ => {}
        }
        event
    }

    pub(crate) fn next_deadline(&self) -> Option<(Moment, Why)> {
        self.timers.next()
    }

    /// Does what is due by now.
    pub(crate) fn handle_deadline(&mut self, now: Moment) {
        self.timers.set(now);
        // Each kind once: at the end of the clock, what is due again is due at once (threat E4).
        for _ in 0..Timers::KINDS {
            let Some(why) = self.timers.passed() else { return };
            match why {
                Why::Open => {
                    self.fail(&ConnectionFault::Unopened);
                }
                Why::Close => {
                    let reason = self.reason.take().unwrap_or_else(|| Reason::local(None));
                    self.finish(reason);
                }
                // What waits to be looked at was sent in time.
                Why::Silence if self.input.has_frame() => self.timers.hear(),
                Why::Silence => {
                    self.fail(&ConnectionFault::Silence);
                }
                Why::Heartbeat => self.beat(),
            }
        }
    }

    /// Sends an empty frame, if nothing else was sent and the peer takes what was (C-IDLE-04, C-IDLE-09).
    fn beat(&mut self) {
        if self.timers.beats(self.core.fx.frames) && self.core.fx.out.len() == 0 {
            self.core.shrink();
            self.input.shrink();
            self.core.fx.send_empty();
            self.timers.beaten(self.core.fx.frames);
        }
    }

    /// Closes the connection; there is nothing more to be sent after that.
    pub(crate) fn close(&mut self, error: Option<Error>) -> bool {
        if self.is_over || self.local == Half::Ended {
            return false;
        }
        if !matches!(self.stage, Stage::Amqp) && self.local == Half::Unopened {
            // There is no AMQP to say it in.
            self.finish(Reason::local(error));
            return true;
        }
        self.core.write_news();
        self.core.flush();
        self.send_close(error.as_ref());
        self.reason = Some(Reason::local(error));
        self.timers.closed(self.options.close_time_out);
        true
    }

    fn max_frame_size(&self) -> u32 {
        match self.stage {
            Stage::Client(_) | Stage::Server(_) => self.options.limits.sasl_frame_size(),
            _ => self.frame_size,
        }
    }

    fn has_too_much_output(&self) -> bool {
        self.core.fx.out.len() >= self.core.limits.output_octets_hard()
    }

    /// Looks at input until there is something to tell.
    fn run(&mut self) {
        while self.core.fx.events.is_empty() {
            match self.step() {
                // What came of it besides is told after it.
                Step::Told(arrived) => self.core.fx.events.push_front(arrived.into()),
                Step::Event(event) => self.core.fx.events.push_front(event),
                Step::Rest => return,
                Step::Done => {}
            }
        }
    }

    /// Looks at the next header or frame of the input.
    #[inline]
    fn step(&mut self) -> Step {
        if self.core.updates.is_some()
            && let Some(event) = self.core.next_update()
        {
            return Step::Event(event);
        }
        if self.is_over || !matches!(self.stage, Stage::Amqp) || self.has_too_much_output() {
            return self.step_below();
        }
        match self.input.frame(self.frame_size) {
            Ok(Some(frame)) => self.on_frame(frame),
            Ok(None) => self.step_end(),
            Err(error) => self.fail(&ConnectionFault::Octets(error)),
        }
    }

    /// The same, where it is not AMQP that comes next.
    fn step_below(&mut self) -> Step {
        if self.is_over {
            self.input.clear();
            return Step::Rest;
        }
        if self.has_too_much_output() {
            return Step::Rest;
        }
        if self.stage.wants_header() {
            return self.step_header();
        }
        match self.input.frame(self.max_frame_size()) {
            Ok(Some(frame)) => self.on_sasl_frame(frame),
            Ok(None) => return self.step_end(),
            Err(error) => return self.fail(&ConnectionFault::Octets(error)),
        }
        Step::Done
    }

    fn step_header(&mut self) -> Step {
        match self.input.header() {
            Ok(Some(header)) => {
                self.timers.hear();
                if self.core.fx.trace.is_set() {
                    self.core.fx.trace.show(Direction::In, &header.to_bytes(), 0);
                }
                self.on_header(header);
                Step::Done
            }
            Ok(None) => self.step_end(),
            Err(_) => {
                self.mismatch("the peer does not speak AMQP");
                Step::Done
            }
        }
    }

    /// There is no more input for now, or for ever.
    fn step_end(&mut self) -> Step {
        if !self.is_cut {
            return Step::Rest;
        }
        let is_whole = self.input.is_empty();
        let reason = match self.reason.take() {
            Some(reason) => reason,
            None => {
                transport(if is_whole { "the transport ended" } else { "the transport ended inside a frame" })
            }
        };
        self.finish(reason);
        Step::Done
    }

    fn on_header(&mut self, header: ProtocolHeader) {
        let hostname = self.options.hostname.clone();
        let rounds = self.options.limits.sasl_rounds();
        let outcome = self.stage.on_header(header, hostname.as_ref(), rounds, &mut self.core.fx);
        self.after_layer(outcome);
    }

    fn after_layer(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Wait | Outcome::Amqp => {
                // A client's open goes right behind its header.
                if let Stage::Answer { sent: ProtocolHeader::AMQP, .. } = self.stage {
                    self.send_open();
                }
            }
            Outcome::Mismatch(header) => self.mismatch(&format!("the peer speaks {header:?}")),
            Outcome::Failed(failure) => self.unauthenticated(failure),
        }
    }

    /// The peer speaks something else: it is told what this end speaks, and that is all (H-HDR-05, H-HDR-07,
    /// H-HDR-08, H-HDR-09).
    #[cold]
    fn mismatch(&mut self, words: &str) {
        if let Some(header) = self.stage.own_header() {
            self.core.fx.header(header);
        }
        self.finish(transport(words));
    }

    #[cold]
    fn unauthenticated(&mut self, failure: SaslFailure) {
        let origin = if matches!(failure, SaslFailure::Outcome(_)) { Origin::Remote } else { Origin::Local };
        let error =
            Error::new(Condition::UnauthorizedAccess).with_description(Str::from(format!("{failure}")));
        self.finish(Reason::new(origin, Some(error)));
    }

    /// A frame of a connection on which AMQP is spoken.
    #[inline]
    fn on_frame(&mut self, frame: RawFrame) -> Step {
        self.timers.hear();
        self.show(&frame);
        let channel = frame.header.channel.get();
        if self.remote == Half::Open
            && channel <= self.core.limits.channel_max()
            && let Some(list) = frame.transfer_list()
        {
            return self.on_transfer(channel, frame, list);
        }
        match self.on_any_frame(channel, frame) {
            Ok(()) => Step::Done,
            Err(fault) => self.on_fault(&fault),
        }
    }

    /// A transfer: the frame that comes most often by far.
    #[inline]
    fn on_transfer(&mut self, channel: u16, frame: RawFrame, list: usize) -> Step {
        let head = frame.octets.get(list..).and_then(TransferHead::read);
        let done = if let Some((head, octets)) = head {
            let mut payload = frame.octets;
            payload.advance(list + octets);
            self.core.on_transfer_frame(channel, &head, payload)
        } else {
            self.on_odd_transfer(channel, frame, list)
        };
        match done {
            Ok(Some(arrived)) => Step::Told(arrived),
            Ok(None) => Step::Done,
            Err(fault) => self.on_fault(&fault),
        }
    }

    /// A transfer that says more, or less, than most.
    #[inline(never)]
    fn on_odd_transfer(
        &mut self,
        channel: u16,
        frame: RawFrame,
        list: usize,
    ) -> Result<Option<Arrived>, ConnectionFault> {
        match frame.decode_transfer(list, &self.core.limits) {
            Ok((transfer, payload)) => self.core.on_transfer_frame(channel, &transfer, payload),
            Err(error) => Err(ConnectionFault::Octets(error)),
        }
    }

    fn show(&mut self, frame: &RawFrame) {
        if self.core.fx.trace.is_set() {
            self.core.fx.trace.show(Direction::In, &frame.octets, 0);
        }
    }

    fn on_any_frame(&mut self, channel: u16, frame: RawFrame) -> Result<(), ConnectionFault> {
        if frame.header.kind == FrameKind::Sasl {
            return Err(ConnectionFault::SaslFrame);
        }
        if channel > self.core.limits.channel_max() {
            return Err(ConnectionFault::ChannelMax(channel));
        }
        let odd = is_close(&frame).then(|| frame.clone());
        let frame = match frame.decode(&self.core.limits) {
            Ok(frame) => frame,
            Err(error) => {
                let close = odd.filter(|_| self.remote == Half::Open);
                let close = close.and_then(|frame| salvage(frame, &self.core.limits));
                self.on_close(close.ok_or(ConnectionFault::Octets(error))?);
                return Ok(());
            }
        };
        match frame {
            Frame::Amqp { performative, payload, .. } if self.remote == Half::Open => match performative {
                Performative::Open(_) => Err(ConnectionFault::SecondOpen),
                Performative::Close(close) => {
                    self.on_close(close);
                    Ok(())
                }
                performative => self.core.on_frame(channel, performative, payload),
            },
            Frame::Amqp { performative: Performative::Open(open), .. } => self.on_open(channel, &open),
            Frame::Amqp { performative, .. } => Err(ConnectionFault::NotOpen(performative.name())),
            Frame::Empty { .. } if self.remote == Half::Unopened => {
                Err(ConnectionFault::NotOpen("empty frame"))
            }
            Frame::Empty { .. } => Ok(()),
            Frame::Sasl(_) => Err(ConnectionFault::SaslFrame),
        }
    }

    /// A frame of the security layer. Faults end it without an AMQP error: there is no AMQP yet.
    fn on_sasl_frame(&mut self, frame: RawFrame) {
        self.timers.hear();
        self.show(&frame);
        match frame.decode(&self.core.limits) {
            Ok(Frame::Sasl(body)) => {
                let (outcome, identity) = self.stage.on_frame(body, &mut self.core.fx);
                self.identity = identity.or(self.identity.take());
                self.after_layer(outcome);
            }
            Ok(_) => self.finish(transport("an AMQP frame inside the security layer")),
            Err(error) => self.finish(transport(&format!("{error}"))),
        }
    }

    fn on_open(&mut self, channel: u16, open: &Open) -> Result<(), ConnectionFault> {
        if channel != 0 {
            return Err(ConnectionFault::OpenChannel(channel));
        }
        if open.max_frame_size < MIN_MAX_FRAME_SIZE {
            return Err(ConnectionFault::MaxFrameSize(open.max_frame_size));
        }
        let idle_time_out = open.idle_time_out.unwrap_or(0);
        let shortest = self.core.limits.shortest_idle_time_out();
        if (1..shortest).contains(&idle_time_out) {
            return Err(ConnectionFault::IdleTimeOut(idle_time_out));
        }
        let offered = &open.offered_capabilities;
        if let Some(missing) = self.options.required_capabilities.iter().find(|name| !offered.contains(name))
        {
            return Err(ConnectionFault::Capability(missing.clone()));
        }
        let mut octets = BytesMut::new();
        // Only what can be written is kept; what was read can.
        let _ = open.encode(&mut octets);
        self.peer = octets.to_vec().into_boxed_slice();
        self.remote = Half::Open;
        if self.local == Half::Unopened {
            self.send_open();
        }
        self.core.fx.max_frame_size = open.max_frame_size;
        self.core.channel_max = open.channel_max;
        if self.local == Half::Open {
            self.timers.opened(idle_time_out, shortest);
            self.core.fx.tell(Event::Opened);
        }
        Ok(())
    }

    fn on_close(&mut self, close: Close) {
        self.remote = Half::Ended;
        self.remote_error = close.error.clone().map(Box::new);
        match self.reason.take() {
            Some(reason) => self.finish(reason),
            None => {
                self.core.write_news();
                self.send_close(None);
                self.finish(Reason::remote(close.error));
            }
        }
    }

    fn send_open(&mut self) {
        let options = &self.options;
        let mut open = Open::new(options.container_id.clone());
        open.hostname = options.hostname.clone();
        open.max_frame_size = self.frame_size;
        open.channel_max = options.limits.channel_max();
        // Half of what is kept to (C-IDLE-02).
        open.idle_time_out = Some(options.idle_time_out / 2).filter(|millis| *millis > 0);
        open.outgoing_locales = options.outgoing_locales.clone();
        open.incoming_locales = options.incoming_locales.clone();
        open.offered_capabilities = options.offered_capabilities.clone();
        open.desired_capabilities = options.desired();
        open.properties = options.properties.clone();
        match self.core.fx.send(0, &open) {
            Ok(()) => {
                self.local = Half::Open;
                self.core.is_open = true;
            }
            Err(error) => {
                let error =
                    Error::new(Condition::FrameSizeTooSmall).with_description(Str::from(format!("{error}")));
                self.finish(Reason::local(Some(error)));
            }
        }
    }

    /// Writes a close, after an open if that was still owed.
    fn send_close(&mut self, error: Option<&Error>) {
        if self.local == Half::Unopened {
            self.send_open();
        }
        if self.local == Half::Open {
            self.core.fx.send_error(0, error, |error| Close { error });
            self.local = Half::Ended;
            self.core.is_open = false;
            self.core.fx.is_mute = true;
        }
    }

    /// The peer has done something wrong in a frame. Once this end has closed the connection it only waits for the
    /// peer's close, and what comes before that does not matter (C-CLOSE-06).
    #[cold]
    fn on_fault(&mut self, fault: &ConnectionFault) -> Step {
        let waits_for_close = self.local == Half::Ended && self.remote == Half::Open;
        if waits_for_close { Step::Done } else { self.fail(fault) }
    }

    /// Closes the connection for a fault of the peer, which is not listened to any more.
    #[cold]
    fn fail(&mut self, fault: &ConnectionFault) -> Step {
        let error = Error::from(fault.clone());
        if matches!(self.stage, Stage::Amqp) || self.local == Half::Open {
            if self.local == Half::Open {
                self.core.write_news();
            }
            self.send_close(Some(&error));
        }
        let reason = self.reason.take().unwrap_or_else(|| Reason::local(Some(error)));
        self.finish(reason);
        Step::Done
    }

    /// The connection is over: everything in it ends, and the application is told.
    fn finish(&mut self, reason: Reason) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.local = Half::Ended;
        self.remote = Half::Ended;
        self.core.is_open = false;
        self.core.fx.is_mute = true;
        self.core.finish_updates();
        self.core.end_all(&reason);
        self.core.fx.tell(Event::Closed(Box::new(reason)));
        self.timers.stop();
        self.input.clear();
    }
}

/// The octets stopped, or are not AMQP.
fn transport(words: &str) -> Reason {
    Reason::transport(words)
}
