//! What the examples have in common: options, progress, and the line at the end.
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

/// Where to connect to, and what to say at the end.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The broker or peer, and the address of the node as the path: amqp://host:port/node
    pub url: String,
    /// The address of the node as it is, in place of the URL's path; such as /queues/jobs for RabbitMQ 4
    #[arg(long)]
    pub address: Option<String>,
    /// Who you are; in place of the URL's user
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// What shows that
    #[arg(long, requires = "user")]
    pub password: Option<String>,
    /// Let the password be sent as it is over a network that is not encrypted
    #[arg(long)]
    pub plain_in_clear: bool,
    #[command(flatten)]
    pub tls: Tls,
    /// Give up when connecting takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub timeout: u64,
    /// End with JSON and not with a line for people
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

    /// The address of the node.
    pub fn node(&self) -> Result<String> {
        let url: Address = self.url.parse()?;
        let node = self.address.as_deref().unwrap_or(url.path());
        ensure!(!node.is_empty(), "the URL names no node: {url}/node, or --address");
        Ok(node.to_owned())
    }
}

/// How `amqps://` is spoken.
#[derive(Debug, clap::Args)]
pub struct Tls {
    /// Trust the certificates in this PEM file, and not those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show the certificate in this PEM file, and be its holder unless there is a user
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key that belongs to it, as a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl Tls {
    /// The options with that, if it is said.
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

/// An outcome by its name.
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

/// What has become of the messages so far.
#[derive(Debug)]
pub struct Tally {
    /// "sent" or "received".
    verb: &'static str,
    pub messages: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub released: u64,
    pub modified: u64,
    /// Outcomes that were not expected, and deliveries without one.
    pub unexpected: u64,
    /// Nobody reads on, so there were as many as were wanted.
    pub is_cut: bool,
    start: Instant,
    bar: ProgressBar,
}

impl Tally {
    /// For so many messages; 0 for any number. Shows how far it is, if somebody looks.
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

    /// A message has come to its end.
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

    /// Says something in between.
    pub fn say(&self, words: &str) {
        self.bar.suspend(|| eprintln!("{words}"));
    }

    /// The line at the end. The exit code is 0 if there were as many messages as were wanted and each ended as expected.
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

/// Prints a line. Returns whether somebody reads on: `head` does not, when it has its lines.
pub fn say(line: impl Display) -> bool {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) => error.kind() != ErrorKind::BrokenPipe,
        Ok(()) => true,
    }
}

/// The text of a body, in a string or in data, if it is text; else how Rust shows it.
pub fn text(body: &Body) -> String {
    body.text().map_or_else(|| format!("{body:?}"), |text| text.to_string())
}

/// Says why it did not work.
pub fn report(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
