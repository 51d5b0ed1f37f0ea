//! Runs a broker in memory: queues on demand, topics, dynamic nodes, the anonymous relay. It stores nothing on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use amqp_tokio::broker::{Broker, BrokerBuilder};
use amqp_tokio::websocket::WebSocketOptions;
use amqp_tokio::{Acceptor, ConnectionOptions, Listener};
use anyhow::{Context, Result};
use clap::Parser;
use common::Certificate;

/// Runs a broker in memory until Ctrl-C. It stores nothing on disk.
#[derive(Debug, Parser)]
struct Arguments {
    /// The address and port to listen on; port 0 picks a free port, which the first line printed names.
    #[arg(long, default_value = "127.0.0.1:5672")]
    listen: String,
    /// A user, as NAME:PASSWORD; can be repeated. Without users every client is accepted.
    #[arg(long, value_name = "NAME:PASSWORD")]
    user: Vec<String>,
    /// Where rejected and expired messages of a queue go, as QUEUE=OTHER-QUEUE; can be repeated.
    #[arg(long, value_name = "QUEUE=QUEUE")]
    dead_letter_queue: Vec<String>,
    /// Accepts anonymous clients beside the users.
    #[arg(long)]
    anonymous: bool,
    /// The address and port to listen on for TLS.
    #[arg(long, default_value = "127.0.0.1:5671", requires = "tls_cert")]
    tls_listen: String,
    #[command(flatten)]
    tls: Certificate,
    /// The address and port to listen on for WebSocket, over TLS if there is a certificate.
    #[arg(long, value_name = "ADDRESS")]
    websocket: Option<String>,
    #[command(flatten)]
    bounds: Bounds,
    /// The largest frame to receive, in octets.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(512..))]
    frame_size: u32,
    /// Closes a connection after this many seconds of silence; 0 for never.
    #[arg(long, default_value_t = 0)]
    idle: u64,
}

/// Limits on what clients can make the broker hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Bounds")]
struct Bounds {
    /// The most messages in a queue, with those under way; then senders wait.
    #[arg(long, default_value_t = 100_000)]
    depth: usize,
    /// The most octets of messages in a queue; then senders wait.
    #[arg(long, default_value_t = 64 << 20)]
    queue_octets: usize,
    /// The most octets of messages in all queues; further messages are rejected.
    #[arg(long, default_value_t = 512 << 20)]
    total_octets: usize,
    /// The most dead letters; the oldest are dropped first.
    #[arg(long, default_value_t = 1_000)]
    dead_letters: usize,
    /// The most octets of dead letters; the oldest are dropped first.
    #[arg(long, default_value_t = 16 << 20)]
    dead_letter_octets: usize,
    /// The most queues and topics at a time; links that need another are refused.
    #[arg(long, default_value_t = 10_000)]
    nodes: usize,
    /// The longest address of a queue or topic, in octets.
    #[arg(long, default_value_t = 1_024)]
    address_octets: usize,
    /// The most octets of annotations (and 64 of them) that consumers add to a message; others are closed.
    #[arg(long, default_value_t = 4_096)]
    annotation_octets: usize,
    /// The most connections at a time; further ones are dropped.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
}

impl Bounds {
    fn apply(&self, builder: BrokerBuilder) -> BrokerBuilder {
        builder
            .with_depth(self.depth)
            .with_queue_octets(self.queue_octets)
            .with_total_octets(self.total_octets)
            .with_dead_letters(self.dead_letters)
            .with_dead_letter_octets(self.dead_letter_octets)
            .with_nodes(self.nodes)
            .with_address_octets(self.address_octets)
            .with_annotation_octets(self.annotation_octets)
            .with_connections(self.connections)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let options = ConnectionOptions::new()
        .with_container_id("amqp-tokio-broker")
        .with_frame_size(arguments.frame_size)
        .with_idle_timeout((arguments.idle > 0).then(|| Duration::from_secs(arguments.idle)));
    let mut builder = arguments.bounds.apply(Broker::builder().with_options(options));
    for user in &arguments.user {
        let (name, password) = user.split_once(':').context("a user is given as NAME:PASSWORD")?;
        builder = builder.with_user(name, password)?;
    }
    for names in &arguments.dead_letter_queue {
        let (queue, other) = names.split_once('=').context("a dead-letter queue is given as QUEUE=QUEUE")?;
        builder = builder.with_dead_letter_queue(queue, other);
    }
    if arguments.anonymous {
        builder = builder.with_anonymous();
    }
    let broker = builder.build()?;
    let listener = Listener::bind_with(&*arguments.listen, broker.acceptor())
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    println!("listening on amqp://{}", listener.local_addr()?);
    let tls = arguments.tls.read()?;
    if let Some(tls) = tls.clone() {
        also_listen(&broker, "amqps", &arguments.tls_listen, broker.acceptor().with_tls(tls)).await?;
    }
    if let Some(address) = &arguments.websocket {
        let acceptor = broker.acceptor().with_websocket(WebSocketOptions::new());
        match tls {
            Some(tls) => also_listen(&broker, "wss", address, acceptor.with_tls(tls)).await?,
            None => also_listen(&broker, "ws", address, acceptor).await?,
        }
    }
    tokio::select! {
        never = broker.serve(listener) => match never {},
        done = tokio::signal::ctrl_c() => done?,
    }
    println!("interrupted; {} dead letters are forgotten", broker.dead_letters().len());
    Ok(())
}

/// Listens on another address.
async fn also_listen(broker: &Broker, scheme: &str, address: &str, acceptor: Acceptor) -> Result<()> {
    let listener = Listener::bind_with(address, acceptor)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    println!("listening on {scheme}://{}", listener.local_addr()?);
    let broker = broker.clone();
    tokio::spawn(async move { broker.serve(listener).await });
    Ok(())
}
