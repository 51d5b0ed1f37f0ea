//! [`Sending`] and [`Receiving`]: what an end is to do; [`Report`]: what it has measured.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Args, ValueEnum};

/// How many messages are under way at most.
pub(crate) const WINDOW: usize = 1000;

/// What a sending end is to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sending {
    /// Where the receiving end listens, on this machine.
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long, default_value_t = 100_000)]
    pub(crate) messages: u64,
    /// Octets of each body.
    #[arg(long, default_value_t = 256)]
    pub(crate) size: usize,
    #[arg(long, value_enum, default_value = "ack")]
    pub(crate) mode: Mode,
    /// What the measurement is called.
    #[arg(long, default_value = "ours")]
    pub(crate) label: String,
    /// Uses one thread.
    #[arg(long)]
    pub(crate) single: bool,
}

/// What a receiving end is to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Receiving {
    #[arg(long)]
    pub(crate) port: u16,
    /// Uses one thread.
    #[arg(long)]
    pub(crate) single: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// At least once, a thousand messages under way.
    Ack,
    /// Sent settled, but for the last.
    Pre,
    /// One message under way: how long its outcome takes.
    Lat,
}

impl Sending {
    /// The body of each message, whose octets are shared; a message is made and encoded for each, as the peers' ends do.
    pub(crate) fn body(&self) -> Bytes {
        Bytes::from(vec![0x5a; self.size])
    }

    /// Whether a message is sent settled.
    pub(crate) fn is_settled(&self, at: u64) -> bool {
        self.mode == Mode::Pre && at + 1 < self.messages
    }
}

/// What a sending end has measured.
pub(crate) struct Report {
    start: Instant,
    /// How many calls that write this process had made.
    writes: Option<u64>,
    latencies: Vec<Duration>,
}

impl Report {
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now(), writes: writes(), latencies: Vec::new() }
    }

    /// Notes how long one message took.
    pub(crate) fn took(&mut self, since: Instant) {
        self.latencies.push(since.elapsed());
    }

    /// Writes what came of it as a line of JSON.
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

/// How much memory this process has taken at most.
fn rss_kib() -> Option<u64> {
    figure("/proc/self/status", "VmHWM:")
}

/// How many calls that write this process has made.
fn writes() -> Option<u64> {
    figure("/proc/self/io", "syscw:")
}

/// A figure that Linux keeps of this process.
fn figure(file: &str, name: &str) -> Option<u64> {
    let lines = std::fs::read_to_string(file).ok()?;
    let line = lines.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
