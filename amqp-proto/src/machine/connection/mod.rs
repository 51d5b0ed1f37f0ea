//! [`Machine`]: a connection without its public face. Octets and moments go in, frames and events come out
//! [2.2] [2.4] [5.3].
//!
//! # The automaton of a connection
//!
//! A connection passes through two layers. The [`Handshake`] comes first: protocol headers, and SASL if it is
//! configured. A client sends its header at once and waits for the same header (`Answer`); a server waits for
//! the client's header and answers with the same one (`Wait`). After SASL headers, SASL frames follow
//! (`Client`, `Server`) until the outcome, and then the headers of AMQP. A different header, or a failed
//! authentication, ends the connection.
//!
//! After the headers of AMQP, the connection has two halves, `local` for this end and `remote` for the peer,
//! and each half moves by itself, only forward:
//!
//! | half | moves to | when `local` | when `remote` |
//! | --- | --- | --- | --- |
//! | `Unopened` | `Open` | this end sends its open: a client after its header, a server after the peer's open | the peer's open arrives |
//! | `Open` | `Ended` | the application closes, a fault of the peer is found, a deadline passes, or the peer's close is answered | the peer's close arrives |
//!
//! The connection is usable while both halves are `Open`. A close without an error first waits in `leaving`
//! for the complete deliveries to be written. After its own close, this end ignores all frames except the
//! peer's close [2.4.6]. The connection is over when both halves are `Ended`, when the transport ends, or
//! when the peer does not answer in time; then all sessions end, and `Closed` is the last event.

mod frames;
mod lenient_close;
mod lifecycle;
mod security;
mod timers;

pub(crate) use security::Security;
pub use timers::Deadline;

use alloc::boxed::Box;
use core::time::Duration;

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
use crate::types::{Limits, Moment, Symbol};
use crate::wire::{AmqpError, Open};
use security::Handshake;
use timers::Timers;

/// The engine's answer to the question whether to read input now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reading {
    /// Read input.
    Wanted,
    /// Poll events first; input that has arrived waits for that.
    Events,
    /// Take output first: there is so much of it that answers would exceed the limit.
    // Threat D46.
    Output,
    /// Read nothing more: the connection is over.
    Over,
}

/// The result of one step over the input.
pub(super) enum Step {
    /// The step has an event of a transfer.
    Told(Arrived),
    /// There may be more input.
    Done,
    /// There is no more input, or the input must wait.
    Rest,
}

/// A connection without its public face.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) endpoints: Endpoints,
    pub(crate) options: Options,
    pub(super) input: Input,
    pub(super) handshake: Handshake,
    pub(super) timers: Timers,
    /// The half of this end.
    pub(super) local: Half,
    /// The half of the peer.
    pub(super) remote: Half,
    /// The peer's open, encoded, which is smaller than decoded.
    pub(super) peer: Box<[u8]>,
    /// The identity of the authenticated client.
    pub(super) identity: Option<Identity>,
    /// The reason for which this end has closed the connection, until it is reported.
    pub(super) reason: Option<Reason>,
    /// The error in the peer's close.
    pub(super) remote_error: Option<Box<AmqpError>>,
    /// `true` if the input has ended.
    pub(super) is_cut: bool,
    /// `true` if something is to be done when the input is used up: this end waits to close, or the transport
    /// has ended.
    pub(super) may_end: bool,
    pub(super) is_over: bool,
    /// The octets that the connection needs; `None` if it has them. If it has not, the peer's open is refused.
    pub(crate) needs_memory: Option<u64>,
    /// The size of the largest frame that this end accepts.
    pub(super) frame_size: u32,
}

impl Machine {
    pub(crate) fn new(options: Options, security: Security, now: Moment) -> Self {
        let options = Options { limits: options.limits.within_memory(), ..options };
        let mut endpoints = Endpoints::new(options.limits.clone());
        let frame_size = options.limits.frame_size().max(MIN_MAX_FRAME_SIZE);
        let speaks_first = matches!(security, Security::Client(None));
        endpoints.fx.sasl_frame_size = options.sasl_send_size;
        endpoints.credit = CreditOptions::of(&options);
        endpoints.now = now;
        let handshake = Handshake::new(security, &mut endpoints.fx);
        let mut machine = Self {
            endpoints,
            input: Input::new(options.limits.memory()),
            handshake,
            timers: Timers::new(now, options.open_timeout, options.idle_timeout),
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
            needs_memory: None,
            frame_size,
        };
        #[cfg(feature = "tracing")]
        machine.endpoints.spans.start(&machine.options.container_id);
        if machine.options.limits.memory() < Limits::LEAST_MEMORY {
            machine.fail(&ConnectionFault::LittleMemory(machine.options.limits.memory()));
            machine.endpoints.fx.out.clear();
        } else if speaks_first {
            // The server cannot refuse an open that it has not read, so the open need not wait (C-OPEN-04).
            machine.send_open();
        }
        machine
    }

