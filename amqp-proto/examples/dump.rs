//! Prints an AMQP stream: each frame on a line, with the sections of its messages below.
//!
//! ```text
//! cargo run -p amqp-proto --example dump -- capture.bin
//! ```
//!
//! It prints while it reads, so the stream need not end. It holds one frame at most, and the deliveries that are not
//! finished, up to [`MOST`] octets each, with what they are decoded to.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::process::ExitCode;

use amqp_proto::codec::{DecodeError, DecodeErrorKind};
use amqp_proto::message::{Body, MessageView};
use amqp_proto::types::{Channel, Limits, Value};
use amqp_proto::wire::{Deframer, Frame, Performative, SectionKind, Transfer};
use bytes::{Bytes, BytesMut};

const USAGE: &str = "\
usage: dump [--hex] [--value | --message] [FILE | -]

Prints the protocol headers and frames of an AMQP 1.0 stream, each with its offset,
and the sections of the messages in it.

  --hex      the input is hexadecimal text, with or without blanks
  --value    the input is a sequence of AMQP values
  --message  the input is the sections of one message

Nothing may be larger than 16 MiB. The first fault and its offset go to standard error,
with exit code 1.
";

/// The largest frame, value or message, and the most octets of all unfinished deliveries.
const MOST: u32 = 16 << 20;
/// The most unfinished deliveries at a time. The messages of further ones are not shown.
const MOST_DELIVERIES: usize = 256;

/// The reason to stop.
enum Stop {
    /// The input is wrong at this offset.
    Fault(u64, String),
    Io(io::Error),
}

