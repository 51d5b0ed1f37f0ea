//! The stages that a connection goes through before a rule can be tried, and messages.

use super::case::{Played, Stop, deviates, holds, not_tried};
use super::peer::Peer;
use super::wire::{AMQP, Frame, Out, SASL, Section, Value, composite, symbol};

/// The incoming-window and the outgoing-window of the tester.
const WINDOW: u32 = 2_048;

/// A link that is attached at both ends.
#[derive(Debug)]
pub(crate) struct Link {
    /// The handle of the tester.
    pub(crate) handle: u32,
    /// The handle of the peer.
    pub(crate) theirs: u32,
    /// The attach of the peer.
    pub(crate) attach: Frame,
}

/// A delivery that the peer has sent.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: u32,
    pub(crate) tag: Value,
    pub(crate) settled: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) frames: Vec<Frame>,
}

/// A message with this text as data.
pub(crate) fn message(text: &str) -> Vec<u8> {
    section(0x75, text.as_bytes().into())
}

/// A section of a message.
pub(crate) fn section(code: u64, value: Value) -> Vec<u8> {
    super::wire::described(code, value).octets(super::wire::Form::Short)
}

pub(crate) fn accepted() -> Value {
    composite("accepted", &[])
}

/// A disposition of the tester as the receiver, which settles.
pub(crate) fn settle(first: u32, last: u32, state: Value) -> Out {
    Out::new("disposition")
        .with("role", true)
        .with("first", first)
        .with("last", last)
        .with("settled", true)
        .with("state", state)
}

pub(crate) fn begin() -> Out {
    Out::new("begin")
        .with("next-outgoing-id", 0u32)
        .with("incoming-window", WINDOW)
        .with("outgoing-window", WINDOW)
}

/// A detach that closes the link.
pub(crate) fn closing(handle: u32) -> Out {
    Out::new("detach").with("handle", handle).with("closed", true)
}

