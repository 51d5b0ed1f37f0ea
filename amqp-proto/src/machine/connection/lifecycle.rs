//! The open and the close of a connection [2.4] [2.7.1] [2.7.9].

use alloc::boxed::Box;
use core::fmt;

use bytes::BytesMut;

use super::security::Handshake;
use super::{Machine, Step};
use crate::machine::effects::MIN_MAX_FRAME_SIZE;
use crate::machine::event::Event;
use crate::machine::fault::ConnectionFault;
use crate::machine::halves::Half;
use crate::machine::reason::Reason;
use crate::sasl::SaslFailure;
use crate::types::{Str, whole_millis};
use crate::wire::{AmqpError, Close, Condition, Open};

impl Machine {
    /// Closes the connection; nothing is sent after the close.
    ///
    /// Without an error, the close waits until the complete deliveries are written, at most as long as the
    /// peer may take to answer.
    pub(crate) fn close(&mut self, error: Option<AmqpError>) -> bool {
        if self.is_over || self.local == Half::Ended || (self.endpoints.leaving.is_some() && error.is_none())
        {
            return false;
        }
        if !matches!(self.handshake, Handshake::Amqp) && self.local == Half::Unopened {
            // AMQP has not begun, so there is no frame for a close.
            self.finish(Reason::local(error));
            return true;
        }
        self.endpoints.write_news();
        self.endpoints.flush();
        if error.is_none() && self.endpoints.close_later() {
            self.may_end = true;
            self.timers.leave(self.options.close_timeout);
        } else {
            self.close_now(error);
        }
        true
    }

    fn close_now(&mut self, error: Option<AmqpError>) {
        self.endpoints.write_news();
        self.send_close(error.as_ref());
        self.reason = Some(Reason::local(error));
        self.timers.closed(self.options.close_timeout);
    }

    /// Closes the connection if all deliveries that the close waits for are written.
    #[cold]
    pub(super) fn go_on_closing(&mut self) {
        if self.local == Half::Open && !self.endpoints.is_leaving() {
            self.close_now(None);
        }
    }

    /// Closes the connection although the deliveries that the close waits for cannot be written, or not in
    /// time.
    pub(super) fn give_up_closing(&mut self) {
        self.endpoints.write_news();
        self.send_close(None);
        self.finish(Reason::unwritten());
    }

    pub(super) fn on_open(&mut self, channel: u16, open: &Open) -> Result<(), ConnectionFault> {
        if channel != 0 {
            return Err(ConnectionFault::OpenChannel(channel));
        }
        if let Some(needed) = self.needs_memory {
            return Err(ConnectionFault::NoMemory(needed));
        }
        let idle_time_out = open.idle_time_out.unwrap_or(0);
        let shortest = whole_millis(self.endpoints.limits.shortest_idle_timeout());
        if (1..shortest).contains(&idle_time_out) {
            return Err(ConnectionFault::IdleTimeOut(idle_time_out));
        }
        let offered = &open.offered_capabilities;
        if let Some(missing) = self.options.required_capabilities.iter().find(|name| !offered.contains(name))
        {
            return Err(ConnectionFault::Capability(missing.clone()));
        }
        let mut octets = BytesMut::new();
        // The open is kept in encoded form. A decoded open can always be encoded.
        let _ = open.encode(&mut octets);
        self.peer = octets.to_vec().into_boxed_slice();
        self.remote = Half::Open;
        if self.local == Half::Unopened {
            self.send_open();
        }
        // Every peer accepts frames of 512 octets (F-MAX-04). A peer that announces less usually refuses the
        // connection next, and the application needs the reason.
        self.endpoints.fx.max_frame_size = open.max_frame_size.max(MIN_MAX_FRAME_SIZE);
        self.endpoints.channel_max = open.channel_max;
        if self.local == Half::Open {
            self.timers.opened(idle_time_out, shortest);
            self.endpoints.fx.tell(Event::Opened);
        }
        Ok(())
    }

