//! Sends a message to a broker behind an HTTP proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use amqp_tokio::websocket::{WebSocket, WebSocketOptions};
use amqp_tokio::{Address, Connection, ConnectionOptions};
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a message to a broker behind an HTTP proxy.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker, as amqp://host:port, amqps://host:port or ws://host:port/path.
    url: Address,
    /// The proxy, as host:port.
    #[arg(long)]
    proxy: String,
    /// The address of the node.
    #[arg(long, default_value = "jobs")]
    address: String,
    /// The text of the message.
    #[arg(default_value = "hello")]
    text: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { url, proxy, address, text } = Arguments::parse();
    let stream = tunnel(&proxy, &url).await.with_context(|| format!("cannot reach {url} by {proxy}"))?;
    let options = ConnectionOptions::new().for_address(&url)?;
    let connection = match url.websocket_url() {
        None if url.is_encrypted() => Connection::over_tls(stream, url.host(), options).await?,
        None => Connection::over(stream, options).await?,
        Some(_) if url.is_encrypted() => {
            bail!("for wss:// put TLS below the WebSocket, such as by tokio-rustls")
        }
        Some(request) => {
            let stream = WebSocket::connect(stream, &request, &WebSocketOptions::new()).await?;
            Connection::over(stream, options).await?
        }
    };
    let outcome = connection.sender(&*address).await?.send(&*text).await?;
    println!("{outcome}");
    connection.close().await?;
    Ok(())
}

/// Opens a stream to a broker through a proxy, by the method CONNECT of HTTP.
async fn tunnel(proxy: &str, url: &Address) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy).await?;
    let to = match url.host() {
        host if host.contains(':') => format!("[{host}]:{}", url.port()),
        host => format!("{host}:{}", url.port()),
    };
    stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).await?;
    // What follows the answer is the broker's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        ensure!(answer.len() < 1 << 14, "the proxy's answer is too long");
        answer.push(stream.read_u8().await?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    ensure!(
        status.starts_with('2'),
        "the proxy answers with {:?}",
        answer.lines().next().unwrap_or_default()
    );
    Ok(stream)
}