    pub(crate) fn is_open(&self) -> bool {
        self.local == Half::Open && self.remote == Half::Open && self.endpoints.leaving.is_none()
    }

    #[cfg(feature = "driver")]
    pub(crate) fn container_id(&self) -> &crate::types::Str {
        &self.options.container_id
    }

    /// Returns `true` while the close waits for complete deliveries to be written.
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

    /// Returns `true` if this end desires an extension and the peer offers it.
    pub(crate) fn has_extension(&self, name: &Symbol) -> bool {
        self.options.desired().contains(name)
            && self.peer().is_some_and(|open| open.offered_capabilities.contains(name))
    }

    /// Returns whether to read input now.
    pub(crate) fn reading(&self) -> Reading {
        if self.is_over || self.is_cut {
            Reading::Over
        } else if !self.endpoints.fx.events.is_empty() || self.endpoints.updates.is_some() {
            Reading::Events
        } else if self.has_too_much_output() {
            Reading::Output
        } else if self.input.has_frame() {
            // The frame is handled when the next event is polled.
            Reading::Events
        } else {
            Reading::Wanted
        }
    }

    /// Returns buffer space to read into.
    pub(crate) fn spare(&mut self) -> bytes::buf::Limit<&mut BytesMut> {
        let wanted = self.input.wanted(self.max_frame_size());
        if !self.input.has_room(wanted) {
            self.make_room(self.input.room_for(wanted, self.max_frame_size()));
        }
        self.input.spare(wanted)
    }

    /// Makes room for input.
    #[cold]
    fn make_room(&mut self, room: usize) {
        let left = self.input.grow(room);
        self.endpoints.before_input(left, room);
    }

    /// Handles octets that were read into the buffer.
    pub(crate) fn received(&mut self, now: Moment) {
        self.set_time(now);
        self.endpoints.totals.octets_received += self.input.filled() as u64;
        self.run();
    }

    /// Handles a copy of these octets.
    pub(crate) fn receive(&mut self, now: Moment, octets: &[u8]) {
        self.set_time(now);
        if !self.is_over {
            if !self.input.has_room(octets.len()) {
                self.make_room(self.input.room_to_append(octets.len(), self.max_frame_size()));
            }
            self.endpoints.totals.octets_received += octets.len() as u64;
            self.input.append(octets);
            self.run();
        }
    }