impl Peer<'_> {
    pub(crate) fn open(&self) -> Out {
        Out::new("open").with("container-id", &*self.name)
    }

    /// An attach of a link on which the tester sends to the node.
    pub(crate) fn attach_sender(&self, name: &str, handle: u32) -> Out {
        Out::new("attach")
            .with("name", &*format!("{}-{name}", self.name))
            .with("handle", handle)
            .with("role", false)
            .with("source", composite("source", &[("address", "conformance".into())]))
            .with("target", composite("target", &[("address", (&*self.target.node).into())]))
            .with("initial-delivery-count", 0u32)
    }

    /// An attach of a link on which the tester receives from the node.
    pub(crate) fn attach_receiver(&self, name: &str, handle: u32) -> Out {
        Out::new("attach")
            .with("name", &*format!("{}-{name}", self.name))
            .with("handle", handle)
            .with("role", true)
            .with("source", composite("source", &[("address", (&*self.target.node).into())]))
            .with("target", composite("target", &[("address", "conformance".into())]))
    }

    /// A flow of the session.
    pub(crate) fn flow(&self) -> Out {
        Out::new("flow")
            .with("next-incoming-id", self.next_incoming)
            .with("incoming-window", WINDOW)
            .with("next-outgoing-id", self.sent)
            .with("outgoing-window", WINDOW)
    }

    /// A flow that grants credit from this delivery-count on.
    pub(crate) fn credit(&self, link: &Link, delivery_count: u32, credit: u32) -> Out {
        self.flow()
            .with("handle", link.handle)
            .with("delivery-count", delivery_count)
            .with("link-credit", credit)
    }

    /// The octets of a login: the frame that starts SASL.
    pub(crate) fn login(&self) -> Out {
        match &self.target.login {
            Some((user, password)) => {
                let response = format!("\0{user}\0{password}");
                let init = Out::new("sasl-init").with("mechanism", symbol("PLAIN"));
                init.with("initial-response", response.as_bytes())
            }
            None => {
                let init = Out::new("sasl-init").with("mechanism", symbol("ANONYMOUS"));
                init.with("initial-response", "conformance".as_bytes())
            }
        }
    }

    /// Starts the SASL layer, and reads the peer's mechanisms.
    pub(crate) fn mechanisms(&mut self) -> Result<Frame, Stop> {
        if !self.target.sasl {
            return not_tried("the peer has no SASL layer");
        }
        self.write("SASL header", &SASL);
        self.needs_header(SASL)?;
        self.needs("sasl-mechanisms", |frame| frame.is("sasl-mechanisms"))
    }

    fn needs_header(&mut self, wanted: [u8; 8]) -> Played {
        match self.header() {
            Ok(header) if header == wanted => Ok(()),
            Ok(header) => not_tried(format!("another header: {}", super::peer::Input::Header(header))),
            Err(came) => not_tried(format!("no header: {came}")),
        }
    }

    /// Authenticates, if the peer has a SASL layer. The next header is that of AMQP.
    pub(crate) fn authenticated(&mut self) -> Played {
        if !self.target.sasl {
            return Ok(());
        }
        self.mechanisms()?;
        self.send([self.login()]);
        let outcome = self.needs("sasl-outcome", |frame| frame.is("sasl-outcome"))?;
        match outcome.get("code").number() {
            Some(0) => Ok(()),
            _ => not_tried(format!("the login is refused: {outcome}")),
        }
    }

    /// Exchanges headers; the next frame is the open.
    pub(crate) fn ready(&mut self) -> Played {
        self.authenticated()?;
        self.write("AMQP header", &AMQP);
        self.needs_header(AMQP)
    }

    /// Opens the connection. Returns the peer's open.
    pub(crate) fn opened(&mut self) -> Result<Frame, Stop> {
        self.opened_with(self.open())
    }

    pub(crate) fn opened_with(&mut self, open: Out) -> Result<Frame, Stop> {
        self.ready()?;
        self.send([open]);
        self.needs("open", |frame| frame.is("open"))
    }

    /// Opens the connection and begins a session on channel 0. Returns the peer's begin.
    pub(crate) fn begun(&mut self) -> Result<Frame, Stop> {
        self.begun_with(self.open(), begin())
    }

    pub(crate) fn begun_with(&mut self, open: Out, begin: Out) -> Result<Frame, Stop> {
        self.opened_with(open)?;
        self.send([begin]);
        self.needs("begin", |frame| frame.is("begin"))
    }

    /// Sends an attach, and waits for the peer's.
    pub(crate) fn attaches(&mut self, attach: Out) -> Result<Link, Stop> {
        let link = self.tries_attach(attach)?;
        let is_sender = link.attach.get("role").is_true();
        let terminus = if is_sender { "target" } else { "source" };
        if link.attach.get(terminus).is_null() {
            let came =
                self.until(|frame| frame.is("detach")).map_or_else(|came| came, |frame| frame.to_string());
            return not_tried(format!("the peer refuses the link: {came}"));
        }
        Ok(link)
    }

    /// Sends an attach, and waits for the peer's, also if it refuses the link.
    pub(crate) fn tries_attach(&mut self, attach: Out) -> Result<Link, Stop> {
        let (name, handle) = (attach.get("name").clone(), attach.get("handle").uint().unwrap_or_default());
        self.send([attach]);
        let attach = self.needs("attach", |frame| frame.is("attach") && *frame.get("name") == name)?;
        let Some(theirs) = attach.get("handle").uint() else {
            return not_tried(format!("an attach without a handle: {attach}"));
        };
        Ok(Link { handle, theirs, attach })
    }

    /// Sends an attach that the peer must accept.
    pub(crate) fn expects_attach(&mut self, attach: Out) -> Result<Link, Stop> {
        self.attaches(attach).or_else(|stop| match stop {
            Stop::NotTried(came) => deviates("attach with a terminus", came),
            stop => Err(stop),
        })
    }

    /// Attaches a link on which the tester sends, and waits for credit.
    pub(crate) fn sender(&mut self, name: &str, handle: u32) -> Result<Link, Stop> {
        let link = self.attaches(self.attach_sender(name, handle))?;
        self.granted(&link)?;
        Ok(link)
    }

    /// Waits for credit on a link on which the tester sends. Returns the flow.
    pub(crate) fn granted(&mut self, link: &Link) -> Result<Frame, Stop> {
        let theirs = link.theirs;
        self.needs("credit", |frame| {
            let credit = frame.get("link-credit").number().unwrap_or_default();
            frame.is("flow") && frame.get("handle").uint() == Some(theirs) && credit > 0
        })
    }

    /// Attaches a link on which the tester receives.
    pub(crate) fn receiver(&mut self, name: &str, handle: u32) -> Result<Link, Stop> {
        self.attaches(self.attach_receiver(name, handle))
    }

    /// A transfer of a new delivery, which is counted. Its tag is made of its delivery-id.
    pub(crate) fn transfer(&mut self, link: &Link, payload: &[u8]) -> Out {
        let id = self.deliveries;
        self.deliveries += 1;
        Out::new("transfer")
            .with("handle", link.handle)
            .with("delivery-id", id)
            .with("delivery-tag", &id.to_be_bytes()[..])
            .with("message-format", 0u32)
            .with_payload(payload)
    }

    /// Waits until the peer has said a terminal state of all deliveries from `first` on. Returns the states.
    ///
    /// # Errors
    ///
    /// A text that tells what came instead.
    pub(crate) fn outcomes(&mut self, first: u32) -> Result<Vec<(Value, bool)>, String> {
        let count = usize::try_from(self.deliveries - first).unwrap_or_default();
        let mut states: Vec<Option<(Value, bool)>> = vec![None; count];
        while states.iter().any(Option::is_none) {
            let frame = self.until(|frame| frame.is("disposition") && frame.get("role").is_true())?;
            let from = frame.get("first").uint().unwrap_or_default();
            let to = frame.get("last").uint().unwrap_or(from);
            for (place, state) in states.iter_mut().enumerate() {
                let id = first.wrapping_add(u32::try_from(place).unwrap_or_default());
                if id.wrapping_sub(from) <= to.wrapping_sub(from) && !frame.get("state").is("received") {
                    *state = Some((frame.get("state").clone(), frame.get("settled").is_true()));
                }
            }
        }
        Ok(states.into_iter().flatten().collect())
    }

    /// Puts messages into the node over a link of its own, on the session that is begun.
    pub(crate) fn filled(&mut self, payloads: &[Vec<u8>]) -> Played {
        let link = self.sender("fill", 9)?;
        let first = self.deliveries;
        for payload in payloads {
            let transfer = self.transfer(&link, payload);
            self.send([transfer]);
        }
        let outcomes = self.outcomes(first).or_else(|came| not_tried(format!("no outcome: {came}")))?;
        if let Some((state, _)) = outcomes.iter().find(|(state, _)| !state.is("accepted")) {
            return not_tried(format!("the peer does not accept messages: {state}"));
        }
        self.send([closing(link.handle)]);
        let theirs = link.theirs;
        self.needs("detach", |frame| frame.is("detach") && frame.get("handle").uint() == Some(theirs))?;
        Ok(())
    }

    /// Puts this number of short messages into the node.
    pub(crate) fn filled_with(&mut self, count: u32) -> Played {
        let payloads: Vec<_> = (0..count).map(|number| message(&format!("message {number}"))).collect();
        self.filled(&payloads)
    }

    /// Waits for a whole delivery on a link.
    ///
    /// # Errors
    ///
    /// A text that tells what came instead.
    pub(crate) fn delivery(&mut self, link: &Link) -> Result<Delivery, String> {
        let mut frames: Vec<Frame> = Vec::new();
        loop {
            let theirs = link.theirs;
            let frame =
                self.until(|frame| frame.is("transfer") && frame.get("handle").uint() == Some(theirs))?;
            let is_last = !frame.get("more").is_true() || frame.get("aborted").is_true();
            frames.push(frame);
            if is_last {
                break;
            }
        }
        let first = &frames[0];
        let Some(id) = first.get("delivery-id").uint() else {
            return Err(format!("a first transfer without delivery-id: {first}"));
        };
        Ok(Delivery {
            id,
            tag: first.get("delivery-tag").clone(),
            settled: frames.iter().any(|frame| frame.get("settled").is_true()),
            payload: frames.iter().flat_map(|frame| frame.payload.clone()).collect(),
            frames,
        })
    }

    /// Grants credit for one message, and takes it.
    pub(crate) fn takes_one(&mut self, link: &Link, delivery_count: u32) -> Result<Delivery, Stop> {
        let credit = self.credit(link, delivery_count, 1);
        self.send([credit]);
        self.delivery(link).or_else(|came| not_tried(format!("no message: {came}")))
    }

    /// Accepts and settles all of these deliveries.
    pub(crate) fn accepts(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries.iter().filter(|delivery| !delivery.settled) {
            self.send([settle(delivery.id, delivery.id, accepted())]);
        }
    }

    /// Empties the node.
    pub(crate) fn empties(&mut self) -> Played {
        self.begun()?;
        let link = self.receiver("empty", 0)?;
        let start = link.attach.get("initial-delivery-count").uint().unwrap_or_default();
        let credit = self.credit(&link, start, 1_000);
        self.send([credit]);
        let (frames, end) = self.rest();
        let ids = frames.iter().filter(|frame| frame.is("transfer"));
        let ids: Vec<u32> = ids.filter_map(|frame| frame.get("delivery-id").uint()).collect();
        if let (Some(first), Some(last)) = (ids.first(), ids.last()) {
            self.send([settle(*first, *last, accepted())]);
        }
        self.send([closing(0), Out::new("end")]);
        holds(end.is_none(), "an empty node", || end.clone().unwrap_or_default())
    }
}

/// Returns the initial delivery-count of a link on which the peer sends.
pub(crate) fn start_of(link: &Link) -> u32 {
    link.attach.get("initial-delivery-count").uint().unwrap_or_default()
}

/// Reads the sections of a message.
pub(crate) fn sections_of(delivery: &Delivery) -> Result<Vec<Section>, Stop> {
    match super::wire::sections(&delivery.payload) {
        Some(sections) => Ok(sections),
        None => not_tried(format!("the message cannot be read: {}", super::wire::hex(&delivery.payload, 64))),
    }
}
