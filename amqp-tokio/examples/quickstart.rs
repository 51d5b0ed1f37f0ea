//! Sends messages, waits for their outcomes, and receives them.
//!
//! Starts a broker in memory on a loopback port, unless `--url` names one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_tokio::broker::Broker;
use amqp_tokio::message::Message;
use amqp_tokio::policy::Reconnect;
use amqp_tokio::wire::{AmqpError, Condition, Outcome};
use amqp_tokio::{Connection, ConnectionOptions, Listener, Status};
use anyhow::{Context, Result};
use clap::Parser;
use futures_util::StreamExt;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Sends, tracks, receives and accepts messages over a socket.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker to use, as amqp://user:password@host:port. Default: a broker in memory
    #[arg(long)]
    url: Option<String>,
    /// The address of the queue.
    #[arg(long, default_value = "jobs")]
    address: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { url, address } = Arguments::parse();
    let (broker, url) = match url {
        Some(url) => (None, url),
        None => start_broker().await.map(|(broker, url)| (Some(broker), url))?,
    };

    let connection = Connection::open(&url).await?;
    let peer = connection.peer_open().context("it is open")?;
    println!("connected to container '{}'", peer.container_id);

    println!("\n-- send");
    let sender = connection.sender(&*address).await?;
    sender.sendable().await?;
    println!("'{address}' has given credit for {} messages", sender.credit());
    let sent = sender.send_queued(Message::from("job-content").with_subject("print")).await?;
    println!("{} is on its way", sent.key());
    println!("its outcome: {:?}", sent.await?);

    println!("\n-- receive, and accept");
    let receiver = connection.receiver(&*address).with_prefetch(10).await?;
    let delivery = receiver.recv().await?.context("a message")?;
    let message = delivery.message()?;
    println!("received {:?}, subject {:?}", message.body()?, message.properties()?.subject);
    delivery.accept()?;
    receiver.close().await?;

    println!("\n-- receive, and decide");
    let receiver = connection.receiver(&*address).with_prefetch(10).await?;
    for text in ["good job", "bad job"] {
        println!("sent {text:?}: {:?}", sender.send(text).await?);
    }
    for _ in 0..2 {
        let delivery = receiver.recv().await?.context("a message")?;
        let body = delivery.message()?.body()?;
        if body.text().as_deref() == Some("good job") {
            println!("{body:?}: accepted");
            delivery.accept()?;
        } else {
            println!("{body:?}: rejected");
            delivery.reject(AmqpError::new(Condition::NotAllowed).with_description("no such job"))?;
        }
    }
    receiver.close().await?;

    if let Some(broker) = &broker {
        rejections(&connection, broker).await?;
        break_and_heal(&url, &address).await?;
    }
    sender.close().await?;
    connection.close().await?;
    println!("\nclosed: all is done");
    Ok(())
}

/// Starts a broker in memory. Returns it and its URL.
async fn start_broker() -> Result<(Broker, String)> {
    let broker = Broker::new()?;
    let listener = Listener::bind_with("127.0.0.1:0", broker.acceptor()).await?;
    let url = format!("amqp://{}", listener.local_addr()?);
    println!("a broker in memory listens on {url}");
    let serving = broker.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    Ok((broker, url))
}

/// Shows what the broker in memory does with rejected messages. Other brokers differ.
async fn rejections(connection: &Connection, broker: &Broker) -> Result<()> {
    println!("\n-- a message that is rejected");
    let sender = connection.sender("outcome.rejected").await?;
    match sender.send("whatever").await? {
        Outcome::Rejected(rejected) => match rejected.error {
            Some(error) => println!("rejected: {error}"),
            None => println!("rejected, without a reason"),
        },
        outcome => println!("unexpected: {outcome:?}"),
    }
    for letter in broker.dead_letters() {
        println!("kept apart by the broker: {:?}, {:?}", letter.message()?.body()?, letter.reason());
    }
    Ok(())
}

/// Breaks a connection on its way to the broker, and sends over the next one with the same handle.
async fn break_and_heal(url: &str, address: &str) -> Result<()> {
    let way = TcpListener::bind("127.0.0.1:0").await?;
    let detour = format!("amqp://{}", way.local_addr()?);
    let broker = url.trim_start_matches("amqp://").to_owned();
    let (cut, is_cut) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut near, mut far) = (way.accept().await?.0, TcpStream::connect(&broker).await?);
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = is_cut => drop((near, far)),
        }
        let (mut near, mut far) = (way.accept().await?.0, TcpStream::connect(&broker).await?);
        copy_bidirectional(&mut near, &mut far).await
    });

    println!("\n-- a connection that breaks");
    let options = ConnectionOptions::new().with_reconnect(Reconnect::new());
    let connection = Connection::open_with(&detour, options).await?;
    let sender = connection.sender(address).await?;
    let mut changes = connection.status();
    let _ = cut.send(());
    while let Some(change) = changes.next().await {
        if let Status::Interrupted(reason) = change {
            println!("interrupted: {reason}");
            break;
        }
    }
    println!("sent over the next connection: {:?}", sender.send("once more").await?);
    connection.close().await?;
    Ok(())
}
