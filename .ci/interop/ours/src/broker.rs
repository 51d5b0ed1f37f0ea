//! [`Fixture`]: the broker and the names that a case uses.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use amqp_proto::client::ClientTls;
use anyhow::{Context, bail};

use crate::client::Opening;
use crate::failure::{Done, Failure};
use crate::management;

/// A broker by other authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    RabbitMq,
    /// RabbitMQ 4, which speaks AMQP 1.0 without a plugin.
    RabbitMq4,
    Proton,
    Rhea,
    Artemis,
}

/// A broker and its URL, from the command line.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) broker: Broker,
    pub(crate) url: String,
    /// The certificate of the authority that has issued the broker's certificate.
    pub(crate) authority: Option<PathBuf>,
}

/// The broker of a case, and names that no other case uses.
#[derive(Debug, Clone)]
pub(crate) struct Fixture {
    peer: Peer,
    prefix: String,
}

impl Fixture {
    pub(crate) fn new(peer: &Peer) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("interop-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { peer: peer.clone(), prefix }
    }

    /// Returns the settings of a connection to the broker.
    pub(crate) fn opening(&self) -> Opening {
        // RabbitMQ 3 adds renewed credit to the earlier credit.
        let is_lenient = matches!(self.peer.broker, Broker::RabbitMq);
        Opening::new(&self.peer.url).with(|options| options.with_lenient_credit(is_lenient))
    }

    /// Returns the settings of a connection that trusts the authority's certificates.
    pub(crate) fn trusting(&self) -> Done<Opening> {
        let path = self.peer.authority.as_ref().ok_or_else(|| Failure::wrong("no authority is given"))?;
        let pem = fs::read(path).map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))?;
        let tls = ClientTls::builder().with_trusted_pem(&pem)?.build()?;
        Ok(self.opening().with(|options| options.with_tls(tls)))
    }

    /// Returns the address of a queue for this case only. Most brokers create it when it is first used.
    pub(crate) fn queue(&self, name: &str) -> String {
        self.queue_with(name, &[])
    }

    /// Returns the address of a queue that orders messages by priority, if the broker has such queues.
    pub(crate) fn priority_queue(&self, name: &str) -> String {
        self.queue_with(name, &[("x-max-priority", 10)])
    }

    /// Returns a name for this case only.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn queue_with(&self, name: &str, arguments: &[(&'static str, u64)]) -> String {
        let name = self.name(name);
        match self.peer.broker {
            Broker::RabbitMq => format!("/queue/{name}"),
            Broker::RabbitMq4 => self.declared(&name, arguments),
            Broker::Proton | Broker::Rhea | Broker::Artemis => name,
        }
    }

    /// Declares a queue, and returns its address.
    fn declared(&self, name: &str, arguments: &[(&'static str, u64)]) -> String {
        let opening = if self.peer.authority.is_some() { self.trusting() } else { Ok(self.opening()) };
        // If the queue does not exist, the attach of the case fails.
        if let Err(failure) = opening.and_then(|opening| management::declare_queue(opening, name, arguments))
        {
            eprintln!("{failure}");
        }
        format!("/queues/{name}")
    }
}

impl Broker {
    pub(crate) const ALL: [Self; 5] =
        [Self::RabbitMq, Self::RabbitMq4, Self::Proton, Self::Rhea, Self::Artemis];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RabbitMq => "rabbitmq",
            Self::RabbitMq4 => "rabbitmq-4",
            Self::Proton => "proton-broker",
            Self::Rhea => "rhea-broker",
            Self::Artemis => "artemis",
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Peer {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, url) = text.split_once('=').context("a broker is given as NAME=URL")?;
        let Some(broker) = Broker::ALL.into_iter().find(|broker| broker.name() == name) else {
            bail!("{name} is none of rabbitmq, rabbitmq-4, proton-broker, rhea-broker and artemis");
        };
        Ok(Self { broker, url: url.to_owned(), authority: None })
    }
}
