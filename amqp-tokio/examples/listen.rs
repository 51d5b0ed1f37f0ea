//! Runs a peer without a broker: accepts connections, prints messages that arrive, and sends messages to receivers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use amqp_tokio::config::ReceiverOptions;
use amqp_tokio::wire::{AmqpError, Condition, Terminus};
use amqp_tokio::{Acceptor, Connection, ConnectionOptions, Delivery, Listener, OfferedLink, Sender, Session};
use anyhow::{Context, Result};
use clap::Parser;
use common::{Certificate, Kind, exit, print_counts, say, text};
use tokio::sync::Notify;

/// Accepts connections until Ctrl-C. Prints messages that arrive, and sends numbered messages to receivers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The address and port to listen on; port 0 picks a free port, which the first line printed names.
    #[arg(long, default_value = "127.0.0.1:5672")]
    listen: String,
    #[command(flatten)]
    tls: Certificate,
    /// The outcome of each message that arrives.
    #[arg(long, default_value = "accepted")]
    outcome: Kind,
    /// Ends after this many messages; 0 for never.
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// The credit on each link.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    credit: u32,
    /// The number of messages to send on each link; 0 for as many as the receiver asks for.
    #[arg(long, default_value_t = 0)]
    give: u64,
    /// Does not print messages.
    #[arg(long)]
    quiet: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The time that a peer has to close its connection by itself.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most characters of a message that are printed.
const WIDTH: usize = 120;

/// The state that all connections share.
#[derive(Debug)]
struct Peer {
    arguments: Arguments,
    connections: Mutex<Vec<Connection>>,
    received: AtomicU64,
    sent: AtomicU64,
    /// Notified when as many messages came as were wanted.
    is_enough: Notify,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit(run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<bool> {
    let options = ConnectionOptions::new().with_container_id("amqp-tokio-listen");
    let acceptor = Acceptor::new(options);
    let (scheme, acceptor) = match arguments.tls.read()? {
        Some(tls) => ("amqps", acceptor.with_tls(tls)),
        None => ("amqp", acceptor),
    };
    let listener = Listener::bind_with(&*arguments.listen, acceptor)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    say(format_args!("listening on {scheme}://{}", listener.local_addr()?));
    let peer = Arc::new(Peer {
        arguments,
        connections: Mutex::default(),
        received: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        is_enough: Notify::new(),
    });
    let start = Instant::now();
    tokio::select! {
        done = serve(&peer, &listener) => done?,
        () = peer.is_enough.notified() => {}
        done = tokio::signal::ctrl_c() => {
            done?;
            eprintln!("interrupted");
        }
    }
    drop(listener);
    let connections = std::mem::take(&mut *peer.connections.lock().unwrap_or_else(PoisonError::into_inner));
    for connection in connections {
        // Who has seen all outcomes closes without being asked to.
        if tokio::time::timeout(PATIENCE, connection.closed()).await.is_err() {
            // One that is over by now has said so.
            let _ = connection.close().await;
        }
    }
    let received = peer.received.load(Ordering::Relaxed);
    let counts = [("received", received), ("sent", peer.sent.load(Ordering::Relaxed))];
    print_counts(&counts, start, peer.arguments.json);
    Ok(received >= peer.arguments.count)
}

async fn serve(peer: &Arc<Peer>, listener: &Listener) -> Result<()> {
    loop {
        let incoming = listener.accept().await?;
        let (peer, from) = (Arc::clone(peer), incoming.peer_addr());
        tokio::spawn(async move {
            let served = match incoming.open().await {
                Ok(connection) => serve_connection(&peer, &connection).await,
                Err(error) => Err(error),
            };
            if let Err(error) = served {
                eprintln!("{from}: {error}");
            }
        });
    }
}

async fn serve_connection(peer: &Arc<Peer>, connection: &Connection) -> amqp_tokio::Result<()> {
    {
        let mut connections = peer.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| connection.is_open());
        connections.push(connection.clone());
    }
    while let Some(session) = connection.next_session().await? {
        let (peer, session) = (Arc::clone(peer), session.accept()?);
        tokio::spawn(async move { serve_session(&peer, &session).await });
    }
    Ok(())
}

async fn serve_session(peer: &Arc<Peer>, session: &Session) -> amqp_tokio::Result<()> {
    while let Some(link) = session.next_link().await? {
        let peer = Arc::clone(peer);
        match link {
            OfferedLink::Receiver(link) if matches!(link.target(), Some(Terminus::Coordinator(_))) => {
                link.refuse(
                    AmqpError::new(Condition::NotImplemented)
                        .with_description("transactions are not supported"),
                )?;
            }
            OfferedLink::Receiver(link) => {
                let address = link.address().unwrap_or_default();
                let options = ReceiverOptions::new().with_prefetch(peer.arguments.credit);
                let receiver = link.accept_with(options)?;
                tokio::spawn(async move {
                    while let Ok(Some(delivery)) = receiver.recv().await {
                        peer.take(&address, delivery);
                    }
                });
            }
            OfferedLink::Sender(link) => {
                let sender = link.accept()?;
                tokio::spawn(async move { peer.give(&sender).await });
            }
        }
    }
    Ok(())
}

impl Peer {
    /// Handles a message, unless there were enough.
    fn take(&self, address: &str, delivery: Delivery) {
        let count = self.received.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.arguments.quiet {
            match delivery.message().and_then(|message| Ok(message.body()?)) {
                Ok(body) => say(format_args!("{address}: {:.WIDTH$}", text(&body))),
                Err(error) => say(format_args!("{address}: {error}")),
            };
        }
        // A link that is over has lost it.
        let _ = self.arguments.outcome.decide(delivery);
        if count == self.arguments.count {
            self.is_enough.notify_one();
        }
    }

    /// Sends as many numbered messages as the receiver asks for.
    async fn give(&self, sender: &Sender) -> amqp_tokio::Result<()> {
        let mut number = 0;
        while self.arguments.give == 0 || number < self.arguments.give {
            number += 1;
            let sent = sender.send_queued(format!("message {number}")).await?;
            self.sent.fetch_add(1, Ordering::Relaxed);
            drop(sent);
        }
        // The link is the peer's to close.
        sender.closed().await;
        Ok(())
    }
}
