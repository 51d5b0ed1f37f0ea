//! [`Host`]: the tester as the peer that a client connects to. It answers what a rule does not look at.

use super::super::case::{Played, Stop, not_tried};
use super::super::peer::{Input, Peer};
use super::super::stages::message;
use super::super::wire::{AMQP, Frame, Out, SASL, Value, symbol};

/// The answers of the tester.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) open: Out,
    pub(super) begin: Out,
    /// The credit for a client that sends.
    pub(super) credit: u32,
    /// The number of messages for a client that receives.
    pub(super) messages: u32,
    /// True if messages are accepted.
    pub(super) accepts: bool,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            open: Out::new("open").with("container-id", "conformance"),
            begin: super::super::stages::begin(),
            credit: 10,
            messages: 3,
            accepts: true,
        }
    }

    /// Reads the headers of the client and answers them, SASL included. The next frame of the client is its open.
    pub(super) fn greets(peer: &mut Peer<'_>) -> Played {
        let header = peer.header().or_else(|came| not_tried(format!("no header: {came}")))?;
        if header == SASL {
            peer.write("SASL header", &SASL);
            let mechanisms = Value::Array(vec![symbol("ANONYMOUS"), symbol("PLAIN")]);
            peer.send([Out::new("sasl-mechanisms").with("sasl-server-mechanisms", mechanisms)]);
            peer.needs("sasl-init", |frame| frame.is("sasl-init"))?;
            peer.send([Out::new("sasl-outcome").with("code", 0u8)]);
            match peer.header() {
                Ok(AMQP) => {}
                Ok(other) => return not_tried(format!("another header: {}", Input::Header(other))),
                Err(came) => return not_tried(format!("no header: {came}")),
            }
        } else if header != AMQP {
            return not_tried(format!("another header: {}", Input::Header(header)));
        }
        peer.write("AMQP header", &AMQP);
        Ok(())
    }

    /// Answers the client until a frame comes that is wanted, which is not answered.
    ///
    /// # Errors
    ///
    /// A text that tells what came instead.
    pub(super) fn until(&self, peer: &mut Peer<'_>, is: impl Fn(&Frame) -> bool) -> Result<Frame, String> {
        loop {
            let frame = match peer.next(peer.target.times.answer) {
                Input::Frame(frame) => frame,
                other => return Err(other.to_string()),
            };
            if is(&frame) {
                return Ok(frame);
            }
            self.answer(peer, &frame);
            if frame.is("close") {
                return Err(frame.to_string());
            }
        }
    }

    /// Greets the client, and answers it until a frame comes without which the rule cannot be tried.
    pub(super) fn needs(
        &self,
        peer: &mut Peer<'_>,
        what: &str,
        is: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, Stop> {
        Self::greets(peer)?;
        self.until(peer, is).or_else(|came| not_tried(format!("the client sends no {what}: {came}")))
    }

    /// Answers the client until it falls silent or ends. Returns all of its frames.
    pub(super) fn all(&self, peer: &mut Peer<'_>) -> (Vec<Frame>, String) {
        let mut frames = Vec::new();
        loop {
            match peer.next(peer.target.times.quiet * 3) {
                Input::Frame(frame) => {
                    self.answer(peer, &frame);
                    let is_last = frame.is("close") || frames.len() >= 1_000;
                    frames.push(frame);
                    if is_last {
                        return (frames, "close".to_owned());
                    }
                }
                other => return (frames, other.to_string()),
            }
        }
    }

    /// Answers a frame of the client.
    pub(super) fn answer(&self, peer: &mut Peer<'_>, frame: &Frame) {
        let channel = frame.channel;
        if frame.is("open") {
            peer.send([self.open.clone()]);
        } else if frame.is("begin") {
            peer.send([self.begin.clone().with("remote-channel", channel).on(channel)]);
        } else if frame.is("attach") {
            self.attach(peer, frame);
        } else if frame.is("flow") {
            self.flow(peer, frame);
        } else if frame.is("transfer") {
            self.transfer(peer, frame);
        } else if frame.is("detach") {
            let answer = Out::new("detach").with("handle", frame.get("handle").clone());
            peer.send([answer.with("closed", frame.get("closed").clone()).on(channel)]);
        } else if frame.is("end") {
            peer.send([Out::new("end").on(channel)]);
        } else if frame.is("close") {
            peer.send([Out::new("close")]);
        }
    }

    /// Answers an attach with the same termini; a client that sends gets credit.
    fn attach(&self, peer: &mut Peer<'_>, frame: &Frame) {
        let answer = answer_to(frame);
        if frame.get("role").is_true() {
            return peer.send([answer.with("initial-delivery-count", 0u32)]);
        }
        peer.send([answer]);
        if self.credit > 0 {
            let count = frame.get("initial-delivery-count").uint().unwrap_or_default();
            let flow = peer.flow().with("handle", frame.get("handle").clone()).with("delivery-count", count);
            peer.send([flow.with("link-credit", self.credit).on(frame.channel)]);
        }
    }

    /// Sends what the client has granted credit for, as far as there are messages.
    fn flow(&self, peer: &mut Peer<'_>, frame: &Frame) {
        let Some(credit) = frame.get("link-credit").uint() else { return };
        let count = frame.get("delivery-count").uint().unwrap_or_default();
        let most = self.messages.min(count.saturating_add(credit));
        while peer.deliveries < most {
            let id = peer.deliveries;
            peer.deliveries += 1;
            let transfer = Out::new("transfer")
                .with("handle", frame.get("handle").clone())
                .with("delivery-id", id)
                .with("delivery-tag", &id.to_be_bytes()[..])
                .with("message-format", 0u32)
                .with_payload(&message(&format!("message {id}")));
            peer.send([transfer.on(frame.channel)]);
        }
    }

    fn transfer(&self, peer: &mut Peer<'_>, frame: &Frame) {
        let Some(id) = frame.get("delivery-id").uint() else { return };
        if self.accepts && !frame.get("settled").is_true() && !frame.get("more").is_true() {
            peer.send([
                super::super::stages::settle(id, id, super::super::stages::accepted()).on(frame.channel)
            ]);
        }
    }
}

/// Makes the answer to an attach: the other role, and the same termini.
pub(super) fn answer_to(frame: &Frame) -> Out {
    Out::new("attach")
        .with("name", frame.get("name").clone())
        .with("handle", frame.get("handle").clone())
        .with("role", !frame.get("role").is_true())
        .with("snd-settle-mode", frame.get("snd-settle-mode").clone())
        .with("rcv-settle-mode", frame.get("rcv-settle-mode").clone())
        .with("source", frame.get("source").clone())
        .with("target", frame.get("target").clone())
        .on(frame.channel)
}
