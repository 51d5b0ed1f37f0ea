//! [`Options`]: the command line.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;

use super::capture::is_capture;
use super::connections::read_capture;
use super::conversation::{Conversation, Recording};
use super::diagram::{print_diagram, title};
use super::follow::print_delivery;
use super::frames::print_frames;
use super::html::print_html;
use super::input::Input;
use super::label::counted;
use super::ledger::Ledger;
use super::replay::replay;
use super::sections::print_message;
use super::step::Side;
use super::stop::Stop;
use super::stream;
use super::summary::print_summary;
use super::svg::print_svg;
use super::trace::{is_trace, read_trace};
use super::values::print_values;

pub(crate) const USAGE: &str = "\
usage: dump [--hex] [--value | --message] [FILE | -]
       dump [--trace] [--frames | --summary | --svg | --html | --delivery TAG]
            [--connection N] [--stall MS] [FILE | -]
       dump --replay client|server [--connection N] [FILE | -]

Prints the protocol headers and frames of an AMQP 1.0 stream, each with its offset,
and the sections of the messages in it.

  --hex      the input is hexadecimal text, with or without blanks
  --value    the input is a sequence of AMQP values
  --message  the input is the sections of one message

Nothing may be larger than 16 MiB. The first fault and its offset go to standard error,
with exit code 1.

Shows each connection of a capture (pcap or pcapng) or of a trace (what PN_TRACE_FRM=1
or set_trace prints) as a sequence diagram in text: credit, windows and unsettled
deliveries beside the arrows, faults behind '!'.

  --trace          the input is a trace; without this, it is one if it begins like one
  --frames         shows the frames with all fields, and the sections of their messages
  --summary        shows messages, outcomes, latency, stalls and faults
  --svg            shows the diagram as a picture: dump --svg FILE > FILE.svg
  --html           shows summary, picture and frames as a page
  --delivery TAG   follows one delivery; TAG is a text, or octets such as 0x6a6f62
  --replay END     replays what this end sent to an engine of amqp-proto, which does what the
                   other end did, and shows where their frames differ; exit code 1 if they do
  --connection N   shows this connection only
  --stall MS       a wait is a stall from this many milliseconds on; 100 if not said
";

/// Milliseconds from which a wait is a stall.
const STALL: u64 = 100;

/// The form in which a connection is shown.
#[derive(Debug)]
enum View {
    Frames,
    Summary,
    Svg,
    Html,
    /// The delivery with this tag.
    Delivery(String),
    /// The differences when what this end sent is replayed to an engine.
    Replay(Side),
}

/// The options of the command line.
#[derive(Debug, Default)]
pub(crate) struct Options {
    hex: bool,
    value: bool,
    message: bool,
    help: bool,
    trace: bool,
    /// The form, if it is not the diagram.
    view: Option<View>,
    connection: Option<usize>,
    /// Milliseconds from which a wait is a stall.
    stall: Option<u64>,
    file: Option<OsString>,
}

