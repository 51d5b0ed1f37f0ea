//! Shared by the examples: options of clients, counts, and the result.
#![allow(dead_code, reason = "not every example uses all of it")]

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use amqp_tokio::message::Body;
use amqp_tokio::wire::{Modified, Outcome};
use amqp_tokio::{Address, ClientTls, Connection, ConnectionOptions, Delivery, ServerTls};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

/// The broker, the node and the user.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The broker and the address of the node, as amqp://host:port/address.
    pub(crate) url: String,
    /// The address of the node, instead of the URL's path. RabbitMQ 4 needs it, /queues/jobs, and a WebSocket does.
    #[arg(long)]
    address: Option<String>,
    /// The user, if the URL names none.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The password of the user.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Sends the password also over a connection that is not encrypted.
    #[arg(long)]
    plain_in_clear: bool,
    /// Trusts the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client's certificate, a PEM file. Without a user the client authenticates by it (SASL EXTERNAL).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The largest frame to receive, in octets.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(512..))]
    frame_size: u32,
    /// Prints the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// Connects. Returns the connection and the address of the node.
    pub(crate) async fn connect(&self) -> Result<(Connection, String)> {
        let address: Address = self.url.parse()?;
        let node = self.address.as_deref().unwrap_or(address.path()).to_owned();
        ensure!(!node.is_empty(), "the URL names no node: amqp://host:port/address, or --address");
        let mut options = ConnectionOptions::new().with_frame_size(self.frame_size);
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.with_login(user, password)?;
        }
        if self.plain_in_clear {
            options = options.with_plain_in_clear();
        }
        if let Some(tls) = self.tls(&address)? {
            options = options.with_tls(tls);
        }
        Ok((Connection::connect(&address, options).await?, node))
    }

    /// Returns the options of TLS, if there are any.
    fn tls(&self, address: &Address) -> Result<Option<ClientTls>> {
        if self.ca.is_none() && self.cert.is_none() {
            return Ok(None);
        }
        ensure!(address.is_encrypted(), "--ca and --cert are for amqps:// and wss://");
        let mut tls = ClientTls::builder();
        if let Some(ca) = &self.ca {
            tls = tls.with_trusted_pem(&read(ca)?)?;
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.with_identity_pem(&read(cert)?, &read(key)?)?;
        }
        Ok(Some(tls.build()?))
    }
}

/// The server's options of TLS.
#[derive(Debug, Args)]
pub(crate) struct Certificate {
    /// Speaks TLS with the certificate in this PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Requires client certificates issued by one in this PEM file. The holder is the user, by SASL EXTERNAL.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
}

impl Certificate {
    /// Reads the files. Returns nothing if there are none.
    pub(crate) fn read(&self) -> Result<Option<ServerTls>> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let mut tls = ServerTls::builder_pem(&read(cert)?, &read(key)?)?;
        if let Some(ca) = &self.client_ca {
            tls = tls.with_trusted_clients_pem(&read(ca)?)?;
        }
        Ok(Some(tls.build()?))
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The number of messages, and the outcome expected.
#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// The number of messages.
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u64,
    /// Has messages sent settled: at most once, without an outcome.
    #[arg(long)]
    pub(crate) presettled: bool,
    /// The outcome of each message.
    #[arg(long, default_value = "accepted")]
    pub(crate) outcome: Kind,
}

/// The name of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Accepted,
    Rejected,
    Released,
    Modified,
}

impl Kind {
    /// Returns the name of an outcome; an error if it is none of the standard's four.
    pub(crate) fn of(outcome: &Outcome) -> Result<Self> {
        Ok(match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Released => Self::Released,
            Outcome::Modified(_) => Self::Modified,
            other => bail!("an outcome that is not expected: {other:?}"),
        })
    }

    /// Gives a delivery this outcome.
    pub(crate) fn decide(self, delivery: Delivery) -> amqp_tokio::Result<()> {
        match self {
            Self::Accepted => delivery.accept(),
            Self::Rejected => delivery.reject(None),
            Self::Released => delivery.release(),
            Self::Modified => {
                delivery.modify(Modified { delivery_failed: Some(true), ..Modified::default() })
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Counts messages by outcome.
#[derive(Debug)]
pub(crate) struct Tally {
    start: Instant,
    pub(crate) messages: u64,
    accepted: u64,
    rejected: u64,
    released: u64,
    modified: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), messages: 0, accepted: 0, rejected: 0, released: 0, modified: 0 }
    }

    pub(crate) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Accepted => self.accepted += 1,
            Kind::Rejected => self.rejected += 1,
            Kind::Released => self.released += 1,
            Kind::Modified => self.modified += 1,
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Accepted => self.accepted,
            Kind::Rejected => self.rejected,
            Kind::Released => self.released,
            Kind::Modified => self.modified,
        }
    }

    /// Prints the result in one line.
    pub(crate) fn print(&self, verb: &str, as_json: bool) {
        let Self { messages, accepted, rejected, released, modified, .. } = *self;
        let counts = [
            (verb, messages),
            ("accepted", accepted),
            ("rejected", rejected),
            ("released", released),
            ("modified", modified),
        ];
        print_counts(&counts, self.start, as_json);
    }
}

/// Prints counts in one line, with the rate of the first.
pub(crate) fn print_counts(counts: &[(&str, u64)], start: Instant, as_json: bool) {
    let seconds = start.elapsed().as_secs_f64();
    let rate = counts.first().map_or(0, |(_, count)| *count) as f64 / seconds.max(f64::EPSILON);
    if as_json {
        let mut line: serde_json::Map<_, _> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        line.insert("seconds".into(), json!(seconds));
        line.insert("rate".into(), json!(rate));
        say(serde_json::Value::from(line));
    } else {
        let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        say(format_args!("{}; {seconds:.3} s, {rate:.0} messages/s", counts.join(", ")));
    }
}

/// Prints a line. Returns whether the output is still read: `head` stops reading when it has its lines.
pub(crate) fn say(line: impl fmt::Display) -> bool {
    match writeln!(io::stdout(), "{line}") {
        Err(error) => error.kind() != ErrorKind::BrokenPipe,
        Ok(()) => true,
    }
}

/// Returns the text of a body if it is text, in a string or in data; else its debug form.
pub(crate) fn text(body: &Body) -> String {
    body.text().map_or_else(|| format!("{body:?}"), |text| text.to_string())
}

/// Returns the exit code, 0 if all went well. Prints an error.
pub(crate) fn exit(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Makes a progress bar, if standard error is a terminal and there is enough to do.
pub(crate) fn bar(count: u64, as_json: bool) -> ProgressBar {
    if as_json || count < 10_000 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(count);
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
