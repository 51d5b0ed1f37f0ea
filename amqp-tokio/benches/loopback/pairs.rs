//! Runs all pairs of ends, one after the other, and prints a table.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const PAIRS: [(&str, &str, &str); 3] = [
    ("tokio", "send", "recv"),
    ("threads", "blocking-send", "blocking-recv"),
    ("tokio to threads", "send", "blocking-recv"),
];
const CASES: [(&str, usize, u64); 7] = [
    ("ack", 16, 400_000),
    ("ack", 256, 400_000),
    ("pre", 256, 400_000),
    ("ack", 1024, 200_000),
    ("ack", 16_384, 40_000),
    ("ack", 1 << 20, 1_000),
    ("lat", 256, 5_000),
];
const ROUNDS: usize = 3;

/// Prints the best round of each case.
pub(crate) fn run() {
    println!(
        "{:<18} {:<12} {:>12} {:>10} {:>10} {:>14} {:>10}",
        "pair", "case", "messages/s", "p50 us", "p99 us", "writes / 1000", "RSS KiB"
    );
    for (name, sender, receiver) in PAIRS {
        for (mode, size, messages) in CASES {
            let rounds = (0..ROUNDS).map(|_| measure(sender, receiver, mode, size, messages));
            let best = rounds.max_by(|a, b| rate(a).total_cmp(&rate(b))).expect("there are rounds");
            let shown = |key: &str, digits: usize| match best[key].as_f64() {
                Some(number) => format!("{number:.digits$}"),
                None => "-".into(),
            };
            println!(
                "{name:<18} {:<12} {:>12} {:>10} {:>10} {:>14} {:>10}",
                format!("{mode}-{size}"),
                shown("messages_per_second", 0),
                shown("p50_us", 1),
                shown("p99_us", 1),
                shown("writes_per_1000", 1),
                shown("rss_kib", 0),
            );
        }
    }
}

fn rate(sample: &serde_json::Value) -> f64 {
    sample["messages_per_second"].as_f64().unwrap_or_default()
}

fn measure(sender: &str, receiver: &str, mode: &str, size: usize, messages: u64) -> serde_json::Value {
    let port = free_port().to_string();
    let mut receiving = this(receiver).args(["--port", &port]).spawn().expect("this program starts");
    let listening = first_line(&mut receiving);
    assert_eq!(listening, "LISTENING");
    let sent = this(sender)
        .args([
            "--port",
            &port,
            "--mode",
            mode,
            "--size",
            &size.to_string(),
            "--messages",
            &messages.to_string(),
        ])
        .output()
        .expect("this program starts");
    assert!(sent.status.success(), "the sending end failed");
    receiving.wait().expect("it is a child");
    serde_json::from_slice(&sent.stdout).expect("a line of JSON")
}

fn this(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it has a path"));
    command.arg(role).stdout(Stdio::piped());
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
