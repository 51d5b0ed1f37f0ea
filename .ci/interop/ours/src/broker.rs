//! [`Fixture`]: where a case plays.

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

/// A broker that somebody else wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    RabbitMq,
    /// RabbitMQ 4, which speaks AMQP 1.0 by itself.
    RabbitMq4,
    Proton,
    Rhea,
}

/// A broker and its URL, as the command line has it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) broker: Broker,
    pub(crate) url: String,
    /// The certificate of the authority that vouches for it.
    pub(crate) authority: Option<PathBuf>,
}

/// Where a case plays: a broker, and names that no other case uses.
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

    /// How to open a connection to it.
    pub(crate) fn opening(&self) -> Opening {
        // RabbitMQ 3 counts credit that is renewed on top of what there was.
        let is_lenient = matches!(self.peer.broker, Broker::RabbitMq);
        Opening::new(&self.peer.url).with(|options| options.with_lenient_credit(is_lenient))
    }

    /// The same, believing whom the authority vouches for.
    pub(crate) fn trusting(&self) -> Done<Opening> {
        let path = self.peer.authority.as_ref().ok_or_else(|| Failure::wrong("no authority is given"))?;
        let pem = fs::read(path).map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))?;
        let tls = ClientTls::builder().with_trusted_pem(&pem)?.build()?;
        Ok(self.opening().with(|options| options.with_tls(tls)))
    }

    /// The address of a queue of this case's own. Most brokers make it when it is first used.
    pub(crate) fn queue(&self, name: &str) -> String {
        self.queue_with(name, &[])
    }

    /// The address of a queue that orders messages by their priorities, where the broker has such.
    pub(crate) fn priority_queue(&self, name: &str) -> String {
        self.queue_with(name, &[("x-max-priority", 10)])
    }

    fn queue_with(&self, name: &str, arguments: &[(&str, u64)]) -> String {
        let name = format!("{}-{name}", self.prefix);
        match self.peer.broker {
            Broker::RabbitMq => format!("/queue/{name}"),
            Broker::RabbitMq4 => self.declared(&name, arguments),
            Broker::Proton | Broker::Rhea => name,
        }
    }

    /// Declares a queue, and returns its address.
    fn declared(&self, name: &str, arguments: &[(&str, u64)]) -> String {
        let opening = if self.peer.authority.is_some() { self.trusting() } else { Ok(self.opening()) };
        // A queue that is not there shows when the case attaches to it.
        if let Err(failure) = opening.and_then(|opening| management::declare_queue(opening, name, arguments))
        {
            eprintln!("{failure}");
        }
        format!("/queues/{name}")
    }
}

impl Broker {
    pub(crate) const ALL: [Self; 4] = [Self::RabbitMq, Self::RabbitMq4, Self::Proton, Self::Rhea];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RabbitMq => "rabbitmq",
            Self::RabbitMq4 => "rabbitmq-4",
            Self::Proton => "proton-broker",
            Self::Rhea => "rhea-broker",
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
            bail!("{name} is none of rabbitmq, rabbitmq-4, proton-broker and rhea-broker");
        };
        Ok(Self { broker, url: url.to_owned(), authority: None })
    }
}