    /// Handles the end of the input.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        self.may_end = true;
        self.run();
    }

    /// Removes written octets from the output.
    pub(crate) fn written(&mut self, octets: usize) {
        self.take(|out| out.advance(octets));
    }

    /// Removes octets from the output and returns them.
    pub(crate) fn taken(&mut self, octets: usize) -> Bytes {
        self.take(|out| out.copy_to_bytes(octets))
    }

    /// Removes output. If the output was full, writes more.
    fn take<T>(&mut self, take: impl FnOnce(&mut Outbox) -> T) -> T {
        let before = self.endpoints.fx.out.len();
        let was_full = before >= self.endpoints.limits.output_octets();
        let taken = take(&mut self.endpoints.fx.out);
        self.endpoints.totals.octets_sent += (before - self.endpoints.fx.out.len()) as u64;
        if was_full {
            self.endpoints.flush();
            // The close may have waited for this room.
            if self.endpoints.leaving.is_some() {
                self.go_on_closing();
            }
        }
        taken
    }

    /// Writes the dispositions and flows that wait.
    pub(crate) fn flush(&mut self) {
        if self.local == Half::Open && self.endpoints.is_due() {
            self.endpoints.flush();
        }
    }

    /// Returns `true` if there is output, dispositions and flows that wait included.
    pub(crate) fn has_output(&self) -> bool {
        self.endpoints.fx.out.len() > 0 || (self.local == Half::Open && self.endpoints.is_due())
    }

    /// Takes the oldest event.
    #[inline]
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if !self.endpoints.fx.events.is_empty() {
            return self.pop_event();
        }
        loop {
            if self.endpoints.updates.is_some() {
                if let Some(event) = self.endpoints.next_update() {
                    return Some(self.shown(event));
                }
                if !self.endpoints.fx.events.is_empty() {
                    return self.pop_event();
                }
            }
            match self.step() {
                Step::Told(arrived) => return Some(self.shown(arrived.into())),
                Step::Rest => return None,
                Step::Done if self.endpoints.fx.events.is_empty() => {}
                Step::Done => return self.pop_event(),
            }
        }
    }

    fn pop_event(&mut self) -> Option<Event> {
        let event = loop {
            let event = self.endpoints.fx.events.pop_front()?;
            if let Event::Lost { delivery, .. } = &event
                && let Some(hooks) = self.endpoints.transactions.hooks()
                && (hooks.lose_work)(&mut self.endpoints, *delivery)
            {
                continue;
            }
            break event;
        };
        let mut event = self.shown(event);
        match &mut event {
            Event::LinkDetached { link, unread, .. } => *unread = self.endpoints.forget_link(*link),
            Event::SessionEnded { session, .. } => self.endpoints.forget_session(*session),
            _ => {}
        }
        Some(event)
    }

    /// Records an event in the spans on its way to the application.
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

    /// Sets the time.
    fn set_time(&mut self, now: Moment) {
        if now > self.endpoints.now {
            self.endpoints.now = now;
            self.timers.set(now);
        }
    }

    pub(crate) fn heartbeat_interval(&self) -> Option<Duration> {
        self.timers.heartbeat_interval()
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Moment) {
        self.set_time(now);
        self.endpoints.end_drains();
        // Each kind is handled once, since at the end of the clock a repeated deadline is due again at once
        // (threat E4).
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
                // Input that waits was sent in time.
                Deadline::Silence if self.input.has_frame() => self.timers.hear(),
                Deadline::Silence => {
                    self.fail(&ConnectionFault::Silence);
                }
                Deadline::Heartbeat => self.beat(),
                // A drain is no deadline of the timers.
                Deadline::Drain => {}
            }
        }
    }

    /// Sends an empty frame if no other frame was sent and the output is not blocked [2.4.5].
    fn beat(&mut self) {
        if self.timers.beats(self.endpoints.fx.frames) && self.endpoints.fx.out.len() == 0 {
            self.endpoints.shrink();
            let left = self.input.shrink();
            self.endpoints.before_input(left, 0);
            self.endpoints.fx.send_empty();
            self.timers.beaten(self.endpoints.fx.frames);
        }
    }

    fn max_frame_size(&self) -> u32 {
        match self.handshake {
            Handshake::Sasl { .. } => self.options.limits.sasl_frame_size(),
            _ => self.frame_size,
        }
    }

    fn has_too_much_output(&self) -> bool {
        self.endpoints.fx.out.len() >= self.endpoints.limits.output_octets_hard()
    }

    /// Handles input until there is an event.
    fn run(&mut self) {
        while self.endpoints.fx.events.is_empty() {
            // Other events of the frame come after that of a transfer or a delivery.
            if self.endpoints.updates.is_some()
                && let Some(event) = self.endpoints.next_update()
            {
                self.endpoints.fx.events.push_front(event);
                return;
            }
            match self.step() {
                Step::Told(arrived) => self.endpoints.fx.events.push_front(arrived.into()),
                Step::Rest => return,
                Step::Done => {}
            }
        }
    }

    /// Handles the next header or frame of the input. The updates of the frame before it are told.
    #[inline]
    fn step(&mut self) -> Step {
        if self.is_over || !matches!(self.handshake, Handshake::Amqp) || self.has_too_much_output() {
            return self.step_below();
        }
        match self.take_usual() {
            Some(step) => step,
            None => self.step_frame(),
        }
    }

    /// Handles the next frame, whatever it is.
    #[inline(never)] // for what is not a usual transfer
    fn step_frame(&mut self) -> Step {
        match self.input.frame(self.frame_size) {
            Ok(Some(frame)) => self.on_frame(frame),
            Ok(None) => self.step_end(),
            Err(error) => self.fail(&ConnectionFault::Octets(error)),
        }
    }

    /// Handles the next header or SASL frame, or a connection that is over or has too much output.
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

    /// Handles the end of the available input.
    #[inline]
    pub(super) fn step_end(&mut self) -> Step {
        if self.may_end { self.step_to_end() } else { Step::Rest }
    }

    /// Handles the end of the available input while this end waits to close or the transport has ended.
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
