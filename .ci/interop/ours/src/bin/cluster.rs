//! Sends to a queue and receives from it, over two connections that live through the loss of their server.
//! `bash .ci/interop/cluster` starts the servers and this program, and kills one of them.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use amqp_proto::client::{ConnectionOptions, Error};
use amqp_proto::message::Message;
use amqp_proto::policy::{Reconnect, Recovery};
use amqp_proto::wire::{MessageId, Outcome};
use anyhow::{Context, bail, ensure};
use clap::{Parser, ValueEnum};

/// The greatest time for all messages.
const LONGEST: Duration = Duration::from_secs(240);

/// Sends messages to a queue and receives them, at the same time.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// The servers, as amqp://host:port,host:port.
    url: String,
    /// The address of the queue.
    address: String,
    #[arg(long, value_enum)]
    client: Client,
    /// Leaves it to the sender to send again what was on its way; without it, this program does.
    #[arg(long)]
    replay: bool,
    #[arg(long, default_value_t = 3_000)]
    count: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Client {
    Tokio,
    Blocking,
}

/// The progress of one end.
#[derive(Debug)]
struct Progress {
    last: Instant,
    longest: Duration,
    /// The number of messages that were sent again, or came again.
    doubles: u64,
}

impl Progress {
    fn new() -> Self {
        Self { last: Instant::now(), longest: Duration::ZERO, doubles: 0 }
    }

    /// Records a message that is through.
    fn tick(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }
}

/// The messages that a receiver has seen.
#[derive(Debug)]
struct Seen {
    wanted: u64,
    ids: BTreeSet<u64>,
    progress: Progress,
}

impl Seen {
    fn new(wanted: u64) -> Self {
        Self { wanted, ids: BTreeSet::new(), progress: Progress::new() }
    }

    fn add(&mut self, id: Option<MessageId>) -> anyhow::Result<()> {
        let Some(MessageId::Ulong(id)) = id else { bail!("a message with the id {id:?}") };
        ensure!(id < self.wanted, "a message with the id {id}");
        if !self.ids.insert(id) {
            self.progress.doubles += 1;
        }
        self.progress.tick();
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.ids.len() as u64 == self.wanted
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    // The thread or task of a receiver that misses a message would wait for ever.
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST);
        eprintln!("not done in {} s", LONGEST.as_secs());
        std::process::exit(1);
    });
    let (sent, seen) = match arguments.client {
        Client::Tokio => tokio::runtime::Runtime::new()?.block_on(on_tokio::run(&arguments))?,
        Client::Blocking => on_blocking::run(&arguments)?,
    };
    println!(
        "{} of {} messages came, {} were sent again, {} came again; nothing was sent for {} ms, nothing came for {} ms",
        seen.ids.len(),
        arguments.count,
        sent.doubles,
        seen.progress.doubles,
        sent.longest.as_millis(),
        seen.progress.longest.as_millis()
    );
    Ok(if seen.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the options of a connection that is opened again.
fn options() -> ConnectionOptions {
    ConnectionOptions::new().with_reconnect(Reconnect::new())
}

impl Arguments {
    fn recovery(&self) -> Recovery {
        if self.replay { Recovery::Replay } else { Recovery::Report }
    }
}

fn message(number: u64) -> Message {
    Message::from(format!("job {number}")).with_message_id(number).with_durable(true)
}

/// Returns whether a message is through. If not, it is to be sent again.
fn is_through(number: u64, count: u64, outcome: Result<Outcome, Error>) -> anyhow::Result<bool> {
    match outcome {
        Ok(Outcome::Accepted) => {
            if number == count / 2 {
                println!("half of the messages are sent");
            }
            Ok(true)
        }
        // The connection is gone, or the queue has no leader.
        Err(Error::Lost(_)) | Ok(Outcome::Released | Outcome::Modified(_)) => Ok(false),
        Ok(other) => bail!("message {number} was {other:?}"),
        Err(error) => Err(error).with_context(|| format!("message {number}")),
    }
}

mod on_tokio {
    use amqp_tokio::{Connection, Error};

    use super::{Arguments, Progress, Seen, is_through, message, options};

    pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<(Progress, Seen)> {
        let receiver = tokio::spawn(receive(arguments.clone()));
        let sent = send(arguments).await?;
        Ok((sent, receiver.await??))
    }

    async fn send(arguments: &Arguments) -> anyhow::Result<Progress> {
        let connection = Connection::open_with(&arguments.url, options()).await?;
        let sender = connection.sender(&*arguments.address).with_recovery(arguments.recovery()).await?;
        let mut progress = Progress::new();
        for number in 0..arguments.count {
            while !is_through(number, arguments.count, sender.send(message(number)).await)? {
                progress.doubles += 1;
            }
            progress.tick();
        }
        connection.close().await?;
        Ok(progress)
    }

    async fn receive(arguments: Arguments) -> anyhow::Result<Seen> {
        let connection = Connection::open_with(&arguments.url, options()).await?;
        let receiver = connection.receiver(&*arguments.address).await?;
        let mut seen = Seen::new(arguments.count);
        while !seen.is_complete()
            && let Some(delivery) = receiver.recv().await?
        {
            seen.add(delivery.message()?.properties()?.message_id)?;
            match delivery.accept() {
                // It comes again, since its connection is gone.
                Ok(()) | Err(Error::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        connection.close().await?;
        Ok(seen)
    }
}

mod on_blocking {
    use std::thread;

    use amqp_blocking::{Connection, Error};

    use super::{Arguments, Progress, Seen, is_through, message, options};

    pub(super) fn run(arguments: &Arguments) -> anyhow::Result<(Progress, Seen)> {
        thread::scope(|scope| {
            let receiver = scope.spawn(|| receive(arguments));
            let sent = send(arguments)?;
            let seen =
                receiver.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the receiver has panicked")))?;
            Ok((sent, seen))
        })
    }

    fn send(arguments: &Arguments) -> anyhow::Result<Progress> {
        let connection = Connection::open_with(&arguments.url, options())?;
        let sender = connection.sender(&*arguments.address).with_recovery(arguments.recovery()).attach()?;
        let mut progress = Progress::new();
        for number in 0..arguments.count {
            while !is_through(number, arguments.count, sender.send(message(number)))? {
                progress.doubles += 1;
            }
            progress.tick();
        }
        connection.close()?;
        Ok(progress)
    }

    fn receive(arguments: &Arguments) -> anyhow::Result<Seen> {
        let connection = Connection::open_with(&arguments.url, options())?;
        let receiver = connection.receiver(&*arguments.address).attach()?;
        let mut seen = Seen::new(arguments.count);
        while !seen.is_complete()
            && let Some(delivery) = receiver.recv()?
        {
            seen.add(delivery.message()?.properties()?.message_id)?;
            match delivery.accept() {
                Ok(()) | Err(Error::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        connection.close()?;
        Ok(seen)
    }
}
