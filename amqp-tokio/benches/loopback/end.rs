//! [`Sending`] and [`Receiving`]: the settings of an end; [`Report`]: its measurements.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};

/// The most messages on the way.
pub(crate) const WINDOW: usize = 1000;

/// The settings of a sending end.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sending {
    /// The port of the receiving end, on this machine.
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long, default_value_t = 100_000)]
    pub(crate) messages: u64,
    /// The size of each body, in octets.
    #[arg(long, default_value_t = 256)]
    pub(crate) size: usize,
    #[arg(long, value_enum, default_value = "ack")]
    pub(crate) mode: Mode,
    /// The label of the measurement.
    #[arg(long, default_value = "ours")]
    pub(crate) label: String,
    #[arg(long, value_enum, default_value = "main")]
    pub(crate) shape: Shape,
}

/// The settings of a receiving end.
#[derive(Debug, Clone, Args)]
pub(crate) struct Receiving {
    #[arg(long)]
    pub(crate) port: u16,
    /// Octets of each body; only an end without AMQP asks.
    #[arg(long, default_value_t = 256)]
    pub(crate) size: usize,
    #[arg(long, value_enum, default_value = "main")]
    pub(crate) shape: Shape,
}

/// The threads that an end uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// One thread: tokio's `current_thread`.
    Current,
    /// As `#[tokio::main]` does: workers, and the work itself on the main thread.
    Main,
    /// Workers, and the work on one of them, as services run it.
    Worker,
    /// Threads that block, without tokio.
    Blocking,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// At least once, with a thousand messages on the way.
    Ack,
    /// Sent settled, except for the last message.
    Pre,
    /// One message on the way: the latency of its outcome.
    Lat,
}

impl Sending {
    /// The body of each message. Its octets are shared, but each message is made and encoded, like those of the other
    /// ends.
    pub(crate) fn body(&self) -> Bytes {
        Bytes::from(vec![0x5a; self.size])
    }

    /// Returns whether a message is sent settled.
    pub(crate) fn is_settled(&self, at: u64) -> bool {
        self.mode == Mode::Pre && at + 1 < self.messages
    }
}

/// The measurements of a sending end.
pub(crate) struct Report {
    start: Instant,
    /// The number of write calls before the measurement.
    writes: Option<u64>,
    latencies: Vec<Duration>,
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now(), writes: writes(), latencies: Vec::new() }
    }

    /// Records the latency of one message.
    pub(crate) fn took(&mut self, since: Instant) {
        self.latencies.push(since.elapsed());
    }

    /// Prints the results as a line of JSON.
    pub(crate) fn end(mut self, options: &Sending) {
        let seconds = self.start.elapsed().as_secs_f64();
        let writes = self.writes.zip(writes()).map(|(before, after)| after - before);
        self.latencies.sort_unstable();
        let micros = |part: f64| {
            let at = (self.latencies.len() as f64 * part) as usize;
            self.latencies.get(at).map(|span| span.as_secs_f64() * 1e6)
        };
        let line = serde_json::json!({
            "label": options.label,
            "mode": format!("{:?}", options.mode).to_lowercase(),
            "size": options.size,
            "messages": options.messages,
            "messages_per_second": options.messages as f64 / seconds,
            "p50_us": micros(0.5),
            "p99_us": micros(0.99),
            "writes_per_1000": writes.map(|writes| writes as f64 * 1e3 / options.messages as f64),
            "rss_kib": rss_kib(),
        });
        println!("{line}");
    }
}

/// Returns the peak memory of this process.
fn rss_kib() -> Option<u64> {
    figure("/proc/self/status", "VmHWM:")
}

/// Returns the number of write calls of this process.
fn writes() -> Option<u64> {
    figure("/proc/self/io", "syscw:")
}

/// Reads a number that Linux keeps of this process.
fn figure(file: &str, name: &str) -> Option<u64> {
    let lines = std::fs::read_to_string(file).ok()?;
    let line = lines.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