impl Options {
    /// Parses the arguments. Returns `None` if they are wrong.
    pub(crate) fn read(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next()?.into_string().ok();
            match argument.to_str() {
                Some("--hex") => options.hex = true,
                Some("--value") => options.value = true,
                Some("--message") => options.message = true,
                Some("--help") => options.help = true,
                Some("--trace") => options.trace = true,
                Some("--frames") => options.set_view(View::Frames)?,
                Some("--summary") => options.set_view(View::Summary)?,
                Some("--svg") => options.set_view(View::Svg)?,
                Some("--html") => options.set_view(View::Html)?,
                Some("--delivery") => options.set_view(View::Delivery(value()?))?,
                Some("--replay") => options.set_view(View::Replay(side(&value()?)?))?,
                Some("--stall") => options.stall = Some(value()?.parse().ok()?),
                Some("--connection") => options.connection = Some(value()?.parse().ok()?),
                Some(flag) if flag.starts_with('-') && flag != "-" => return None,
                _ if options.file.is_some() => return None,
                _ => options.file = Some(argument),
            }
        }
        let is_plain = options.hex || options.value || options.message;
        let is_recording = options.trace || options.is_about_connections();
        let is_wrong = (options.value && options.message) || (is_plain && is_recording);
        (!is_wrong).then_some(options)
    }

    fn set_view(&mut self, view: View) -> Option<()> {
        self.view.replace(view).is_none().then_some(())
    }

    fn is_about_connections(&self) -> bool {
        self.view.is_some() || self.connection.is_some() || self.stall.is_some()
    }

    /// Does what the options say, with this standard input and output.
    pub(crate) fn run(self, standard: Box<dyn Read>, out: &mut impl Write) -> Result<(), Stop> {
        if self.help {
            return Ok(out.write_all(USAGE.as_bytes())?);
        }
        let mut input = match self.file.as_deref().filter(|file| *file != "-") {
            Some(file) => Input::open(Path::new(file), self.hex)?,
            None => Input::new(standard, self.hex),
        };
        match (self.value, self.message, self.hex) {
            (true, _, _) => return print_values(&mut input, out),
            (_, true, _) => return print_message(&mut input, out),
            (_, _, true) => return stream::print_frames(&mut input, out),
            _ => {}
        }
        let head = input.peek()?;
        if !self.trace && is_capture(&head) {
            self.show(&read_capture(&input.read_whole()?), out)
        } else if self.trace || !is_stream(&head) && is_trace(&head) {
            self.show(&read_trace(&input.read_whole()?), out)
        } else if self.is_about_connections() {
            Err(Stop::Unfit("this is no capture and no trace, so it has no connections with two ends".into()))
        } else {
            stream::print_frames(&mut input, out)
        }
    }

    fn show(&self, recording: &Recording, out: &mut impl Write) -> Result<(), Stop> {
        let stall = self.stall.unwrap_or(STALL).saturating_mul(1_000_000);
        let is_shown = |number| self.connection.is_none_or(|only| only == number);
        let shown = recording.conversations.iter().filter(|one| is_shown(one.number));
        let all: Vec<(&Conversation, Ledger)> = shown.map(|one| (one, Ledger::new(one, stall))).collect();
        if all.is_empty() {
            recording.remarks.iter().try_for_each(|remark| writeln!(out, "* {remark}"))?;
            return Err(Stop::Unfit(match self.connection {
                Some(number) => format!("no connection {number} is in it"),
                None => "no AMQP connection is in it".into(),
            }));
        }
        match &self.view {
            Some(View::Svg) => return Ok(print_svg(&all, out)?),
            Some(View::Html) => return Ok(print_html(recording, all, out)?),
            Some(View::Delivery(tag)) => return follow(&all, tag, out),
            Some(View::Replay(side)) => return replay_all(&all, *side, out),
            _ => {}
        }
        for (at, (conversation, ledger)) in all.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            match self.view {
                Some(View::Frames) => print_frames(conversation, ledger, out)?,
                Some(View::Summary) => print_summary(conversation, ledger, out)?,
                _ => print_diagram(conversation, ledger, |_| true, out)?,
            }
        }
        if !recording.remarks.is_empty() {
            writeln!(out)?;
        }
        Ok(recording.remarks.iter().try_for_each(|remark| writeln!(out, "* {remark}"))?)
    }
}

/// Prints the deliveries with this tag on all connections.
fn follow(all: &[(&Conversation, Ledger)], tag: &str, out: &mut impl Write) -> Result<(), Stop> {
    let mut count = 0;
    for (conversation, ledger) in all {
        count += print_delivery(conversation, ledger, tag, out)?;
    }
    if count > 0 { Ok(()) } else { Err(Stop::Unfit(format!("no delivery has the tag {tag}"))) }
}

fn side(text: &str) -> Option<Side> {
    match text {
        "client" => Some(Side::Client),
        "server" => Some(Side::Server),
        _ => None,
    }
}

/// Replays one end of each connection.
fn replay_all(all: &[(&Conversation, Ledger)], replayed: Side, out: &mut impl Write) -> Result<(), Stop> {
    let mut differences = 0;
    for (at, (conversation, ledger)) in all.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        if conversation.steps.iter().all(|step| step.octets.is_empty()) {
            return Err(Stop::Unfit("a trace cannot be replayed, as it has no messages".into()));
        }
        writeln!(out, "{}", title(conversation, ledger))?;
        differences += replay(conversation, ledger, replayed, out)?;
    }
    match differences {
        0 => Ok(()),
        count => Err(Stop::Unfit(format!(
            "the engine differs from the capture: {}",
            counted(count as u64, "difference")
        ))),
    }
}

/// Returns whether a stream begins like this: with a protocol header, or with a frame of less than 16 MiB.
fn is_stream(head: &[u8]) -> bool {
    head.is_empty() || head.starts_with(b"AMQP") || head.starts_with(&[0])
}
