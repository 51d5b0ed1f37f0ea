//! Runs all pairs of ends in turn, round by round, and prints a table of medians.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// Two ends, and a sending end without AMQP in the same shape: the arguments of each.
struct Pair {
    name: &'static str,
    sender: [&'static str; 3],
    receiver: [&'static str; 3],
    raw: [&'static str; 3],
}

const fn shaped(role: &'static str, shape: &'static str) -> [&'static str; 3] {
    [role, "--shape", shape]
}

const PAIRS: [Pair; 5] = [
    pair("current", shaped("send", "current"), shaped("recv", "current"), "current"),
    pair("main", shaped("send", "main"), shaped("recv", "main"), "main"),
    pair("worker", shaped("send", "worker"), shaped("recv", "worker"), "worker"),
    pair("threads", shaped("blocking-send", "blocking"), shaped("blocking-recv", "blocking"), "blocking"),
    pair("main to threads", shaped("send", "main"), shaped("blocking-recv", "blocking"), "main"),
];

const fn pair(
    name: &'static str,
    sender: [&'static str; 3],
    receiver: [&'static str; 3],
    shape: &'static str,
) -> Pair {
    Pair { name, sender, receiver, raw: shaped("raw-send", shape) }
}

const RAW: [&str; 3] = shaped("raw-recv", "blocking");

const CASES: [(&str, usize, u64); 7] = [
    ("ack", 16, 400_000),
    ("ack", 256, 400_000),
    ("pre", 256, 400_000),
    ("ack", 1024, 200_000),
    ("ack", 16_384, 40_000),
    ("ack", 1 << 20, 1_000),
    ("lat", 256, 5_000),
];
const ROUNDS: usize = 5;

/// Measures all pairs and prints the table. The last column is the pair's rate divided by the raw socket's.
pub(crate) fn run() {
    println!(
        "{:<16} {:<12} {:>12} {:>6} {:>9} {:>9} {:>14} {:>10} {:>12} {:>7}",
        "median of 5",
        "case",
        "messages/s",
        "±",
        "p50 us",
        "p99 us",
        "writes / 1000",
        "RSS KiB",
        "raw/s",
        "to raw"
    );
    for case in CASES {
        let mut samples: Vec<(Vec<_>, Vec<_>)> = PAIRS.map(|_| Default::default()).to_vec();
        for _ in 0..ROUNDS {
            for (pair, (ours, raw)) in PAIRS.iter().zip(&mut samples) {
                ours.push(measure(pair.sender, pair.receiver, case));
                raw.push(measure(pair.raw, RAW, case));
            }
        }
        for (pair, (ours, raw)) in PAIRS.iter().zip(&samples) {
            line(pair, case, ours, raw);
        }
    }
}

fn line(pair: &Pair, (mode, size, _): (&str, usize, u64), ours: &[Sample], raw: &[Sample]) {
    let shown = |key: &str, digits: usize| match sorted(ours, key).get(ROUNDS / 2) {
        Some(median) => format!("{median:.digits$}"),
        None => "-".into(),
    };
    let (rates, raw_rates) = (sorted(ours, "messages_per_second"), sorted(raw, "messages_per_second"));
    let (rate, raw_rate) = (rates[ROUNDS / 2], raw_rates[ROUNDS / 2]);
    let spread = (rates[ROUNDS * 3 / 4] - rates[ROUNDS / 4]) / 2.0 / rate * 100.0;
    println!(
        "{:<16} {:<12} {rate:>12.0} {:>6} {:>9} {:>9} {:>14} {:>10} {raw_rate:>12.0} {:>7.2}",
        pair.name,
        format!("{mode}-{size}"),
        format!("{spread:.0} %"),
        shown("p50_us", 1),
        shown("p99_us", 1),
        shown("writes_per_1000", 1),
        shown("rss_kib", 0),
        rate / raw_rate,
    );
}

/// The figures of a sending end, an object of JSON.
type Sample = serde_json::Value;

/// Returns one figure of all samples in ascending order; empty if the samples do not have it.
fn sorted(samples: &[Sample], key: &str) -> Vec<f64> {
    let mut figures: Vec<f64> = samples.iter().filter_map(|sample| sample[key].as_f64()).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn measure(sender: [&str; 3], receiver: [&str; 3], (mode, size, messages): (&str, usize, u64)) -> Sample {
    let (port, size, messages) = (free_port().to_string(), size.to_string(), messages.to_string());
    let common = ["--port", &port, "--size", &size];
    // Only a raw receiving end needs the size: it cannot tell messages apart otherwise.
    let told = if receiver == RAW { &common[..] } else { &common[..2] };
    let mut receiving = this(receiver).args(told).spawn().expect("this program starts");
    assert_eq!(first_line(&mut receiving), "LISTENING");
    let more = ["--mode", mode, "--messages", &messages];
    let sent = this(sender).args(common).args(more).output().expect("this program starts");
    assert!(sent.status.success(), "the sending end failed");
    receiving.wait().expect("it is a child");
    serde_json::from_slice(&sent.stdout).expect("a line of JSON")
}

fn this(role: [&str; 3]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.args(role).stdout(Stdio::piped());
    command
}

fn first_line(child: &mut Child) -> String {
    let output = child.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("it can be read");
    line.trim_end().into()
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    socket.local_addr().expect("it has one").port()
}
