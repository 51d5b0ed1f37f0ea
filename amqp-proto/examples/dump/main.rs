//! Prints an AMQP stream: each frame on a line, with the sections of its messages below. Shows a capture or a trace as a
//! sequence diagram.
//!
//! ```text
//! cargo run -p amqp-proto --example dump -- stream.bin
//! cargo run -p amqp-proto --example dump -- capture.pcapng
//! cargo run -p amqp-proto --example dump -- --html capture.pcapng > capture.html
//! ```
//!
//! A stream is printed while it is read, so it need not end. Then the program holds one frame at most, and the
//! deliveries that are not finished, up to [`MOST`] octets each, with what they are decoded to. A capture or a trace is
//! read whole.

mod capture;
mod connections;
mod conversation;
mod deliveries;
mod diagram;
mod dissector;
mod fields;
mod follow;
mod frames;
mod html;
mod input;
mod label;
mod lanes;
mod ledger;
mod link;
mod mimic;
mod numbers;
pub(crate) mod options;
mod reassembly;
mod replay;
mod sections;
mod segment;
mod session;
mod stalls;
mod step;
mod stop;
mod stream;
mod summary;
mod svg;
mod trace;
mod trace_frame;
mod values;
mod whole;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use options::{Options, USAGE};
use stop::Stop;

/// The largest frame, value or message, and the most octets of all unfinished deliveries.
const MOST: u32 = 16 << 20;

fn main() -> ExitCode {
    let mut errors = io::stderr().lock();
    let Some(options) = Options::read(std::env::args_os().skip(1)) else {
        let _ = errors.write_all(USAGE.as_bytes());
        return ExitCode::from(2);
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = options.run(Box::new(io::stdin().lock()), &mut out).and_then(|()| Ok(out.flush()?));
    let _ = match done {
        Ok(()) => return ExitCode::SUCCESS,
        // The reader of the output has stopped, which is no error.
        Err(Stop::Io(error)) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(stop) => out.flush().and_then(|()| writeln!(errors, "{stop}")),
    };
    ExitCode::FAILURE
}
