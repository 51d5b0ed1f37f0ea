//! [`Role`]: the task of one process of the comparison, as arguments `key=value`; and the figures that it prints.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The arguments of a process.
#[derive(Debug, Clone)]
pub(crate) struct Role(Vec<String>);

/// The most messages in flight, if a program sends many at a time, and the most octets of their bodies.
const WINDOW: usize = 1000;
const WINDOW_OCTETS: usize = 16 << 20;

/// The pause before memory is measured, in which queued messages are written.
pub(crate) const REST: Duration = Duration::from_millis(200);
/// The idle timeout of each of many connections.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

impl Role {
    pub(crate) fn new(arguments: impl IntoIterator<Item = String>) -> Self {
        Self(arguments.into_iter().collect())
    }

    /// Returns an argument, or an empty text.
    pub(crate) fn text(&self, key: &str) -> &str {
        let found = self.0.iter().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default()
    }

    fn parsed<T: FromStr>(&self, key: &str, otherwise: T) -> T {
        match self.text(key) {
            "" => otherwise,
            text => text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.parsed("port", 0)
    }

    /// Returns the folder of `certificate.pem` and `key.pem`, if the role uses TLS.
    pub(crate) fn tls(&self) -> Option<PathBuf> {
        Some(self.text("tls")).filter(|folder| !folder.is_empty()).map(PathBuf::from)
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls().is_some() { "amqps" } else { "amqp" };
        format!("{scheme}://127.0.0.1:{}", self.port())
    }

    pub(crate) fn messages(&self) -> usize {
        self.parsed("messages", 1000)
    }

    /// Returns the number of messages before the first that counts; at least one.
    pub(crate) fn warm(&self) -> usize {
        self.parsed("warm", 1).max(1)
    }

    pub(crate) fn size(&self) -> usize {
        self.parsed("size", 256)
    }

    /// Returns the most messages in flight. Fewer than the row sends: a meter that starts only once all messages are sent
    /// measures nothing.
    pub(crate) fn window(&self) -> usize {
        WINDOW.min(WINDOW_OCTETS / self.size().max(1)).min(self.warm().max(8))
    }

    pub(crate) fn count(&self) -> usize {
        self.parsed("count", 100)
    }

    pub(crate) fn tasks(&self) -> usize {
        self.parsed("tasks", 1)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.text("links") == "shared"
    }

    pub(crate) fn is_typical(&self) -> bool {
        self.text("typical") == "1"
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.text("mode") == "pre"
    }

    pub(crate) fn is_alone(&self) -> bool {
        self.text("mode") == "alone"
    }

    pub(crate) fn millis(&self) -> Duration {
        Duration::from_millis(self.parsed("millis", 20))
    }

    /// Runs a future to its end, on one thread or like `#[tokio::main]`.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        let mut builder = match self.text("shape") {
            "current" => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        builder.enable_all().build().expect("a runtime").block_on(work)
    }
}

pub(crate) fn print(name: &str, value: f64) {
    println!("{name} {value:.3}");
}

/// Tells the parent process that clients may connect.
pub(crate) fn listening() {
    print("listening", 1.0);
}

/// Measures the messages after the warm-up, and prints their rate.
pub(crate) struct Meter {
    warm: usize,
    done: usize,
    start: Instant,
    began: Instant,
    /// The latencies, if messages go one at a time.
    alone: Option<Vec<Duration>>,
}

impl Meter {
    pub(crate) fn new(role: &Role) -> Self {
        let now = Instant::now();
        let alone = role.is_alone().then(|| Vec::with_capacity(role.messages()));
        Self { warm: role.warm(), done: 0, start: now, began: now, alone }
    }

    /// Notes the start of a message, if messages go one at a time.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// Notes the end of a message.
    pub(crate) fn done(&mut self) {
        self.done += 1;
        if self.done == self.warm {
            self.start = Instant::now();
        } else if self.done > self.warm
            && let Some(took) = &mut self.alone
        {
            took.push(self.began.elapsed());
        }
    }

    pub(crate) fn end(self) {
        print("rate", (self.done - self.warm) as f64 / self.start.elapsed().as_secs_f64());
        if let Some(mut took) = self.alone {
            took.sort_unstable();
            let micros = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e6;
            print("p50", micros(50));
            print("p99", micros(99));
        }
    }
}

/// Prints the nanoseconds of a call: the median of five batches of the given length.
pub(crate) fn time(role: &Role, mut call: impl FnMut()) {
    let mut batch = |times: u64| {
        let start = Instant::now();
        (0..times).for_each(|_| call());
        start.elapsed()
    };
    let mut times = 16;
    while batch(times) < role.millis() {
        times *= 2;
    }
    let mut samples: Vec<_> = (0..5).map(|_| batch(times)).collect();
    samples.sort_unstable();
    print("nanos", samples[2].as_nanos() as f64 / times as f64);
}

/// Returns the resident memory of this process, in octets.
pub(crate) fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
    pages.expect("Linux tells it") as f64 * 4096.0
}

/// Prints the growth of memory for each of the objects, and ends the process.
pub(crate) fn took(before: f64, count: usize) -> ! {
    print("octets", (resident() - before) / count as f64);
    std::process::exit(0)
}
