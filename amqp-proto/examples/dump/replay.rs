//! [`replay`]: one end of a captured connection, replayed to an engine that stands for the other end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Write};

use amqp_proto::types::Limits;
use amqp_proto::wire::{Deframer, Frame, ProtocolHeader};
use bytes::Buf;

use super::MOST;
use super::conversation::Conversation;
use super::fields::Fields;
use super::label::counted;
use super::ledger::Ledger;
use super::mimic::Mimic;
use super::numbers::Numbers;
use super::step::{Side, Step, What};
use super::whole::Whole;

/// A header or a frame that the engine wrote, with its offset.
struct Written {
    offset: u64,
    what: What,
}

/// The fields that each end chooses for itself, and how the engine chooses them is not what the capture can tell.
const FREE: [&str; 13] = [
    "max_frame_size",
    "channel_max",
    "handle_max",
    "max_message_size",
    "incoming_window",
    "outgoing_window",
    "offered_capabilities",
    "desired_capabilities",
    "properties",
    "outgoing_locales",
    "incoming_locales",
    "available",
    "batchable",
];

/// The engine's side of a replay: its frames that are not compared yet, and the differences so far.
struct Comparison<'a> {
    numbers: Numbers<'a>,
    output: Deframer,
    /// The deliveries that are not complete, of the engine and of the capture.
    engine: Whole,
    capture: Whole,
    came: VecDeque<Written>,
    equal: u64,
    differences: Vec<String>,
}

/// Sends what one end sent in the capture to an engine, lets the engine do what the other end did, and prints where the
/// engine's frames differ from those in the capture. Returns the number of differences.
pub(crate) fn replay(
    conversation: &Conversation,
    ledger: &Ledger,
    replayed: Side,
    out: &mut impl Write,
) -> io::Result<usize> {
    let mut mimic = Mimic::new(conversation, ledger, replayed.other());
    let mut comparison = Comparison::new(ledger);
    for (at, step) in conversation.steps.iter().enumerate().filter(|(_, step)| !is_sasl(&step.what)) {
        if step.from == replayed {
            mimic.receive(step, &comparison.numbers.for_engine(at, step));
        } else if is_compared(&step.what) {
            let refused = mimic.act(at, step).err();
            comparison.read(&mut mimic);
            comparison.compare(at, step, refused);
        }
    }
    comparison.read(&mut mimic);
    comparison.finish();
    print(&comparison, replayed, out)?;
    Ok(comparison.differences.len())
}

/// Returns whether this belongs to the SASL layer. It is left out, as the engine knows no accounts.
fn is_sasl(what: &What) -> bool {
    match what {
        What::Header(header) => *header == ProtocolHeader::SASL,
        What::Frame(frame, _) => matches!(**frame, Frame::Sasl(_)),
        _ => false,
    }
}

/// Returns whether this is a header or a frame with a performative. Heartbeats come when it is time.
fn is_compared(what: &What) -> bool {
    match what {
        What::Header(_) => true,
        What::Frame(frame, _) => matches!(**frame, Frame::Amqp { .. }),
        _ => false,
    }
}

/// Returns the name of a header or a performative.
fn name(what: &What) -> &'static str {
    match what {
        What::Frame(frame, _) => match &**frame {
            Frame::Amqp { performative, .. } => performative.name(),
            _ => "frame",
        },
        _ => "header",
    }
}

fn text(what: &What) -> String {
    match what {
        What::Header(header) => format!("{header:?}"),
        What::Frame(frame, _) => format!("{frame}"),
        What::Remark(words) | What::Fault(words) => words.clone(),
    }
}

/// Returns the names of what differs between two frames of a kind.
fn differing(expected: &What, came: &What) -> Vec<String> {
    let (What::Frame(expected, _), What::Frame(came, _)) = (expected, came) else {
        return if text(expected) == text(came) { Vec::new() } else { vec!["version".into()] };
    };
    let (
        Frame::Amqp { channel, performative, payload },
        Frame::Amqp { channel: other_channel, performative: other, payload: other_payload },
    ) = (&**expected, &**came)
    else {
        return Vec::new();
    };
    let (one, two) = (format!("{performative:?}"), format!("{other:?}"));
    let mut names = Vec::new();
    if let (Some((one, _)), Some((two, _))) = (Fields::read(&one), Fields::read(&two)) {
        let all = one.names().into_iter().chain(two.names());
        // A boolean that is absent is false, and a range without a last delivery has one [2.7.6].
        let text = |fields: &Fields<'_>, name: &str| -> Option<String> {
            let first = fields.text("first").filter(|_| name == "last");
            fields.text(name).filter(|text| *text != "false" && Some(*text) != first).map(str::to_owned)
        };
        let differs = |name: &&str| text(&one, name) != text(&two, name) && !FREE.contains(name);
        names.extend(all.filter(differs).map(str::to_owned));
    }
    names.extend((channel != other_channel).then(|| "channel".into()));
    names.extend((payload != other_payload).then(|| "payload".into()));
    names.sort();
    names.dedup();
    names
}

