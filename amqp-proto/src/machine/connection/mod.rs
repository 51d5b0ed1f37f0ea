//! [`Machine`]: the connection, octets and moments in, frames and events out: protocol headers, the security layer, open
//! and close, and the time [2.2] [2.4] [5.3].

mod frames;
mod lenient_close;
mod lifecycle;
mod security;
mod timers;

pub(crate) use security::Security;
pub use timers::Deadline;

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use crate::config::Options;
use crate::machine::delivery::Arrived;
use crate::machine::effects::MIN_MAX_FRAME_SIZE;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::fault::ConnectionFault;
use crate::machine::halves::Half;
use crate::machine::input::Input;
use crate::machine::link::CreditOptions;
use crate::machine::output::Outbox;
use crate::machine::reason::Reason;
use crate::sasl::Identity;
use crate::types::{Moment, Symbol};
use crate::wire::{AmqpError, Open};
use security::Handshake;
use timers::Timers;

/// Says if input is wanted and, if not, why.
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
pub(super) enum Step {
    /// Something to tell, at once.
    Told(Arrived),
    /// An event of any other kind to tell, at once.
    Event(Event),
    /// There may be more to look at.
    Done,
    /// There is nothing more, or it has to wait.
    Rest,
}

/// A connection, without its public face.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) endpoints: Endpoints,
    pub(crate) options: Options,
    pub(super) input: Input,
    pub(super) handshake: Handshake,
    pub(super) timers: Timers,
    /// This end's half, from the open on.
    pub(super) local: Half,
    /// The peer's.
    pub(super) remote: Half,
    /// The peer's open, encoded: shorter than the same decoded.
    pub(super) peer: Box<[u8]>,
    /// Who the client has shown to be.
    pub(super) identity: Option<Identity>,
    /// Why this end closed it, until the application is told.
    pub(super) reason: Option<Reason>,
    /// What the peer's close said.
    pub(super) remote_error: Option<Box<AmqpError>>,
    /// Whether no more input will come.
    pub(super) is_cut: bool,
    /// Whether there is something to be looked at when input has run out: this end waits to close, or the transport has
    /// ended.
    pub(super) may_end: bool,
    pub(super) is_over: bool,
    /// The largest frame that is taken.
    pub(super) frame_size: u32,
}

impl Machine {
    pub(crate) fn new(options: Options, security: Security, now: Moment) -> Self {
        let mut endpoints = Endpoints::new(options.limits.clone());
        let frame_size = options.limits.frame_size().max(MIN_MAX_FRAME_SIZE);
        let speaks_first = matches!(security, Security::Client);
        endpoints.fx.sasl_frame_size = options.sasl_send_size;
        endpoints.credit = CreditOptions::of(&options);
        endpoints.now = now;
        let handshake = Handshake::new(security, &mut endpoints.fx);
        let mut machine = Self {
            endpoints,
            input: Input::default(),
            handshake,
            timers: Timers::new(now, options.open_time_out, options.idle_time_out),
            options,
            local: Half::Unopened,
            remote: Half::Unopened,
            peer: Box::default(),
            identity: None,
            reason: None,
            remote_error: None,
            is_cut: false,
            may_end: false,
            is_over: false,
            frame_size,
        };
        #[cfg(feature = "tracing")]
        machine.endpoints.spans.start(&machine.options.container_id);
        if speaks_first {
            // The server cannot refuse what it has not read: the open need not wait (C-OPEN-04).
            machine.send_open();
        }
        machine
    }

    pub(crate) fn is_open(&self) -> bool {
        self.local == Half::Open && self.remote == Half::Open && self.endpoints.leaving.is_none()
    }