    pub(super) fn on_close(&mut self, close: Close) {
        self.remote = Half::Ended;
        self.remote_error = close.error.clone().map(Box::new);
        match self.reason.take() {
            Some(reason) => self.finish(reason),
            None if close.error.is_none() && self.endpoints.is_leaving() => self.give_up_closing(),
            None => {
                self.endpoints.write_news();
                self.send_close(None);
                self.finish(Reason::remote(close.error));
            }
        }
    }

    pub(super) fn send_open(&mut self) {
        let options = &self.options;
        let mut open = Open::new(options.container_id.clone());
        open.hostname = options.hostname.clone();
        open.max_frame_size = self.frame_size;
        open.channel_max = options.limits.channel_max();
        // Half of the timeout that this end applies (C-IDLE-02). The setter ensures that the half is not
        // zero.
        open.idle_time_out = options.idle_timeout.map(|millis| millis / 2);
        open.outgoing_locales = options.outgoing_locales.clone();
        open.incoming_locales = options.incoming_locales.clone();
        open.offered_capabilities = options.offered_capabilities.clone();
        open.desired_capabilities = options.desired();
        open.properties = options.properties.clone();
        match self.endpoints.fx.send(0, &open) {
            Ok(()) => {
                self.local = Half::Open;
                self.endpoints.is_open = true;
            }
            Err(error) => {
                let error = AmqpError::described(Condition::FrameSizeTooSmall, format_args!("{error}"));
                self.finish(Reason::local(Some(error)));
            }
        }
    }

    /// Sends a close, after the open if that was not sent.
    fn send_close(&mut self, error: Option<&AmqpError>) {
        if self.local == Half::Unopened {
            self.send_open();
        }
        if self.local == Half::Open {
            self.endpoints.fx.send_error(0, error, |error| Close { error });
            self.local = Half::Ended;
            self.endpoints.is_open = false;
            self.endpoints.fx.is_mute = true;
        }
    }

    /// Handles a fault in a frame. After this end's close only the peer's close matters, so the fault is
    /// ignored then [2.4.6].
    #[cold]
    pub(super) fn on_fault(&mut self, fault: &ConnectionFault) -> Step {
        let waits_for_close = self.local == Half::Ended && self.remote == Half::Open;
        if waits_for_close { Step::Done } else { self.fail(fault) }
    }

    /// Closes the connection for a fault of the peer, and ignores later input.
    #[cold]
    pub(super) fn fail(&mut self, fault: &ConnectionFault) -> Step {
        let error = AmqpError::from(fault.clone());
        if matches!(self.handshake, Handshake::Amqp) || self.local == Half::Open {
            if self.local == Half::Open {
                self.endpoints.write_news();
            }
            self.send_close(Some(&error));
        }
        let reason = self.reason.take();
        let reason = reason.unwrap_or_else(|| Reason::local(Some(error)).with_cause(fault.cause()));
        self.finish(reason);
        Step::Done
    }

    /// Ends the connection and everything in it, and reports the end.
    pub(super) fn finish(&mut self, reason: Reason) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.local = Half::Ended;
        self.remote = Half::Ended;
        self.endpoints.is_open = false;
        self.endpoints.leaving = None;
        self.endpoints.fx.is_mute = true;
        self.endpoints.finish_updates();
        self.endpoints.end_all(&reason);
        self.endpoints.fx.tell(Event::Closed(Box::new(reason)));
        self.timers.stop();
        self.input.clear();
    }

    /// Ends a connection whose peer speaks another protocol, after sending this end's protocol header [2.2].
    #[cold]
    pub(super) fn mismatch(&mut self, words: fmt::Arguments<'_>) {
        if let Some(header) = self.handshake.own_header() {
            self.endpoints.fx.header(header);
        }
        self.finish(Reason::not_amqp(Str::told(words)));
    }

    #[cold]
    pub(super) fn unauthenticated(&mut self, failure: SaslFailure) {
        self.finish(Reason::sasl(failure));
    }
}
