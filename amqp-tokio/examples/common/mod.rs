//! What `send` and `receive` have in common: where to connect to, counting, and telling how it went.

use std::fmt;
use std::time::Instant;

use amqp_tokio::{Address, Connection, ConnectionOptions};
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

/// Where to connect to, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The broker and the address of the node there: amqp://host:port/address
    pub(crate) url: String,
    /// Who to be, unless the URL says so.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The user's password.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Shows the password even to whoever listens on the way.
    #[arg(long)]
    plain_in_clear: bool,
    /// The largest frame that is taken, in octets.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(512..))]
    frame_size: u32,
    /// Tells how it went as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// The connection, and the address of the node.
    pub(crate) async fn connect(&self) -> Result<(Connection, String)> {
        let address: Address = self.url.parse()?;
        ensure!(!address.path().is_empty(), "the URL names no node: amqp://host:port/address");
        let mut options = ConnectionOptions::new().frame_size(self.frame_size);
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            options = options.login(user, password)?;
        }
        if self.plain_in_clear {
            options = options.plain_in_clear();
        }
        let connection =
            options.connect(&address).await.with_context(|| format!("cannot connect to {address}"))?;
        Ok((connection, address.path().to_owned()))
    }
}

/// An outcome by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Accepted,
    Rejected,
    Released,
    Modified,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// How many messages came to which end.
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

    /// One line that says how it went.
    pub(crate) fn print(&self, verb: &str, as_json: bool) {
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = self.messages as f64 / seconds.max(f64::EPSILON);
        let Self { messages, accepted, rejected, released, modified, .. } = self;
        if as_json {
            let line = json!({
                verb: messages, "accepted": accepted, "rejected": rejected, "released": released,
                "modified": modified, "seconds": seconds, "rate": rate,
            });
            println!("{line}");
        } else {
            println!(
                "{verb} {messages}: accepted {accepted}, rejected {rejected}, released {released}, \
                 modified {modified}; {seconds:.3} s, {rate:.0} messages/s"
            );
        }
    }
}

/// A bar on a terminal, if there is enough to do that it is worth it.
pub(crate) fn bar(count: u64, as_json: bool) -> ProgressBar {
    if as_json || count < 10_000 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(count);
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