    /// Returns whether this end is about to close it, and has yet to write what was accepted before.
    pub(crate) fn is_closing(&self) -> bool {
        self.endpoints.leaving.is_some()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    pub(crate) fn remote_error(&self) -> Option<&AmqpError> {
        self.remote_error.as_deref()
    }

    /// Returns the peer's open.
    pub(crate) fn peer(&self) -> Option<Open> {
        Open::decode(&mut Bytes::copy_from_slice(&self.peer), &self.options.limits).ok()
    }

    /// Returns whether an extension is both desired by this end and offered by the peer.
    pub(crate) fn has_extension(&self, name: &Symbol) -> bool {
        self.options.desired().contains(name)
            && self.peer().is_some_and(|open| open.offered_capabilities.contains(name))
    }

    /// Returns whether input is wanted.
    pub(crate) fn reading(&self) -> Reading {
        if self.is_over || self.is_cut {
            Reading::Over
        } else if !self.endpoints.fx.events.is_empty() || self.endpoints.updates.is_some() {
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

    /// Returns where to put what is read next.
    pub(crate) fn spare(&mut self) -> bytes::buf::Limit<&mut BytesMut> {
        let most = self.max_frame_size();
        self.input.spare(most)
    }

    /// Octets were read.
    pub(crate) fn received(&mut self, now: Moment) {
        self.set_time(now);
        self.input.filled();
        self.run();
    }

    /// These octets were read.
    pub(crate) fn receive(&mut self, now: Moment, octets: &[u8]) {
        self.set_time(now);
        if !self.is_over {
            self.input.append(octets);
            self.run();
        }
    }

    /// No more octets will come.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.may_end = true;
        self.run();
    }

    /// Takes octets of output off.
    pub(crate) fn written(&mut self, octets: usize) {
        self.take(|out| out.advance(octets));
    }

    /// Takes octets of output off, and gives them.
    pub(crate) fn taken(&mut self, octets: usize) -> Bytes {
        self.take(|out| out.copy_to_bytes(octets))
    }

    /// Takes something of the output; where that was full, there is more to be written.
    fn take<T>(&mut self, take: impl FnOnce(&mut Outbox) -> T) -> T {
        let was_full = self.endpoints.fx.out.len() >= self.endpoints.limits.output_octets();
        let taken = take(&mut self.endpoints.fx.out);
        if was_full {
            self.endpoints.flush();
            // What the close waits for was waiting for room, if not for the peer.
            if self.endpoints.leaving.is_some() {
                self.go_on_closing();
            }
        }
        taken
    }

    /// Writes what waits to be written.
    pub(crate) fn flush(&mut self) {
        if self.local == Half::Open && self.endpoints.is_due() {
            self.endpoints.flush();
        }
    }

    /// Returns whether anything is to be written, or would be when output is asked for.
    pub(crate) fn has_output(&self) -> bool {
        self.endpoints.fx.out.len() > 0 || (self.local == Half::Open && self.endpoints.is_due())
    }

    /// What happened first of what has not been polled.
    pub(crate) fn peek_event(&mut self) -> Option<&Event> {
        self.run();
        self.endpoints.fx.events.front()
    }

    /// What has happened, the oldest first.
    #[inline]
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if !self.endpoints.fx.events.is_empty() {
            return self.pop_event();
        }
        loop {
            match self.step() {
                Step::Told(arrived) => return Some(self.shown(arrived.into())),
                Step::Event(event) => return Some(self.shown(event)),
                Step::Rest => return None,
                Step::Done if self.endpoints.fx.events.is_empty() => {}
                Step::Done => return self.pop_event(),
            }
        }
    }

    fn pop_event(&mut self) -> Option<Event> {
        let event = self.endpoints.fx.events.pop_front()?;
        let event = self.shown(event);
        match &event {
            Event::LinkDetached { link, .. } => self.endpoints.forget_link(*link),
            Event::SessionEnded { session, .. } => self.endpoints.forget_session(*session),
            _ => {}
        }
        Some(event)
    }

    /// Returns an event on its way to the application.
    #[inline]
    fn shown(&mut self, event: Event) -> Event {
        #[cfg(feature = "tracing")]
        self.show_event(&event);
        event
    }

    pub(crate) fn next_deadline(&self) -> Option<(Moment, Deadline)> {
        let drain = self.endpoints.next_drain().filter(|_| !self.is_over).map(|by| (by, Deadline::Drain));
        self.timers.next().into_iter().chain(drain).min_by_key(|(by, _)| *by)
    }

    /// Takes note of the time.
    fn set_time(&mut self, now: Moment) {
        if now > self.endpoints.now {
            self.endpoints.now = now;
            self.timers.set(now);
        }
    }

    pub(crate) fn longest_pause(&self) -> Option<u32> {
        self.timers.longest_pause()
    }

    /// Does what is due by now.
    pub(crate) fn handle_deadline(&mut self, now: Moment) {
        self.set_time(now);
        self.endpoints.end_drains();
        // Each kind once: at the end of the clock, what is due again is due at once (threat E4).
        for _ in 0..Timers::KINDS {
            let Some(why) = self.timers.passed() else { return };
            match why {
                Deadline::Open => {
                    let is_mute = self.handshake.is_unanswered() && self.input.is_empty();
                    let fault = if is_mute { ConnectionFault::Mute } else { ConnectionFault::Unopened };
                    self.fail(&fault);
                }
                Deadline::Close if self.endpoints.leaving.is_some() => self.give_up_closing(),
                Deadline::Close => {
                    let reason = self.reason.take().unwrap_or_else(|| Reason::local(None));
                    self.finish(reason);
                }
                // What waits to be looked at was sent in time.
                Deadline::Silence if self.input.has_frame() => self.timers.hear(),
                Deadline::Silence => {
                    self.fail(&ConnectionFault::Silence);
                }
                Deadline::Heartbeat => self.beat(),
                // Not one of the timers'.
                Deadline::Drain => {}
            }
        }
    }

    /// Sends an empty frame, if nothing else was sent and the peer takes what was [2.4.5].
    fn beat(&mut self) {
        if self.timers.beats(self.endpoints.fx.frames) && self.endpoints.fx.out.len() == 0 {
            self.endpoints.shrink();
            self.input.shrink();
            self.endpoints.fx.send_empty();
            self.timers.beaten(self.endpoints.fx.frames);
        }
    }

    fn max_frame_size(&self) -> u32 {
        match self.handshake {
            Handshake::Client(_) | Handshake::Server(_) => self.options.limits.sasl_frame_size(),
            _ => self.frame_size,
        }
    }

    fn has_too_much_output(&self) -> bool {
        self.endpoints.fx.out.len() >= self.endpoints.limits.output_octets_hard()
    }

    /// Looks at input until there is something to tell.
    fn run(&mut self) {
        while self.endpoints.fx.events.is_empty() {
            match self.step() {
                // What came of it besides is told after it.
                Step::Told(arrived) => self.endpoints.fx.events.push_front(arrived.into()),
                Step::Event(event) => self.endpoints.fx.events.push_front(event),
                Step::Rest => return,
                Step::Done => {}
            }
        }
    }

    /// Looks at the next header or frame of the input.
    #[inline]
    fn step(&mut self) -> Step {
        if self.endpoints.updates.is_some()
            && let Some(event) = self.endpoints.next_update()
        {
            return Step::Event(event);
        }
        if self.is_over || !matches!(self.handshake, Handshake::Amqp) || self.has_too_much_output() {
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
        if self.handshake.wants_header() {
            return self.step_header();
        }
        match self.input.frame(self.max_frame_size()) {
            Ok(Some(frame)) => self.on_sasl_frame(frame),
            Ok(None) => return self.step_end(),
            Err(error) => return self.fail(&ConnectionFault::Octets(error)),
        }
        Step::Done
    }

    /// There is no more input for now, or for ever.
    #[inline]
    pub(super) fn step_end(&mut self) -> Step {
        if self.may_end { self.step_to_end() } else { Step::Rest }
    }

    /// There is no more input, or this end waits to close.
    #[cold]
    fn step_to_end(&mut self) -> Step {
        if self.endpoints.leaving.is_some() {
            self.go_on_closing();
        }
        if !self.is_cut {
            return Step::Rest;
        }
        let is_whole = self.input.is_empty();
        let reason = match self.reason.take() {
            Some(reason) => reason,
            None => Reason::transport(if is_whole {
                "the transport ended"
            } else {
                "the transport ended inside a frame"
            }),
        };
        self.finish(reason);
        Step::Done
    }
}
