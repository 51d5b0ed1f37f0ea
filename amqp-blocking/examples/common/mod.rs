//! Shared by the examples: options of clients, progress, and the result.
#![allow(dead_code)]

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use amqp_blocking::message::Body;
use amqp_blocking::wire::Outcome;
use amqp_blocking::{Address, ClientTls, Connection, ConnectionOptions};
use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};

/// The broker, the node, the user, and the form of the result.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The broker or peer and the address of the node, as amqp://host:port/node
    pub url: String,
    /// The address of the node, instead of the URL's path. RabbitMQ 4 needs it: /queues/jobs
    #[arg(long)]
    pub address: Option<String>,
    /// The user, instead of the URL's
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// The password of the user
    #[arg(long, requires = "user")]
    pub password: Option<String>,
    /// Sends the password also over a connection that is not encrypted
    #[arg(long)]
    pub plain_in_clear: bool,
    #[command(flatten)]
    pub tls: Tls,
    /// The seconds to wait for the connection and for replies
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub timeout: u64,
    /// Prints the result as JSON
    #[arg(long)]
    pub json: bool,
}

impl Common {
    /// Opens the connection.
    pub fn connect(&self) -> Result<Connection> {
        let span = Duration::from_secs(self.timeout);
        let mut options = ConnectionOptions::new()
            .with_connect_timeout(span)
            .with_open_timeout(span)
            .with_reply_timeout(span);
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.with_login(user, password)?;
        }
        if self.plain_in_clear {
            options = options.with_plain_in_clear();
        }
        let url = self.url.parse()?;
        let options = self.tls.set(options, &url)?;
        Ok(Connection::connect(&url, options)?)
    }

    /// Returns the address of the node.
    pub fn node(&self) -> Result<String> {
        let url: Address = self.url.parse()?;
        let node = self.address.as_deref().unwrap_or(url.path());
        ensure!(!node.is_empty(), "the URL names no node: {url}/node, or --address");
        Ok(node.to_owned())
    }
}

/// The options of TLS.
#[derive(Debug, clap::Args)]
pub struct Tls {
    /// Trusts the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client's certificate, a PEM file. Without a user the client authenticates by it (SASL EXTERNAL)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Tls {
    /// Adds TLS to the options, if there are files.
    pub fn set(&self, options: ConnectionOptions, address: &Address) -> Result<ConnectionOptions> {
        if self.ca.is_none() && self.cert.is_none() {
            return Ok(options);
        }
        ensure!(address.is_encrypted(), "--ca and --cert are for amqps://");
        let mut tls = ClientTls::builder();
        if let Some(ca) = &self.ca {
            tls = tls.with_trusted_pem(&read(ca)?)?;
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            tls = tls.with_identity_pem(&read(cert)?, &read(key)?)?;
        }
        Ok(options.with_tls(tls.build()?))
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The name of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Accepted,
    Rejected,
    Released,
    Modified,
}

impl Kind {
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Accepted => Some(Self::Accepted),
            Outcome::Rejected(_) => Some(Self::Rejected),
            Outcome::Released => Some(Self::Released),
            Outcome::Modified(_) => Some(Self::Modified),
            _ => None,
        }
    }
}

/// Counts messages by outcome.
#[derive(Debug)]
pub struct Tally {
    /// "sent" or "received".
    verb: &'static str,
    pub messages: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub released: u64,
    pub modified: u64,
    /// Unexpected outcomes, and deliveries without one.
    pub unexpected: u64,
    /// The output is no longer read, so there were enough messages.
    pub is_cut: bool,
    start: Instant,
    bar: ProgressBar,
}

impl Tally {
    /// Makes a tally for this many messages; 0 for any number. Shows a progress bar on a terminal.
    pub fn new(verb: &'static str, count: u64) -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true if count > 0 => {
                ProgressBar::new(count).with_style(style("{bar:40} {pos}/{len} {per_sec} {eta}"))
            }
            true => ProgressBar::new_spinner().with_style(style("{spinner} {pos} {per_sec}")),
            false => ProgressBar::hidden(),
        };
        let start = Instant::now();
        Self {
            verb,
            messages: 0,
            accepted: 0,
            rejected: 0,
            released: 0,
            modified: 0,
            unexpected: 0,
            is_cut: false,
            start,
            bar,
        }
    }

    /// Counts a message with its outcome.
    pub fn note(&mut self, kind: Option<Kind>, expected: Kind) {
        match kind {
            Some(Kind::Accepted) => self.accepted += 1,
            Some(Kind::Rejected) => self.rejected += 1,
            Some(Kind::Released) => self.released += 1,
            Some(Kind::Modified) => self.modified += 1,
            None => {}
        }
        self.unexpected += u64::from(kind != Some(expected));
        self.bar.inc(1);
    }

    /// Prints a line above the progress bar.
    pub fn say(&self, words: &str) {
        self.bar.suspend(|| eprintln!("{words}"));
    }

    /// Prints the result. The exit code is 0 if all messages came and each had the expected outcome.
    pub fn finish(&self, wanted: u64, json: bool) -> ExitCode {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = self.messages as f64 / seconds.max(1e-9);
        let Self { verb, messages, accepted, rejected, released, modified, unexpected, is_cut, .. } = self;
        if json {
            let line = serde_json::json!({
                *verb: messages,
                "accepted": accepted,
                "rejected": rejected,
                "released": released,
                "modified": modified,
                "seconds": (seconds * 1e6).round() / 1e6,
                "rate": rate.round(),
            });
            say(line);
        } else {
            say(format_args!(
                "{messages} {verb}: {accepted} accepted, {rejected} rejected, {released} released, {modified} modified; \
                 {seconds:.3} s, {rate:.0}/s"
            ));
        }
        if *unexpected == 0 && (*is_cut || *messages >= wanted) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Prints a line. Returns whether the output is still read: `head` stops reading when it has its lines.
pub fn say(line: impl Display) -> bool {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) => error.kind() != ErrorKind::BrokenPipe,
        Ok(()) => true,
    }
}

/// Returns the text of a body if it is text, in a string or in data; else its debug form.
pub fn text(body: &Body) -> String {
    body.text().map_or_else(|| format!("{body:?}"), |text| text.to_string())
}

/// Prints an error, and returns its exit code.
pub fn report(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