fn print(comparison: &Comparison<'_>, replayed: Side, out: &mut impl Write) -> io::Result<()> {
    let (replayed, engine) =
        if replayed == Side::Client { ("client", "server") } else { ("server", "client") };
    writeln!(out, "the {replayed} of the capture was replayed to an engine as {engine}")?;
    comparison.differences.iter().try_for_each(|difference| write!(out, "\n{difference}"))?;
    let different = comparison.differences.len() as u64;
    let equal = counted(comparison.equal, "frame");
    writeln!(out, "\n{equal} as in the capture, {}", counted(different, "difference"))
}

impl<'a> Comparison<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        Self {
            numbers: Numbers::new(ledger),
            output: Deframer::default(),
            engine: Whole::default(),
            capture: Whole::default(),
            came: VecDeque::new(),
            equal: 0,
            differences: Vec::new(),
        }
    }

    /// Takes the engine's output apart.
    fn read(&mut self, mimic: &mut Mimic<'_>) {
        let mut output = mimic.output();
        while output.has_remaining() {
            let chunk = output.chunk();
            let count = chunk.len();
            self.output.input().extend_from_slice(chunk);
            output.advance(count);
        }
        loop {
            let offset = self.output.position();
            let what = if self.output.remaining().first() == Some(&b'A') {
                self.output.next_header().ok().flatten().map(What::Header)
            } else {
                let frame = self.output.next_frame(MOST).ok().flatten();
                let frame = frame.and_then(|frame| frame.decode(&Limits::DEFAULT).ok());
                frame.map(|frame| What::Frame(Box::new(frame), 0))
            };
            let Some(what) = what else { return };
            if let Some(what) = self.engine.add(&what).filter(is_compared) {
                self.came.push_back(Written { offset, what });
            }
        }
    }

    /// Compares the engine's next frame with the one of this step.
    fn compare(&mut self, at: usize, expected: &Step, refused: Option<String>) {
        let Some(what) = self.capture.add(&expected.what) else { return };
        let (name, wanted) = (name(&what), text(&what));
        // A flow may come when the engine has something to tell, not when the captured end had.
        while self.came.front().is_some_and(|came| name != "flow" && self::name(&came.what) == "flow") {
            self.unexpected();
        }
        let is_same = self.came.front().is_some_and(|came| self::name(&came.what) == name);
        let Some(came) = (if is_same { self.came.pop_front() } else { None }) else {
            let mut words = format!("at {}\n  expected  {wanted}\n  came      nothing", expected.place);
            if let Some(came) = self.came.front() {
                let _ = write!(words, " of the kind; next is {} at offset {}", text(&came.what), came.offset);
            }
            if let Some(refused) = refused {
                let _ = write!(words, "\n  because   {refused}");
            }
            self.differences.push(words + "\n");
            return;
        };
        self.numbers.learn(at, &what, &came.what);
        let fields = differing(&self.numbers.as_of_engine(at, &what), &came.what);
        self.numbers.forget(at, &what);
        if fields.is_empty() {
            self.equal += 1;
            return;
        }
        let place = format!("at {}, offset {} of the engine", expected.place, came.offset);
        let fields = fields.join(", ");
        let came = text(&came.what);
        self.differences
            .push(format!("{place}: {name} differs in {fields}\n  expected  {wanted}\n  came      {came}\n"));
    }

    fn unexpected(&mut self) {
        if let Some(came) = self.came.pop_front() {
            let words = format!(
                "offset {} of the engine: not in the capture\n  came      {}\n",
                came.offset,
                text(&came.what)
            );
            self.differences.push(words);
        }
    }

    fn finish(&mut self) {
        while !self.came.is_empty() {
            self.unexpected();
        }
    }
}