impl Stop {
    /// `start` is the offset of the first octet that was decoded.
    fn decode(start: u64, error: &DecodeError) -> Self {
        let kind = error.kind();
        let field = error.field().map(|(of, field)| format!(" in {of}.{field}")).unwrap_or_default();
        Self::Fault(start + error.offset() as u64, format!("{kind}{field} {}", kind.clause()))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The input: octets, or hexadecimal digits.
struct Input {
    source: Box<dyn Read>,
    block: Vec<u8>,
    hex: bool,
    /// The first digit of an octet whose second digit has not arrived.
    digit: Option<u8>,
    /// The number of octets decoded from digits.
    offset: u64,
    /// The fault in the digits behind them.
    fault: Option<String>,
}

impl Input {
    /// Appends the next octets, perhaps only a few. Returns false at the end.
    fn read(&mut self, out: &mut BytesMut) -> Result<bool, Stop> {
        let before = out.len();
        while out.len() == before {
            if let Some(reason) = self.fault.take() {
                return Err(Stop::Fault(self.offset, reason));
            }
            let count = match self.source.read(&mut self.block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            if self.hex {
                self.read_hex(count, out);
            } else {
                out.extend_from_slice(self.block.get(..count).unwrap_or_default());
            }
            if count == 0 && self.fault.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decodes the digits at the start of the block, and appends their octets up to the first fault.
    fn read_hex(&mut self, count: usize, out: &mut BytesMut) {
        if count == 0 && self.digit.is_some() {
            self.fault = Some("odd number of hexadecimal digits".into());
        }
        for octet in self.block.iter().take(count).filter(|octet| !octet.is_ascii_whitespace()) {
            let digit = char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            match (self.digit.take(), digit) {
                (_, None) => {
                    self.fault = Some(format!("{:?} is no hexadecimal digit", char::from(*octet)));
                    return;
                }
                (None, first) => self.digit = first,
                (Some(first), Some(second)) => {
                    out.extend_from_slice(&[first << 4 | second]);
                    self.offset += 1;
                }
            }
        }
    }
}

/// Incomplete deliveries, by channel and handle; `None` if the message is not shown.
#[derive(Default)]
struct Unfinished(HashMap<(u16, u32), Option<BytesMut>>);

impl Unfinished {
    /// Returns the message that this transfer completes, if it is to be shown.
    fn add(&mut self, channel: Channel, transfer: &Transfer, payload: Bytes) -> Option<Bytes> {
        let key = (channel.get(), transfer.handle.get());
        let begun = self.0.remove(&key);
        if transfer.aborted {
            return None;
        }
        // The first transfer has the delivery-id and the format.
        let is_message = transfer.delivery_id.is_some() && transfer.message_format.unwrap_or(0) == 0;
        if begun.is_none() && !transfer.more {
            return is_message.then_some(payload);
        }
        let message = begun.unwrap_or_else(|| is_message.then(BytesMut::new));
        let held: usize = self.0.values().flatten().chain(&message).map(BytesMut::len).sum();
        let mut message = message.filter(|_| held + payload.len() <= MOST as usize);
        message.iter_mut().for_each(|message| message.extend_from_slice(&payload));
        if !transfer.more {
            return message.map(BytesMut::freeze);
        }
        if self.0.len() < MOST_DELIVERIES {
            self.0.insert(key, message);
        }
        None
    }

    /// Removes the deliveries of a link or session that ends.
    fn forget(&mut self, channel: Channel, performative: &Performative) {
        match performative {
            Performative::Open(_) => self.0.clear(),
            Performative::End(_) => self.0.retain(|(own, _), _| *own != channel.get()),
            Performative::Detach(detach) => drop(self.0.remove(&(channel.get(), detach.handle.get()))),
            _ => {}
        }
    }
}

fn print_frames(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut deframer = Deframer::new();
    let mut unfinished = Unfinished::default();
    loop {
        let start = deframer.position();
        let fault = |error: DecodeError| Stop::decode(start, &error);
        // A header may stand between frames. No frame begins with its `A`, as that would mean a size of 1 GiB.
        if deframer.remaining().first() == Some(&b'A') {
            if let Some(header) = deframer.next_header().map_err(fault)? {
                writeln!(out, "{start:>8}  {header:?}")?;
                continue;
            }
        } else if let Some(frame) = deframer.next_frame(MOST).map_err(fault)? {
            let frame = frame.decode(&Limits::DEFAULT).map_err(fault)?;
            writeln!(out, "{start:>8}  {frame}")?;
            let Frame::Amqp { channel, performative, payload } = frame else { continue };
            unfinished.forget(channel, &performative);
            let Performative::Transfer(transfer) = performative else { continue };
            let here = payload.len();
            let Some(message) = unfinished.add(channel, &transfer, payload) else { continue };
            let (in_one_frame, first) = (message.len() == here, deframer.position() - here as u64);
            print_sections(message, "            ", out).map_err(|stop| match stop {
                Stop::Fault(at, reason) if in_one_frame => Stop::Fault(first + at, reason),
                Stop::Fault(at, reason) => Stop::Fault(start, format!("octet {at} of the message: {reason}")),
                other => other,
            })?;
            continue;
        }
        out.flush()?;
        if !input.read(deframer.input())? {
            let reason = "the stream ends inside a frame or a protocol header".to_owned();
            return if deframer.remaining().is_empty() { Ok(()) } else { Err(Stop::Fault(start, reason)) };
        }
    }
}

/// Offsets of faults count from the start of the message.
fn print_sections(message: Bytes, indent: &str, out: &mut impl Write) -> Result<(), Stop> {
    let fault = |error| Stop::decode(0, &error);
    let view = MessageView::new(message, &Limits::DEFAULT).map_err(fault)?;
    for kind in SectionKind::ALL.into_iter().filter(|kind| view.section(*kind).is_some()) {
        let lines = section(&view, kind).map_err(fault)?;
        lines.iter().try_for_each(|line| writeln!(out, "{indent}{line}"))?;
    }
    Ok(())
}

/// Formats the sections of one kind, one line for each.
fn section(view: &MessageView, kind: SectionKind) -> Result<Vec<String>, DecodeError> {
    let named = |value: &dyn Debug| format!("{} {value:?}", kind.schema().name);
    Ok(match kind {
        SectionKind::Header => vec![format!("{:?}", view.header()?)],
        SectionKind::DeliveryAnnotations => vec![named(&view.delivery_annotations()?)],
        SectionKind::MessageAnnotations => vec![named(&view.message_annotations()?)],
        SectionKind::Properties => vec![format!("{:?}", view.properties()?)],
        SectionKind::ApplicationProperties => vec![named(&view.application_properties()?)],
        SectionKind::Footer => vec![named(&view.footer()?)],
        SectionKind::Data | SectionKind::AmqpSequence | SectionKind::AmqpValue => match view.body()? {
            Body::Empty => Vec::new(),
            Body::Data(parts) => parts.into_iter().map(|octets| named(&Value::from(octets))).collect(),
            Body::Sequence(lists) => lists.iter().map(|list| named(list)).collect(),
            Body::Value(value) => vec![named(&value)],
        },
    })
}

fn print_values(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut octets = BytesMut::new();
    let mut start = 0;
    loop {
        let mut ahead = octets.freeze();
        let mut fault = None;
        while fault.is_none() && !ahead.is_empty() {
            let before = ahead.len();
            match Value::decode(&mut ahead, &Limits::DEFAULT) {
                Ok(value) => writeln!(out, "{start:>8}  {value}")?,
                Err(error) => fault = Some(error),
            }
            start += (before - ahead.len()) as u64;
        }
        octets = ahead.into();
        out.flush()?;
        // More octets help only if the value is truncated.
        let curable =
            |error: &DecodeError| error.kind() == DecodeErrorKind::Truncated && octets.len() < MOST as usize;
        let over = !fault.as_ref().is_none_or(curable) || !input.read(&mut octets)?;
        match fault {
            Some(error) if over => return Err(Stop::decode(start, &error)),
            None if over => return Ok(()),
            _ => {}
        }
    }
}

fn print_message(input: &mut Input, out: &mut impl Write) -> Result<(), Stop> {
    let mut octets = BytesMut::new();
    while input.read(&mut octets)? {
        if octets.len() > MOST as usize {
            return Err(Stop::Fault(u64::from(MOST), "message of more than 16 MiB".into()));
        }
    }
    print_sections(octets.freeze(), "", out)
}

/// The options of the command line.
#[derive(Default)]
struct Options {
    hex: bool,
    value: bool,
    message: bool,
    help: bool,
    file: Option<OsString>,
}

impl Options {
    /// Parses the arguments. Returns `None` if they are wrong.
    fn read(arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.to_str() {
                Some("--hex") => options.hex = true,
                Some("--value") => options.value = true,
                Some("--message") => options.message = true,
                Some("--help") => options.help = true,
                Some(flag) if flag.starts_with('-') && flag != "-" => return None,
                _ if options.file.is_some() => return None,
                _ => options.file = Some(argument),
            }
        }
        (!options.value || !options.message).then_some(options)
    }

    fn run(self) -> Result<(), Stop> {
        let mut out = BufWriter::new(io::stdout().lock());
        if self.help {
            out.write_all(USAGE.as_bytes())?;
            return Ok(out.flush()?);
        }
        let source: Box<dyn Read> = match self.file.filter(|file| file != "-") {
            Some(file) => {
                let named =
                    |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
                Box::new(File::open(&file).map_err(named)?)
            }
            None => Box::new(io::stdin().lock()),
        };
        let block = vec![0; 64 * 1024];
        let mut input = Input { source, block, hex: self.hex, digit: None, offset: 0, fault: None };
        let done = match (self.value, self.message) {
            (true, _) => print_values(&mut input, &mut out),
            (_, true) => print_message(&mut input, &mut out),
            _ => print_frames(&mut input, &mut out),
        };
        out.flush()?;
        done
    }
}

fn main() -> ExitCode {
    let mut errors = io::stderr().lock();
    let Some(options) = Options::read(std::env::args_os().skip(1)) else {
        let _ = errors.write_all(USAGE.as_bytes());
        return ExitCode::from(2);
    };
    let _ = match options.run() {
        Ok(()) => return ExitCode::SUCCESS,
        // The reader of the output has stopped, which is no error.
        Err(Stop::Io(error)) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(Stop::Io(error)) => writeln!(errors, "dump: {error}"),
        Err(Stop::Fault(offset, reason)) => writeln!(errors, "offset {offset}: {reason}"),
    };
    ExitCode::FAILURE
}
